# SPDX-License-Identifier: ISC
"""What port 25 and the submission ports refused, in pombo trace."""
import os
import re
import smtplib
import subprocess
import time

import pytest
from dnsserver import DnsServer
from pombo import ALICE, BINARY, SLOW

FAR = "bob@far.example"
NOBODY = "nobody@example.test"


def refusals(server, what, *args):
    done = server.cli("trace", what, "--json", *args, check=False)
    assert done.returncode in (0, 67), done.stderr
    import json
    return [e for e in json.loads(done.stdout or "[]") if e["event"] == "refused"]


def wait_refusals(server, what, good=bool):
    """They are written behind everything else, in a second or so."""
    deadline = time.monotonic() + 10 * SLOW
    while not good(found := refusals(server, what)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def swaks(server, *args):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(server.ports["smtp"]), "--helo", "client.far.example", *args],
                          capture_output=True, text=True, timeout=60 * SLOW)


def test_an_unknown_recipient(server):
    assert swaks(server, "--from", FAR, "--to", NOBODY).returncode
    one, = wait_refusals(server, NOBODY)
    assert {k: one[k] for k in ("id", "address", "sender", "recipient", "code", "status", "text", "count", "tls", "client_ip", "helo", "port", "notes")} == {
        "id": None, "address": NOBODY, "sender": FAR, "recipient": NOBODY, "code": 550, "status": "5.1.1", "text": "550 5.1.1 no such user here", "count": 1,
        "tls": "", "client_ip": "127.0.0.1", "helo": "client.far.example", "port": "smtp", "notes": []}
    assert one["last"] == one["time"] and one["peer"] == "client.far.example (127.0.0.1)"
    assert server.log_lines(event="refused", recipient=NOBODY)[0]["session"] == one["session"]
    assert refusals(server, FAR) == refusals(server, NOBODY.upper()) == [one]
    head, line = server.cli("trace", NOBODY).stdout.splitlines()
    assert head == f"no id, session={one['session']} in the log (times in UTC)"
    assert line[22:] == (f"refused from [127.0.0.1], which calls itself client.far.example, without TLS, port smtp: {FAR} to {NOBODY}: "
                         "550 5.1.1 no such user here")
    assert server.cli("trace", "else@far.example", check=False).returncode == 67
    assert server.cli("trace", ALICE, check=False).returncode == 67


def test_over_tls_and_in_the_order_of_time(server):
    """Before and behind a message that was taken; --last and --since count both."""
    assert swaks(server, "--tls", "--from", FAR, "--to", NOBODY).returncode
    wait_refusals(server, FAR)
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n", sender=FAR)
    assert swaks(server, "--tls", "--from", FAR, "--to", "else@example.test").returncode
    wait_refusals(server, FAR, lambda found: len(found) == 2)
    events = server.cli_json("trace", FAR)
    assert [e["event"] for e in events] == ["refused", "received", "delivered", "refused"]
    assert events[0]["tls"].startswith("TLSv1.3 ")
    lines = server.cli("trace", FAR).stdout.splitlines()
    assert " over TLS 1.3, port smtp: " in lines[1] and events[1]["id"] in lines[2]
    assert [e["event"] for e in server.cli_json("trace", FAR, "--last", "1")] == ["refused"]
    assert [e["event"] for e in server.cli_json("trace", FAR, "--last", "2")] == ["received", "delivered", "refused"]
    assert server.cli("trace", FAR, "--last", "3").stdout.splitlines() == lines
    assert server.cli_json("trace", FAR, "--since", "1h") == events
    assert server.cli("trace", FAR, "--since", "2090-01-01", check=False).returncode == 67


def test_repeats_are_counted(make_server):
    server = make_server(config=["processes = 1"])
    for n in range(1, 4):
        assert swaks(server, "--from", FAR, "--to", NOBODY).returncode
        wait_refusals(server, NOBODY, lambda found, n=n: [e["count"] for e in found] == [n])
    one, = refusals(server, NOBODY)
    assert one["last"] > one["time"]
    assert re.search(r"; 3 times, the last 20[-0-9T:]*Z$", server.cli("trace", NOBODY).stdout.splitlines()[1])
    with server.smtp() as s:  # another code is another row
        s.ehlo()
        s.mail(FAR)
        s.docmd(f"RCPT TO:<{NOBODY}> WRONG=1")
    assert [e["code"] for e in wait_refusals(server, NOBODY, lambda found: len(found) == 2)] == [550, 555]


def test_relaying_is_denied(server):
    assert swaks(server, "--from", FAR, "--to", "else@where.example").returncode
    one, = wait_refusals(server, "else@where.example")
    assert one["text"].startswith("550 5.7.1 relaying denied")


def test_too_big(make_server):
    """Announced with MAIL, before there is a recipient; or once it has come."""
    server = make_server(config=["max-message-size = 10K"])
    with server.smtp() as s:
        s.ehlo()
        assert s.mail(FAR, ["SIZE=20000"])[0] == 552
    one, = wait_refusals(server, FAR)
    assert (one["code"], one["status"], one["recipient"], one["sender"]) == (552, "5.3.4", "", FAR)
    with server.smtp() as s:
        s.helo()
        s.mail("else@far.example")
        s.rcpt(ALICE)
        assert s.data(b"Message-ID: <big@far.example>\r\nSubject: x\r\n\r\n" + b"0123456789\r\n" * 2000)[0] == 552
    one, = wait_refusals(server, ALICE)
    assert (one["code"], one["sender"], one["message_id"]) == (552, "else@far.example", "big@far.example")
    assert refusals(server, "<big@far.example>") == refusals(server, "big@far.example") == [one]


def test_over_quota(make_server):
    server = make_server(users=[])
    server.add_account("full@example.test", None, "--quota", "1K")
    server.deliver("full@example.test", "Subject: x\r\n\r\n" + "0123456789\r\n" * 60)
    with server.smtp() as s:
        s.ehlo()
        s.mail(FAR, ["SIZE=900"])
        assert s.rcpt("full@example.test")[0] == 452
    one, = wait_refusals(server, FAR)
    assert (one["code"], one["status"]) == (452, "4.2.2")
    assert " refused for now from " in server.cli("trace", FAR).stdout
    with server.smtp() as s:  # it does not say how big: the mailbox is full once it has come
        s.helo()
        s.mail("else@far.example")
        s.rcpt("full@example.test")
        assert s.data("Message-ID: <q@far.example>\r\n\r\n" + "0123456789\r\n" * 60)[0] == 452
    one, = wait_refusals(server, "q@far.example")
    assert (one["recipient"], one["status"]) == ("full@example.test", "4.2.2")


def test_a_message_for_many_and_what_policyd_refuses(server):
    server.add_account("carol@example.test")
    hops = "".join(f"Received: from h{i}.example by h{i + 1}.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n" for i in range(120))
    with pytest.raises(smtplib.SMTPDataError):
        with server.smtp() as s:
            s.sendmail(FAR, [ALICE, "carol@example.test"], f"{hops}Message-ID: <loop@far.example>\r\nSubject: x\r\n\r\nx\r\n")
    found = wait_refusals(server, "<loop@far.example>", lambda found: len(found) == 2)
    assert {e["recipient"] for e in found} == {ALICE, "carol@example.test"} and {e["status"] for e in found} == {"5.4.6"}


def test_a_bare_line_feed(server):
    with server.wire("smtp") as w:
        w.expect("220 ")
        for line, reply in (("HELO far.example", "250"), (f"MAIL FROM:<{FAR}>", "250"), (f"RCPT TO:<{ALICE}>", "250"), ("DATA", "354")):
            w.smtp(line, reply)
        w.smtp("Message-ID: <bare@far.example>\r\n\r\na\nb\r\n.", "550 5.6.0")
    one, = wait_refusals(server, "bare@far.example")
    assert one["text"].startswith("550 5.6.0 The message has an LF without CR")


def test_a_submission(server):
    """Who was logged in stands there; a sender that is not theirs has no recipient yet."""
    with server.submission() as s:
        assert s.mail(FAR)[0] == 553
        s.rset()
        assert s.mail(ALICE)[0] == 250
        assert s.rcpt(NOBODY)[0] == 550
    one, = wait_refusals(server, FAR)
    assert (one["status"], one["recipient"], one["port"]) == ("5.7.1", "", "submissions")
    assert one["peer"] == f"client.example.net (127.0.0.1), logged in as {ALICE}"
    one, = wait_refusals(server, NOBODY)
    assert one["sender"] == ALICE


def test_unicode_addresses(server):
    """Found whichever way the domain and the letters are written."""
    with server.smtp() as s:
        s.ehlo()
        s.command_encoding = "utf-8"
        assert s.docmd("MAIL FROM:<jürgen@münchen.example> SMTPUTF8")[0] == 250
        assert s.docmd("RCPT TO:<niemand@example.test>")[0] == 550
    one, = wait_refusals(server, "jürgen@münchen.example")
    assert one["sender"] == "jürgen@münchen.example"
    assert refusals(server, "JÜRGEN@xn--mnchen-3ya.example") == [one]
    assert "jürgen@münchen.example to niemand@example.test" in server.cli("trace", "niemand@example.test").stdout


def test_the_name_of_the_client(make_server):
    records = {("8.8.4.8.in-addr.arpa", "PTR"): ["mx.far.example."], ("mx.far.example", "A"): ["8.4.8.8"]}
    with DnsServer(records) as dns:
        server = make_server(config=[*dns.settings(), "proxy-networks = 127.0.0.2"])
        with server.wire("smtp", source="127.0.0.2") as w:
            w.send("PROXY TCP4 8.4.8.8 198.51.100.1 40000 25\r\n")
            w.expect("220 ")
            w.smtp("HELO mx.far.example", "250")
            for line, reply in ((f"MAIL FROM:<{FAR}>", "250"), (f"RCPT TO:<{ALICE}>", "250"), ("DATA", "354"), ("Subject: x\r\n\r\n.", "250")):
                w.smtp(line, reply)  # waits for the name, which is known from then on
            w.smtp(f"MAIL FROM:<{FAR}>", "250")
            w.smtp(f"RCPT TO:<{NOBODY}>", "550")
        one, = wait_refusals(server, NOBODY)
        assert one["client_name"] == "mx.far.example"
        assert server.cli("trace", NOBODY).stdout.splitlines()[1][22:].startswith("refused from mx.far.example [8.4.8.8], without TLS, port smtp: ")


def test_while_stored_is_away(make_server):
    """A refusal of that time waits in the front end until there is a stored again."""
    server = make_server(config=["processes = 1"])
    server.tolerate("exited unexpectedly")
    with server.wire("smtp") as w:
        w.expect("220 ")
        w.smtp("HELO far.example", "250")
        w.smtp(f"MAIL FROM:<{FAR}>", "250")
        before = server.kill("stored")
        reply = w.smtp(f"RCPT TO:<{ALICE}>", "[24]5")
        refused = "451" in str(reply)
    server.wait_role("stored", not_pid=before)
    if refused:
        one, = wait_refusals(server, FAR)
        assert one["status"] == "4.3.0"
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")


def test_control_characters_do_not_reach_the_terminal(server):
    with server.wire("smtp") as w:
        w.expect("220 ")
        w.smtp("EHLO far.example", "250 ")
        w.smtp(f'MAIL FROM:<"a\\b[2J"@far.example>', "250")
        w.send("RCPT TO:<no\u202e\u0085body@example.test>\r\n".encode())
        w.read_reply()
        w.smtp(f"RCPT TO:<{NOBODY}>", "550")
    wait_refusals(server, NOBODY)
    shown = subprocess.run([str(BINARY), "trace", "--dir", str(server.dir), NOBODY], capture_output=True).stdout
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae|\xc2\x85", shown)


def test_it_lasts_and_ends(make_server):
    """A restart keeps it, counts on in the same row; after trace-time it is gone."""
    server = make_server(config=["processes = 1"])
    assert swaks(server, "--from", FAR, "--to", NOBODY).returncode
    one, = wait_refusals(server, NOBODY)
    server.restart()
    assert refusals(server, NOBODY) == [one]
    assert swaks(server, "--from", FAR, "--to", NOBODY).returncode
    again, = wait_refusals(server, NOBODY, lambda found: found[0]["count"] == 2)
    assert again["time"] == one["time"] and again["session"] != one["session"]
    server.stop()
    server.env["POMBO_CLOCK_SHIFT"] = str(31 * 86400)
    server.start()
    deadline = time.monotonic() + 30 * SLOW
    while refusals(server, NOBODY):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_was_not_written_yet_is_written_at_the_end(server):
    assert swaks(server, "--from", FAR, "--to", NOBODY).returncode
    server.restart()
    assert len(refusals(server, NOBODY)) == 1


def refuse_many(server, count):
    with server.wire("smtp") as w:
        w.expect("220 ")
        w.smtp("HELO far.example", "250")
        for first in range(0, count, 100):
            w.send(f"RSET\r\nMAIL FROM:<{FAR}>\r\n" + "".join(f"RCPT TO:<u{i}@elsewhere.example>\r\n" for i in range(first, first + 100)))
            w.expect("250 ")
            w.expect("250 ")
            for _ in range(100):
                w.expect("550 5.7.1")


def test_a_flood_is_bounded(make_server):
    """5,000 refusals of one network: 50 are kept and some more for each second that it takes, the others are counted; delivery goes on."""
    server = make_server(config=["processes = 1", "max-smtp-errors = 10000", "max-smtp-commands = 20000"])
    began = time.monotonic()
    refuse_many(server, 5000)
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    took = time.monotonic() - began

    def all_told():
        events = server.cli_json("trace", FAR)
        return [e for e in events if e["event"] == "refused"], sum(e["count"] for e in events if e["event"] == "refusals-not-kept")

    wait_refusals(server, FAR)
    deadline = time.monotonic() + 20 * SLOW
    while sum(map(lambda x: x if isinstance(x, int) else len(x), all_told())) != 5000:
        assert time.monotonic() < deadline, all_told()[1]
        time.sleep(0.2)
    kept, left_out = all_told()
    assert 50 <= len(kept) <= 50 + 5 * (took + 1) and left_out == 5000 - len(kept)
    text = server.cli("trace", FAR).stdout.splitlines()[-1]
    assert text.startswith(f"{left_out} refusals were not kept, from 20") and text.endswith("as they came too fast: see the log")
    nothing = server.cli("trace", "other@where.example", check=False)
    assert nothing.returncode == 67 and f"{left_out} refusals were not kept" in nothing.stderr
    assert len(server.messages()) == 1
