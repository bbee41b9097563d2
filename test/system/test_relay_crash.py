# SPDX-License-Identifier: ISC
"""The whole server killed at random while mail leaves: every recipient gets it, and twice only where the other side had answered when the end came."""
import random
import time

from pombo import SLOW
from smtpserver import SmtpServer
from test_relay import relaying, submit, wait_empty

KILLS = 5
# From an answer of the other side to its being on disk here; and what was on its way to the other side when the end came is answered after it.
UNKNOWN_S = 3 * SLOW


class Kept(list):
    """Messages; when each recipient's was answered."""

    def __init__(self):
        super().__init__()
        self.answered = {}

    def append(self, message):
        super().append(message)
        for address in message.addresses():
            self.answered.setdefault(address, []).append(time.monotonic())


def test_everything_at_once_killed_and_nothing_lost(make_server):
    kills, sent, n = [], [], 0
    with SmtpServer(delay=0.005) as mx:
        mx.messages = Kept()
        server = relaying(make_server, mx, "retry-first = 1s")
        server.tolerate("level=error")
        for _ in range(KILLS):
            end = time.monotonic() + random.uniform(0.2, 1.0)
            while time.monotonic() < end:
                n += 1
                to = [f"r{n}.{i}@d{(n + i) % 7}.test" for i in range(5)]
                try:
                    submit(server, *to)
                    sent += to
                except Exception:  # not acknowledged: it may be there or not
                    pass
            kills.append(time.monotonic())
            server.kill_all()
            server.start()
        wait_empty(server, 60)
        answered = mx.messages.answered
    twice = [times for times in answered.values() if len(times) > 1]
    print(f"{len(sent)} acknowledged, {len(answered)} arrived, {len(twice)} more than once, {KILLS} kills")
    assert sent and set(sent) <= set(answered)
    for times in twice:
        assert all(any(abs(k - t) < UNKNOWN_S for k in kills) for t in times[:-1]), (times, kills)
