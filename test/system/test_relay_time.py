# SPDX-License-Identifier: ISC
"""Servers that are never quite silent: each step of theirs goes on, a little at a time, and yet has an end."""
import contextlib
import os
import time

from authority import Authority
from smtpserver import SmtpServer
from test_relay import FAR, TIMEOUTS, relaying, submit, wait_empty, wait_queue

QUICK = [f"{name} = 3s" for name in TIMEOUTS]
RECORD_BYTES = 0x4000


def drip(fd, kind):
    """The bytes of a TLS record, far enough from each other to last for hours, near enough to be no silence."""
    with contextlib.suppress(OSError):
        os.write(fd, bytes((kind, 3, 3)) + RECORD_BYTES.to_bytes(2, "big"))
        for _ in range(RECORD_BYTES):
            time.sleep(0.2)
            os.write(fd, b"\x02")
    raise ConnectionError


class DrippingTls:
    def wrap_socket(self, sock, **_):
        sock.recv(65536)  # the ClientHello
        drip(sock.fileno(), 22)


def test_a_handshake_that_comes_byte_by_byte(make_server):
    with SmtpServer() as mx:
        mx.context = DrippingTls()
        server = relaying(make_server, mx, *QUICK)
        submit(server)
        mx.wait(1, timeout=30)
        wait_empty(server)
        assert mx.commands.count("STARTTLS") == 1 and mx.messages[0].addresses() == [FAR]


def test_a_record_that_comes_byte_by_byte(make_server, tmp_path):
    """Nothing can be read of it before it is whole: a reply that does not come."""
    ca = Authority(tmp_path)
    with SmtpServer({"MAIL": lambda connection, _: drip(connection.sock.fileno(), 23)}) as mx:
        mx.context = ca.server("mx.far.test")
        server = relaying(make_server, mx, *QUICK)
        submit(server)
        waiting, = wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1, timeout=30)
        assert "did not answer in time" in waiting["last_reply"] and not mx.messages
