# SPDX-License-Identifier: ISC
"""kill -9 at random under load: what was acknowledged is there, exactly once (test/crash/crash.py, imap_crash.py; `make crash` does it 10,000 times)."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
import crash  # noqa: E402
import imap_crash  # noqa: E402
from pombo import SANITIZED  # noqa: E402


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost(seed):
    done, _, acknowledged, _ = crash.run(kills=40 if SANITIZED else 120, seed=seed)
    assert done and acknowledged


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_change_of_mailboxes_is_lost_or_half_done(seed):
    done, lost = imap_crash.run(kills=15 if SANITIZED else 40, seed=seed)
    assert all(done[kind] for kind in ("APPEND", "COPY", "MOVE", "STORE", "EXPUNGE", "RENAME"))
    assert lost, "no command was under way when something was killed: this proves nothing"
