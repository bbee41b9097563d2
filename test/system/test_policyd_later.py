# SPDX-License-Identifier: ISC
"""What policyd cannot judge now it refuses for now (4xx): what we make ourselves is then made again, and nothing is ended by it. Its processes stand still
while the file that they are about to read is emptied."""
import os
import signal
import time

from pombo import ALICE, SLOW
from smtpserver import EXTENSIONS, SmtpServer
from test_queue import fields, notices
from test_relay import FAR, relaying, wait_empty, wait_queue

SEVEN = [e for e in EXTENSIONS if e != "8BITMIME"]


def tell_policyd(server, what):
    for pid in server.pids("policyd"):
        os.kill(pid, what)


def empty_file(server, end):
    """Once the file of what is to be judged is whole: it ends so. No other message here has one."""
    deadline = time.monotonic() + 15 * SLOW
    store = server.dir / "store"
    while not (found := [f for f in (*store.glob("spool/*"), *store.glob("content/*/*")) if f.read_bytes().endswith(end)]):
        assert time.monotonic() < deadline, server.tail()
        time.sleep(0.02)
    for f in found:
        os.truncate(f, 0)
    tell_policyd(server, signal.SIGCONT)
    server.wait_log(event="unreadable")


def test_a_notice_that_cannot_be_judged_now_is_made_again(make_server):
    def refuse(_connection, _line):
        tell_policyd(server, signal.SIGSTOP)
        return b"550-5.7.1 no\r\n" + f"550-5.7.1 {'more ' * 60}\r\n".encode() * 3 + b"550 5.7.1 no\r\n"

    with SmtpServer({"DOT": refuse}) as mx:
        server = relaying(make_server, mx)
        server.tolerate("event=unreadable")
        # So many words are a file.
        with server.submission() as s:
            s.sendmail(ALICE, [f"bob{i}@far.test" for i in range(100)], f"From: {ALICE}\r\nSubject: x\r\n\r\nhello\r\n")
        empty_file(server, b"--\r\n")
        told = fields(notices(server, 1, timeout=60)[0])[1]
        assert len(told) == 100 and {t["Status"] for t in told} == {"5.7.1"} and not server.log_lines(event="no-notice")
        wait_empty(server)


def test_a_variant_that_cannot_be_signed_now_is_made_later(make_server):
    def offer(_connection, _line):
        if not stopped:
            stopped.append(True)
            tell_policyd(server, signal.SIGSTOP)
        return b"250-mx.far.test\r\n250 PIPELINING\r\n"

    stopped = []
    with SmtpServer({"EHLO": offer}, extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        server.tolerate("event=unreadable")
        with server.submission() as s:
            s.sendmail(ALICE, FAR, f"From: {ALICE}\r\nSubject: x\r\n\r\n{'ä' * 100}\r\n".encode())
        server.wait_log(event="seven-bit", outcome="made")
        empty_file(server, b"\r\n")
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1 and q[0]["state"] == "waiting")
        assert not server.log_lines(event="failed")
        server.cli("queue", "retry", "--all")
        assert all(b < 128 for b in mx.wait(1)[0].data)
        wait_empty(server)
