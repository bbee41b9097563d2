# SPDX-License-Identifier: ISC
"""A desktop mail program (Sylpheed), unmodified, on a screen of its own (Xvfb), driven by keys: opening, reading, moving, deleting and flagging mail."""
import os
import re
import shutil
import subprocess
import time

import pytest

from pombo import ALICE, PASSWORD, SLOW
from test_imap_clients import fill

NEEDED = ("sylpheed", "Xvfb", "xdotool")
ACCOUNT = """[Account: 1]
account_name=pombo
is_default=1
name=Alice
address={user}
protocol=3
receive_server={address}
user_id={user}
password={password}
ssl_imap=1
set_imapport=1
imap_port={port}
smtp_server={address}
"""
FOLDERS = """<?xml version="1.0" encoding="UTF-8"?>
<folderlist>
    <folder type="imap" name="pombo" account_id="1">
        <folderitem type="inbox" name="INBOX" path="INBOX" mtime="0" new="0" unread="0" total="0"/>
        <folderitem type="normal" name="Archive" path="Archive" mtime="0" new="0" unread="0" total="0"/>
        <folderitem type="trash" name="Trash" path="Trash" mtime="0" new="0" unread="0" total="0"/>
    </folder>
</folderlist>
"""


class Sylpheed:
    def __init__(self, server, home):
        self.folder, self.home = home / ".sylpheed-2.0", home
        self.folder.mkdir()
        (self.folder / "accountrc").write_text(ACCOUNT.format(user=ALICE, address=server.address, password=PASSWORD, port=server.ports["imaps"]))
        (self.folder / "folderlist.xml").write_text(FOLDERS)
        (self.folder / "sylpheedrc").write_text("[Common]\nauto_update_check=0\n")
        shutil.copy(server.certificate, self.folder / "trust.crt")
        read, write = os.pipe()
        self.screen = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"], pass_fds=[write],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            display = f.readline().strip()
        assert display, "Xvfb does not start"
        # Its lock is in TMPDIR: another one that is running would be told to do all this.
        self.env = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "DISPLAY": f":{display}", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(["sylpheed"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.window = self.wait_window("Sylpheed")
        self.mark = 0

    def x(self, *args, check=True):
        done = subprocess.run(["xdotool", *map(str, args)], env=self.env, capture_output=True, text=True, timeout=30 * SLOW)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.split()

    def wait_window(self, name):
        deadline = time.monotonic() + 30 * SLOW
        while not (found := self.x("search", "--onlyvisible", "--name", name, check=False)):
            assert time.monotonic() < deadline, f"no window {name!r}"
            time.sleep(0.1)
        return found[0]

    def keys(self, *keys, window=None):
        self.x("windowfocus", "--sync", window or self.window)
        time.sleep(0.2)
        for key in keys:
            self.x("key", key)
            time.sleep(0.1)

    def log(self):
        path = self.folder / "sylpheed.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern):
        """Something it said or heard since the last thing that was waited for."""
        deadline = time.monotonic() + 30 * SLOW
        while not (m := re.compile(pattern).search(self.log(), self.mark)):
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{self.log()[self.mark:]}"
            assert self.process.poll() is None, "Sylpheed ended"
            time.sleep(0.05)
        self.mark = m.end()

    def choose_folder(self, *keys):
        """In the dialog that asks for a folder."""
        self.keys(*keys, "Return", window=self.wait_window("Select folder"))

    def close(self):
        for process in (self.process, self.screen):
            process.terminate()
            process.wait(20 * SLOW)


@pytest.fixture
def sylpheed(make_server, tmp_path):
    missing = [p for p in NEEDED if not shutil.which(p)]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    server = make_server()
    fill(server, 8)
    program = Sylpheed(server, tmp_path)
    try:
        yield server, program
    finally:
        program.close()


def uids(server, folder, *what):
    with server.imap() as c:
        c.select(folder, readonly=True)
        return c.uid("SEARCH", *(what or ("ALL",)))[1][0].split()


def test_sylpheed(sylpheed):
    server, program = sylpheed
    program.keys("g")  # go to a folder
    program.choose_folder("Home", "Down")
    program.wait_log(r"UID FETCH 1 BODY\.PEEK\[\]")
    program.wait_log(r"OK UID FETCH")
    program.keys("n")  # the next message
    program.wait_log(r"UID STORE \d+ \+FLAGS\.SILENT \(\\Seen\)")
    program.wait_log(r"OK UID STORE")

    program.keys("ctrl+d")
    program.wait_log(r"UID COPY \d+ Trash")
    program.wait_log(r"OK EXPUNGE")
    assert len(uids(server, "INBOX")) == 7 and len(uids(server, "Trash")) == 1

    program.keys("ctrl+o")
    program.choose_folder("End")  # Archive is the last
    program.wait_log(r"UID COPY \d+ Archive")
    program.wait_log(r"OK EXPUNGE")
    assert len(uids(server, "INBOX")) == 6 and len(uids(server, "Archive")) == 1

    program.keys("asterisk")
    program.wait_log(r"UID STORE \d+ \+FLAGS\.SILENT \(\\Flagged\)")
    program.wait_log(r"OK UID STORE")
    assert len(uids(server, "INBOX", "FLAGGED")) == 1
    assert uids(server, "INBOX", "SEEN")

    server.deliver(ALICE, "Subject: while you look\r\nFrom: x@example.net\r\n\r\nnew\r\n")
    subprocess.run(["sylpheed", "--receive"], env=program.env, timeout=30 * SLOW, check=True)
    program.wait_log(r"FETCH \(UID 9 FLAGS")  # its header comes

    program.keys("ctrl+q")
    program.process.wait(20 * SLOW)
    assert " BAD " not in program.log() and " NO " not in program.log()
