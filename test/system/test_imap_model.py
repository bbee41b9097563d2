# SPDX-License-Identifier: ISC
"""Random commands of several sessions on one mailbox of a real server, against what a client may believe: every untagged
response has to fit the view that the responses before it built, and once all is told every view is the mailbox. Some clients use QRESYNC,
and go and come back with what they know.
A failure prints its seed; POMBO_MODEL_SEED runs another one. (The same against a stored in memory, with pages of a few rows:
test/unit/roles/imapd_model_test.c.)"""
import os
import random
import re

import pytest

from pombo import ALICE, PASSWORD

KINDS, STEPS = ["CONDSTORE", "", "QRESYNC", "", "QRESYNC"], 250
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Work"]
MESSAGE = "From: a@example.net\r\nSubject: %d\r\n\r\ntext\r\n"


class Client:
    """One session, and what it knows: a list of [uid or None, flags or None]."""

    def __init__(self, server, kind):
        self.server, self.kind = server, kind
        self.view, self.tag, self.idling, self.quiet, self.cache = [], 0, False, False, None
        self.highest, self.said, self.seen = 0, 0, 0
        self.log_in()
        lines = self.command("SELECT INBOX" + (" (CONDSTORE)" if kind == "CONDSTORE" else ""))
        self.validity = re.search(r"UIDVALIDITY (\d+)", "\n".join(lines))[1]

    def log_in(self):
        self.wire = self.server.wire("imaps")
        self.wire.read_line()
        self.wire.imap(f'LOGIN {ALICE} "{PASSWORD}"')
        if self.kind == "QRESYNC":
            self.wire.imap("ENABLE QRESYNC")

    def reconnect(self):
        """The connection breaks; the client comes back with what it knows (RFC 7162 §6)."""
        self.wire.close()
        self.log_in()
        self.cache = {uid: flags for uid, flags in self.view if uid}
        self.command(f"SELECT INBOX (QRESYNC ({self.validity} {self.highest}))")
        cache, self.cache, count, self.view = self.cache, None, self.exists, []
        self.hear(f"* {count} EXISTS")
        if count:
            self.command("UID FETCH 1:* (UID)")
        here = {uid: i for i, (uid, _) in enumerate(self.view)}
        assert set(cache) <= set(here), f"{set(cache) - set(here)} went unsaid"
        for uid, flags in cache.items():
            if self.view[here[uid]][1] is None:
                self.view[here[uid]][1] = flags

    def send(self, text):
        self.tag += 1
        self.wire.send(f"t{self.tag} {text}\r\n")

    def command(self, text, quiet=False):
        self.quiet = quiet
        self.send(text)
        return self.finish()

    def finish(self):
        """Takes in everything through the tagged answer."""
        lines = self.wire.read_tagged(f"t{self.tag}")
        for line in lines[:-1]:
            self.hear(line)
        assert lines[-1].split(" ")[1] == "OK", lines
        self.note_highest(lines[-1])
        self.highest = self.said or max(self.highest, self.seen)
        self.said = self.seen = 0
        return lines

    def note_highest(self, line):
        if m := re.search(r"\[HIGHESTMODSEQ (\d+)\]", line):
            self.said = int(m[1])
        elif m := re.search(r"\bMODSEQ \((\d+)\)", line):
            self.seen = max(self.seen, int(m[1]))

    def vanish(self, uids, earlier):
        assert self.kind == "QRESYNC" and (earlier or not self.quiet)
        for uid in uids:
            if earlier:
                self.cache.pop(uid, None)
                continue
            at = next((i for i, e in enumerate(self.view) if e[0] and e[0] >= uid), len(self.view))
            if at == len(self.view) or self.view[at][0] != uid:
                at -= 1  # one of those it knows no UID of
                assert self.view[at][0] is None, f"VANISHED {uid}"
            del self.view[at]

    def hear(self, line):
        assert not line.startswith("* BYE"), line
        self.note_highest(line)
        if m := re.match(r"\* VANISHED (\(EARLIER\) )?(\S+)$", line):
            ranges = [part.split(":") for part in m[2].split(",")]
            self.vanish([uid for r in ranges for uid in range(int(r[0]), int(r[-1]) + 1)], bool(m[1]))
        elif self.cache is not None and (m := re.match(r"\* (\d+) EXISTS$", line)):
            self.exists = int(m[1])
        elif self.cache is not None and (m := re.match(r"\* \d+ FETCH \(UID (\d+) FLAGS \((.*?)\) MODSEQ", line)):
            self.cache[int(m[1])] = set(m[2].split())
        elif m := re.match(r"\* (\d+) EXISTS$", line):
            assert int(m[1]) >= len(self.view), line
            self.view += [[None, None] for _ in range(int(m[1]) - len(self.view))]
        elif m := re.match(r"\* (\d+) EXPUNGE$", line):
            assert self.kind != "QRESYNC", line
            assert not self.quiet, f"{line} during a command that may not be told of it"
            assert 1 <= int(m[1]) <= len(self.view), line
            del self.view[int(m[1]) - 1]
        elif m := re.match(r"\* (\d+) FETCH \((.*)\)$", line, re.S):
            entry = self.view[int(m[1]) - 1]
            if uid := re.search(r"\bUID (\d+)", m[2]):
                assert entry[0] in (None, int(uid[1])), f"{line}: was {entry[0]}"
                entry[0] = int(uid[1])
            if flags := re.search(r"\bFLAGS \((.*?)\)", m[2]):
                entry[1] = set(flags[1].split())

    def idle(self):
        self.quiet, self.idling = False, True
        self.send("IDLE")
        line = self.wire.read_line()
        assert line.startswith("+ "), line

    def done(self):
        self.idling = False
        self.wire.line("DONE")
        self.finish()

    def store(self, rng):
        """Applies a silent write to its own view, as a client does."""
        by_uid, mode, flag = rng.random() < 0.5, rng.choice(["", "+", "-"]), rng.choice(FLAGS)
        silent = rng.random() < 0.5
        known = [i for i, e in enumerate(self.view) if e[0]] if by_uid else range(len(self.view))
        if not known:
            return self.send("NOOP")
        at = rng.choice(known)
        entry = self.view[at]
        self.quiet = not by_uid
        self.send(f"{'UID ' if by_uid else ''}STORE {entry[0] if by_uid else at + 1} {mode}FLAGS"
                  f"{'.SILENT' if silent else ''} ({flag})")
        if silent and entry[1] is not None:
            entry[1] = {flag} if not mode else entry[1] | {flag} if mode == "+" else entry[1] - {flag}

    def something(self, rng, number):
        """Sends one command; its answer is taken in by finish()."""
        if self.idling:
            self.idling = False
            self.wire.line("DONE")
            return
        self.quiet = False
        n = len(self.view)
        choice = rng.randrange(12)
        if choice == 0:
            self.send("EXPUNGE")
        elif choice == 1:
            text = MESSAGE % number
            self.send(f"APPEND INBOX ({rng.choice(FLAGS)}) {{{len(text)}+}}\r\n{text}")
        elif choice in (2, 3) or n == 0:
            self.send(rng.choice(["NOOP", "CHECK"]))
        elif choice in (4, 5, 6):
            self.store(rng)
        elif choice in (7, 8):
            self.quiet = True
            items = rng.choice(["FLAGS", "(UID FLAGS)", "BODY[TEXT]", "(FLAGS BODY.PEEK[])"])
            if self.kind == "QRESYNC":
                items = rng.choice(["(UID FLAGS MODSEQ)", "(UID FLAGS)", "(UID BODY[TEXT])"])
            a, b = sorted(rng.sample(range(1, n + 1), min(2, n)) * 2)[:2] if n else (1, 1)
            self.send(f"FETCH {a}:{b} {items}")
        elif choice == 9:
            self.quiet = True
            self.send("SEARCH NOT DELETED")
        elif choice == 10:
            self.send(f"COPY {rng.randint(1, n)} INBOX")
        else:
            self.send(f"MOVE {rng.randint(1, n)} {rng.choice(['Archive', 'INBOX'])}")


def compare(clients):
    """Each is told everything; then all know the same, and what they knew of flags was right."""
    views = []
    for c in clients:
        if c.idling:
            c.done()
        c.command("NOOP")
        before = [list(e) for e in c.view]
        if c.view:
            c.command("FETCH 1:* (UID FLAGS)", quiet=True)
        for old, new in zip(before, c.view):
            assert old[0] in (None, new[0]) and old[1] in (None, new[1]), f"believed {old}, is {new}"
        assert all(e[0] and e[1] is not None for e in c.view)
        views.append([(uid, sorted(flags)) for uid, flags in c.view])
    assert all(v == views[0] for v in views), views


@pytest.mark.parametrize("round", range(2))
def test_views(make_server, round):
    seed = int(os.environ.get("POMBO_MODEL_SEED", 20260731)) + round
    print(f"POMBO_MODEL_SEED={seed}")
    rng = random.Random(seed)
    server = make_server()
    clients = [Client(server, kind) for kind in KINDS]
    for step in range(STEPS):
        together = clients if rng.random() < 0.4 else [rng.choice(clients)]
        for c in together:
            c.something(rng, step)
        for c in together:
            c.finish()
        if rng.random() < 0.1:
            server.deliver(ALICE, MESSAGE % step)
        idle = rng.choice(clients)
        if rng.random() < 0.1 and not idle.idling:
            idle.idle()
        back = rng.choice(clients)
        if back.kind == "QRESYNC" and not back.idling and rng.random() < 0.1:
            back.reconnect()
        if step % 25 == 0:
            compare(clients)
    compare(clients)
    for c in clients:
        c.wire.close()
