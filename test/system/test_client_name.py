# SPDX-License-Identifier: ISC
"""The names of clients of port 25, by reverse DNS: in Received and in pombo trace."""
import email
import time

import pytest
from dnsserver import DnsServer
from pombo import ALICE, SLOW

RECORDS = {
    ("8.8.4.8.in-addr.arpa", "PTR"): ["mx.far.example."],
    ("mx.far.example", "A"): ["8.4.8.8"],
    ("9.8.4.8.in-addr.arpa", "PTR"): ["liar.far.example."],  # does not lead back
    ("liar.far.example", "A"): ["8.4.8.1"],
    ("1.0.0.10.in-addr.arpa", "PTR"): ["inside.far.example."],
    ("inside.far.example", "A"): ["10.0.0.1"],
}


def deliver(server, ip, subject):
    w = server.wire("smtp", source="127.0.0.2")
    w.send(f"PROXY TCP4 {ip} 198.51.100.1 40000 25\r\n")
    w.expect("220 ")
    began = time.monotonic()
    w.smtp("HELO far.example", "250")
    w.smtp("MAIL FROM:<a@far.example>", "250")
    w.smtp(f"RCPT TO:<{ALICE}>", "250")
    w.smtp("DATA", "354")
    w.smtp(f"Subject: {subject}\r\n\r\nx\r\n.", "250")
    w.smtp("QUIT", "221")
    return time.monotonic() - began


def received(server, subject):
    for m in map(email.message_from_bytes, server.messages()):
        if m["Subject"] == subject:
            return " ".join(m["Received"].split())
    raise AssertionError(subject)


@pytest.mark.parametrize("ip, name", [("8.4.8.8", "mx.far.example"), ("8.4.8.9", None), ("8.4.8.10", None), ("10.0.0.1", None)])
def test_who_it_came_from(make_server, ip, name):
    with DnsServer(RECORDS) as dns:
        server = make_server(config=[*dns.settings(), "proxy-networks = 127.0.0.2"])
        deliver(server, ip, "one")
        deliver(server, ip, "two")
        for subject in ("one", "two"):
            who = f"({name} [{ip}])" if name else f"([{ip}])"
            assert received(server, subject).startswith(f"from far.example {who} by ")
        peers = {e["peer"] for e in server.cli_json("trace", ALICE) if e["event"] == "received"}
        assert peers == {f"far.example ({name + ' ' if name else ''}{ip})"}
        notes = {n for e in server.cli_json("trace", ALICE) for n in e["notes"]}
        assert notes == {"checked: the client's name (reverse DNS); not SPF, DKIM, DMARC" if name
                         else "not checked: who the client is (reverse DNS), SPF, DKIM, DMARC"}
        asked = [q for q in dns.asked if "in-addr.arpa" in str(q)]
        assert bool(asked) == (ip != "10.0.0.1")  # nobody's but the public ones are asked for


@pytest.mark.parametrize("setting", ["none", "all"])
def test_whose_names(make_server, setting):
    with DnsServer(RECORDS) as dns:
        server = make_server(config=[*dns.settings(), "proxy-networks = 127.0.0.2", f"client-names = {setting}"])
        deliver(server, "8.4.8.8", "x")
        assert ("mx.far.example" in received(server, "x")) == (setting == "all")


def test_a_name_server_that_does_not_answer(make_server):
    """The message waits some seconds, once; then nobody does."""
    with DnsServer({("8.8.4.8.in-addr.arpa", "PTR"): lambda query, transport: None}) as dns:
        server = make_server(config=[*dns.settings(), "proxy-networks = 127.0.0.2"])
        assert deliver(server, "8.4.8.8", "one") < 8 * SLOW
        # Each that waited again would need those 4 s.
        assert any(deliver(server, "8.4.8.8", f"two {n}") < 3.5 for n in range(10))
        assert "far.example ([8.4.8.8])" in received(server, "one")


def test_without_dnsd(make_server):
    with DnsServer(RECORDS) as dns:
        server = make_server(config=[*dns.settings(), "proxy-networks = 127.0.0.2"])
        server.tolerate("exited unexpectedly")
        server.kill("dnsd")
        deliver(server, "8.4.8.8", "x")
        assert "8.4.8.8" in received(server, "x")
