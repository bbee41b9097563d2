# SPDX-License-Identifier: ISC
"""A server whose connection fell silent: no reset, no reply. Its other mail gets one connection more, after a while, and no second one soon."""
import contextlib
import time

from pombo import ALICE, SLOW
from smtpserver import SILENCE, SmtpServer
from test_relay import GO, TEXT, relaying, submit, wait_queue


def wait_connections(mx, n):
    deadline = time.monotonic() + 60 * SLOW
    while mx.connections < n:
        assert time.monotonic() < deadline, f"{mx.connections} of {n} connections"
        time.sleep(0.1)


def test_no_greeting(make_server):
    with SmtpServer({"CONNECT": [SILENCE, b"220 mx.far.test\r\n"]}) as mx:
        server = relaying(make_server, mx)
        submit(server)
        mx.wait(1, timeout=60)
        assert mx.connections == 2
        submit(server)
        mx.wait(2)
        assert mx.connections == 2


def test_the_only_connection_there_may_be(make_server):
    with SmtpServer({"MAIL": [b"250 ok\r\n", SILENCE]}) as mx:
        server = relaying(make_server, mx, "max-connections-per-destination = 1")
        submit(server, "a@far.test")
        mx.wait(1)
        submit(server, "b@far.test")
        deadline = time.monotonic() + 20 * SLOW
        while sum(c.startswith("MAIL") for c in mx.commands) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        submit(server, "c@far.test")
        mx.wait(2, timeout=60)
        submit(server, "d@far.test")
        mx.wait(3)
        assert mx.connections == 2
        assert [r for m in mx.messages for r in m.addresses()] == ["a@far.test", "c@far.test", "d@far.test"]
        mx.hang_up()  # what it had in hand goes another way
        mx.wait(4)
        wait_queue(server, lambda q: not q)


def test_silent_for_all(make_server):
    """Half a minute is no reason for a third."""
    with SmtpServer({"CONNECT": SILENCE}) as mx:
        server = relaying(make_server, mx, "max-connections-per-destination = 1")
        for name in "abc":
            submit(server, f"{name}@far.test")
        wait_connections(mx, 2)
        time.sleep(20)
        assert mx.connections == 2


def test_large_mail_for_slow_servers_leaves_room_for_others(make_server):
    """What relayd holds is bounded; a few who took some mail and then nothing had all of that, for as long as their replies may take."""
    text = TEXT + ("x" * 70 + "\r\n") * 860
    with contextlib.ExitStack() as stack:
        slow, port = [], 0
        for i in range(4):
            mx = stack.enter_context(SmtpServer({"MAIL": [b"250 ok\r\n", *[SILENCE] * 500]}, address=f"127.0.4.{i + 1}", port=port))
            slow.append(f"bob@[{mx.address}]")
            port = mx.port
        other = stack.enter_context(SmtpServer(address="127.0.4.9", port=port))
        server = make_server(config=[*GO, f"outbound-port = {port}"])
        submit(server, *slow)
        for to in slow:
            server.wait_log(event="sent", to=to)
        with server.submission() as s:
            for _ in range(120):
                s.sendmail(ALICE, slow, text)
        submit(server, f"carol@[{other.address}]")
        other.wait(1)
