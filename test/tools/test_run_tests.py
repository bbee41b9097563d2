# SPDX-License-Identifier: ISC
"""tools/run-tests tries again what may have failed for the machine's sake, and nothing else."""
import importlib.machinery
import importlib.util
import tempfile

import pytest

import pombo

loader = importlib.machinery.SourceFileLoader("run_tests", str(pombo.ROOT / "tools" / "run-tests"))
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
loader.exec_module(run_tests)

# Fails at its first try.
ONCE = """
import pathlib
def test_{n}():
    tried = pathlib.Path(__file__ + ".{n}")
    first = not tried.exists()
    tried.touch()
    assert not first, "{words}"
"""


@pytest.mark.parametrize(
    ("text", "failed", "again"),
    [
        (ONCE.format(n="a", words="came late"), 0, ["a"]),
        (ONCE.format(n="a", words="came late") + ONCE.format(n="b", words=""), 0, ["a", "b"]),
        (ONCE.format(n="a", words="came late") + "def test_b():\n    assert 0\n", 2, []),
        ("".join(ONCE.format(n=n, words="") for n in "abc"), 3, []),
        (ONCE.format(n="a", words="alarm in the log: smtpd exited unexpectedly"), 1, []),
        (ONCE.format(n="a", words="heap-use-after-free, AddressSanitizer"), 1, []),
        (ONCE.format(n="after_a_crash", words=""), 1, []),
        ("def test_ok():\n    pass\n", 0, []),
    ],
)
def test_what_fails_once(text, failed, again, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="tries-", dir=run_tests.REPORTS) as folder:
        monkeypatch.setattr(run_tests, "REPORTS", run_tests.pathlib.Path(folder))
        test = run_tests.REPORTS / "test_tries.py"
        test.write_text("def test_other():\n    pass\n" + text)
        count = run_tests.pytest("tries", [str(test)], "build", 0)
        assert count.failed == failed and count.passed == text.count("def test_") + 1 - failed
        assert [name.partition("::test_")[2] for name in count.again] == again
        assert len(count.names) == failed
