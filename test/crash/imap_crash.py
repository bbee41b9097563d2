#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills processes of a server while clients change mailboxes over IMAP, and looks whether it kept its word.

    imap_crash.py --kills 2000 [--seed N] [--clients 5]

Each client is alone in an account and keeps a model of it. It does APPEND (of one message and of several), REPLACE, COPY, MOVE, STORE, EXPUNGE, RENAME (of trees
and of INBOX), CREATE and DELETE at random while stored, imapd, or everything at once gets SIGKILL. Whenever its connection or a command is lost, it reads the whole account back:
  - what was acknowledged is there: flags, messages, names;
  - the command under way was done whole or not at all, in all mailboxes that it touches;
  - a UID never names another message, a mailbox's next UID and modseqs only grow, no change leaves HIGHESTMODSEQ as it was.
"""
import collections
import pathlib
import random
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from crash import TOLERATED, arguments, message_of, rounds  # noqa: E402
from imap_answer import Client, Refused, parse  # noqa: E402
from pombo import PASSWORD, SLOW, Server  # noqa: E402

VICTIMS = ("stored", "stored", "stored", "imapd", "everything")
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Forwarded", "later")
START = ("INBOX", "a", "a/b", "c")
FOLDERS_OF_EVERYBODY = ("Drafts", "Sent", "Junk", "Trash", "Archive")


class Mailbox:
    """What a mailbox holds: uid → (token, flags)."""

    def __init__(self, messages=()):
        self.messages = dict(messages)

    def copy(self):
        return Mailbox(self.messages)

    def contents(self):
        """What can be compared before the UIDs are known."""
        return sorted((token, tuple(sorted(flags))) for token, flags in self.messages.values())


def copy_of(account):
    return {name: mailbox.copy() for name, mailbox in account.items()}


def same(one, other):
    return one.keys() == other.keys() and all(one[n].contents() == other[n].contents() for n in one)


class History:
    """What may never change about the mailboxes of an account, by UIDVALIDITY."""

    def __init__(self):
        self.tokens, self.next, self.highest, self.seen = {}, {}, {}, {}

    def look(self, validity, uidnext, highest, messages):
        """messages: uid → (token, flags, modseq)."""
        assert uidnext >= self.next.get(validity, 0), f"UIDNEXT went from {self.next[validity]} back to {uidnext}"
        assert highest >= self.highest.get(validity, 0), f"HIGHESTMODSEQ went from {self.highest[validity]} back to {highest}"
        state = {uid: flags for uid, (_, flags, _) in messages.items()}
        changed = validity in self.seen and self.seen[validity] != state
        assert not changed or highest > self.highest[validity], f"a change left HIGHESTMODSEQ at {highest}"
        for uid, (token, _, modseq) in messages.items():
            known = self.tokens.setdefault((validity, uid), token)
            assert known == token, f"UID {uid} was {known} and is {token}"
            assert uid < uidnext and 0 < modseq <= highest, f"UID {uid}, UIDNEXT {uidnext}, MODSEQ {modseq} of {highest}"
        self.next[validity], self.highest[validity], self.seen[validity] = uidnext, highest, state


class Lost(Exception):
    """The connection, or the answer, is gone: nobody knows whether the command was done."""


class Session:
    def __init__(self, server, user):
        try:
            self.client = Client(server.ports["imaps"], user, PASSWORD, server.tls())
        except (OSError, Refused, IndexError) as e:
            raise Lost(str(e)) from e

    def do(self, *pieces):
        try:
            return self.client.command(*(p.encode() if isinstance(p, str) else p for p in pieces))
        except (OSError, Refused) as e:
            raise Lost(str(e)) from e

    def names(self):
        found = []
        for line in self.do('LIST "" "*"'):
            if not line.startswith(b"* LIST "):
                continue  # EXPUNGE, after RENAME of the INBOX that is selected
            words = parse(line[len(b"* LIST "):])
            if rb"\Noselect" not in words[0] and rb"\NonExistent" not in words[0]:
                found.append(words[2].decode())
        return found

    def read(self, name, history):
        lines = self.do(f'EXAMINE "{name}" (CONDSTORE)')
        text = b"".join(lines)
        number = {key: int(re.search(rb"\[%s (\d+)\]" % key, text)[1]) for key in (b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ")}
        messages = {}
        for line in self.do("UID FETCH 1:* (UID FLAGS MODSEQ RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT X-Size)])"):
            if b" FETCH (" not in line:
                continue
            words = parse(re.sub(rb"BODY\[[^\]]*\]", b"HEADER", line.split(b" ", 3)[3]))[0]
            at = {words[i]: words[i + 1] for i in range(0, len(words), 2)}
            token, size = re.search(rb"Subject: (\S+)", at[b"HEADER"])[1].decode(), int(re.search(rb"X-Size: (\d+)", at[b"HEADER"])[1])
            assert int(at[b"RFC822.SIZE"]) == len(message_of(token, size)), f"{token} is there in part"
            flags = frozenset(f.decode() for f in at[b"FLAGS"] if f != rb"\Recent")
            messages[int(at[b"UID"])] = (token, flags, int(at[b"MODSEQ"][0]))
        history.look(number[b"UIDVALIDITY"], number[b"UIDNEXT"], number[b"HIGHESTMODSEQ"], messages)
        return Mailbox({uid: (token, flags) for uid, (token, flags, _) in messages.items()})

    def wait_for_earlier_writes(self):
        """What a lost session had asked for may still be on its way to the disk. Writes are done in the order they came: once this one is, so are those."""
        self.do('APPEND "Drafts"', message_of("behind", 500).encode())

    def account(self, history):
        names = [n for n in self.names() if n not in FOLDERS_OF_EVERYBODY]
        return {n: self.read(n, history) for n in names}


class Worker:
    """One client; `model` is what its account holds, and `wanted` what it holds once the command under way is done."""

    def __init__(self, server, user, seed):
        self.server, self.user, self.seed = server, user, seed
        self.rng = random.Random(f"{seed}-{user}")
        self.model = {"INBOX": Mailbox()}
        self.history, self.number, self.session = History(), 0, None
        self.done, self.lost, self.failure = collections.Counter(), collections.Counter(), None
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            while self.running:
                self.step()
            self.session = None
            self.recover(self.model)
        except BaseException as e:  # the main thread tells
            self.failure = e
            raise

    def step(self):
        kind, command, wanted = self.choose()
        try:
            if not self.session:
                self.recover(self.model)
                return
            command()
        except Lost:
            self.lost[kind] += 1
            self.session = None
            self.recover(wanted)
            return
        self.done[kind] += 1
        self.model = wanted
        if self.done[kind] % 40 == 0:
            self.session = None
        elif any(uid < 0 for m in self.model.values() for uid in m.messages):
            self.learn()

    def recover(self, wanted):
        """A new session; the account is as it was before or as it was to be. Its UIDs become the model's."""
        deadline = time.monotonic() + 60 * SLOW
        while True:
            try:
                session = Session(self.server, self.user)
                session.wait_for_earlier_writes()
                found = session.account(self.history)
                break
            except Lost as e:
                assert time.monotonic() < deadline, f"{self.user} cannot come back: {e}"
                time.sleep(0.05)
        for possible in (self.model, wanted):
            if same(found, possible):
                self.model, self.session = found, session
                return
        raise AssertionError(f"{self.user}: neither before nor after:\nfound  {self.show(found)}\nbefore {self.show(self.model)}\n"
                             f"after  {self.show(wanted)}")

    @staticmethod
    def show(account):
        return {name: mailbox.contents() for name, mailbox in sorted(account.items())}

    def learn(self):
        """The UIDs of what came new."""
        try:
            found = self.session.account(self.history)
        except Lost:
            self.session = None
            return
        assert same(found, self.model), f"{self.user}: found {self.show(found)}, not {self.show(self.model)}"
        self.model = found

    # The commands: each gives what to do and what the account is like afterwards.

    def choose(self):
        names = list(self.model)
        missing = [n for n in START if n not in self.model and "/" not in n]
        if missing and self.rng.random() < 0.3:
            return self.create(missing[0])
        full = [n for n in names if self.model[n].messages]
        if not full or self.rng.random() < 0.3:
            return self.rng.choice((self.append, self.append, self.append_several))(self.rng.choice(names))
        kinds = (self.store, self.copy, self.move, self.replace, self.expunge, self.rename, self.rename_inbox, self.delete)
        kind = self.rng.choices(kinds, (4, 3, 3, 2, 2, 1, 0.5, 0.4))[0]
        return kind(self.rng.choice(full))

    def some(self, name, most=12):
        uids = sorted(self.model[name].messages)
        return sorted(self.rng.sample(uids, self.rng.randint(1, min(most, len(uids)))))

    @staticmethod
    def as_set(uids):
        return ",".join(map(str, uids))

    def new_uid(self):
        """Stands for a UID that is not known yet."""
        self.number += 1
        return -self.number

    def new_message(self, mailbox, flags=frozenset()):
        """Puts one into a mailbox to be; its text."""
        uid = self.new_uid()
        token, size = f"t{self.seed}-{self.user[:5]}-{-uid}", self.rng.choice((500, 500, 4000, 20000, 200000))
        mailbox.messages[uid] = (token, flags)
        return message_of(token, size).encode()

    def some_flags(self):
        return frozenset(self.rng.sample(FLAGS, self.rng.randint(0, 2)))

    def append(self, name):
        wanted, flags = copy_of(self.model), self.some_flags()
        text = self.new_message(wanted[name], flags)
        return "APPEND", lambda: self.session.do(f'APPEND "{name}" ({" ".join(sorted(flags))})', text), wanted

    def append_several(self, name):
        """RFC 3502: all of them or none."""
        wanted = copy_of(self.model)
        texts = [self.new_message(wanted[name]) for _ in range(self.rng.randint(2, 6))]
        return "MULTIAPPEND", lambda: self.session.do(f'APPEND "{name}"', *texts), wanted

    def replace(self, name):
        """RFC 8508: the new message comes and the old one goes, or neither."""
        wanted, flags, to = copy_of(self.model), self.some_flags(), self.rng.choice(list(self.model))
        uid = self.rng.choice(sorted(self.model[name].messages))
        del wanted[name].messages[uid]
        text = self.new_message(wanted[to], flags)

        def run():
            self.session.do(f'SELECT "{name}"')
            self.session.do(f'UID REPLACE {uid} "{to}" ({" ".join(sorted(flags))})', text)
        return "REPLACE", run, wanted

    def in_mailbox(self, name, command):
        def run():
            self.session.do(f'SELECT "{name}"')
            self.session.do(command)
        return run

    def store(self, name):
        wanted, uids, flag = copy_of(self.model), self.some(name, 40), self.rng.choice(FLAGS)
        sign = self.rng.choice("+-")
        for uid in uids:
            token, flags = wanted[name].messages[uid]
            wanted[name].messages[uid] = (token, flags | {flag} if sign == "+" else flags - {flag})
        return "STORE", self.in_mailbox(name, f"UID STORE {self.as_set(uids)} {sign}FLAGS ({flag})"), wanted

    def copy(self, name):
        wanted, uids, to = copy_of(self.model), self.some(name), self.rng.choice(list(self.model))
        for uid in uids:
            wanted[to].messages[self.new_uid()] = self.model[name].messages[uid]
        return "COPY", self.in_mailbox(name, f'UID COPY {self.as_set(uids)} "{to}"'), wanted

    def move(self, name):
        wanted, uids, to = copy_of(self.model), self.some(name), self.rng.choice(list(self.model))
        for uid in uids:
            wanted[to].messages[self.new_uid()] = wanted[name].messages.pop(uid)
        return "MOVE", self.in_mailbox(name, f'UID MOVE {self.as_set(uids)} "{to}"'), wanted

    def expunge(self, name):
        """STORE \\Deleted and EXPUNGE: two commands, so the first is one to be looked at by itself."""
        marked = [uid for uid, (_, flags) in self.model[name].messages.items() if r"\Deleted" in flags]
        wanted = copy_of(self.model)
        if not marked:
            uids = self.some(name, 20)
            for uid in uids:
                token, flags = wanted[name].messages[uid]
                wanted[name].messages[uid] = (token, flags | {r"\Deleted"})
            return "STORE", self.in_mailbox(name, rf"UID STORE {self.as_set(uids)} +FLAGS.SILENT (\Deleted)"), wanted
        for uid in marked:
            del wanted[name].messages[uid]
        return "EXPUNGE", self.in_mailbox(name, "EXPUNGE"), wanted

    def rename(self, name):
        """Of a tree, there and back."""
        tops = [n for n in self.model if n not in ("INBOX", "was") and "/" not in n]
        if not tops:
            return self.append(name)
        old = self.rng.choice(tops)
        new = old[:-1] if old.endswith("2") else old + "2"
        if new in self.model:
            return self.append(name)
        wanted = {new + n[len(old):] if n == old or n.startswith(old + "/") else n: m for n, m in copy_of(self.model).items()}
        return "RENAME", lambda: self.session.do(f'RENAME "{old}" "{new}"'), wanted

    def rename_inbox(self, _):
        """Its messages go to a mailbox that is new; INBOX stays (RFC 9051 §6.3.6)."""
        if "was" in self.model:
            return self.append("INBOX")
        wanted = copy_of(self.model)
        wanted["was"], wanted["INBOX"] = Mailbox({self.new_uid(): m for m in wanted["INBOX"].messages.values()}), Mailbox()
        return "RENAME INBOX", lambda: self.session.do('RENAME "INBOX" "was"'), wanted

    def create(self, name):
        wanted = copy_of(self.model)
        wanted[name] = Mailbox()
        if name == "a":
            name, wanted["a/b"] = "a/b", Mailbox()  # its parent comes with it
        return "CREATE", lambda: self.session.do(f'CREATE "{name}"'), wanted

    def delete(self, name):
        leaves = [n for n in self.model if n != "INBOX" and not any(o.startswith(n + "/") for o in self.model)]
        if not leaves:
            return self.append(name)
        gone = self.rng.choice(leaves)
        wanted = copy_of(self.model)
        del wanted[gone]
        return "DELETE", lambda: self.session.do(f'DELETE "{gone}"'), wanted


def kill_one(server, rng):
    victim = rng.choice(VICTIMS)
    if victim == "everything":
        server.kill_all()
        server.start()
    else:
        server.kill_any(victim, rng)


def run(kills, seed, clients=5, kinds=()):
    """`kinds`: goes on until each of these commands was acknowledged once, and a command was lost. Returns how many commands of each kind were acknowledged, and how
    many were lost under way."""
    rng = random.Random(seed)
    users = [f"user{n}@example.test" for n in range(clients)]
    done, lost = collections.Counter(), collections.Counter()
    with Server(users=users, config=["max-connections-per-address = 1000"]) as server:
        server.tolerate(*TOLERATED)
        workers = [Worker(server, user, seed) for user in users]
        for w in workers:
            w.thread.start()
        try:
            deadline, n = time.monotonic() + 60 * SLOW, 0
            while n < kills or kinds and not any(w.lost for w in workers) and time.monotonic() < deadline:
                time.sleep(rng.uniform(0.05, 0.5))
                if any(w.failure for w in workers):
                    break
                kill_one(server, rng)
                n += 1
            deadline = time.monotonic() + 60 * SLOW
            while not all(any(w.done[k] for w in workers) for k in kinds) and time.monotonic() < deadline:
                if any(w.failure for w in workers):
                    break
                time.sleep(0.05)
        finally:
            for w in workers:
                w.running = False
            for w in workers:
                w.thread.join(120 * SLOW)
        for w in workers:
            assert not w.thread.is_alive(), f"{w.user} hangs"
            if w.failure:
                raise AssertionError(f"seed {seed}") from w.failure
            done.update(w.done)
            lost.update(w.lost)
    return done, lost


def main():
    a = arguments(__doc__, kills=2000, per_round=200, clients=5)
    for total, n, seed in rounds(a):
        done, lost = run(n, seed, a.clients)
        print(f"{total} of {a.kills} kills, seed {a.seed}: acknowledged {dict(done)}, lost under way {dict(lost)}: all as promised", flush=True)


if __name__ == "__main__":
    main()
