# SPDX-License-Identifier: ISC
"""How strong TLS must be with other servers: MTA-STS (RFC 8461), DANE (RFC 7672), REQUIRETLS (RFC 8689), against servers with right, wrong,
expired and no certificates, a web server for policies, plain and signed zones."""
import contextlib
import email
import gzip
import http.server
import json
import sqlite3
import ssl
import threading
import time
import types

import dns.message
import dns.query
import dns.rcode
import pytest
import test_confirm
import test_dkim
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from authority import Authority
from dnsserver import DnsServer, SignedZones
from pombo import ALICE, SLOW, not_at_midnight
from ports import PortBlock
from smtpserver import SmtpServer
from test_relay import wait_empty, wait_queue

TEXT = f"From: {ALICE}\r\nSubject: hello\r\n\r\nhello\r\n"


class Sink:
    """An SMTP server on an address of its own; `got` are the messages."""

    def __init__(self, address, port, context):
        self.got = []
        self.requiretls = False
        sink = self

        class Handler:
            async def handle_DATA(self, server, session, envelope):
                sink.got.append((envelope.content, session.ssl is not None, envelope.mail_options))
                return "250 2.0.0 ok"

            async def handle_EHLO(self, server, session, envelope, hostname, responses):
                session.host_name = hostname
                if sink.requiretls and session.ssl:
                    responses.insert(-1, "250-REQUIRETLS")
                return responses

        class Lenient(SMTP):
            def _getparams(self, params):
                found = super()._getparams([p for p in params if p != "REQUIRETLS"])
                return found

        class Here(Controller):
            def factory(self):
                return Lenient(self.handler, tls_context=context, hostname="sink.test", enable_SMTPUTF8=True)

        self.controller = Here(Handler(), hostname=address, port=port, ready_timeout=30 * SLOW)
        self.controller.start()

    def close(self):
        self.controller.stop()


class PolicyHost:
    """Policies by HTTPS: {host name: (status, type, text)}; `asked` are the names asked for."""

    def __init__(self, contexts):
        self.policies, self.asked, self.contexts = {}, [], contexts
        self.length, self.goodbye = True, True  # does it say how long an answer is; else, does TLS say that it is over
        self.posts, self.answers = [], []  # what was posted: (host, path, type, body); the next answers, else 201
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].split(":")[0]
                status, kind, text = owner.policies.get(host, (404, "text/plain", "none\n"))
                owner.asked.append((host, self.path))  # what is changed from now on is not for this one
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status == 301:
                    self.send_header("Location", f"https://{host}/elsewhere")
                if owner.length:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
                if owner.goodbye and not owner.length:
                    self.connection.unwrap()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.posts.append((self.headers["Host"].split(":")[0], self.path, self.headers["Content-Type"], body))
                self.send_response(owner.answers.pop(0) if owner.answers else 201)
                if owner.length:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        context = next(iter(contexts.values()))
        context.sni_callback = lambda sock, name, _: setattr(sock, "context", owner.contexts.get(name, context))

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                sock, peer = super().get_request()
                sock.settimeout(10 * SLOW)
                return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), peer

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def publish(self, domain, mode, *mx, max_age=86400, status=200, kind="text/plain", text=None):
        lines = ["version: STSv1", f"mode: {mode}", *[f"mx: {m}" for m in mx], f"max_age: {max_age}"]
        self.policies[f"mta-sts.{domain}"] = (status, kind, text if text is not None else "\r\n".join(lines) + "\r\n")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def changed(settings, *lines):
    keys = [line.split(" = ")[0] for line in lines]
    return [s for s in settings if s.split(" = ")[0] not in keys] + list(lines)


class World:
    """The other side: authority, name server, web server, and mail servers at 127.0.2.N, all on one port."""

    def __init__(self, folder):
        self.ca = Authority(folder)
        self.ports = PortBlock([f"127.0.2.{n}" for n in range(1, 33)])
        self.port = self.ports["smtp"]
        self.sinks = {}
        self.dns = DnsServer({})
        self.web = PolicyHost({"unused.test": self.ca.server("unused.test")})

    def sink(self, host, context):
        address = f"127.0.2.{len(self.sinks) + 1}"
        self.sinks[host] = Sink(address, self.port, context)
        self.dns.set({(host, "A"): [address]})
        return self.sinks[host]

    def domain(self, domain, mx, sts_id=None, web=None):
        """A domain whose mail goes to `mx`; with an id it has an MTA-STS record, and a web server that `web` vouches for (a context)."""
        self.dns.set({(domain, "MX"): [f"{i * 10} {m}." for i, m in enumerate(mx)]})
        if sts_id:
            self.dns.set({(f"_mta-sts.{domain}", "TXT"): [f'"v=STSv1; id={sts_id};"'], (f"mta-sts.{domain}", "A"): ["127.0.0.1"]})
            self.web.contexts[f"mta-sts.{domain}"] = web or self.ca.server(f"mta-sts.{domain}")

    def settings(self):
        return ["hold-outbound = no", f"outbound-port = {self.port}", f"fetch-port = {self.web.port}", f"outbound-ca = {self.ca.file}",
                *self.dns.settings()]

    def close(self):
        for s in self.sinks.values():
            s.close()
        self.web.close()
        self.dns.close()
        self.ports.close()


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    yield w
    w.close()


def submit(server, *to, text=TEXT, options=()):
    with server.submission() as s:
        assert s.sendmail(ALICE, list(to), text, mail_options=options) == {}


def later(server, days):
    server.stop()
    server.env["POMBO_CLOCK_SHIFT"] = str(int(days * 86400))
    server.start()


def counts(server):
    """What was counted for reports; the server ends."""
    server.stop()
    with contextlib.closing(sqlite3.connect(f"file:{server.dir / 'store' / 'pombo.db'}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM tls_count")]


def fate(server, to, event, timeout=20):
    return server.wait_log(event=event, to=to, timeout=timeout * SLOW)


CERTIFICATES = {
    "good": lambda ca, host: ca.server(host),
    "wildcard": lambda ca, host: ca.server("*." + host.split(".", 1)[1]),
    "self-signed": lambda ca, host: ca.server(host, self_signed=True),
    "expired": lambda ca, host: ca.server(host, expired=True),
    "wrong-name": lambda ca, host: ca.server("else.where.test"),
    "subject-only": lambda ca, host: ca.server(subject=host),
    "plaintext": lambda ca, host: None,
}


@pytest.fixture
def sts_world(world):
    for kind, make in CERTIFICATES.items():
        for mode in ("enforce", "testing"):
            domain = f"{kind}.{mode}.test"
            world.sink(f"mx.{domain}", make(world.ca, f"mx.{domain}"))
            world.domain(domain, [f"mx.{domain}"], sts_id="1")
            world.web.publish(domain, mode, f"mx.{domain}")
    return world


def test_mta_sts_by_certificate(make_server, sts_world):
    """Enforced: only a certificate of the host's name, in a subjectAltName, that an authority vouches for. Testing: all go."""
    server = make_server(config=sts_world.settings())
    submit(server, *[f"bob@{k}.{m}.test" for k in CERTIFICATES for m in ("enforce", "testing")])
    for kind in CERTIFICATES:
        enforced = "sent" if kind in ("good", "wildcard") else "deferred"
        line = fate(server, f"bob@{kind}.enforce.test", enforced)
        assert len(sts_world.sinks[f"mx.{kind}.enforce.test"].got) == (enforced == "sent"), kind
        if enforced == "sent":
            assert line["tls"].startswith("TLSv1.3 ") and line["tls"].endswith("(MTA-STS verified)")
        fate(server, f"bob@{kind}.testing.test", "sent")
        (_, under_tls, _), = sts_world.sinks[f"mx.{kind}.testing.test"].got
        assert under_tls == (kind != "plaintext"), kind
    wait_queue(server, lambda q: len(q) == 5)


def test_mta_sts_by_name_of_the_host(make_server, world):
    good, other = world.sink("mx1.far.test", world.ca.server("mx1.far.test")), world.sink("mx.other.test", world.ca.server("mx.other.test"))
    world.domain("far.test", ["mx.other.test", "mx1.far.test"], sts_id="a1")
    world.web.publish("far.test", "enforce", "*.far.test")
    world.domain("bad.test", ["mx.other.test"], sts_id="a1")
    world.web.publish("bad.test", "enforce", "mx.bad.test")
    server = make_server(config=world.settings())
    submit(server, "bob@far.test", "bob@bad.test")
    assert fate(server, "bob@far.test", "sent")["mx"] == "mx1.far.test"  # the better one is passed over
    assert "does not name this host" in fate(server, "bob@bad.test", "deferred")["reply"]
    assert len(good.got) == 1 and other.got == []


def test_a_policy_without_a_length_ends_with_tls(make_server, world):
    """RFC 9112 §9.8: by close_notify; what is only hung up on counts for nothing (below)."""
    bad = world.sink("mx.far.test", world.ca.server("mx.far.test", self_signed=True))
    world.domain("far.test", ["mx.far.test"], sts_id="1")
    world.web.publish("far.test", "enforce", "mx.far.test")
    world.web.length = False
    server = make_server(config=world.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "deferred")
    assert bad.got == []


@pytest.mark.parametrize("how", ["404", "redirect", "html", "malformed", "not-verified", "too-long", "cut-off", "no-server", "two-records"])
def test_a_policy_that_cannot_be_had_binds_nobody(make_server, world, how):
    """RFC 8461 §5.1: unless one was had before (below)."""
    sink = world.sink("mx.far.test", world.ca.server("mx.far.test", self_signed=True))
    web = world.ca.server("mta-sts.else.test") if how == "not-verified" else None
    world.domain("far.test", ["mx.far.test"], sts_id="1", web=web)
    world.web.publish("far.test", "enforce", "mx.far.test")
    if how == "404":
        world.web.policies.clear()
    elif how == "redirect":
        world.web.publish("far.test", "enforce", "mx.far.test", status=301)
    elif how == "html":
        world.web.publish("far.test", "enforce", "mx.far.test", kind="text/html")
    elif how == "malformed":
        world.web.publish("far.test", "enforce", text="version: STSv1\nmode: enforce\n")
    elif how == "too-long":
        world.web.publish("far.test", "enforce", text="version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9\n" + "x: y\n" * 20000)
    elif how == "cut-off":  # 86400, it was
        world.web.publish("far.test", "enforce", text="version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 86")
        world.web.length = world.web.goodbye = False
    elif how == "no-server":
        world.dns.set({("mta-sts.far.test", "A"): ["127.0.9.9"]})
    elif how == "two-records":
        world.dns.set({("_mta-sts.far.test", "TXT"): ['"v=STSv1; id=1;"', '"v=STSv1; id=2;"']})
    server = make_server(config=world.settings())
    submit(server, "bob@far.test")
    assert "not verified" in fate(server, "bob@far.test", "sent", timeout=60)["tls"]
    assert len(sink.got) == 1
    if how == "two-records":
        assert world.web.asked == [] and not server.log_lines(event="mta-sts-not-fetched")
    else:
        assert server.log_lines(event="mta-sts-not-fetched", domain="far.test")
    assert ("mta-sts.far.test", "/elsewhere") not in world.web.asked


@pytest.fixture
def turncoat(world):
    """far.test enforces, and its server is good at first; another that is not takes its name with turn()."""
    world.domain("far.test", ["mx.far.test"], sts_id="1")
    world.web.publish("far.test", "enforce", "mx.far.test")
    bad = world.sink("mx.far.test", world.ca.server("mx.far.test", self_signed=True))
    address = world.dns.records[("mx.far.test", "A")]
    good = world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.good, world.bad = good, bad
    world.sinks["bad"] = bad
    world.turn = lambda: world.dns.set({("mx.far.test", "A"): address})
    return world


def test_a_policy_outlives_a_restart_and_those_who_take_it_away(make_server, turncoat):
    server = make_server(config=turncoat.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    assert turncoat.web.asked == [("mta-sts.far.test", "/.well-known/mta-sts.txt")]
    turncoat.turn()
    turncoat.dns.set({("_mta-sts.far.test", "TXT"): []})
    turncoat.web.policies.clear()
    server.restart()
    submit(server, "carol@far.test")
    fate(server, "carol@far.test", "deferred")
    assert turncoat.bad.got == [] and len(turncoat.web.asked) == 1


def test_a_new_id_with_nothing_behind_it_takes_no_policy_away(make_server, turncoat):
    server = make_server(config=turncoat.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    turncoat.turn()
    turncoat.dns.set({("_mta-sts.far.test", "TXT"): ['"v=STSv1; id=2;"']})
    turncoat.web.policies.clear()
    server.restart()
    submit(server, "carol@far.test")
    fate(server, "carol@far.test", "deferred")
    assert turncoat.bad.got == [] and len(turncoat.web.asked) == 2
    assert server.log_lines(event="mta-sts-not-fetched", in_force="yes")


def test_a_new_policy_under_a_new_id_counts(make_server, turncoat):
    server = make_server(config=turncoat.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    turncoat.turn()
    turncoat.dns.set({("_mta-sts.far.test", "TXT"): ['"v=STSv1; id=2;"']})
    turncoat.web.publish("far.test", "none", max_age=0)
    server.restart()
    submit(server, "carol@far.test")
    fate(server, "carol@far.test", "sent")
    assert len(turncoat.bad.got) == 1


def test_a_lost_record_is_told_of_and_the_policy_fetched_anew(make_server, turncoat):
    """RFC 8461 §6, §10.2: who takes the record away is noticed, and gains no time."""
    turncoat.web.publish("far.test", "enforce", "mx.far.test", max_age=3 * 86400)
    server = make_server(config=[*turncoat.settings(), "log-level = debug"])
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    turncoat.dns.set({("_mta-sts.far.test", "TXT"): []})
    later(server, 2)
    server.wait_log(event="mta-sts-fetched", domain="far.test", timeout=40 * SLOW)
    assert len(turncoat.web.asked) == 2
    turncoat.web.policies.clear()
    later(server, 4)  # it would have run out
    submit(server, "carol@far.test")
    assert fate(server, "carol@far.test", "sent")["tls"].endswith("(MTA-STS verified)")
    assert server.log_lines(event="mta-sts-not-fetched", domain="far.test", in_force="yes")
    turncoat.turn()
    server.restart()
    submit(server, "dan@far.test")
    fate(server, "dan@far.test", "deferred")
    assert ("far.test", "sts-policy-fetch-error") in {(c["domain"], c["result"]) for c in counts(server)}


def test_a_policy_that_was_withdrawn_is_not_missed(make_server, world):
    """RFC 8461 §8.3: with mode "none" first."""
    world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.domain("far.test", ["mx.far.test"], sts_id="1")
    world.web.publish("far.test", "none")
    server = make_server(config=world.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    world.dns.set({("_mta-sts.far.test", "TXT"): []})
    server.restart()
    submit(server, "carol@far.test")
    fate(server, "carol@far.test", "sent")
    assert not server.log_lines(event="mta-sts-not-fetched")
    assert {c["result"] for c in counts(server)} == {""}


def test_a_policy_runs_out(make_server, turncoat):
    turncoat.web.publish("far.test", "enforce", "mx.far.test", max_age=86400)
    server = make_server(config=turncoat.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    turncoat.turn()
    turncoat.dns.set({("_mta-sts.far.test", "TXT"): []})
    later(server, 2)
    submit(server, "carol@far.test")
    fate(server, "carol@far.test", "sent")
    assert len(turncoat.bad.got) == 1


# DANE

def zone(port, tlsa, name="signed.test"):
    """Hosts and their TLSA records: {host: (address, [records])}."""
    lines = ["$TTL 300", f"@ SOA ns.{name}. hostmaster.{name}. 1 3600 600 86400 300", "@ NS ns", "ns A 127.0.0.1"]
    for host, (address, records) in tlsa.items():
        lines += [f"{host} MX 10 mx.{host}.{name}.", f"mx.{host} A {address}"]
        lines += [f"_{port}._tcp.mx.{host} TLSA {r}" for r in records]
    return "\n".join(lines) + "\n"


DANE = {
    # host: (certificate, records of it, what becomes of mail)
    "ee-spki": ("good", [(3, 1, 1)], "sent"),
    "ee-cert": ("good", [(3, 0, 2)], "sent"),
    "ee-full": ("good", [(3, 1, 0)], "sent"),
    "ee-expired": ("expired", [(3, 1, 1)], "sent"),  # RFC 7672 §3.1.1: neither dates
    "ee-wrong-name": ("wrong-name", [(3, 1, 1)], "sent"),  # nor names matter
    "ee-self-signed": ("self-signed", [(3, 1, 1)], "sent"),
    "ta-good": ("good", [(2, 0, 1)], "sent"),
    "ta-wrong-name": ("wrong-name", [(2, 0, 1)], "deferred"),  # §3.1.2: here they do
    "ta-expired": ("expired", [(2, 0, 1)], "deferred"),
    "mismatch": ("good", ["3 1 1 " + "00" * 32], "deferred"),
    "one-of-two": ("good", ["3 1 1 " + "00" * 32, (3, 1, 1)], "sent"),
    "stronger": ("good", ["3 1 1 " + "00" * 32, (3, 1, 2)], "sent"),
    "weaker": ("good", [(3, 1, 1), "3 1 2 " + "00" * 64], "deferred"),  # RFC 7671 §9: the strongest digest alone counts
    "weaker-full": ("good", [(3, 1, 0), "3 1 2 " + "00" * 64], "sent"),  # and what is no digest
    "plaintext": ("plaintext", ["3 1 1 " + "00" * 32], "deferred"),
    "pkix-only": ("self-signed", ["1 1 1 " + "00" * 32], "sent"),  # §3.1.3: unusable, so encrypted whoever it is
    "pkix-plaintext": ("plaintext", ["0 1 1 " + "00" * 32], "deferred"),
    "short": ("self-signed", ["3 1 1 " + "00" * 31], "sent"),  # RFC 7671 §9: not of its digest's length, unusable
    "garbage": ("self-signed", ["3 0 0 " + "5a" * 40], "sent"),  # nor what is no certificate
    "short-plaintext": ("plaintext", ["3 1 1 " + "00" * 31], "deferred"),
    "none": ("self-signed", [], "sent"),
    "none-plaintext": ("plaintext", [], "sent"),
}


def signed(world, cases=DANE):
    hosts = {}
    for host, (certificate, records, _) in cases.items():
        name = f"mx.{host}.signed.test"
        if certificate == "wrong-name":
            context = world.ca.server(f"{host}.else.test", with_authority=True)
            world.ca.made[name] = world.ca.made[f"{host}.else.test"]
        else:
            how = {"expired": {"expired": True}, "self-signed": {"self_signed": True}}.get(certificate, {"with_authority": True})
            context = None if certificate == "plaintext" else world.ca.server(name, **how)
        world.sink(name, context)
        address = world.dns.records[(name, "A")][0]
        hosts[host] = (address, [r if isinstance(r, str) else world.ca.tlsa(name, *r) for r in records])
    return SignedZones({"signed.test": zone(world.port, hosts)})


def dane_settings(world, knot):
    return changed(world.settings(), f"dns-server = 127.0.0.1@{knot.port}", f"trust-anchor = {knot.anchors()[0]}")


def test_dane(make_server, world):
    with signed(world) as knot:
        server = make_server(config=dane_settings(world, knot))
        for host in DANE:
            submit(server, f"bob@{host}.signed.test")
        for host, (certificate, _, event) in DANE.items():
            line = fate(server, f"bob@{host}.signed.test", event)
            got = world.sinks[f"mx.{host}.signed.test"].got
            assert len(got) == (event == "sent"), host
            if event == "sent":
                assert line["tls"].endswith("(DANE verified)") == host.startswith(("ee-", "ta-", "one-", "stronger", "weaker")), (host, line)
                assert got[0][1] == (certificate != "plaintext")


ALIASES = {
    # host: (where its CNAME ends, the certificate's name, TLSA records by name, what becomes of mail)
    "end": ("real.end.signed.test", "real.end.signed.test", {"real.end": 3, "mx.end": None}, "sent"),
    "origin": ("real.origin.signed.test", "mx.origin.signed.test", {"mx.origin": 2}, "sent"),
    "end-first": ("real.end-first.signed.test", "mx.end-first.signed.test", {"real.end-first": None, "mx.end-first": 3}, "deferred"),
    "outside": ("outside.plain.test", "mx.outside.signed.test", {"mx.outside": 3}, "sent"),
    "outside-wrong": ("outside-wrong.plain.test", "mx.outside-wrong.signed.test", {"mx.outside-wrong": None}, "deferred"),
    "outside-none": ("outside-none.plain.test", "x.test", {}, "sent"),
    "by-domain": (None, "by-domain.signed.test", {"mx.by-domain": 2}, "sent"),  # usage 2: the next hop's name will do (§3.2.2)
}


def test_dane_and_aliases(make_server, world):
    """RFC 7672 §2.2.2: records at the end of the CNAMEs, else at the host's own name, and there also where the alias leads out of DNSSEC."""
    signed_zone, plain_zone = [zone(world.port, {})], [zone(world.port, {}, "plain.test")]
    for host, (end, certificate, records, _) in ALIASES.items():
        sink = f"mx.{host}.signed.test"
        world.sink(sink, world.ca.server(certificate, with_authority=True))
        address = world.dns.records[(sink, "A")][0]
        signed_zone.append(f"{host} MX 10 {sink}.")
        signed_zone.append(f"mx.{host} CNAME {end}." if end else f"mx.{host} A {address}")
        if end:
            (plain_zone if end.endswith("plain.test") else signed_zone).append(f"{end}. A {address}")
        for name, usage in records.items():
            record = world.ca.tlsa(certificate, usage, 1, 1) if usage else "3 1 1 " + "00" * 32
            signed_zone.append(f"_{world.port}._tcp.{name} TLSA {record}")
    with SignedZones({"signed.test": "\n".join(signed_zone) + "\n", "plain.test": "\n".join(plain_zone) + "\n"}) as knot:
        server = make_server(config=dane_settings(world, knot))
        submit(server, *[f"bob@{host}.signed.test" for host in ALIASES])
        for host, (_, _, records, event) in ALIASES.items():
            line = fate(server, f"bob@{host}.signed.test", event)
            assert len(world.sinks[f"mx.{host}.signed.test"].got) == (event == "sent"), host
            assert line["tls"].endswith("(DANE verified)") == bool(event == "sent" and records), (host, line)
        counted = counts(server)  # RFC 8460 §1.1: DANE's policy domain is where the records stand
        assert {(c["domain"], c["tlsa_base"]) for c in counted if c["policy_type"] == 1} >= {
            ("end.signed.test", "real.end.signed.test"), ("origin.signed.test", "mx.origin.signed.test"), ("outside.signed.test", "mx.outside.signed.test")}


def test_a_route_that_asks_for_dane_where_there_is_none(make_server, world):
    world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.domain("far.test", ["mx.far.test"])
    server = make_server(config=[*world.settings(), "[route strict]", "to = far.test", "tls = dane"])
    submit(server, "bob@far.test")
    assert "DANE" in fate(server, "bob@far.test", "deferred")["reply"]
    assert [(c["domain"], c["result"]) for c in counts(server)] == [("far.test", "dane-required")]  # RFC 8460 §4.3.2.1


def test_the_sender_reads_who_vouched(make_server, world):
    """A summary of one message: DANE, MTA-STS, a good certificate that nobody asks for, and one of nobody."""
    contexts = {"dane": world.ca.server("mx.dane.signed.test", with_authority=True), "sts": world.ca.server("mx.sts.signed.test"),
                "good": world.ca.server("mx.good.signed.test"), "nobody": world.ca.server("mx.nobody.signed.test", self_signed=True)}
    hosts = {}
    for host, context in contexts.items():
        world.sink(f"mx.{host}.signed.test", context)
        hosts[host] = (world.dns.records[(f"mx.{host}.signed.test", "A")][0],
                       [world.ca.tlsa("mx.dane.signed.test", 3, 1, 1)] if host == "dane" else [])
    world.domain("sts.signed.test", ["mx.sts.signed.test"], sts_id="1")  # the web server's certificate
    world.web.publish("sts.signed.test", "enforce", "mx.sts.signed.test")
    text = zone(world.port, hosts) + '_mta-sts.sts TXT "v=STSv1; id=1;"\nmta-sts.sts A 127.0.0.1\n'
    with SignedZones({"signed.test": text}) as knot:
        server = make_server(config=dane_settings(world, knot))
        server.cli("account", "confirm", ALICE, "on")
        submit(server, *[f"bob@{host}.signed.test" for host in hosts])
        said = test_confirm.lines(test_confirm.summaries(server, timeout=40)[0])
        for host, how in {"dane": "DANE verified", "sts": "MTA-STS verified", "good": "certificate verified", "nobody": "not verified"}.items():
            assert said[f"bob@{host}.signed.test"] == f"accepted by mx.{host}.signed.test over TLS 1.3, {how}: 250 2.0.0 ok"
            sent, = [e["tls"] for e in server.cli_json("trace", f"bob@{host}.signed.test")
                     if e["event"] == "sent" and e["address"] == f"bob@{host}.signed.test"]
            assert sent.startswith("TLSv1.3 ") and f"({how}" in sent


def test_a_bogus_zone_is_sent_nothing(make_server, world):
    cases = {"ee-spki": DANE["ee-spki"]}
    with signed(world, cases) as knot:
        anchor = knot.anchors()[0].split()
        anchor[-1] = "00" * (len(anchor[-1]) // 2)
        server = make_server(config=changed(dane_settings(world, knot), f"trust-anchor = {' '.join(anchor)}"))
        submit(server, "bob@ee-spki.signed.test")
        assert "DNSSEC" in fate(server, "bob@ee-spki.signed.test", "deferred", timeout=60)["reply"]
        assert world.sinks["mx.ee-spki.signed.test"].got == []


def test_tlsa_records_that_cannot_be_had_are_no_reason_to_go_without(make_server, world):
    """RFC 7672 §2.1.2: whoever can hold back an answer must not be able to take DANE away."""
    cases = {"ee-spki": DANE["ee-spki"]}
    with signed(world, cases) as knot:
        def pass_on(query, transport):
            if query.question[0].name.to_text().startswith("_"):
                return None
            return dns.query.udp(query, "127.0.0.1", 5, knot.port).to_wire()

        class Between(DnsServer):
            def answer(self, packet, transport):
                return pass_on(dns.message.from_wire(packet), transport)

        with Between() as between:
            server = make_server(config=changed(dane_settings(world, knot), f"dns-server = 127.0.0.1@{between.port}"))
            submit(server, "bob@ee-spki.signed.test")
            assert "TLSA" in fate(server, "bob@ee-spki.signed.test", "deferred", timeout=60)["reply"]
            assert world.sinks["mx.ee-spki.signed.test"].got == []


# REQUIRETLS

def test_requiretls(make_server, world):
    """RFC 8689 §4.2.1: it needs a name that is vouched for, a certificate, and a server that promises the same."""
    sinks = {}
    for domain, makes in {"yes": "good", "promises-not": "good", "nobody-vouches": "good", "not-verified": "self-signed",
                          "no-tls": "plaintext"}.items():
        sinks[domain] = world.sink(f"mx.{domain}.test", CERTIFICATES[makes](world.ca, f"mx.{domain}.test"))
        sinks[domain].requiretls = domain != "promises-not"
        world.domain(f"{domain}.test", [f"mx.{domain}.test"], sts_id=None if domain == "nobody-vouches" else "1")
        world.web.publish(f"{domain}.test", "testing", f"mx.{domain}.test")
    server = make_server(config=world.settings())
    submit(server, *[f"bob@{d}.test" for d in sinks], options=["REQUIRETLS"])
    fate(server, "bob@yes.test", "sent")
    for domain in sinks:
        if domain != "yes":
            line = fate(server, f"bob@{domain}.test", "failed")
            assert "TLS" in line["reply"] or "certificate" in line["reply"], line
            assert sinks[domain].got == []


def test_a_greeting_before_tls_is_not_believed_where_tls_is_asked_for(make_server, world):
    """RFC 7504: 521 is for good, but anybody on the way can say it in the plaintext before TLS. So can who says 554 (RFC 5321 §3.1)."""
    asks = {"enforced": {}, "requiretls": {"options": ["REQUIRETLS"]}, "nobody": {}, "changed-its-mind": {}}
    with contextlib.ExitStack() as stack:
        for i, (domain, how) in enumerate(asks.items(), 21):
            code = b"554 5.3.2" if domain == "changed-its-mind" else b"521 5.3.2"
            stack.enter_context(SmtpServer({"CONNECT": code + b" no mail here\r\n"}, address=f"127.0.2.{i}", port=world.port))
            world.dns.set({(f"mx.{domain}.test", "A"): [f"127.0.2.{i}"]})
            world.domain(f"{domain}.test", [f"mx.{domain}.test"], sts_id="1" if domain in ("enforced", "requiretls") else None)
        world.web.publish("enforced.test", "enforce", "mx.enforced.test")
        world.web.publish("requiretls.test", "testing", "mx.requiretls.test")
        server = make_server(config=world.settings())
        for domain, how in asks.items():
            submit(server, f"bob@{domain}.test", **how)
        for domain in asks:
            line = fate(server, f"bob@{domain}.test", "failed" if domain == "nobody" else "deferred")
            assert "no mail here" in line["reply"], line
        wait_queue(server, lambda q: len(q) == 3)


def test_who_is_asked_later_may_keep_what_others_cannot(make_server, world):
    """A host whose address cannot be had now is one of the domain's hosts: what the others say is not the end."""
    def servfail(query, _):
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        return response.to_wire()

    world.sink("mx2.promise.test", world.ca.server("mx2.promise.test"))
    with SmtpServer({"CONNECT": b"521 5.3.2 no mail here\r\n"}, address="127.0.2.21", port=world.port):
        world.dns.set({("mx2.mail.test", "A"): ["127.0.2.21"]})
        for domain in ("promise", "mail"):
            world.domain(f"{domain}.test", [f"mx1.{domain}.test", f"mx2.{domain}.test"], sts_id="1")
            world.web.publish(f"{domain}.test", "testing", f"*.{domain}.test")
            world.dns.set({(f"mx1.{domain}.test", kind): servfail for kind in ("A", "AAAA")})
        server = make_server(config=world.settings())
        submit(server, "bob@promise.test", options=["REQUIRETLS"])
        submit(server, "bob@mail.test")
        for domain in ("promise", "mail"):
            fate(server, f"bob@{domain}.test", "deferred", timeout=60)
        assert not server.log_lines(event="failed")


def test_requiretls_tries_every_host(make_server, world):
    """RFC 8689 §4.2.1: "repeat steps 2-5 with each host"; where one could not be asked, it may be the one that promises."""
    for domain in ("second", "never", "perhaps"):
        for i in (1, 2):
            sink = world.sink(f"mx{i}.{domain}.test", world.ca.server(f"mx{i}.{domain}.test"))
            sink.requiretls = (domain, i) == ("second", 2)
        world.domain(f"{domain}.test", [f"mx1.{domain}.test", f"mx2.{domain}.test"], sts_id="1")
        world.web.publish(f"{domain}.test", "testing", f"*.{domain}.test")
    world.dns.set({("mx2.perhaps.test", "A"): ["127.0.9.9"]})
    server = make_server(config=world.settings())
    submit(server, *[f"bob@{d}.test" for d in ("second", "never", "perhaps")], options=["REQUIRETLS"])
    assert fate(server, "bob@second.test", "sent")["mx"] == "mx2.second.test"
    assert "REQUIRETLS" in fate(server, "bob@never.test", "failed")["reply"]
    fate(server, "bob@perhaps.test", "deferred")
    assert [name for name, sink in world.sinks.items() if sink.got] == ["mx2.second.test"]
    submit(server, "bob@never.test")  # others go on as ever
    fate(server, "bob@never.test", "sent")


def test_bounces_of_requiretls(make_server, world):
    """RFC 8689 §5: with REQUIRETLS where it can be kept (§2), without where not; the header alone, whatever RET says."""
    senders = {"yes": "good", "not-verified": "self-signed", "promises-not": "good"}
    for domain, makes in senders.items():
        sink = world.sink(f"mx.{domain}.test", CERTIFICATES[makes](world.ca, f"mx.{domain}.test"))
        sink.requiretls = domain != "promises-not"
        world.domain(f"{domain}.test", [f"mx.{domain}.test"], sts_id="1")
        world.web.publish(f"{domain}.test", "testing", f"mx.{domain}.test")
    server = make_server(config=[*world.settings(), "trusted-networks = 127.0.0.1"])
    for domain in senders:
        with server.smtp() as s:
            s.starttls(context=server.tls())
            s.sendmail(f"carol@{domain}.test", ["bob@nowhere.test"], TEXT, mail_options=["REQUIRETLS", "RET=FULL"])
        fate(server, f"carol@{domain}.test", "sent")
        (content, under_tls, options), = world.sinks[f"mx.{domain}.test"].got
        assert ("REQUIRETLS" in options) == (domain == "yes") and under_tls, (domain, options)
        assert [p.get_content_type() for p in email.message_from_bytes(content).get_payload()][2] == "text/rfc822-headers"


def test_a_message_may_say_that_tls_is_not_required(make_server, world):
    """RFC 8689 §4.2.2: it goes where others may not; those still wait."""
    sink = world.sink("mx.far.test", world.ca.server("mx.far.test", self_signed=True))
    world.domain("far.test", ["mx.far.test"], sts_id="1")
    world.web.publish("far.test", "enforce", "mx.far.test")
    server = make_server(config=world.settings())
    submit(server, "carol@far.test", text="TLS-Required: No\r\n" + TEXT)
    fate(server, "carol@far.test", "sent")
    assert [under_tls for _, under_tls, _ in sink.got] == [True]
    submit(server, "dan@far.test")
    fate(server, "dan@far.test", "deferred")
    assert len(sink.got) == 1


def test_fetchd_comes_back_and_dnsd_too(make_server, world):
    sink = world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.domain("far.test", ["mx.far.test"], sts_id="1")
    world.web.publish("far.test", "enforce", "mx.far.test")
    server = make_server(config=world.settings())
    server.tolerate("exited unexpectedly")
    server.wait_role("fetchd", not_pid=server.kill("fetchd"))
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    assert len(sink.got) == 1 and server.log_lines(event="mta-sts-fetched", domain="far.test", mode="enforce")


# TLS-RPT

def report_of(content):
    """The JSON within a report's mail."""
    message = email.message_from_bytes(content)
    text, attached = message.get_payload()
    assert text.get_content_type() == "text/plain" and attached.get_content_type() == "application/tlsrpt+gzip"
    return message, attached, json.loads(gzip.decompress(attached.get_payload(decode=True)))


def test_a_report_of_the_day_before(make_server, world, monkeypatch):
    """RFC 8460: counted by policy and kind of failure; mailed on a later day to who asks for it."""
    world.sink("mx.good.test", world.ca.server("mx.good.test"))
    bad = world.sink("mx.bad.test", world.ca.server("mx.bad.test", self_signed=True))
    for domain in ("good.test", "bad.test"):
        world.domain(domain, [f"mx.{domain}"], sts_id="1")
        world.web.publish(domain, "testing", f"mx.{domain}", max_age=864000)
        world.dns.set({(f"_smtp._tls.{domain}", "TXT"): [f'"v=TLSRPTv1; rua=mailto:reports@{domain}"']})
    server = make_server(config=world.settings())
    submit(server, "bob@good.test", "bob@bad.test")
    fate(server, "bob@good.test", "sent")
    fate(server, "bob@bad.test", "sent")
    later(server, 2)  # what relayd has counted it hands on when it is stopped, at the latest
    for domain in ("good.test", "bad.test"):
        server.wait_log(event="tls-report", domain=domain, timeout=30 * SLOW)
        fate(server, f"reports@{domain}", "sent")
    wait_empty(server)
    found = [report_of(content) for content, _, _ in bad.got if b"TLS-Report-Domain" in content]
    (message, attached, report), = found
    signed, = [content[content.index(b"DKIM-Signature:"):] for content, _, _ in bad.got if b"TLS-Report-Domain" in content]
    monkeypatch.setattr(test_dkim.dkim, "time", types.SimpleNamespace(time=lambda: time.time() + 2 * 86400))  # as the server's clock
    assert test_dkim.verify(signed, test_dkim.records(server)) == 2  # RFC 8460 §3
    assert message["TLS-Report-Domain"] == "bad.test" and message["TLS-Report-Submitter"] == "mail.example.test"
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "tlsrpt"
    assert message["Subject"].replace("\r\n", "").startswith("Report Domain: bad.test Submitter: mail.example.test Report-ID: <")
    assert attached.get_filename().startswith("mail.example.test!bad.test!") and attached.get_filename().endswith(".json.gz")
    policy, = report["policies"]
    assert policy["policy"] == {"policy-type": "sts", "policy-domain": "bad.test", "mx-host": ["mx.bad.test"],
                                "policy-string": ["version: STSv1", "mode: testing", "mx: mx.bad.test", "max_age: 864000"]}
    assert policy["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
    failure, = policy["failure-details"]
    assert failure["result-type"] == "certificate-not-trusted" and failure["receiving-mx-hostname"] == "mx.bad.test"
    assert failure["receiving-ip"].startswith("127.0.2.") and failure["failed-session-count"] == 1
    made = [e for e in server.cli_json("trace", "reports@bad.test") if e["id"] == server.log_lines(event="sent", to="reports@bad.test")[0]["id"]]
    assert [e["event"] for e in made] == ["made", "queued", "sent"] and made[0]["peer"].startswith("report on TLS with bad.test on 20")
    assert made[0]["text"] == message["Message-ID"] and made[0]["notes"][0].startswith("signed for example.test: selectors ")
    (_, _, report), = [report_of(c) for c, _, _ in world.sinks["mx.good.test"].got if b"TLS-Report-Domain" in c]
    assert report["policies"][0]["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    assert b"tls-report-domain:tls-report-submitter" in signed.split(b"\r\n\r\n")[0].replace(b"\r\n", b"").replace(b" ", b"").replace(b"\t", b"").lower()
    assert counts(server) == []  # RFC 8460 §3: how the reports went is not told of in the next


def with_a_report_that_is_not_taken(make_server, world):
    """A server that has sent to far.test, whose reports go by HTTPS to a host that says 503 to the first."""
    not_at_midnight()
    world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.domain("far.test", ["mx.far.test"])
    world.dns.set({("_smtp._tls.far.test", "TXT"): ['"v=TLSRPTv1; rua=https://reports.far.test/v1"'], ("reports.far.test", "A"): ["127.0.0.1"]})
    world.web.contexts["reports.far.test"] = world.ca.server("reports.far.test")
    world.web.answers = [503]
    server = make_server(config=world.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    return server


def test_a_report_by_https(make_server, world):
    """RFC 8460 §5.4, and §5.5: posted again until somebody takes it, for a day; then nothing is left of it."""
    server = with_a_report_that_is_not_taken(make_server, world)
    at = (int(time.time()) // 86400 + 1) * 86400 - int(time.time()) + 4.5 * 3600  # when all reports of today are due
    later(server, at / 86400)
    server.wait_log(event="tls-report-not-posted", timeout=30 * SLOW)
    assert len(counts(server)) == 1
    world.web.length = world.web.goodbye = False  # of this answer nothing but the status counts
    server.start()
    server.wait_log(event="tls-report-posted", timeout=30 * SLOW)
    assert counts(server) == []
    (host, path, kind, body), again = world.web.posts
    assert (host, path, kind) == ("reports.far.test", "/v1", "application/tlsrpt+gzip") == again[:3]
    first, second = (json.loads(gzip.decompress(b)) for b in (body, again[3]))
    assert first == second and first["policies"][0]["policy"] == {"policy-type": "no-policy-found", "policy-domain": "far.test"}


def test_a_report_by_mail_is_given_up_after_a_day(make_server, world):
    """RFC 8460 §5.5; other mail for the same server waits on."""
    not_at_midnight()
    world.sink("mx.far.test", world.ca.server("mx.far.test"))
    world.domain("far.test", ["mx.far.test"])
    world.dns.set({("_smtp._tls.far.test", "TXT"): ['"v=TLSRPTv1; rua=mailto:reports@dead.test"'], ("dead.test", "A"): ["127.0.9.9"]})
    server = make_server(config=world.settings())
    submit(server, "bob@far.test")
    fate(server, "bob@far.test", "sent")
    later(server, 2)
    fate(server, "reports@dead.test", "deferred", timeout=60)
    submit(server, "carol@dead.test")
    fate(server, "carol@dead.test", "deferred")
    later(server, 2.5)
    assert {r["recipient"] for r in server.cli_json("queue", "list")} == {"carol@dead.test", "reports@dead.test"}
    later(server, 3.2)
    wait_queue(server, lambda q: [r["recipient"] for r in q] == ["carol@dead.test"], timeout=60)
    assert server.cli_json("trace", "reports@dead.test")[-1]["event"] == "expired"


def test_a_report_that_nobody_takes_is_given_up(make_server, world):
    server = with_a_report_that_is_not_taken(make_server, world)
    later(server, 3)
    server.wait_log(event="tls-report-not-posted", timeout=30 * SLOW)
    assert counts(server) == []
