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
import collections
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from crash import TOLERATED, Writers, arguments, body_of, rounds  # noqa: E402
from pombo import SLOW, Server  # noqa: E402
from smtpserver import SmtpServer  # noqa: E402

VICTIMS = ("relayd", "relayd", "stored", "stored", "everything")


class Mailers(Writers):
    """They write to others."""
    PER_CONNECTION = 10
    PAUSE = 0.02  # more than the other side takes, and the end never comes

    def recipients(self, token, rng):
        return [f"{token}.{i}@d{rng.randrange(7)}.test" for i in range(rng.randint(1, 5))]


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
        writers, killer = Mailers(server, writer_count, seed), Kills(server, rng)
        writers.start()
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
    a = arguments(__doc__, kills=600, per_round=100, writers=4)
    for _, n, seed in rounds(a):
        print(run(n, seed, a.writers), flush=True)


if __name__ == "__main__":
    main()
