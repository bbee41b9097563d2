#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills processes of a server under load and looks whether it kept its word.

    crash.py --kills 10000 [--seed N] [--writers 6] [--seconds N]

While clients hand in messages (one to three recipients, 1 to 200 KiB), stored, smtpd, policyd, or everything at once gets
SIGKILL at random moments. After each round of kills the mailboxes are read back:
  - every acknowledged message is there exactly once for each recipient, byte for byte;
  - a message that was not acknowledged is there for all its recipients, whole and once, or for none.
"""
import argparse
import hashlib
import pathlib
import random
import re
import smtplib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from pombo import SLOW, Server  # noqa: E402

USERS = [f"user{n}@example.test" for n in range(4)]
VICTIMS = ("stored", "stored", "stored", "smtpd", "policyd", "everything")
TOLERATED = ("exited", "event=", "level=")  # everything here is caused by us


def body_of(token, size):
    """What a message holds follows from its token, so that it can be checked byte for byte."""
    line = hashlib.sha256(token.encode()).hexdigest()
    return "".join(f"{n:06} {line}\r\n" for n in range(max(1, size // 73)))


def message_of(token, size):
    return f"From: sender@example.net\r\nSubject: {token}\r\nX-Size: {size}\r\n\r\n{body_of(token, size)}"


class Writers:
    """Clients that hand in messages until told to stop, and remember what they were promised."""
    PER_CONNECTION = 20
    PAUSE = 0  # behind each message

    def __init__(self, server, count, seed):
        self.server, self.count, self.seed = server, count, seed
        self.lock = threading.Lock()
        self.sent, self.acknowledged = {}, set()
        self.running = True
        self.threads = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(count)]

    def start(self):
        for t in self.threads:
            t.start()

    def wait_acknowledged(self):
        """Until there is something to be lost."""
        deadline = time.monotonic() + 30 * SLOW
        while not self.acknowledged:
            assert time.monotonic() < deadline, "no message was acknowledged: this proves nothing"
            time.sleep(0.01)

    def stop(self):
        self.running = False
        for t in self.threads:
            t.join(60 * SLOW)
            assert not t.is_alive(), "a client hangs"

    def _write(self, n):
        rng = random.Random(f"{self.seed}-{n}")
        number = 0
        while self.running:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=20 * SLOW) as s:
                    for _ in range(self.PER_CONNECTION):
                        if not self.running:
                            return
                        number += 1
                        self._one(s, f"t{self.seed}-{n}-{number}", rng)
                        time.sleep(self.PAUSE)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def recipients(self, token, rng):
        return rng.sample(USERS, rng.randint(1, 3))

    def _one(self, s, token, rng):
        rcpts = self.recipients(token, rng)
        size = rng.choice((1000, 1000, 4000, 4000, 20000, 200000))
        if s.ehlo_or_helo_if_needed() or s.mail("sender@example.net")[0] != 250:
            raise OSError("not now")
        if any(s.rcpt(r)[0] != 250 for r in rcpts):  # all of them or none: what is kept must be comparable
            raise OSError("not now")
        with self.lock:
            self.sent[token] = (rcpts, size)
        if s.data(message_of(token, size))[0] == 250:
            with self.lock:
                self.acknowledged.add(token)


def read_back(server):
    """token → {user: count}; raises when a message is not what was sent."""
    found = {}
    for user in USERS:
        with server.imap(user) as c:
            c.select("INBOX", readonly=True)
            _, data = c.uid("FETCH", "1:*", "(BODY.PEEK[])")
            for item in data or ():
                if not isinstance(item, tuple):
                    continue
                head, _, body = item[1].partition(b"\r\n\r\n")
                token = re.search(rb"^Subject: (\S+)", head, re.M).group(1).decode()
                size = int(re.search(rb"^X-Size: (\d+)", head, re.M).group(1))
                assert body == body_of(token, size).encode(), f"{token} of {user} is broken"
                users = found.setdefault(token, {})
                users[user] = users.get(user, 0) + 1
    return found


def check(writers, found):
    for token, (rcpts, _) in writers.sent.items():
        users = found.get(token, {})
        assert all(n == 1 for n in users.values()), f"{token} is there twice: {users}"
        if token in writers.acknowledged:
            assert sorted(users) == sorted(rcpts), f"{token} was acknowledged for {rcpts} and is there for {sorted(users)}"
        else:
            assert not users or sorted(users) == sorted(rcpts), f"{token} is there in half: {sorted(users)} of {rcpts}"
    strange = set(found) - set(writers.sent)
    assert not strange, f"nobody sent {strange}"


def kill_one(server, rng):
    """One process; or everything, also when the process waits to be restarted, so that each call is a kill."""
    victim = rng.choice(VICTIMS)
    if victim == "everything" or not server.kill_any(victim, rng):
        server.kill_all()
        server.start()


def run(kills, seed, writer_count=6, progress=None, seconds=None):
    rng = random.Random(seed)
    until = time.monotonic() + seconds if seconds else None
    done = 0
    with Server(users=USERS, config=["max-connections-per-address = 1000"]) as server:
        server.tolerate(*TOLERATED)
        writers = Writers(server, writer_count, seed)
        writers.start()
        try:
            writers.wait_acknowledged()
            while done < kills and not (until and time.monotonic() > until):
                time.sleep(rng.uniform(0.02, 0.4))
                kill_one(server, rng)
                done += 1
                if progress:
                    progress(done, kills, len(writers.acknowledged))
        finally:
            writers.stop()
        server.kill_all()
        server.start()
        found = read_back(server)
        check(writers, found)
        return done, len(writers.sent), len(writers.acknowledged), len(found)


def arguments(doc, kills, per_round, **more):
    """Of the command line; `more`: further numbers and their defaults."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--round", type=int, default=per_round, help="kills before all is looked at and a new server begins")
    for name, default in {"kills": kills, "seed": random.randrange(1 << 30), **more}.items():
        p.add_argument(f"--{name}", type=int, default=default)
    return p.parse_args()


def rounds(a):
    """Of each round: how many kills there are when it is over, its own, its seed."""
    for done in range(0, a.kills, a.round):
        n = min(a.round, a.kills - done)
        yield done + n, n, a.seed + done


def main():
    a = arguments(__doc__, kills=10000, per_round=200, writers=6)
    for total, n, seed in rounds(a):
        _, sent, acked, found = run(n, seed, a.writers)
        print(f"{total} of {a.kills} kills, seed {a.seed}: this round {sent} sent, {acked} acknowledged, {found} kept: all as promised",
              flush=True)


if __name__ == "__main__":
    main()
