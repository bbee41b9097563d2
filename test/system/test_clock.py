# SPDX-License-Identifier: ISC
"""A clock that is set while the server runs, and what else must not keep mail waiting."""
import contextlib
import email
import os
import sqlite3
import subprocess
import time

import pombo
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


def rows(server, query):
    with contextlib.closing(sqlite3.connect(server.dir / "store" / "pombo.db")) as db:
        return db.execute(query).fetchone()[0]


def id_text(number):
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> 5 * i & 31] for i in range(12, -1, -1))


def test_a_stop_does_not_wait_for_long_work(make_server):
    """All is made due, in slices, for many seconds: whom it did not come to stays as he was, and the next start has a whole queue."""
    server = make_server(config=["hold-outbound = yes"], start=False)
    subprocess.run([pombo.BUILD / "bench" / "queue_fill", server.dir / "store", "300", "1000", "1000"], check=True)
    first = id_text(rows(server, "SELECT MIN(id) FROM queue_message"))
    server.start()
    with subprocess.Popen([server.binary, "queue", "retry", "--all", "--dir", server.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        deadline = time.monotonic() + 20 * SLOW
        while " retried " not in server.cli("trace", first, check=False).stdout:
            assert time.monotonic() < deadline
        server.stop()
    assert 0 < rows(server, "SELECT COUNT(*) FROM trace WHERE kind = 11") < 300_000
    assert rows(server, "SELECT COUNT(*) FROM queue_recipient") == 300_000
    server.start()
    assert server.cli_json("status")["queue"]["recipients"] == 300_000
