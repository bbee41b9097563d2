#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills processes of a server under load while mail leaves, and looks whether everybody got it.

    relay_crash.py --kills 600 [--seed N] [--writers 4]

While clients hand in messages for other servers (one to five recipients, 1 to 200 KiB), relayd, stored, or everything at once gets SIGKILL at
random moments. When the queue has emptied:
  - every recipient of an acknowledged message got it, byte for byte;
  - of a message that was not acknowledged all recipients got it, or none;
  - a recipient got it twice only where relayd was killed between the two, and nothing on disk says that the first had been sent: the other
    side had answered, or was about to, and we could not have known. Killing stored alone brings nobody anything twice.
How many got it twice is printed.
"""
import argparse
import collections
import pathlib
import random
import re
import smtplib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from crash import TOLERATED, body_of, message_of  # noqa: E402
from pombo import SLOW, Server  # noqa: E402
from smtpserver import SmtpServer  # noqa: E402

VICTIMS = ("relayd", "relayd", "stored", "stored", "everything")
SENDER = "sender@example.net"


class Writers:
    """Clients that hand in messages until told to stop, and remember what they were promised."""

    def __init__(self, server, count, seed):
        self.server, self.seed, self.lock = server, seed, threading.Lock()
        self.sent, self.acknowledged, self.running = {}, set(), True
        self.threads = [threading.Thread(target=self.write, args=(n,), daemon=True) for n in range(count)]
        for t in self.threads:
            t.start()

    def stop(self):
        self.running = False
        for t in self.threads:
            t.join(60 * SLOW)
            assert not t.is_alive(), "a client hangs"

    def write(self, n):
        rng, number = random.Random(f"{self.seed}-{n}"), 0
        while self.running:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=20 * SLOW) as s:
                    for _ in range(10):
                        if not self.running:
                            return
                        number += 1
                        self.one(s, f"t{self.seed}-{n}-{number}", rng)
                        time.sleep(0.02)  # more than the other side takes, and the end never comes
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)

    def one(self, s, token, rng):
        rcpts = [f"{token}.{i}@d{rng.randrange(7)}.test" for i in range(rng.randint(1, 5))]
        size = rng.choice((1000, 1000, 4000, 4000, 20000, 200000))
        if s.ehlo_or_helo_if_needed() or s.mail(SENDER)[0] != 250 or any(s.rcpt(r)[0] != 250 for r in rcpts):
            raise OSError("not now")
        with self.lock:
            self.sent[token] = (rcpts, size)
        if s.data(message_of(token, size))[0] == 250:
            with self.lock:
                self.acknowledged.add(token)


class Kills:
    """When whom."""

    def __init__(self, server, rng):
        self.server, self.rng, self.of_relayd, self.count = server, rng, [], collections.Counter()

    def one(self, victim=None):
        victim, before = victim or self.rng.choice(VICTIMS), time.monotonic()
        killed = victim != "everything" and self.server.kill_any(victim, self.rng)
        if not killed:
            victim = "everything"
            self.server.kill_all()
        if victim != "stored":
            self.of_relayd.append((before, time.monotonic()))
        self.count[victim] += 1
        if not killed:
            self.server.start()

    def are_between(self, first, second):
        """A connection that saw a whole message began before the kill that broke it, and the next one after it."""
        return any(first <= after and before <= second for before, after in self.of_relayd)


def wait_empty(server):
    deadline = time.monotonic() + 120 * SLOW
    while left := server.cli_json("status")["queue"]["recipients"]:
        assert time.monotonic() < deadline, f"{left} recipients still wait\n{server.cli('queue', 'list').stdout[:2000]}"
        server.cli("queue", "retry", "--all")
        time.sleep(0.2)


def arrivals(mx, writers):
    """recipient → when the connections began over which it came."""
    got = collections.defaultdict(list)
    for m in list(mx.messages):
        head, _, body = m.data.partition(b"\r\n\r\n")
        token = re.search(rb"^Subject: (\S+)", head, re.M).group(1).decode()
        rcpts, size = writers.sent[token]
        assert body == body_of(token, size).encode(), f"{token} came broken"
        for r in m.addresses():
            assert r in rcpts, f"{token} was not for {r}"
            got[r].append(m.since)
    return got


def check(server, writers, kills, got):
    """How many got it twice."""
    for token, (rcpts, _) in writers.sent.items():
        there = sum(r in got for r in rcpts)
        assert there == len(rcpts) or (there == 0 and token not in writers.acknowledged), f"{token} came to {there} of {len(rcpts)}"
    twice = [r for r, times in got.items() if len(times) > 1]
    for r in twice:
        times = sorted(got[r])
        assert all(map(kills.are_between, times, times[1:])), f"{r} got it again, and relayd had not been killed"
        known = [e for e in server.cli_json("trace", r) if e["event"] == "sent" and e["address"] == r]
        assert len(known) == 1, f"{r} got it again though that it was sent was known: {known}"
    return len(twice)


def run(kills, seed, writer_count=4):
    """What to print."""
    rng = random.Random(seed)
    with SmtpServer(delay=0.002) as mx, Server(config=[mx.setting(), "hold-outbound = no", "retry-first = 1s",
                                                       "trusted-networks = 127.0.0.1"]) as server:
        server.tolerate(*TOLERATED)
        writers, killer = Writers(server, writer_count, seed), Kills(server, rng)
        try:
            mx.wait(1, 60)
            for n in range(kills):
                time.sleep(rng.uniform(0.02, 0.4))
                killer.one("everything" if n == kills - 1 else None)
        finally:
            writers.stop()
        wait_empty(server)
        got = arrivals(mx, writers)
        twice = check(server, writers, killer, got)
        promised = sum(len(writers.sent[t][0]) for t in writers.acknowledged)
        assert promised, "no message was acknowledged: this proves nothing"
        whom = ", ".join(f"{n} of {who}" for who, n in sorted(killer.count.items()))
        return (f"{kills} kills ({whom}), seed {seed}: {promised} recipients acknowledged, {len(got)} got it, {twice} of them twice, "
                "each where we could not have known")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=600)
    p.add_argument("--round", type=int, default=100, help="kills before a new server begins")
    p.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    p.add_argument("--writers", type=int, default=4)
    a = p.parse_args()
    for done in range(0, a.kills, a.round):
        print(run(min(a.round, a.kills - done), a.seed + done, a.writers), flush=True)


if __name__ == "__main__":
    main()
