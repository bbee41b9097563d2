# SPDX-License-Identifier: ISC
"""Port 25 and the submission ports as a whole: relaying, big messages, limits that need several connections, restarts."""
import base64
import email
import email.policy
import re
import resource
import smtplib
import socket
import time

import pytest

import pombo
import processes
from pombo import ALICE, SLOW
from wire import Closed

HELLO = "EHLO client.example.net"

# What has been tried on mail servers to make them pass mail on for strangers. None of these is one of ours.
RELAY_TRICKS = [
    "<far@far.example>",
    "<far%far.example@example.test>",
    '<"far%far.example"@example.test>',
    '<"far@far.example"@example.test>',
    "<far%far.example@mail.example.test>",
    "<far@far.example@example.test>",
    "<far.example!far@example.test>",
    "<far.example!far>",
    "<@example.test:far@far.example>",
    "<@mail.example.test,@example.test:far@far.example>",
    "<@[127.0.0.1]:far@far.example>",
    "<far@[192.0.2.1]>",
    "<far@[IPv6:2001:db8::1]>",
    "<far@[127.0.0.1]>",
    "<alice@example.test.far.example>",
    "<alice@example.test@far.example>",
    "<alice@far.example>",
    "<far@far.example%example.test>",
    '<"far@far.example">',
    "<far@far.example,alice@example.test>",
    "<alice@example.test>,<far@far.example>",
    "<alice@example.test far@far.example>",
    "<far@far.example\\@example.test>",
    "<postmaster@far.example>",
    "<abuse@far.example>",
    "far@far.example",
    "<far>",
    "<>",
    "<@example.test>",
    "<far@>",
]


def greet(wire, hello=HELLO):
    wire.expect("220 ")
    wire.smtp(hello, "250 ")


def send(wire, text, sender="stranger@example.net", to=ALICE):
    """The commands of one message, in one write; returns the last reply's last line."""
    wire.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n")
    for pattern in ("250 2.1.0", "250 2.1.5", "354 "):
        wire.expect(pattern)
    wire.send(text if isinstance(text, bytes) else text.encode())
    wire.send(b".\r\n")
    return wire.read_reply()[-1]


@pytest.mark.parametrize("sender", ["", "alice@example.test", "stranger@example.net", "postmaster@example.test"])
def test_no_relaying_for_strangers(shared_server, sender):
    with shared_server.wire("smtp") as w:
        greet(w)
        for trick in RELAY_TRICKS:
            w.smtp(f"MAIL FROM:<{sender}>", "250 2.1.0")
            w.smtp(f"RCPT TO:{trick}", r"5\d\d 5\.")
            w.smtp("RSET", "250 2.0.0")
            if trick == RELAY_TRICKS[14]:  # before there are too many errors
                w.smtp("QUIT", "221")
                break
    with shared_server.wire("smtp") as w:
        greet(w)
        for trick in RELAY_TRICKS[15:]:
            w.smtp(f"MAIL FROM:<{sender}>", "250 2.1.0")
            w.smtp(f"RCPT TO:{trick}", r"5\d\d 5\.")
            w.smtp("RSET", "250 2.0.0")
    assert shared_server.cli_json("queue", "list") in ([], {"messages": []})


@pytest.mark.parametrize("to", ["<Postmaster>", "<postmaster>", "<postmaster@example.test>", "<POSTMASTER@EXAMPLE.TEST>",
                                "<postmaster@mail.example.test>",
                                "<abuse@example.test>", "<Alice@example.test>", '<"alice"@example.test>',
                                "<@relay.example:alice@example.test>", "<alice+detail@example.test>"])
def test_local_addresses_in_every_form(shared_server, to):
    before = len(shared_server.messages())
    with shared_server.wire("smtp") as w:
        greet(w)
        w.smtp("MAIL FROM:<>", "250 2.1.0")
        w.smtp(f"RCPT TO:{to}", "250 2.1.5")
        w.smtp("DATA", "354 ")
        w.send(b"Subject: for you\r\n\r\nhi\r\n.\r\n")
        w.expect("250 2.0.0 .*id [0-9a-z]{13}$")
        w.smtp("QUIT", "221")
    assert len(shared_server.messages()) == before + 1


def test_trusted_networks_may_relay(make_server):
    server = make_server(config=["trusted-networks = 127.0.0.0/8"])
    with server.wire("smtp") as w:
        greet(w)
        assert send(w, "Subject: x\r\n\r\n", to="far@far.example").startswith("250 2.0.0")
    assert "far@far.example" in server.cli("queue", "list").stdout


def test_what_is_written_is_what_is_read(shared_server):
    lines = [b"Subject: dots", b"From: a@example.net", b"", b".", b"..", b".x", b"", b"x" * 5000, b"\xff\xfe\x01", b"."]
    text = b"\r\n".join(lines) + b"\r\n"
    stuffed = re.sub(rb"(?m)^\.", b"..", text)
    with shared_server.wire("smtp") as w:
        greet(w)
        assert send(w, stuffed).startswith("250 2.0.0")
        w.send(b"MAIL FROM:<stranger@example.net>\r\nRCPT TO:<alice@example.test>\r\n")
        w.send(b"BDAT %d\r\n" % 20 + text[:20] + b"BDAT %d LAST\r\n" % (len(text) - 20) + text[20:])
        for pattern in ("250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.0.0"):
            w.expect(pattern)
    first, second = shared_server.messages()[-2:]
    assert first.endswith(b"\r\n" + text) and second.endswith(b"\r\n" + text)


@pytest.mark.parametrize("size", [65000, 65536, 70000, 262144, 400000, 3000000])
@pytest.mark.parametrize("way", ["DATA", "BDAT"])
def test_big_messages(shared_server, size, way):
    line = b"0123456789" * 7 + b"\r\n"
    text = b"Subject: big\r\n\r\n"
    text += line * ((size - len(text)) // len(line))
    text += b"x" * (size - len(text) - 2) + b"\r\n" if size - len(text) > 2 else b""
    with shared_server.wire("smtp") as w:
        greet(w)
        if way == "DATA":
            assert send(w, text).startswith("250 2.0.0")
        else:
            w.send(b"MAIL FROM:<stranger@example.net>\r\nRCPT TO:<alice@example.test>\r\n")
            w.send(b"BDAT %d LAST\r\n" % len(text) + text)
            for pattern in ("250 2.1.0", "250 2.1.5", "250 2.0.0"):
                w.expect(pattern)
    assert shared_server.messages()[-1].endswith(b"\r\n" + text)


def test_a_client_that_goes_in_the_middle_leaves_nothing(shared_server):
    before = len(shared_server.messages())
    for text in (b"Subject: half\r\n", b"x" * 300000):
        with shared_server.wire("smtp") as w:
            greet(w)
            w.send(f"MAIL FROM:<>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
            for pattern in ("250 2.1.0", "250 2.1.5", "354 "):
                w.expect(pattern)
            w.send(text)
            w.reset()
    shared_server.deliver(ALICE, "Subject: whole\r\n\r\n")
    assert len(shared_server.messages()) == before + 1


def test_a_client_that_says_all_and_half_closes_is_answered(shared_server):
    with shared_server.wire("smtp") as w:
        w.send(f"{HELLO}\r\nMAIL FROM:<>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")
        w.sock.shutdown(socket.SHUT_WR)
        for pattern in ("220 ", "250 ", "250 2.1.0", "250 2.1.5", "354 ", "250 2.0.0", "221 2.0.0"):
            w.expect(pattern)
        assert w.expect_closed() == b""


def test_received_and_return_path(shared_server):
    with shared_server.smtp() as s:
        s.starttls(context=shared_server.tls())
        s.sendmail("stranger@example.net", ALICE, "Subject: trace\r\n\r\n")
    m = email.message_from_bytes(shared_server.messages()[-1], policy=email.policy.default)
    assert m["Return-Path"] == "<stranger@example.net>"
    received = m["Received"]
    assert "client.example.net" in received and "[127.0.0.1]" in received and "with ESMTPS" in received
    assert re.search(r"\bid [0-9a-z]{13}\b", received)


def test_a_submission_is_completed(shared_server):
    with shared_server.submission() as s:
        s.sendmail(ALICE, ALICE, f"From: {ALICE}\r\nSubject: bare\r\n\r\nhi\r\n")
    m = email.message_from_bytes(shared_server.messages()[-1], policy=email.policy.default)
    assert re.fullmatch(r"<[0-9a-z]{13}@example\.test>", m["Message-ID"])
    assert m["Date"].datetime.timestamp() == pytest.approx(time.time(), abs=60)
    assert "with ESMTPSA" in m["Received"]


def test_a_sender_that_was_taken_away_meanwhile(make_server):
    """Whether the account may send so is asked again when the message is kept, whatever was said to MAIL."""
    server = make_server()
    server.cli("account", "send-as", ALICE, "sales@example.test")
    with server.submission() as s:
        assert s.docmd("MAIL", "FROM:<sales@example.test>")[0] == 250
        server.cli("account", "send-as", ALICE, "sales@example.test", "--remove")
        assert s.docmd("RCPT", f"TO:<{ALICE}>")[0] == 250
        code, text = s.data(f"From: {ALICE}\r\n\r\nhello\r\n")
        assert code == 553 and b"does not belong to your account" in text
    assert server.messages() == []


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_a_stranger_cannot_submit(shared_server, service):
    with shared_server.wire(service) as w:
        greet(w)
        w.smtp(f"MAIL FROM:<{ALICE}>", "530 5.7.0")
        w.smtp(f"RCPT TO:<{ALICE}>", "530 5.7.0")
        w.smtp("DATA", "530 5.7.0")


def test_submission_alt(make_server):
    server = make_server(config=["submission-alt = yes"])
    with smtplib.SMTP("127.0.0.1", server.ports["submission-alt"], timeout=30 * SLOW) as s:
        s.starttls(context=server.tls())
        s.login(ALICE, server.password)
        s.sendmail(ALICE, ALICE, f"From: {ALICE}\r\n\r\n")
    assert len(server.messages()) == 1


def test_plaintext_login_on_loopback_only_when_asked_for(make_server):
    server = make_server(config=["allow-plaintext-auth-on-loopback = yes"])
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=30 * SLOW) as s:
        s.login(ALICE, server.password)
        s.sendmail(ALICE, ALICE, f"From: {ALICE}\r\n\r\n")
    assert len(server.messages()) == 1


# Limits


def test_connections_per_address_and_in_all(make_server):
    server = make_server(config=["processes = 1", "max-connections-per-address = 3", "max-connections = 5"])
    held = [server.wire("smtp") for _ in range(3)]
    for w in held:
        w.expect("220 ")
    with server.wire("smtp") as w:
        w.expect(r"421 4\.7\.0")
        w.expect_closed()
    others = [server.wire("smtp", source="127.0.0.2") for _ in range(2)]
    for w in others:
        w.expect("220 ")
    with server.wire("smtp", source="127.0.0.3") as w:
        w.expect(r"421 4\.7\.0")
        w.expect_closed()
    held.pop().close()
    deadline = time.monotonic() + 5 * SLOW
    while True:  # the place is free again
        with server.wire("smtp") as w:
            if w.read_line().startswith("220"):
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for w in held + others:
        w.close()


def test_bytes_in_flight(make_server):
    server = make_server(config=["processes = 1", "max-bytes-in-flight = 1M"])
    held = []
    for _ in range(17):
        w = server.wire("smtp")
        greet(w)
        w.send(f"MAIL FROM:<>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
        for pattern in ("250 2.1.0", "250 2.1.5", "354 "):
            w.expect(pattern)
        held.append(w)
    for w in held[:16]:
        w.send(b"Subject: x\r\n\r\n" + b"x" * 65400 + b"\r\n")
    # 16 of them hold just under 1 MiB: one more is taken, and what passes the limit goes on to the store at once.
    held[16].send(b"x" * 200000)
    for w in held:
        w.send(b"\r\n.\r\n")
        w.expect("250 2.0.0", timeout=60 * SLOW)
        w.close()
    assert len(server.messages()) == 17


def test_disk_nearly_full(make_server):
    server = make_server()
    server.deliver(ALICE, "Subject: before\r\n\r\n")
    server.stop()
    server.configure(["disk-reserve = 1024T"])
    server.start()
    with server.wire("smtp") as w:
        greet(w)
        w.smtp("MAIL FROM:<>", r"452 4\.3\.1")
        w.smtp("NOOP", "250")
    assert len(server.messages()) == 1


def test_ten_thousand_connections(make_server):
    """They cost little, one more is told so, and those there are served."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 11000:
        pytest.skip(f"needs 11,000 descriptors, may have {most}")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = make_server(config=["processes = 1", "max-connections-per-address = 1000"])
    held = []
    try:
        for n in range(10000):
            held.append(socket.create_connection(("127.0.0.1", server.ports["smtp"]), 60 * SLOW, (f"127.0.1.{n % 50}", 0)))
        for s in held:
            assert s.recv(100).startswith(b"220 ")
            s.sendall(b"\xff" * 300)
        if not pombo.SANITIZED:
            assert processes.pss_kib(server.pids("smtpd mx")[0]) < 30 * 1024
        with server.wire("smtp", source="127.0.0.2") as w:
            w.expect(r"421 4\.7\.0")
        held.pop().close()
        deadline = time.monotonic() + 10 * SLOW
        while True:
            try:
                server.deliver(ALICE, "Subject: through\r\n\r\n")
                break
            except smtplib.SMTPException:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        for s in held:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(server.messages()) == 1


# Behind a proxy


def test_proxy_header_from_listed_addresses_only(make_server):
    server = make_server(config=["proxy-networks = 127.0.0.2"])
    with server.wire("smtp", source="127.0.0.2") as w:
        w.send("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n")
        greet(w)
        assert send(w, "Subject: x\r\n\r\n").startswith("250 2.0.0")
    assert b"[192.0.2.7]" in server.messages()[0]
    with server.wire("smtp") as w:
        w.expect("220 ")
        w.smtp("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25", "500 5.5.1")


# Restarts


def test_stored_comes_back(server):
    server.tolerate("stored", "exited")
    with server.wire("smtp") as w:
        greet(w)
        assert send(w, "Subject: 1\r\n\r\n").startswith("250 2.0.0")
        pid = server.kill("stored")
        server.wait_role("stored", not_pid=pid)
        deadline = time.monotonic() + 20 * SLOW
        while True:
            w.line("MAIL FROM:<>")
            if (reply := w.read_reply()[-1]).startswith("250"):
                break
            assert reply.startswith("451 4.3.0") and time.monotonic() < deadline
            time.sleep(0.05)
        w.smtp("RSET", "250")
        assert send(w, "Subject: 2\r\n\r\n").startswith("250 2.0.0")
    assert len(server.messages()) == 2


def test_a_reload_keeps_connections(server):
    with server.wire("smtp") as old:
        greet(old)
        server.configure(["max-recipients = 3"])
        server.reload()
        assert any("RCPTMAX=1000" in line for line in old.smtp(HELLO, "250 "))
        with server.wire("smtp") as new:
            new.expect("220 ")
            assert any("RCPTMAX=3" in line for line in new.smtp(HELLO, "250 "))
        assert send(old, "Subject: x\r\n\r\n").startswith("250 2.0.0")


def stop_amid_a_message(server, subject):
    """The server's end, seen by who is idle and who is in the midst of a message; False when the latter took longer than the 3 s there are."""
    with server.wire("smtp") as idle, server.wire("smtp") as busy:
        greet(idle)
        greet(busy)
        busy.send(f"MAIL FROM:<>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
        for pattern in ("250 2.1.0", "250 2.1.5", "354 "):
            busy.expect(pattern)
        began = time.monotonic()
        server.process.terminate()
        try:
            idle.expect(r"421 4\.3\.2")
            idle.expect_closed()
            busy.send(f"Subject: {subject}\r\n\r\n.\r\n")
            busy.expect("250 2.0.0")
            busy.expect(r"421 4\.3\.2")
            return True
        except (AssertionError, OSError, Closed):
            if time.monotonic() - began < 2.5:
                raise
            return False
        finally:
            server.stop()


def test_a_stop_says_goodbye(server):
    for n in range(10):
        in_time = stop_amid_a_message(server, f"the last {n}")
        server.start()
        if in_time:
            break
    assert in_time and server.messages()[-1].endswith(f"Subject: the last {n}\r\n\r\n".encode())


def test_a_changed_password_ends_sessions(server):
    with server.wire("submissions") as w:
        greet(w)
        w.smtp("AUTH PLAIN " + base64.b64encode(f"\0{ALICE}\0{pombo.PASSWORD}".encode()).decode(), "235 2.7.0")
        server.cli("account", "password", ALICE, "--password-stdin", input="another password\n")
        w.expect(r"421 4\.7\.0")
        w.expect_closed()


def test_hostile_bytes(shared_server):
    """Whatever comes, the next client is served."""
    for junk in (b"\x00" * 100000, b"\xff" * 100000, b"\r" * 100000, b"\n" * 1000, b"EHLO " + b"x" * 100000,
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, b"BDAT 18446744073709551615 LAST\r\n" + b"x" * 100000):
        with shared_server.wire("smtp") as w:
            try:
                w.send(junk)
                w.is_silent(0.05)
            except (OSError, AssertionError):
                pass
    shared_server.deliver(ALICE, "Subject: still there\r\n\r\n")
