# SPDX-License-Identifier: ISC
"""Many sessions watch one mailbox: each hears of everything, whoever else asks the same at the same time."""
import re
import threading

from pombo import ALICE, PASSWORD, SANITIZED

SESSIONS = 24 if SANITIZED else 80
MESSAGE = b"Subject: news\r\nFrom: a@example.net\r\n\r\ntext\r\n"


class Watcher:
    """Keeps the view of its session as a client would: flags by sequence number."""

    def __init__(self, server):
        self.wire = server.wire("imaps")
        self.wire.read_line()
        for tag, command in (("a", f'LOGIN {ALICE} "{PASSWORD}"'), ("b", "SELECT INBOX")):
            self.wire.send(f"{tag} {command}\r\n".encode())
            while not self.wire.read_line().startswith(f"{tag} OK"):
                pass
        self.wire.send(b"c IDLE\r\n")
        assert self.wire.read_line().startswith("+")
        self.flags = []

    def hear(self, until):
        while not until(self.flags):
            line = self.wire.read_line()
            if m := re.match(r"\* (\d+) EXISTS", line):
                assert int(m[1]) > len(self.flags)
                self.flags += [""] * (int(m[1]) - len(self.flags))
            elif m := re.match(r"\* (\d+) EXPUNGE", line):
                del self.flags[int(m[1]) - 1]
            elif m := re.match(r"\* (\d+) FETCH .*FLAGS \(([^)]*)\)", line):
                self.flags[int(m[1]) - 1] = m[2]


def test_all_sessions_hear_of_everything(make_server):
    server = make_server(config=["max-connections-per-address = 1000"])
    watchers = [Watcher(server) for _ in range(SESSIONS)]

    def done(flags):
        return len(flags) == 20 and all("\\Flagged" in f for f in flags)

    def change(n):
        with server.imap() as c:
            c.select()
            for _ in range(10):
                assert c.append("INBOX", "", None, MESSAGE)[0] == "OK"

    writers = [threading.Thread(target=change, args=(n,)) for n in range(3)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    with server.imap() as c:
        c.select()
        c.uid("STORE", "1:30", "+FLAGS.SILENT", r"(\Flagged)")
        c.uid("STORE", "5:14", "+FLAGS.SILENT", r"(\Deleted)")
        c.expunge()
    for w in watchers:
        w.hear(done)
        w.wire.close()
