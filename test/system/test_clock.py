# SPDX-License-Identifier: ISC
"""A clock that is set while the server runs, and what else must not keep mail waiting."""
import email
import os
import time

import processes
import pytest
from pombo import ALICE, SLOW
from smtpserver import SmtpServer
from test_relay import relaying, submit, wait_empty, wait_queue

LATER = {"MAIL": b"451 4.7.1 not today\r\n"}
DAY, YEAR = 86400, 365 * 86400
root = pytest.mark.skipif(os.geteuid() != 0, reason="writes into the memory of a process")


def set_clock(server, seconds):
    processes.set_clock(server.pids("stored")[0], seconds)


@root
def test_a_clock_set_back_stops_no_notices(make_server):
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx, "delay-notice-after = 3d", users=[ALICE])
        submit(server)
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
        server.stop()
        server.env["POMBO_CLOCK_SHIFT"] = str(DAY)
        server.start()
        time.sleep(1.5)  # the queue's ages are looked at soon after the start, and every 20 s
        set_clock(server, 3600)
        server.configure(["delay-notice-after = 10m"])
        server.reload()
        server.wait_log(event="clock-set-back")
        deadline = time.monotonic() + 60 * SLOW
        while not server.messages():
            assert time.monotonic() < deadline, server.tail()
            time.sleep(0.2)
        assert email.message_from_bytes(server.messages()[0])["Subject"] == "Your message is late"


@root
def test_a_clock_that_was_years_ahead(make_server):
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx, users=[ALICE])
        set_clock(server, 3 * YEAR)
        server.wait_log(event="clock-set-ahead")
        submit(server)
        waits = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]
        mx.answers.clear()
        set_clock(server, 0)
        wait_empty(server)
        assert len(mx.messages) == 1
        server.wait_log(event="clock-set-back")
        assert server.wait_log(event="queue-times-mended")["recipients"] == "1"
        assert "the clock was set back" in server.cli("trace", waits["id"]).stdout


def test_a_message_that_cannot_be_read_is_tried_again_soon(make_server):
    with SmtpServer() as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes"])
        server.tolerate("event=queued-message-not-read")
        submit(server, text=f"From: {ALICE}\r\nSubject: large\r\n\r\n" + 3000 * (60 * "x" + "\r\n"))
        files = [f for f in (server.dir / "store" / "content").rglob("*") if f.is_file()]
        assert len(files) == 1
        files[0].rename(away := server.dir / "away")
        server.configure(["hold-outbound = no"])
        server.reload()
        waits = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]
        assert "cannot be read here now" in waits["last_reply"] and waits["next"] is not None and mx.messages == []
        away.rename(files[0])
        server.cli("queue", "retry", waits["id"])
        wait_empty(server)
        assert len(mx.messages) == 1
