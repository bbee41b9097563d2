# SPDX-License-Identifier: ISC
"""Servers without 8BITMIME: our mail goes to them as a 7-bit variant, signed anew; what others signed comes back."""
import email
import email.policy
import os
import time

import test_dkim
from flufl.bounce import scan_message
from pombo import ALICE, DOMAIN, SLOW
from smtpserver import EXTENSIONS, SmtpServer
from test_queue import fields, notices
from test_relay import FAR, relaying, wait_empty, wait_queue

SEVEN = [e for e in EXTENSIONS if e != "8BITMIME"]
STRANGER = "stranger@elsewhere.test"
ALIAS = f"away@{DOMAIN}"


def mixed(size=0, words=300):
    text = "Grüße aus Köln.\r\n" + "Eine Zeile mit Umläuten: äöü \r\n" * (1 + size // 32)
    inner = "From: x@y.test\r\nSubject: inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nInneres: ß und mehr davon\r\n"
    return (f"From: {ALICE}\r\nTo: {FAR}\r\nSubject: eight\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=limit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"--limit\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
            "--limit\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\ndata: éèê\r\n"
            f"--limit\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{inner}\r\n"
            f"--limit\r\nContent-Type: text/plain\r\n\r\n{'long ' * words}\r\n"
            "--limit--\r\n").encode()


def contents(message):
    parsed = email.message_from_bytes(message, policy=email.policy.compat32)
    return [(p.get_content_type(), p.get_payload(decode=True)) for p in parsed.walk() if not p.is_multipart()]


def is_seven(data):
    return all(b < 128 for b in data) and max(map(len, data.split(b"\r\n"))) <= 998


def submit(server, message):
    with server.submission() as s:
        s.sendmail(ALICE, FAR, message, mail_options=["BODY=8BITMIME"])


def test_our_mail_is_made_seven_bit_and_signed_anew(make_server):
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        for size in (0, 300_000):
            submit(server, mixed(size))
        plain = f"From: {ALICE}\r\nSubject: no MIME\r\n\r\nGrüße, einfach so\r\n".encode()
        submit(server, plain)
        wait_empty(server)
        assert len(mx.messages) == 3 and mx.complaints == []
        keys = test_dkim.records(server)
        for m in mx.messages:
            assert is_seven(m.data) and "BODY=8BITMIME" not in m.parameters
            assert test_dkim.verify(test_dkim.block(m.data), keys) == 2
            assert m.data.count(b"Received: ") == 1
        by_subject = {}
        for m in mx.messages:
            by_subject.setdefault(email.message_from_bytes(m.data)["Subject"], []).append(m.data)
        assert sorted(map(contents, by_subject["eight"]), key=str) == sorted([contents(mixed()), contents(mixed(300_000))], key=str)
        (_, text), = contents(by_subject["no MIME"][0])
        assert text == "Grüße, einfach so\r\n".encode()
        assert server.messages() == []


def test_what_was_not_said_to_be_eight_bit_is_made_seven_bit_too(make_server):
    """Many a client sends what it has and says nothing: the next server gets no 8-bit bytes all the same, or is told of them."""
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALIAS, FAR)
        for size in (0, 300_000):
            with server.submission() as s:
                s.sendmail(ALICE, FAR, mixed(size))
        with server.smtp() as s:
            s.sendmail(STRANGER, ALIAS, f"From: {STRANGER}\r\nSubject: x\r\n\r\nGrüße\r\n".encode())
        wait_empty(server)
        assert len(mx.messages) == 3 and all(is_seven(m.data) for m in mx.messages)
    with SmtpServer() as mx:
        server.configure([mx.setting()])
        server.reload()
        with server.submission() as s:
            s.sendmail(ALICE, FAR, mixed(words=100))
        sent = mx.wait(1)[0]
        assert sent.data.endswith(mixed(words=100)) and "BODY=8BITMIME" in sent.parameters


def test_it_stays_as_it_is_where_that_is_taken(make_server):
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        submit(server, mixed(words=100))
        sent = mx.wait(1)[0]
        assert sent.data.endswith(mixed(words=100)) and "BODY=8BITMIME" in sent.parameters


def test_lines_that_are_too_long(make_server):
    """RFC 5321 §4.5.3.1.6: many refuse more than 998 octets. What we signed goes with shorter ones, whoever takes it; what others did, and
    what nobody may touch, as it is."""
    def plain(size, sender=ALICE):
        return f"From: {sender}\r\nSubject: long\r\n\r\n{'word = ' * size}\r\n".encode()

    signed = (f"From: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
              f"--b\r\n\r\n{'word ' * 300}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n").encode()
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALIAS, FAR)
        keys = test_dkim.records(server)
        for message in (plain(200), plain(20_000), mixed()):
            mx.messages.clear()
            submit(server, message)
            sent = mx.wait(1)[0]
            assert is_seven(sent.data) and contents(sent.data) == contents(message)
            assert test_dkim.verify(test_dkim.block(sent.data), keys) == 2
        mx.messages.clear()
        submit(server, signed)
        assert mx.wait(1)[0].data.endswith(signed)
        with server.smtp() as s:
            s.sendmail(STRANGER, ALIAS, plain(200, STRANGER))
        assert mx.wait(2)[1].data.endswith(plain(200, STRANGER))
        wait_empty(server)
        assert server.messages() == [] and mx.complaints == []


def test_what_is_divided_otherwise_by_others_comes_back(make_server):
    """RFC 2046 §5.1.1: for some readers "--limitless" is a boundary "--limit", for others a line of text."""
    message = mixed(words=1).replace("--limit\r\nContent-Type: application".encode(), "--limitless\r\n\r\nä\r\n--limit\r\nContent-Type: application".encode())
    assert message != mixed(words=1)
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        submit(server, message)
        told, = fields(bounce(server))[1]
        assert told["Status"] == "5.6.3" and mx.messages == []


def bounce(server, n=1):
    notice = notices(server, n)[n - 1]
    wait_empty(server)
    return notice


def test_what_is_signed_in_itself_comes_back(make_server):
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        submit(server, (f"From: {ALICE}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
                        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nä\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n").encode())
        notice = bounce(server)
        told, = fields(notice)[1]
        assert told["Status"] == "5.6.3" and told["Action"] == "failed" and scan_message(notice) == {FAR.encode()}
        submit(server, f"DKIM-Signature: v=1; a=rsa-sha256; d=else.test; s=x; bh=AA==; h=from; b=AA==\r\nFrom: {ALICE}\r\nSubject: x\r\n\r\nä\r\n".encode())
        assert fields(bounce(server, 2))[1][0]["Status"] == "5.6.3"
        assert mx.messages == []


def test_what_others_sent_is_forwarded_seven_bit_unless_they_signed_it(make_server):
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALIAS, FAR)
        plain = f"From: {STRANGER}\r\nSubject: x\r\n\r\nGrüße, einfach so\r\n".encode()
        with server.smtp() as s:
            s.sendmail(STRANGER, ALIAS, plain, mail_options=["BODY=8BITMIME"])
        sent = mx.wait(1)[0]
        assert is_seven(sent.data) and b"DKIM-Signature" not in sent.data and sent.sender.startswith("SRS0=")
        assert sent.data.startswith(f"Delivered-To: {ALIAS}\r\n".encode())
        # Nor does anybody get our signature by forging one of ours.
        for d in ("elsewhere.test", DOMAIN):
            signed = f"DKIM-Signature: v=1; a=rsa-sha256; d={d}; s=x; bh=AA==; h=from; b=AA==\r\n".encode() + plain
            n = len(mx.messages)
            with server.smtp() as s:
                s.sendmail(STRANGER, ALIAS, signed, mail_options=["BODY=8BITMIME"])
            notice = mx.wait(n + 1)[n]
            assert notice.sender == "" and notice.addresses() == [STRANGER] and b"5.6.3" in notice.data


def wait_closed(mx):
    deadline = time.monotonic() + 60 * SLOW
    while mx.open:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_seven_bit_is_that_whatever_was_said_of_it(make_server):
    """Many a client says BODY=8BITMIME of everything. What it is was seen when it came: nobody reads it again, and a signature is no obstacle."""
    signed = f"DKIM-Signature: v=1; a=rsa-sha256; d=else.test; s=x; bh=AA==; h=from; b=AA==\r\nFrom: {STRANGER}\r\nSubject: x\r\n\r\n".encode()
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx, "outbound-reuse-time = 1s")
        server.add_alias(ALIAS, FAR)
        for extensions in (SEVEN, EXTENSIONS):
            mx.extensions = extensions
            for size in (1, 2000):
                message = signed + b"plain words only\r\n" * size
                with server.smtp() as s:
                    s.sendmail(STRANGER, ALIAS, message, mail_options=["BODY=8BITMIME"])
                wait_empty(server)
                assert mx.messages[-1].data.endswith(message) and "BODY=8BITMIME" not in mx.messages[-1].parameters
            wait_closed(mx)  # a connection that is kept knows what was offered on it
        assert len(mx.messages) == 4


def test_addresses_in_utf8_have_no_variant(make_server):
    with SmtpServer(extensions=[e for e in SEVEN if e != "SMTPUTF8"]) as mx:
        server = relaying(make_server, mx)
        with server.submission() as s:
            s.ehlo()
            s.sendmail(ALICE, "jürgen@far.test", f"From: {ALICE}\r\nSubject: x\r\n\r\nä\r\n".encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        assert b"\nStatus: 5.6.7\n" in bounce(server).as_bytes()


def test_stored_ends_meanwhile(make_server):
    """The variant is made anew; nothing is lost, nothing sent twice."""
    with SmtpServer(extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        server.tolerate("stored", "kind=store", "exited unexpectedly")
        for _ in range(5):
            submit(server, mixed(100_000))
        server.wait_role("stored", not_pid=server.kill("stored"))
        deadline = time.monotonic() + 60 * SLOW
        while len(mx.messages) < 5 and time.monotonic() < deadline:
            server.cli("queue", "retry", "--all", check=False)
            time.sleep(0.3)
        assert len(mx.messages) == 5 and all(is_seven(m.data) for m in mx.messages)


def test_a_variant_is_gone_with_its_lease(make_server):
    """Until then stored has it in hand, so that relayd, should it be somebody else's, can fill no disk with what it keeps open."""
    seen = []

    def look(_connection, _line):
        spool = server.dir / "store" / "spool"
        seen.append([f.stat().st_size for f in spool.iterdir()])
        relayd = f"/proc/{server.pids('relayd')[0]}/fd"
        held.extend(path for fd in os.listdir(relayd) if "/spool/" in (path := os.readlink(f"{relayd}/{fd}")))
        return b"451 4.0.0 later\r\n"

    held = []
    with SmtpServer({"DOT": look}, extensions=SEVEN) as mx:
        server = relaying(make_server, mx)
        submit(server, mixed(300_000))
        wait_queue(server, lambda q: q and q[0]["attempts"] == 1 and q[0]["state"] == "waiting")
        assert len(seen) == 1 and len(seen[0]) == 1 and seen[0][0] > 300_000 and len(held) == 1
        deadline = time.monotonic() + 20 * SLOW
        while list((server.dir / "store" / "spool").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
