# SPDX-License-Identifier: ISC
"""The whole server killed at random while mail leaves: every recipient gets it, and twice only where the other side had answered when the end came."""
import collections
import random
import time

from pombo import SLOW
from smtpserver import SmtpServer
from test_relay import relaying, submit, wait_empty, wait_queue

KILLS = 5


def arrived(mx):
    """How often each recipient got it."""
    return collections.Counter(a for m in list(mx.messages) for a in m.addresses())


def test_everything_at_once_killed_and_nothing_lost(make_server, tell):
    sent, settled, n = [], {}, 0
    with SmtpServer(delay=0.005) as mx:
        server = relaying(make_server, mx, "retry-first = 1s")
        server.tolerate("level=error")
        for _ in range(KILLS):
            # Whoever was answered leaves the queue before long; from then on no kill brings the mail to them once more.
            if sent:
                mx.wait(1, 60)
            known = arrived(mx)
            wait_queue(server, lambda q: not any(r["recipient"] in known for r in q), 60)
            now = arrived(mx)  # with what the kill before brought about
            settled.update({a: now[a] for a in known})
            end = time.monotonic() + random.uniform(0.2, 1.0)
            while time.monotonic() < end:
                n += 1
                to = [f"r{n}.{i}@d{(n + i) % 7}.test" for i in range(5)]
                try:
                    submit(server, *to)
                    sent += to
                except Exception:  # not acknowledged: it may be there or not
                    pass
            server.kill_all()
            deadline = time.monotonic() + 20 * SLOW
            while mx.open:  # what was on its way to the other side when the end came is still answered there
                assert time.monotonic() < deadline
                time.sleep(0.01)
            server.start()
        wait_empty(server, 60)
        answered = arrived(mx)
    twice = [a for a, times in answered.items() if times > 1]
    tell(f"{KILLS} kills: {len(sent)} recipients acknowledged, {len(answered)} got it, {len(settled)} of them known to have it before a kill, {len(twice)} twice")
    assert sent and settled and set(sent) <= set(answered)
    assert {a: answered[a] for a in settled} == settled
