# SPDX-License-Identifier: ISC
"""The summary that an account can have of each message it sends."""
import email
import email.policy
import time

from authority import Authority
from pombo import ALICE, SLOW
from smtpserver import SmtpServer
from test_queue import LATER, restart_later
from test_relay import FAR, relaying, submit, wait_empty, wait_queue

BOB = "bob@example.test"
TEXT = (f"From: {ALICE}\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=, lunch?\r\nDate: Sun, 22 Nov 2026 09:30:00 +0100\r\n"
        "Message-ID: <lunch.1@example.test>\r\n\r\nhello\r\n")


def refusing(answers):
    """RCPT answers by address."""
    def answer(_, line):
        return next((a for address, a in answers.items() if address.encode() in line), b"250 2.1.5 ok\r\n")
    return {"RCPT": answer}


def confirming(make_server, mx, *lines, **kwargs):
    server = relaying(make_server, mx, *lines, users=[ALICE, BOB], **kwargs)
    server.cli("account", "confirm", ALICE, "on")
    return server


def mails(server):
    return [email.message_from_bytes(m, policy=email.policy.default) for m in server.messages()]


def summaries(server, n=1, timeout=20):
    deadline = time.monotonic() + timeout * SLOW
    while len(found := [m for m in mails(server) if m.get_content_type() == "text/plain" and m["Auto-Submitted"]]) < n:
        assert time.monotonic() < deadline, f"{len(found)} of {n}\n{server.tail()}"
        time.sleep(0.05)
    assert len(found) == n
    return found


def lines(summary):
    """Its recipients and what is said of each."""
    return dict(line.strip().split(": ", 1) for line in summary.get_content().splitlines() if line.startswith("  "))


def test_off_unless_switched_on(make_server):
    with SmtpServer() as mx:
        server = relaying(make_server, mx, users=[ALICE, BOB])
        assert server.cli_json("account", "show", ALICE)["confirm"] is False
        submit(server, FAR, BOB)
        wait_empty(server)
        server.cli("account", "confirm", ALICE, "on")
        assert server.cli_json("account", "show", ALICE)["confirm"] is True
        server.cli("account", "confirm", ALICE, "off")
        submit(server, FAR, BOB)
        wait_empty(server)
        assert len(mx.messages) == 2 and server.messages() == []
        assert server.cli("account", "confirm", "nobody@example.test", "on", check=False).returncode == 67
        assert server.cli("account", "confirm", ALICE, "perhaps", check=False).returncode == 64


def test_all_went_well(make_server, tmp_path):
    with SmtpServer() as mx:
        mx.context = Authority(tmp_path).server("mx.far.test")
        server = confirming(make_server, mx)
        submit(server, FAR, BOB, text=TEXT)
        m = summaries(server)[0]
        assert m["Subject"] == "Accepted for all 2 recipients: Grüße, lunch?"
        assert m["Return-Path"] == "<>" and m["Auto-Submitted"] == "auto-replied" and m["To"] == ALICE
        assert m["In-Reply-To"] == m["References"] == "<lunch.1@example.test>"
        text = m.get_content()
        assert '"Grüße, lunch?"' in text and "Sun, 22 Nov 2026 09:30:00 +0100" in text
        said = lines(m)
        assert said[BOB] == "delivered into the mailbox here"
        assert said[FAR].startswith("accepted by ") and "delivered" not in said[FAR] and said[FAR].endswith(" over TLS 1.3, not verified: 250 2.0.0 kept as 1")
        assert 'Whether it reached a mailbox there is not known here' in text
        assert m.defects == [] and server.cli_json("queue", "list") == []
        events = server.cli_json("trace", "<lunch.1@example.test>")
        assert events[-1]["event"] == "summary" and events[-1]["address"] == ALICE
        own = server.cli_json("trace", events[-1]["text"])
        assert [e["event"] for e in own] == ["made", "delivered"] and own[0]["peer"] == f"summary about {events[0]['id']}"
        assert own[0]["text"] == m["Message-ID"]


def test_only_our_own(make_server):
    with SmtpServer() as mx:
        server = confirming(make_server, mx)
        submit(server, BOB, text=TEXT)
        m = summaries(server)[0]
        assert m["Subject"].startswith("Accepted: ") and lines(m) == {BOB: "delivered into the mailbox here"}
        submit(server, ALICE, text=TEXT)  # one copy of the message, one summary
        summaries(server, 2)
        assert len(server.messages()) == 3


def test_some_did_not_go_well(make_server):
    with SmtpServer(refusing({"carol": b"550 5.1.1 no such user\r\n", "dan": b"451 4.2.0 not now\r\n"})) as mx:
        server = confirming(make_server, mx)
        submit(server, FAR, "carol@far.test", "dan@far.test", BOB, text=TEXT)
        wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1)
        assert [m for m in mails(server) if m.get_content_type() == "text/plain"] == []  # dan's fate is not known yet
        mx.answers = {}
        server.cli("queue", "retry", "--all")
        m = summaries(server)[0]
        assert m["Subject"].startswith("Not accepted for 1 of 4 recipients: ")
        said = lines(m)
        assert said["carol@far.test"].startswith("refused by ") and "550 5.1.1 no such user" in said["carol@far.test"]
        assert list(said)[0] == "carol@far.test" and len(said) == 4
        assert len([b for b in mails(server) if b.get_content_type() == "multipart/report"]) == 1  # it brings the message back


def test_nobody_took_it(make_server):
    with SmtpServer({"RCPT": b"550 5.7.1 go away\r\n"}) as mx:
        server = confirming(make_server, mx)
        submit(server, FAR, "carol@other.test", text=TEXT, rcpt_options=["NOTIFY=NEVER"])
        m = summaries(server)[0]
        assert m["Subject"].startswith("Not accepted for 2 of 2 recipients: ") and len(server.messages()) == 1
        assert "go away" in lines(m)[FAR] and "go away" in lines(m)["carol@other.test"]


def test_the_operator_and_time_end_it(make_server):
    with SmtpServer(LATER) as mx:
        server = confirming(make_server, mx)
        submit(server, FAR, text=TEXT)
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
        server.cli("queue", "remove", server.cli_json("queue", "list")[0]["id"])
        assert "by the administrator" in lines(summaries(server)[0])[FAR]
        submit(server, FAR, text=TEXT)
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
        restart_later(server, 6 * 86400)
        wait_empty(server)
        m = summaries(server, 2)[1]
        assert "given up" in lines(m)[FAR] and "451 4.7.1 not today" in lines(m)[FAR]


def test_aliases_keep_whom_they_stand_for_to_themselves(make_server):
    with SmtpServer(refusing({"hidden2": b"550 5.1.1 gone\r\n"})) as mx:
        server = confirming(make_server, mx)
        server.add_alias("team@example.test", BOB, ALICE, "hidden@far.test")
        server.add_alias("far@example.test", "hidden@other.test")
        server.add_alias("gone@example.test", "hidden2@other.test")
        submit(server, "team@example.test", "far@example.test", "gone@example.test", text=TEXT, rcpt_options=["NOTIFY=NEVER"])
        m = summaries(server)[0]
        text = m.get_content()
        assert "hidden" not in text and "  team@example.test: delivered into 2 mailboxes here" in text
        assert "  team@example.test: passed on, accepted by " in text and "  far@example.test: passed on, accepted by " in text
        assert "  gone@example.test: one of those behind it: refused by " in text


def test_a_thousand_recipients(make_server):
    with SmtpServer(refusing({"<r7@": b"550 5.1.1 no such user\r\n"})) as mx:
        server = confirming(make_server, mx)
        submit(server, *[f"r{i}@far{i % 3}.test" for i in range(1000)], text=TEXT)
        m = summaries(server, timeout=60)[0]
        assert m["Subject"].startswith("Not accepted for 1 of 1000 recipients: ")
        said = lines(m)
        assert len(said) == 1000 and list(said)[0].startswith("r7@")
        assert max(len(line) for line in m.get_content().splitlines()) < 998


def test_the_null_sender_and_an_account_that_is_gone(make_server):
    with SmtpServer(LATER) as mx:
        server = confirming(make_server, mx)
        with server.submission() as s:
            s.sendmail("", [BOB], TEXT)
        submit(server, FAR, text=TEXT)
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
        assert server.messages() == []
        server.cli("account", "remove", ALICE)
        mx.answers = {}
        server.cli("queue", "retry", "--all")
        wait_empty(server)
        server.wait_log(event="no-notice", why="the account is gone")


def test_one_each_through_crashes(make_server):
    with SmtpServer() as mx:
        server = confirming(make_server, mx)
        server.tolerate("exited unexpectedly")
        for i in range(6):
            for n in range(5):
                submit(server, FAR, BOB, text=TEXT.replace("lunch.1", f"lunch.{i}.{n}"))
            time.sleep(0.02 * i)
            server.wait_role("stored", not_pid=server.kill("stored"))
        wait_empty(server)
        found = summaries(server, 30, timeout=40)
        assert sorted(m["In-Reply-To"] for m in found) == sorted(f"<lunch.{i}.{n}@example.test>" for i in range(6) for n in range(5))
