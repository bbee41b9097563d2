# SPDX-License-Identifier: ISC
"""Mail by way of a resolver between us and the name servers, as most servers have one: honest, silent, away, and one that lies."""
import contextlib
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dnsserver import DnsServer, SignedZones
from pombo import SLOW
from test_relay import wait_queue
from test_tls_policy import World, changed, fate, submit
from unbound import Unbound

MANY = 150
APEX = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
# Below test., which is signed: signed.test; plain.test, which is not; broken.test, signed by another key than test. says; silent.test.
# Whether an authority vouches for the host's certificate, and whether the TLSA record is its certificate's (None: there is no record).
HOSTS = {"good.signed.test": (True, True), "wrong.signed.test": (True, False), "bare.signed.test": (False, None),
         "good.plain.test": (False, True), "wrong.plain.test": (False, False), "good.broken.test": (True, True)}
GO = ("good.signed.test", "bare.signed.test", "good.plain.test", "wrong.plain.test")  # those that mail may go to


class Names(World):
    """Sinks for HOSTS and the zones that lead to them: Knot's, one above the other, and a server without DNSSEC."""

    def __init__(self, folder, stack):
        super().__init__(folder)
        stack.callback(self.close)
        texts = dict.fromkeys(("signed.test", "broken.test"), APEX)
        for domain, (vouched, right) in HOSTS.items():
            host, zone = f"mx.{domain}", domain.split(".", 1)[1]
            self.sink(host, self.ca.server(host, self_signed=not vouched))
            address, = self.dns.records[(host, "A")]
            tlsa = self.ca.tlsa(host, 3, 1, 1) if right else "3 1 1 " + "00" * 32
            # The domain has an address too: where there was no MX record, mail would go there (RFC 5321 §5.1).
            records = {(domain, "MX"): f"10 {host}.", (domain, "A"): address, (host, "A"): address}
            if right is not None:
                records[(f"_{self.port}._tcp.{host}", "TLSA")] = tlsa
            for (name, kind), value in records.items():
                if zone in texts:
                    texts[zone] += f"{name}. {kind} {value}\n"
                else:
                    self.dns.set({(name, kind): [value]})
        texts["signed.test"] += "*.many MX 10 mx.good.signed.test.\n"
        self.dns.set({("plain.test", "SOA"): ["ns.plain.test. a.plain.test. 1 2 3 4 5"], ("plain.test", "NS"): ["ns.plain.test."]})
        self.silent = stack.enter_context(DnsServer())
        self.silent.answer = lambda packet, transport: None
        self.below = stack.enter_context(SignedZones(texts))
        digests = {a.split()[0]: a.split(" DS ", 1)[1] for a in self.below.anchors()}
        digests["broken.test."] = digests["broken.test."][:-64] + "00" * 32
        above = APEX + "".join(f"{zone} NS ns.{zone}\nns.{zone} A 127.0.0.1\n" for zone in ("signed", "broken", "plain", "silent"))
        above += "".join(f"{zone} DS {ds}\n" for zone, ds in digests.items())
        self.above = stack.enter_context(SignedZones({"test": above}))
        self.anchor, = self.above.anchors()
        self.zones = {"test": self.above.port, "signed.test": self.below.port, "broken.test": self.below.port, "plain.test": self.dns.port,
                      "silent.test": self.silent.port}

    def resolver(self, **how):
        how.setdefault("anchors", [self.anchor])
        return Unbound(self.zones, **how)

    def by(self, dns_lines):
        return changed(self.settings(), *dns_lines)

    def forget(self):
        for s in self.sinks.values():
            s.got.clear()

    def got(self):
        return {host.removeprefix("mx."): len(s.got) for host, s in self.sinks.items() if s.got}


@pytest.fixture(scope="module")
def one_world(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Names(tmp_path_factory.mktemp("names"), stack)


@pytest.fixture
def names(one_world):
    one_world.forget()
    return one_world


def sent(server, domain):
    """What `pombo trace` says of how it went out."""
    fate(server, f"bob@{domain}", "sent", timeout=40)
    deadline = time.monotonic() + 20 * SLOW
    while not (how := [e["tls"] for e in server.cli_json("trace", f"bob@{domain}") if e["event"] == "sent" and e["address"] == f"bob@{domain}"]):
        assert time.monotonic() < deadline, server.tail()  # stored hears of it a moment after the log
        time.sleep(0.02)
    assert len(how) == 1
    return how[0]


def deferred(server, domain):
    """Nothing but that: it waits, and its sender hears nothing of it yet."""
    reply = fate(server, f"bob@{domain}", "deferred", timeout=60)["reply"]
    wait_queue(server, lambda queue: any(q["recipient"] == f"bob@{domain}" and q["attempts"] for q in queue))
    assert server.messages() == []
    return reply


RESOLVERS = {
    "validates": {},
    "validates-whatever-it-is-told": {"lines": ["ignore-cd-flag: yes"]},  # what is bogus is SERVFAIL even for who would look for himself
    "passes-on": {"validates": False},
}


@pytest.mark.parametrize("kind", RESOLVERS)
def test_what_dnssec_says_comes_through(make_server, names, kind):
    """Secure: DANE. Insecure: TLSA records count for nothing. Bogus: nothing goes out, not to another host either, and nothing comes back."""
    with names.resolver(**RESOLVERS[kind]) as resolver:
        said = {zone: resolver.ask(f"good.{zone}.test", "MX", check=kind != "passes-on") for zone in ("signed", "plain", "broken")}
        assert [bool(a.flags & dns.flags.AD) for a in said.values()] == [kind != "passes-on", False, False]
        assert (said["broken"].rcode() == dns.rcode.SERVFAIL) == (kind != "passes-on")
        assert (resolver.ask("good.broken.test", "MX", check=False).rcode() == dns.rcode.SERVFAIL) == (kind == "validates-whatever-it-is-told")
        server = make_server(config=names.by(resolver.settings(names.anchor)))
        submit(server, *[f"bob@{domain}" for domain in HOSTS])
        assert sent(server, "good.signed.test").startswith("TLSv1.3 ") and sent(server, "good.signed.test").endswith("(DANE verified)")
        assert "TLSA" in deferred(server, "wrong.signed.test")
        for domain in GO[1:]:
            assert sent(server, domain).startswith("TLSv1.3 ") and "(not verified" in sent(server, domain)
        assert "DNS" in deferred(server, "good.broken.test")
        assert names.got() == dict.fromkeys(GO, 1)


class Liar(DnsServer):
    """Between us and a resolver; `change` may change what the resolver said."""

    def __init__(self, resolver, change):
        self.resolver, self.change = resolver, change
        super().__init__()

    def answer(self, packet, transport):
        query = dns.message.from_wire(packet)
        try:
            reply = dns.query.udp_with_fallback(query, "127.0.0.1", 20 * SLOW, self.resolver.port)[0]
        except dns.exception.DNSException:
            return None
        self.change(query.question[0], reply)
        return reply.to_wire(max_size=65535)


def strip(question, reply):
    """A forwarder that has never heard of DNSSEC, and says that all is well."""
    kinds = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3}
    for section in (reply.answer, reply.authority):
        section[:] = [s for s in section if s.rdtype not in kinds]
    reply.flags |= dns.flags.AD


def deny(question, reply):
    """There is no key below test."""
    if question.rdtype == dns.rdatatype.DS:
        reply.answer.clear()
        reply.authority.clear()
    vouch(question, reply)


def lead_astray(question, reply):
    """Mail goes elsewhere; the signature is of what it was."""
    for s in reply.answer:
        if s.rdtype == dns.rdatatype.MX:
            s.clear()
            s.update(dns.rrset.from_text(s.name, 300, "IN", "MX", "10 mx.good.plain.test."))
    vouch(question, reply)


def vouch(question, reply):
    reply.flags |= dns.flags.AD


LIES = {"strips": strip, "denies": deny, "leads-astray": lead_astray}


@pytest.mark.parametrize("lie", LIES)
def test_a_resolver_that_takes_dnssec_away_gets_no_mail(make_server, names, lie):
    """It does not validate, and what it says is not what its name servers said: whoever has an anchor sees that."""
    with names.resolver(validates=False) as resolver, Liar(resolver, LIES[lie]) as liar:
        server = make_server(config=names.by(liar.settings(names.anchor)))
        submit(server, "bob@good.signed.test", "bob@bare.signed.test")
        for domain in ("good.signed.test", "bare.signed.test"):
            assert "DNSSEC" in deferred(server, domain)
        assert names.got() == {}


def a_home_router(question, reply):
    if question.name == dns.name.root:
        reply.set_rcode(dns.rcode.NOERROR)
    strip(question, reply)


@pytest.mark.parametrize("unset", [False, True])
def test_who_only_says_that_it_is_secure_is_not_believed(make_server, names, unset):
    """Without an anchor that leads to them names are as insecure as ever, whatever flag they come with: the wrong record binds nobody, the right one
    is no proof. So too where no anchor is set, and the resolver does not know the root's keys."""
    with names.resolver(validates=not unset) as resolver, Liar(resolver, a_home_router if unset else vouch) as liar:
        server = make_server(start=False, config=names.by(liar.settings()))
        if unset:
            server.unset("trust-anchor")
        server.start()
        submit(server, "bob@good.signed.test", "bob@wrong.signed.test")
        for domain in ("good.signed.test", "wrong.signed.test"):
            assert sent(server, domain).startswith("TLSv1.3 ") and "DANE" not in sent(server, domain)
        assert names.got() == {"good.signed.test": 1, "wrong.signed.test": 1}
        assert bool(server.log_lines(event="dnssec-not-possible")) == unset


@pytest.mark.parametrize("how", ["silent", "away"])
def test_a_resolver_that_does_not_answer(make_server, names, how):
    """All waits, and goes when it answers again."""
    with names.resolver() as resolver:
        server = make_server(config=names.by(resolver.settings(names.anchor)))
        resolver.silent() if how == "silent" else resolver.stop()
        submit(server, *[f"bob@{domain}" for domain in HOSTS])
        for domain in HOSTS:
            assert "DNS" in deferred(server, domain)
        resolver.speak() if how == "silent" else resolver.start()
        deadline = time.monotonic() + 40 * SLOW
        while len(server.cli_json("queue", "list")) > len(HOSTS) - len(GO):  # what could not be had is remembered for 5 s
            assert time.monotonic() < deadline, server.tail()
            server.cli("queue", "retry", "--all")
            time.sleep(0.3)
        assert names.got() == dict.fromkeys(GO, 1)


def test_many_questions_at_once_and_a_silent_name_server_among_them(make_server, names):
    """Mail to many domains goes out, whoever else is waited for; what a name server never answers is deferred."""
    with names.resolver() as resolver:
        server = make_server(config=names.by(resolver.settings(names.anchor)))
        silent = [f"bob@s{n}.silent.test" for n in range(MANY // 5)]
        submit(server, *silent)
        submit(server, *[f"bob@d{n}.many.signed.test" for n in range(MANY)])
        for n in range(MANY):
            assert fate(server, f"bob@d{n}.many.signed.test", "sent", timeout=60)["tls"].endswith("(DANE verified)")
        for to in silent:
            fate(server, to, "deferred", timeout=60)
        wait_queue(server, lambda queue: len(queue) == len(silent))  # stored hears of what was sent a moment after the log
        assert server.messages() == []
