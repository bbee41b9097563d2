# SPDX-License-Identifier: ISC
"""Servers that none of us wrote as the other side: mail goes to them and comes from them, with and without TLS, with right, wrong and expired
certificates."""
import os
import random
import re
import subprocess
import time

import dns.flags
import pytest
from dnsserver import DnsServer
from foreign import Exim, OpenSmtpd, Postfix, await_banner, find
from pombo import ALICE, HOSTNAME, SLOW
from test_tls_policy import CERTIFICATES, TEXT, fate, submit, world  # noqa: F401  (a fixture)

# certificate -> what becomes of mail to a domain whose MTA-STS policy is enforced, and to one without
CASES = {"good": ("sent", "(certificate verified)"), "expired": ("deferred", "(not verified"), "wrong-name": ("deferred", "(not verified"),
         "plaintext": ("deferred", "")}


def certificate_file(world, kind, host):
    before = set(world.ca.folder.glob("*.pem"))
    if CERTIFICATES[kind](world.ca, host) is None:
        return None
    made, = set(world.ca.folder.glob("*.pem")) - before
    return made


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd])
def test_to_and_from(make_server, world, kind):
    server = make_server(start=False, config=world.settings())
    hosts = {f"127.0.2.{i}": case for i, case in enumerate(CASES, 1)}
    certificates = {address: certificate_file(world, case, f"mx.{case}.test") for address, case in hosts.items()}
    domains = []
    for address, case in hosts.items():
        world.dns.set({(f"mx.{case}.test", "A"): [address]})
        world.domain(f"{case}.test", [f"mx.{case}.test"])
        world.domain(f"sts.{case}.test", [f"mx.{case}.test"], sts_id="1")
        world.web.publish(f"sts.{case}.test", "enforce", f"mx.{case}.test")
        domains += [f"{case}.test", f"sts.{case}.test"]
    relay = ("127.0.0.1", server.ports["smtp"], server.certificate, HOSTNAME)
    with kind(world.port, certificates, domains, relay) as other:
        server.start()
        submit(server, *[f"bob@{domain}" for domain in domains])
        for case, (enforced, words) in CASES.items():
            line = fate(server, f"bob@{case}.test", "sent")
            assert words in line["tls"] and bool(line["tls"]) == bool(words), (case, line)
            fate(server, f"bob@sts.{case}.test", enforced)
        expected = len(CASES) + 1  # with an enforced policy the good one alone
        arrived = other.wait_inbox(expected)
        assert len(arrived) == expected and all(TEXT.split("\r\n\r\n")[1].strip().encode() in m for m in arrived)
        other.send("carol@good.test", ALICE)
        deadline = time.monotonic() + 30 * SLOW
        while not (got := server.messages()):
            assert time.monotonic() < deadline, other.log()
            time.sleep(0.05)
        assert b"from afar" in got[0] and b"with ESMTPS" in got[0]


class Vouched(DnsServer):
    """Says of everything that DNSSEC vouches for it, as a validating resolver does."""

    def respond(self, query, name, kind, transport):
        answer = super().respond(query, name, kind, transport)
        answer.flags |= dns.flags.AD
        return answer


@pytest.mark.parametrize("wrong", [False, True])
def test_dane_as_postfix_sees_it(make_server, tmp_path, wrong):
    """The TLSA record that `pombo dns` prints is that of what pombo shows."""
    if os.geteuid() != 0:
        pytest.skip("a name server on port 53 and a mount namespace want root")
    finger = find("usr/sbin/posttls-finger")
    server = make_server()
    port = server.ports["smtp"]
    tlsa, = re.findall(r"TLSA\s+(3 1 1 [0-9a-f]+)", server.cli("dns", "example.test").stdout)
    with Vouched({("example.test", "MX"): [f"10 {HOSTNAME}."], (HOSTNAME, "A"): ["127.0.0.1"],
                  (f"_{port}._tcp.{HOSTNAME}", "TLSA"): ["3 1 1 " + "00" * 32 if wrong else tlsa]},
                 address=f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}", port=53) as names:
        (tmp_path / "resolv.conf").write_text(f"nameserver {names.address}\noptions trust-ad edns0\n")
        done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && "
                               f"exec {finger} -c -l dane -L summary example.test:{port}"], capture_output=True, text=True,
                              timeout=60 * SLOW, stdin=subprocess.DEVNULL)
        said = done.stdout + done.stderr
        assert ("Verified TLS connection established" in said) != wrong and "TLS connection established" in said, said

# Postfix's smtp-sink as a server with one trouble: its options -> what becomes of the mail.
SINKS = {"plain": ([], "sent"), "no-esmtp": (["-e"], "sent"), "no-pipelining": (["-p"], "sent"), "no-8bitmime": (["-8"], "sent"),
         "soft-mail": (["-r", "MAIL"], "deferred"), "soft-rcpt": (["-r", "RCPT"], "deferred"), "soft-dot": (["-r", "."], "deferred"),
         "hard-mail": (["-f", "MAIL"], "failed"), "hard-rcpt": (["-f", "RCPT"], "failed"), "hard-dot": (["-f", "."], "failed"),
         "hangs-up": (["-q", "DATA"], "deferred"), "hangs-up-politely": (["-Q", "RCPT"], "deferred")}


def test_smtp_sink(make_server, world):
    server = make_server(start=False, config=world.settings())
    sink = find("usr/sbin/smtp-sink")
    started = []
    try:
        for i, (case, (options, _)) in enumerate(SINKS.items(), 1):
            address = f"127.0.2.{i}"
            world.dns.set({(f"mx.{case}.test", "A"): [address]})
            world.domain(f"{case}.test", [f"mx.{case}.test"])
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            started.append(subprocess.Popen([sink, *user, *options, f"{address}:{world.port}", "10"], stdin=subprocess.DEVNULL))
            await_banner(address, world.port)
        server.start()
        submit(server, *[f"bob@{case}.test" for case in SINKS])
        for case, (_, what) in SINKS.items():
            fate(server, f"bob@{case}.test", what)
    finally:
        for process in started:
            process.kill()
            process.wait()
