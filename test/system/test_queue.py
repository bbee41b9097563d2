# SPDX-License-Identifier: ISC
"""The queue over days, what the operator does with it, notices to senders, and the life of a message."""
import base64
import contextlib
import email
import re
import signal
import subprocess
import threading
import time

import pytest
from dnsserver import DnsServer
from flufl.bounce import scan_message
from pombo import ALICE, BINARY, SLOW
from ports import PortBlock
from smtpserver import EXTENSIONS, SmtpServer
from test_cli_admin import at_terminal
from test_relay import FAR, GO, TEXT, relaying, submit, wait_empty, wait_queue

LATER = {"MAIL": b"451 4.7.1 not today\r\n"}


def restart_later(server, seconds):
    server.stop()
    server.env["POMBO_CLOCK_SHIFT"] = str(seconds)
    return server.start()


def notices(server, n, timeout=15):
    deadline = time.monotonic() + timeout * SLOW
    while len(found := server.messages()) < n:
        assert time.monotonic() < deadline, f"{len(found)} of {n}\n{server.tail()}"
        time.sleep(0.05)
    return [email.message_from_bytes(m) for m in found]


def fields(notice):
    status = notice.get_payload()[1].get_payload()
    return status[0], status[1:]


def test_days_pass(make_server):
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx, users=[ALICE])
        submit(server)
        first = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]
        restart_later(server, 5 * 3600)
        late = notices(server, 1)[0]
        assert late["Subject"] == "Your message is late" and fields(late)[1][0]["Action"] == "delayed"
        q = wait_queue(server, lambda q: q and q[0]["attempts"] >= 2)
        assert q[0]["id"] == first["id"]
        restart_later(server, 6 * 86400)
        wait_empty(server)
        failed = notices(server, 2)[1]
        assert f" expired {FAR}; the last answer was: 451 4.7.1 not today\n" in server.cli("trace", first["id"]).stdout
        assert failed["Subject"] == "Your message could not be delivered" and fields(failed)[1][0]["Status"] == "4.4.7"
        assert len(server.messages()) == 2


def test_a_notice_is_read_by_people_and_programs(make_server):
    with SmtpServer({"RCPT": b"550 5.1.1 no such user\r\n"}) as mx:
        server = relaying(make_server, mx)
        submit(server, FAR, "carol@far.test", options=["ENVID=QQ+2B314+20159", "RET=HDRS"], rcpt_options=["ORCPT=rfc822;Bob+2BX@other.test"])
        wait_empty(server)
        m = notices(server, 1)[0]
        assert m["Return-Path"] == "<>" and m["Auto-Submitted"] == "auto-replied" and m.get_content_type() == "multipart/report"
        text = m.get_payload()[0].get_payload()
        assert "could not be delivered to" in text and FAR in text and "550 5.1.1 no such user" in text and '"hello"' in text
        head, rcpts = fields(m)
        assert head["Original-Envelope-Id"] == "QQ+314 159" and len(rcpts) == 2  # decoded (RFC 3461 §6.3 a)
        assert rcpts[0]["Original-Recipient"] == "rfc822;Bob+X@other.test" and rcpts[0]["Action"] == "failed"
        assert rcpts[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
        assert m.get_payload()[2].get_content_type() == "text/rfc822-headers"
        assert scan_message(m) == {b"Bob+X@other.test"}  # what the sender knows them by
        sent = [c for c in mx.commands if c.startswith(("MAIL", "RCPT"))]
        assert "ENVID=QQ+2B314+20159" in sent[0] and "RET=HDRS" in sent[0] and "ORCPT=rfc822;Bob+2BX@other.test" in sent[1]


def test_many_given_up_with_long_words_are_all_told_of(make_server):
    """More than one notice holds; and no line is longer than other servers take (RFC 5322 2.1.1)."""
    words = b"451 4.2.1 " + b"come back later, see https://far.test/help " * 14 + b"y" * 380 + b"\r\n"
    everybody = [f"user{i}@far.test" for i in range(400)]
    with SmtpServer({"RCPT": words}) as mx:
        server = relaying(make_server, mx)
        submit(server, *everybody)
        key = wait_queue(server, lambda q: q and all(r["attempts"] for r in q), 60)[0]["id"]
        server.cli("queue", "remove", "--bounce", key)
        wait_empty(server)
        told = [r["Final-Recipient"].split(";")[1] for m in notices(server, 2) for r in fields(m)[1]]  # an empty queue: all of them are there
        assert sorted(told) == sorted(everybody)
        assert max(len(line) for m in server.messages() for line in m.split(b"\r\n")) <= 998
        assert "y" * 380 in "".join(fields(notices(server, 1)[0])[1][0]["Diagnostic-Code"].split())


def test_a_notice_tells_their_words_from_ours(make_server):
    """RFC 3464 §2.3.5, §2.3.6: a Remote-MTA, and a code of SMTP, only where another server said so; §2.3.7: no date of what was not then."""
    with SmtpServer({"CONNECT": b"554-5.7.1 not you\r\n554 5.7.1 ever\r\n"}) as mx:
        records = {("dead.test", "A"): ["127.0.0.9"], ("far.test", "A"): ["127.0.0.1"]}
        with DnsServer(records) as dns:
            server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}"], users=[ALICE])
            submit(server, "bob@dead.test", "bob@far.test", "bob@nowhere.test")
            wait_queue(server, lambda q: len(q) == 2 and all(r["attempts"] for r in q))
            failed, = notices(server, 1)
            rcpt, = fields(failed)[1]
            assert rcpt["Diagnostic-Code"].startswith("x-pombo; ") and not rcpt["Remote-MTA"] and rcpt["Last-Attempt-Date"]
            restart_later(server, 5 * 3600)
            late, = notices(server, 2)[1:]
            text, rcpts = late.get_payload()[0].get_payload(), {r["Final-Recipient"].split(";")[1]: r for r in fields(late)[1]}
            ours, theirs = rcpts["bob@dead.test"], rcpts["bob@far.test"]
            assert ours["Diagnostic-Code"].startswith("x-pombo; cannot connect to dead.test") and not ours["Remote-MTA"]
            assert theirs["Diagnostic-Code"].startswith("smtp; 554 not you") and theirs["Remote-MTA"] == "dns; far.test"
            assert theirs["Status"] == "4.7.1" and not theirs["Last-Attempt-Date"] and theirs["Will-Retry-Until"]
            assert "dead.test said" not in text and "far.test said: 554 not you" in text


@pytest.mark.parametrize("dsn", [True, False])
def test_success_is_reported_where_it_was_asked_for(make_server, dsn):
    with SmtpServer(extensions=[e for e in EXTENSIONS if dsn or e != "DSN"]) as mx:
        server = relaying(make_server, mx, users=[ALICE, "bob@example.test"])
        server.add_alias("list@example.test", "bob@example.test", "far@far.test")
        submit(server, FAR, "bob@example.test", "list@example.test", rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
        wait_empty(server)
        told = {}
        for m in notices(server, 1 if dsn else 2):
            told |= {r["Final-Recipient"].split(";")[1]: r["Action"] for r in fields(m)[1]}
        wanted = {"bob@example.test": "delivered", "list@example.test": "expanded"}
        assert told == (wanted if dsn else wanted | {FAR: "relayed"})
        assert any("NOTIFY=SUCCESS,FAILURE" in c for c in mx.commands) == dsn


WISHES = ("", "NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE,DELAY", "FAILURE,DELAY")


@pytest.mark.parametrize("dsn", [True, False])
def test_every_wish_and_every_fate(make_server, dsn):
    """RFC 3461 §5.2.1 to §5.2.6: what is handed on, and of what the sender hears."""
    def rcpt(_, line):
        return b"550 5.1.1 no\r\n" if b".refused@" in line else b"450 4.2.1 later\r\n" if b".late@" in line else b"250 ok\r\n"

    wish_of = {f"w{i}": wish for i, wish in enumerate(WISHES)}
    local = [f"{w}@example.test" for w in wish_of]
    with SmtpServer({"RCPT": rcpt}, extensions=[e for e in EXTENSIONS if dsn or e != "DSN"]) as mx:
        server = relaying(make_server, mx, users=[ALICE, *local])
        everybody = [*local, *[f"{w}.{fate}@far.test" for w in wish_of for fate in ("sent", "refused", "late")]]
        with server.submission() as s:
            assert s.mail(ALICE, ["RET=HDRS", "ENVID=e1"])[0] == 250
            for to in everybody:
                wish = wish_of[re.split("[.@]", to)[0]]
                assert s.rcpt(to, [f"NOTIFY={wish}"] if wish else [])[0] == 250
            assert s.data(TEXT)[0] == 250
        wait_queue(server, lambda q: len(q) == len(wish_of) and all(r["attempts"] for r in q))
        for command in [c for c in mx.commands if c.startswith("RCPT")]:
            wish = wish_of[re.match(r"RCPT TO:<(w\d)", command)[1]]
            assert re.findall(" NOTIFY=([^ ]*)", command) == ([wish] if wish and dsn else []), command
            assert "ORCPT" not in command
        assert all((" RET=HDRS" in c and " ENVID=e1" in c) == dsn for c in mx.commands if c.startswith("MAIL"))
        heard = set()

        def hear():
            deadline = time.monotonic() + 20 * SLOW
            while (missing := wanted - heard) and time.monotonic() < deadline:
                time.sleep(0.05)
                for m in map(email.message_from_bytes, server.messages()):
                    assert fields(m)[0]["Original-Envelope-Id"] == "e1"
                    heard.update((r["Final-Recipient"].split(";")[1], r["Action"]) for r in fields(m)[1])
            assert not missing and heard == wanted, (missing, heard - wanted)

        wanted = {(f"{w}@example.test", "delivered") for w, wish in wish_of.items() if "SUCCESS" in wish}
        wanted |= {(f"{w}.refused@far.test", "failed") for w, wish in wish_of.items() if not wish or "FAILURE" in wish}
        wanted |= {(f"{w}.sent@far.test", "relayed") for w, wish in wish_of.items() if "SUCCESS" in wish and not dsn}
        hear()
        restart_later(server, 5 * 3600)
        wanted |= {(f"{w}.late@far.test", "delayed") for w, wish in wish_of.items() if not wish or "DELAY" in wish}
        hear()
        restart_later(server, 6 * 86400)
        wait_empty(server)
        wanted |= {(f"{w}.late@far.test", "failed") for w, wish in wish_of.items() if not wish or "FAILURE" in wish}
        hear()


def test_no_notice_of_a_notice_and_none_that_is_not_wanted(make_server):
    with SmtpServer({"RCPT": b"550 5.1.1 no\r\n"}) as mx:
        server = relaying(make_server, mx, "trusted-networks = 127.0.0.1")
        submit(server, rcpt_options=["NOTIFY=NEVER"])
        with server.smtp() as s:
            s.sendmail("", [FAR], TEXT)
        wait_empty(server)
        time.sleep(0.5)
        assert server.messages() == []


def test_the_operator(make_server):
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx)
        submit(server)
        key = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]["id"]
        assert server.cli("queue", "hold", key).stdout == "1 recipient held\n"
        assert server.cli_json("queue", "list")[0]["held"]
        assert server.cli("queue", "retry", "--all").stdout == "0 recipients due now; 1 held, being sent or ended: see 'pombo queue list'\n"
        assert server.cli("queue", "hold", "0000000000001", check=False).returncode == 67
        assert server.cli("queue", "hold", "x", check=False).returncode == 65
        server.cli("queue", "release", key)
        wait_queue(server, lambda q: q[0]["attempts"] == 2 and not q[0]["held"])
        server.cli("queue", "retry", key)
        wait_queue(server, lambda q: q[0]["attempts"] == 3)
        server.cli("queue", "remove", key, "--bounce")
        wait_empty(server)
        returned = notices(server, 1)[0]
        text, (rcpt,) = returned.get_payload()[0].get_payload(), fields(returned)[1]
        assert f"    {FAR}\n        [127.0.0.1] said: 451 4.7.1 not today\n" in text.replace("\r", "")
        assert "The administrator here took it out of the queue" in text and "could not" not in text
        assert rcpt["Action"] == "failed" and rcpt["Status"] == "5.0.0" and not rcpt["Last-Attempt-Date"]
        assert rcpt["Diagnostic-Code"] == "smtp; 451 4.7.1 not today" and scan_message(returned) == {FAR.encode()}
        shown = server.cli("read", ALICE, "--show", "1").stdout
        assert "\n[a message is attached:]\n\nhello\n" in shown and "\n[attachment: message/delivery-status, " in shown
        line, = [s[22:] for s in server.cli("trace", key).stdout.splitlines() if " removed " in s]
        assert line == f"removed {FAR} by the operator: returned to its sender"
        for done in ("held", "released", "retried"):
            assert f" {done} {FAR} by the operator\n" in server.cli("trace", key).stdout
        submit(server, "gone@far.test")
        key = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]["id"]
        server.cli("queue", "remove", key)
        assert server.cli("queue", "list").stdout == "Mail queue is empty\n"
        assert len(server.messages()) == 1


def test_very_many_are_retried_with_progress(make_server):
    """Some thousands at a time; at a terminal it is seen how far that has come."""
    server = make_server()  # hold-outbound = yes: nobody is sent to
    for n in range(6):
        server.cli("alias", "add", f"all{n}@example.test", *(f"u{i}@far{n}.test" for i in range(1000)))
    submit(server, *(f"all{n}@example.test" for n in range(6)))
    assert server.cli("queue", "retry", "--all").stdout == "6000 recipients due now\n"
    status, shown = at_terminal(["queue", "retry", "--all", "--dir", server.dir], [])
    assert status == 0 and shown.endswith("6000 recipients due now\r\n")
    assert re.search(r"retrying \[#+\.+\] +83% 5000 recipients, \d+/s ", shown)


def test_the_life_of_a_message(make_server):
    with SmtpServer({"MAIL": [b"451 4.7.1 greylisted\r\n"]}) as mx:
        server = relaying(make_server, mx, "retry-first = 1s", users=[ALICE, "bob@example.test"])
        submit(server, FAR, "bob@example.test", text=f"Message-ID: <1@x.test>\r\n{TEXT}")
        wait_empty(server)
        events = server.cli_json("trace", FAR)
        assert [e["event"] for e in events] == ["received", "delivered", "queued", "deferred", "sent"]
        assert events[0]["address"] == ALICE and events[0]["text"] == "<1@x.test>" and events[0]["tls"].startswith("TLSv1.3")
        assert events[3]["text"] == "451 4.7.1 greylisted" and events[4]["text"] == "250 2.0.0 kept as 1" and "127.0.0.1" in events[4]["peer"]
        for name in (events[0]["id"], "<1@x.test>", "1@x.test", "bob@example.test", "BOB@far.test"):
            assert server.cli_json("trace", name, "--since", "1h") == events
        lines = server.cli("trace", events[0]["id"]).stdout.splitlines()
        assert lines[0] == f'{events[0]["id"]} (times in UTC)' and len(lines) == 8 and "; next attempt 20" in lines[6]
        assert lines[1].endswith(", Message-ID <1@x.test>") and lines[1][22:].startswith(f"received from {ALICE} by way of client.example.net")
        assert lines[2][22:] == "checked: its From belongs to the account" and lines[3][22:].startswith("signed for example.test: selectors ")
        assert lines[4].endswith("delivered bob@example.test into bob@example.test, INBOX")
        assert lines[7][22:].startswith(f"sent {FAR} to [127.0.0.1] (127.0.0.1:{mx.port}, route relay-host), without TLS, which said: ")
        assert lines[7].endswith(", which said: 250 2.0.0 kept as 1") and events[0]["notes"] == [lines[2][22:], lines[3][22:]]
        assert events[0]["peer"] == "client.example.net (127.0.0.1), logged in as alice@example.test" and events[3]["until"]
        assert server.cli("trace", "nobody@x.test", check=False).returncode == 67
        restart_later(server, 2 * 86400)
        submit(server, "carol@far.test")
        wait_empty(server)
        restart_later(server, 31 * 86400)
        deadline = time.monotonic() + 30 * SLOW
        while server.cli("trace", FAR, check=False).returncode == 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert " sent carol@far.test " in server.cli("trace", "carol@far.test").stdout  # of 29 days ago


def events_of(server, what, *args):
    """Without those of the hand-in."""
    return [e for e in server.cli_json("trace", what, *args) if e["event"] not in ("received", "delivered", "queued")]


def test_what_waits_is_told_below_its_life(make_server):
    """Where it is now: tried, not tried as nobody answers there, held, or waiting for a server to run."""
    with contextlib.closing(PortBlock()) as nobody:
        server = make_server(config=[f"relay-host = 127.0.0.1:{nobody.offset + 25}", "hold-outbound = no"])

        def lines(key):
            text = server.cli("trace", key).stdout
            return [line[22:] for line in text.splitlines() if line.startswith("  now ")]

        submit(server)
        first = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)[0]["id"]
        submit(server, "other@far.test")
        second = wait_queue(server, lambda q: len(q) == 2)[1]
        assert second["closed"] and second["attempts"] == 0 and second["next"]
        assert re.fullmatch(rf"{FAR} waits: tried 1 time(, its destination does not answer)?; next attempt 20\S+Z", lines(first)[0])
        why = "not tried yet, as its destination did not answer when other mail was"
        assert re.fullmatch(rf"other@far.test waits: {why}; next attempt 20\S+Z", lines(second["id"])[0])
        assert f"    {why}\n" in server.cli("queue", "list").stdout
        assert f"    waits: {why}; next attempt {second['next']}\n" in server.cli("queue", "show", second["id"]).stdout
        server.cli("queue", "hold", first)
        assert lines(first) == [f"{FAR} is held until it is released ('pombo queue release ID')"]
        server.configure(["hold-outbound = yes"])
        assert lines(first)[1] == "nothing is sent, as pombo.conf says hold-outbound = yes"
        server.stop()
        assert lines(first)[1] == "nothing is sent, as no server runs: 'pombo run'"
        assert server.cli("queue", "list").stdout.endswith("(nothing is sent, as no server runs: 'pombo run')\n")
        assert [e["event"] for e in server.cli_json("trace", second["id"])] == ["received", "queued"]
        server.start()
        server.cli("send", "-f", ALICE, "bob@far.test", input="hello\n")
        assert f"received from {ALICE} by way of a program on this machine (" in server.cli("trace", "bob@far.test", "--last", "1").stdout


def test_a_notice_has_a_life_of_its_own(make_server):
    """In the trace of the message its id and what it is; its own begins with that it was made, for whom and why."""
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx, users=[ALICE])
        submit(server, FAR, "carol@far.test", text=f"Message-ID: <n@x.test>\r\n{TEXT}")
        key = wait_queue(server, lambda q: len(q) == 2 and all(r["attempts"] == 1 for r in q))[0]["id"]
        restart_later(server, 5 * 3600)
        notices(server, 1)
        mx.answers = {"RCPT": b"550 5.1.1 gone\r\n"}
        wait_queue(server, lambda q: all(r["attempts"] >= 2 for r in q))
        server.cli("queue", "retry", "--all")
        notices(server, 2)
        wait_empty(server)
        late, failed = [e for e in events_of(server, key) if e["event"] == "notice"]
        for event, what in ((late, "delay notice"), (failed, "failure notice")):
            assert event["address"] == ALICE
            notice, said = event["text"].split(", ", 1)
            assert said.startswith(f"{what} about ") and " and 1 more" in said
            made, arrived = server.cli_json("trace", notice)
            assert (made["event"], made["address"], made["peer"]) == ("made", ALICE, f"{what} about {key}")
            assert (arrived["event"], arrived["address"], arrived["id"]) == ("delivered", ALICE, notice)
            assert server.cli_json("trace", made["text"]) == [made, arrived]  # by its Message-ID
            line = server.cli("trace", notice).stdout.splitlines()[1]
            assert line[22:] == f"made: {what} about {key} for {ALICE}, Message-ID {made['text']}"
        assert server.cli("trace", ALICE, "--last", "1").stdout.startswith(failed["text"][:13])


def test_a_notice_that_leaves_is_signed_and_traced(make_server):
    with SmtpServer({"RCPT": [b"550 5.1.1 no\r\n"]}) as mx:
        server = relaying(make_server, mx, "trusted-networks = 127.0.0.1")
        with server.smtp() as s:
            s.sendmail("stranger@elsewhere.test", [FAR], TEXT)
        mx.wait(1)
        wait_empty(server)
        event, = [e for e in server.cli_json("trace", FAR) if e["event"] == "notice"]
        own = server.cli_json("trace", event["text"].split(",")[0])
        assert [e["event"] for e in own] == ["made", "queued", "sent"] and own[1]["address"] == "stranger@elsewhere.test"
        assert own[0]["notes"][0].startswith("signed for example.test: selectors ")


def test_the_trace_shows_others_words_as_text_of_some_length(make_server):
    rude = b"550 5.1.1 \x1b[2J\x07 g\xc3\xbcltig \xff \xe2\x80\xae" + b"x" * 400 + b"\r\n"
    with SmtpServer({"RCPT": rude, "MAIL": b"250-" + b"y" * 400 + b"\r\n250 ok\r\n"}) as mx:
        server = relaying(make_server, mx)
        submit(server)
        wait_empty(server)
        line, = [s for s in server.cli("trace", FAR).stdout.splitlines() if " failed " in s]
        assert "\x1b" not in line and "\x07" not in line and "\u202e" not in line and "?[2J? g" in line and len(line) < 1000
        assert "xxxx" in [e["text"] for e in server.cli_json("trace", FAR) if e["event"] == "failed"][0]


def test_what_is_asked_of_the_trace(make_server):
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        for i in range(3):
            submit(server, text=f"Message-ID: <{i}@x.test>\r\n{TEXT}")
            wait_empty(server)
        ids = list(dict.fromkeys(e["id"] for e in server.cli_json("trace", FAR)))
        assert len(ids) == 3 and ids == sorted(ids)
        for last, wanted in ((1, ids[2:]), (2, ids[1:]), (9, ids)):
            assert list(dict.fromkeys(e["id"] for e in server.cli_json("trace", FAR, "--last", str(last)))) == wanted
        for wrong, status in (("", 64), ("0000000000001", 67), ("<unknown@x.test>", 67), ("x" * 999, 65)):
            assert server.cli("trace", wrong, check=False).returncode == status, wrong
        assert "trace-time" in server.cli("trace", "nobody@x.test", check=False).stderr
        assert len(server.cli("trace", FAR, "--last", "1").stdout.splitlines()) == len(server.cli("trace", ids[2]).stdout.splitlines()) == 6
        for option in (("--last", "0"), ("--last", "x"), ("--since", "x")):
            assert server.cli("trace", FAR, *option, check=False).returncode == 65


def test_many_messages_at_a_terminal(server):
    """How to see fewer stands below; in a pipe there is nothing but events."""
    for i in range(21):
        server.deliver(ALICE, f"Message-ID: <t{i}@x.test>\r\nSubject: x\r\n\r\nx\r\n", sender="many@elsewhere.test")
    shown = server.cli("trace", "many@elsewhere.test")
    assert shown.stdout.count("(times in UTC)") == 21 and shown.stderr == ""
    at_terminal = subprocess.run(["script", "-qec", f"{BINARY} trace --dir {server.dir} many@elsewhere.test", "/dev/null"],
                                 capture_output=True, text=True, check=True).stdout
    assert at_terminal.rstrip().endswith("(21 messages; --last 5 or --since 6h shows fewer)")
    assert max(map(len, at_terminal.splitlines())) <= 81  # 80, and what ends a line there


def test_hold_outbound(make_server):
    with SmtpServer() as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes"])
        submit(server)
        time.sleep(1.5)
        assert mx.connections == 0
        server.configure(GO)
        server.reload()
        wait_empty(server)
        assert len(mx.messages) == 1


UTF8 = "Subject: Grüße\r\nFrom: alice@example.test\r\n\r\nhällo\r\n"
JOSE = "josé@far.test"


def utf8_submit(server, to, *rcpt_options, sender=ALICE, text=UTF8, options=("SMTPUTF8", "BODY=8BITMIME")):
    with server.submission() as s:
        s.ehlo()
        s.command_encoding = "utf-8"
        for command in (f"MAIL FROM:<{sender}> {' '.join(options)}", f"RCPT TO:<{to}> {' '.join(rcpt_options)}"):
            code, reply = s.docmd(command.strip())
            assert code == 250, reply
        assert s.data(text.encode())[0] == 250


@pytest.mark.parametrize("orcpt, original", [
    ("utf-8;jos\\x{E9}@old.test", "utf-8;josé@old.test"),
    ("utf-8;josé@old.test", "utf-8;josé@old.test"),
    ("utf-8;jos\\x{41}@old.test", "utf-8;jos\\x{41}@old.test"),  # malformed: as it came
])
@pytest.mark.parametrize("ret", ["HDRS", "FULL"])
def test_reports_about_utf8_mail(make_server, orcpt, original, ret):
    with SmtpServer({"RCPT": b"550 5.1.1 kein Briefkasten f\xc3\xbcr dich\r\n"}) as mx:
        server = relaying(make_server, mx)
        utf8_submit(server, JOSE, f"ORCPT={orcpt}", options=("SMTPUTF8", "BODY=8BITMIME", f"RET={ret}"))
        wait_empty(server)
        notices(server, 1)
        raw = server.messages()[0]
        m = email.message_from_bytes(raw)
        report, returned = m.get_payload()[1:]
        assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
        assert report.get_content_type() == "message/global-delivery-status" and report["Content-Transfer-Encoding"] == "8bit"
        assert report.get_param("charset") is None
        text = raw.decode()
        assert f"Original-Recipient: {original}\r\nFinal-Recipient: utf-8;{JOSE}\r\nAction: failed\r\nStatus: 5.1.1\r\n" in text
        assert "Diagnostic-Code: smtp; 550 5.1.1 kein Briefkasten für dich\r\n" in text
        assert returned.get_content_type() == ("message/global" if ret == "FULL" else "message/global-headers")
        assert ("hällo" in text) == (ret == "FULL") and "Subject: Grüße" in text
        if ret == "HDRS":  # the fields alone, no empty line behind them
            assert re.search(r"From: alice@example\.test\r\n\r\n--", text)
        assert [c for c in mx.commands if c.startswith("RCPT")][0].endswith(f"ORCPT={original}")


def test_ascii_reports_name_utf8_recipients_in_ascii(make_server):
    """A message that is not SMTPUTF8, of which the sender knows the recipient by a UTF-8 address."""
    without = [e for e in EXTENSIONS if e != "SMTPUTF8"]
    with SmtpServer({"RCPT": b"550 5.1.1 no such user\r\n"}, extensions=without) as mx:
        server = relaying(make_server, mx)
        utf8_submit(server, FAR, "ORCPT=utf-8;jos\\x{E9}@old.test", text=TEXT, options=())
        wait_empty(server)
        m = notices(server, 1)[0]
        assert m.get_payload()[1].get_content_type() == "message/delivery-status"
        assert fields(m)[1][0]["Original-Recipient"] == "utf-8;jos\\x{E9}@old.test"
        assert m.get_payload()[2].get_content_type() == "message/rfc822"
        assert all(ord(c) < 128 for c in m.as_string())
        assert [c for c in mx.commands if c.startswith("RCPT")][0].endswith("ORCPT=utf-8;jos\\x{E9}@old.test")


def test_a_report_that_leaves_needs_no_utf8_on_its_way(make_server):
    """The sender's address leads to another server, which may know nothing of SMTPUTF8 (RFC 6533 §4.5)."""
    with SmtpServer(refusing_utf8()) as mx:
        server = relaying(make_server, mx, users=[ALICE, "bob@example.test"])
        server.cli("account", "send-as", ALICE, "away@example.test")
        server.add_alias("away@example.test", "home@elsewhere.test")
        utf8_submit(server, JOSE, sender="away@example.test", text=UTF8.replace("alice@", "away@"))
        wait_empty(server)
        got = mx.wait(1)[0]
        assert got.addresses() == ["home@elsewhere.test"] and got.sender == "" and "SMTPUTF8" not in got.parameters
        assert all(b < 128 for b in got.data)
        m = email.message_from_bytes(got.data)
        assert [p.get_content_type() for p in m.get_payload()][1:] == ["message/global-delivery-status", "message/global"]
        assert f"utf-8;{JOSE}" in base64.b64decode(payload_text(m.get_payload()[1])).decode()
        assert "hällo" in base64.b64decode(payload_text(m.get_payload()[2])).decode()


def payload_text(part):
    """Python takes the content of message/… for a message, or for several blocks of fields."""
    text = part.as_string().split("\n\n", 1)[1]
    return "".join(text.split())


def refusing_utf8():
    return {"RCPT": lambda _, line: b"550 5.1.1 no\r\n" if b"jos" in line else b"250 2.1.5 ok\r\n"}


def test_the_queue_at_a_glance(make_server):
    with SmtpServer(LATER) as mx:
        server = relaying(make_server, mx)
        assert server.cli_json("status")["queue"] == {"recipients": 0, "tried": 0, "sending": 0, "held": 0, "oldest": None}
        assert "queue: 0 recipients for other servers" in server.cli("status").stdout
        submit(server, FAR, "carol@far.test")
        submit(server, "dan@far.test")
        waiting = wait_queue(server, lambda q: len(q) == 3 and all(r["attempts"] == 1 and r["state"] == "waiting" for r in q))
        server.cli("queue", "hold", waiting[2]["id"])
        figures = server.cli_json("status")["queue"]
        assert {k: figures[k] for k in ("recipients", "tried", "sending", "held")} == {"recipients": 3, "tried": 3, "sending": 0, "held": 1}
        assert figures["oldest"] <= waiting[0]["queued"]
        lines = server.cli("queue", "list").stdout.splitlines()
        assert len(lines) == 8 and lines[7] == "3 recipients of 2 messages"
        assert lines[2] == "    [127.0.0.1]: 451 4.7.1 not today" and re.search(r" in \d+[sm] +alice@example\.test -> ", lines[1])
        assert " held " in lines[5] and lines[5].endswith(" -> dan@far.test")
        assert [q["state"] for q in server.cli_json("queue", "list")] == ["waiting", "waiting", "held"]
        assert "; 3 tried in vain so far, 0 being sent, 1 held; the oldest of 20" in server.cli("status").stdout


def test_what_is_being_sent_has_no_next_time(make_server):
    go = threading.Event()
    with SmtpServer({"MAIL": lambda *_: go.wait(60 * SLOW) and b"451 4.0.0 later\r\n"}) as mx:
        server = relaying(make_server, mx)
        submit(server)
        key = wait_queue(server, lambda q: q and q[0]["state"] == "sending" and q[0]["next"] is None)[0]["id"]
        assert "\n    is being sent\n" in server.cli("queue", "show", key).stdout
        assert re.search(r" sending +alice@example\.test -> bob@far\.test\n", server.cli("queue", "list").stdout)
        go.set()
        wait_queue(server, lambda q: q[0]["state"] == "waiting" and q[0]["next"] is not None)
        assert "\n    waits: tried 1 time; " in server.cli("queue", "show", key).stdout


def test_domains_whose_results_come_all_at_once(make_server):
    """More of them end than one job of stored takes up: all are looked at again, and have their other mail tried."""
    domains, go = [f"user@d{i}.test" for i in range(200)], threading.Event()

    def later(_connection, _line):
        go.wait(60 * SLOW)
        return b"451 4.0.0 later\r\n"

    with SmtpServer({"MAIL": later}) as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes", "retry-first = 1h"])
        for _ in range(3):
            submit(server, *domains)
        server.configure([mx.setting(), "retry-first = 1h", *GO])
        server.reload()
        wait_queue(server, lambda q: sum(r["state"] == "sending" for r in q) == 400)
        server.kill("stored", signal.SIGSTOP)
        go.set()
        deadline = time.monotonic() + 30 * SLOW
        while len(server.log_lines(event="deferred")) < 400 and time.monotonic() < deadline:
            time.sleep(0.1)
        server.kill("stored", signal.SIGCONT)
        wait_queue(server, lambda q: all(r["attempts"] == 1 for r in q))


def test_a_smart_host_that_was_away_is_tried_again_soon(make_server):
    """Mail for many domains finds it away at the same time: that is one failure."""
    domains = [f"user@d{i}.test" for i in range(60)]
    port = PortBlock()["smtp"]  # nobody else's meanwhile
    server = make_server(config=[f"relay-host = 127.0.0.1:{port}", "retry-first = 1s", *GO])
    submit(server, *domains)
    wait_queue(server, lambda q: all(r["attempts"] for r in q))
    with SmtpServer(port=port) as mx:
        restart_later(server, 70)
        wait_empty(server)
        assert sum(len(m.recipients) for m in mx.messages) == len(domains)
