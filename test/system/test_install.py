# SPDX-License-Identifier: ISC
"""What `make install` puts in place is whole and runs from there, wherever it was moved to."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

import pombo


@pytest.fixture(scope="module")
def tree():
    """The installed files below a folder that everybody may enter, as on a real machine."""
    with tempfile.TemporaryDirectory(prefix="pombo-installed-") as top:
        os.chmod(top, 0o755)
        subprocess.run(["meson", "install", "-C", pombo.BUILD, "--no-rebuild", "--quiet"], check=True,
                       env={**os.environ, "DESTDIR": top})
        yield next(pathlib.Path(top).rglob("bin/pombo")).parent.parent


def test_everything_is_there(tree):
    roles = {p.name for p in (tree / "libexec/pombo").iterdir()}
    assert {f"pombo-{role}" for role in pombo.ROLES} <= roles
    for path in ("bin/mailq", "sbin/sendmail", "share/man/man1/pombo.1", "share/man/man5/pombo.conf.5"):
        assert (tree / path).exists(), path
    assert os.path.samefile(tree / "sbin/sendmail", tree / "bin/pombo")


def test_the_unit_names_what_was_installed(tree):
    unit = (tree / "lib/systemd/system/pombo.service").read_text()
    command = re.search(r"^ExecStart=(\S+) run --dir (\S+)$", unit, re.M)
    top = str(tree)[: -len(os.path.dirname(os.path.dirname(command[1])))]
    assert os.access(top + command[1], os.X_OK)
    assert "Type=notify" in unit and re.search(r"^StateDirectory=pombo$", unit, re.M) and command[2] == "/var/lib/pombo"


def test_the_installed_server_takes_and_gives_mail(tree, make_server, monkeypatch):
    monkeypatch.setattr(pombo, "BINARY", tree / "bin/pombo")
    server = make_server()
    server.deliver(pombo.ALICE, "Subject: installed\r\n\r\nhi\r\n")
    assert server.messages()[0].endswith(b"Subject: installed\r\n\r\nhi\r\n")
    running = {os.path.dirname(os.readlink(f"/proc/{pid}/exe")) for pid in server.pids()}
    assert running == {str(tree / "bin"), str(tree / "libexec/pombo")}
