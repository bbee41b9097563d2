# SPDX-License-Identifier: ISC
"""dnsd against name servers that are honest, odd, slow, silent and forged, asked through the running server (`pombo dns --ask`)."""
import concurrent.futures
import json
import struct
import time

import dns.flags
import dns.message
import dns.rrset
import pombo
import processes
import pytest
from dnsserver import DnsServer, SignedZones

RECORDS = {
    ("example.net", "MX"): ["10 mx.example.net.", "20 MX2.example.net."],
    ("mx.example.net", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx.example.net", "AAAA"): ["2001:db8::1"],
    ("example.net", "TXT"): ['"v=spf1" " mx -all"'],
    ("long.example.net", "TXT"): [" ".join('"' + "x" * 255 + '"' for _ in range(40))],
    ("_25._tcp.mx.example.net", "TLSA"): ["3 1 1 " + "ab" * 32],
    ("example.net", "CAA"): ['0 issue "ca.example"'],
    ("_imaps._tcp.example.net", "SRV"): ["0 1 993 mx.example.net."],
    ("example.net", "NS"): ["ns.example.net."],
    ("example.net", "SOA"): ["ns.example.net. me.example.net. 7 2 3 4 60"],
    ("alias.example.net", "CNAME"): ["alias2.example.net."],
    ("alias2.example.net", "CNAME"): ["mx.example.net."],
    ("null.example.net", "MX"): ["0 ."],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mx.example.net."],
}


@pytest.fixture(scope="module")
def names():
    with DnsServer(RECORDS) as d:
        yield d


@pytest.fixture(scope="module")
def server(names):
    with pombo.Server(config=names.settings()) as s:
        yield s


def ask(server, kind, name):
    return server.cli_json("dns", "--ask", kind, name)


@pytest.mark.parametrize("kind,name,records", [
    ("MX", "example.net", ["10 mx.example.net.", "20 mx2.example.net."]),
    ("MX", "EXAMPLE.net.", ["10 mx.example.net.", "20 mx2.example.net."]),
    ("A", "mx.example.net", ["192.0.2.1", "192.0.2.2"]),
    ("AAAA", "mx.example.net", ["2001:db8::1"]),
    ("TXT", "example.net", ['"v=spf1 mx -all"']),
    ("TLSA", "_25._tcp.mx.example.net", ["3 1 1 " + "ab" * 32]),
    ("CAA", "example.net", ['0 issue "ca.example"']),
    ("SRV", "_imaps._tcp.example.net", ["0 1 993 mx.example.net."]),
    ("NS", "example.net", ["ns.example.net."]),
    ("SOA", "example.net", ["ns.example.net. serial 7 minimum 60"]),
    ("CNAME", "alias.example.net", ["alias2.example.net."]),
    ("MX", "null.example.net", ["0 ."]),
    ("PTR", "1.2.0.192.in-addr.arpa", ["mx.example.net."]),
])
def test_every_type_comes_as_it_is(server, kind, name, records):
    answer = ask(server, kind, name)
    assert sorted(answer["records"]) == sorted(records)
    assert answer["exists"] and not answer["secure"] and 0 < answer["ttl"] <= 300


def test_an_alias_is_followed_and_named(server):
    answer = ask(server, "A", "alias.example.net")
    assert answer["canonical"] == "mx.example.net" and sorted(answer["records"]) == ["192.0.2.1", "192.0.2.2"]


def test_there_is_none_and_there_is_no_such_name(server):
    assert ask(server, "AAAA", "alias2.example.net")["records"]
    nothing = ask(server, "TXT", "mx.example.net")
    assert nothing["records"] == [] and nothing["exists"]
    nobody = ask(server, "A", "nobody.example.net")
    assert nobody["records"] == [] and not nobody["exists"]


def test_long_answers_come_by_tcp(server, names):
    assert ask(server, "TXT", "long.example.net")["records"][0].replace('" "', "") == '"' + "x" * 255 * 40 + '"'
    assert ("long.example.net", "TXT", "tcp") in names.asked


def test_answers_are_cached(server, names):
    ask(server, "MX", "example.net")
    before = len(names.questions("example.net", "MX"))
    for _ in range(3):
        ask(server, "MX", "example.net")
    assert len(names.questions("example.net", "MX")) == before


@pytest.mark.parametrize("name", ["a..b", "a b.example.net", "x" * 64 + ".example.net", ".".join(["abcdefg"] * 40), 'a"b.net', "bücher.example"])
def test_what_is_no_name_is_not_asked(server, names, name):
    before = len(names.asked)
    done = server.cli("dns", "--ask", "A", name, check=False)
    assert done.returncode == 65 and "name" in done.stderr
    assert len(names.asked) == before


def test_a_failure_is_no_denial(server, names):
    names.set({("broken.example.net", "A"): lambda q, t: failing(q)})
    done = server.cli("dns", "--ask", "A", "broken.example.net", check=False)
    assert done.returncode == 75 and "server-failure" in done.stderr


def failing(query):
    r = dns.message.make_response(query)
    r.set_rcode(2)
    return r.to_wire()


def raw(query, records, flags=0x8580):
    """An answer with records as (type, rdata) by hand, of the name asked."""
    head = query.to_wire()[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
    q = query.question[0]
    body = q.name.to_wire() + struct.pack(">HH", q.rdtype, 1)
    for kind, rdata in records:
        body += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(rdata)) + rdata
    return head + body


ODD = {
    "blank.example.net": [(15, b"\0\x0a\x03a b\0")],
    "newline.example.net": [(15, b"\0\x0a\x05a\r\nbc\0")],
    "nul.example.net": [(15, b"\0\x0a\x03a\0b\0")],
    "dot.example.net": [(15, b"\0\x0a\x09evil.test\0")],
    "quote.example.net": [(15, b"\0\x0a\x03a\"b\0")],
    "utf8.example.net": [(15, b"\0\x0a\x03\xc3\xa4b\0")],
    "short.example.net": [(15, b"\0")],
    "long.rdata.example.net": [(15, b"\0\x0a\x01a\0tail")],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_records_go_no_further(server, names, name):
    names.set({(name, "MX"): lambda q, t: raw(q, ODD[name])})
    done = server.cli("dns", "--ask", "MX", name, check=False)
    assert done.returncode == 75 and "Traceback" not in done.stderr, done.stdout
    names.set({(name, "MX"): lambda q, t: raw(q, ODD[name][:1] * 2 + [(15, b"\0\x05\x02mx\xc0\x0c")])})
    mixed = "mixed." + name
    names.set({(mixed, "MX"): lambda q, t: raw(q, [*ODD[name], (15, b"\0\x05\x02mx\xc0\x0c")])})
    done = server.cli("dns", "--ask", "MX", mixed, "--json", check=False)
    if done.returncode == 0:  # libunbound may refuse the packet as a whole
        assert f'"5 mx.{mixed}."' in done.stdout and done.stdout.count(" mx.") == 1


def test_a_caa_tag_does_nothing_to_the_terminal(server, names):
    names.set({("evil.example.net", "CAA"): lambda q, t: raw(q, [(257, b"\0\x04\x1b[2Jx"), (257, b"\0\x05issue" + b"\x1b[2J")])})
    done = server.cli("dns", "--ask", "CAA", "evil.example.net")
    assert "\x1b" not in done.stdout and done.stdout.count(" IN CAA ") == 1 and '0 issue "\\027[2J"' in done.stdout


@pytest.mark.parametrize("make", [
    lambda q: b"", lambda q: b"\0" * 12, lambda q: q.to_wire()[:2] + b"\xff" * 30, lambda q: q.to_wire(), lambda q: q.to_wire()[:2] + b"\x85\x80" + b"\xff\xff" * 4,
    lambda q: q.to_wire()[:2] + b"\x85\x80\0\1\xff\xff\0\0\0\0" + q.to_wire()[12:] + b"\xc0\x0c" * 20000])
def test_garbage_is_an_unanswered_question(server, names, make):
    name = f"garbage{id(make)}.example.net"
    names.set({(name, "A"): lambda q, t: make(q)})
    pid = server.pids("dnsd")[0]
    started = time.monotonic()
    done = server.cli("dns", "--ask", "A", name, check=False)
    assert done.returncode == 75 and time.monotonic() - started < 25 * pombo.SLOW
    assert server.pids("dnsd") == [pid]
    assert ask(server, "A", "mx.example.net")["records"]


def test_an_alias_that_leads_in_a_ring_or_too_far_leads_nowhere(server, names):
    names.set({("ring0.example.net", "CNAME"): ["ring1.example.net."], ("ring1.example.net", "CNAME"): ["ring0.example.net."],
               ("self.example.net", "CNAME"): ["self.example.net."], ("link40.example.net", "A"): ["192.0.2.40"],
               **{(f"link{n}.example.net", "CNAME"): [f"link{n + 1}.example.net."] for n in range(40)}})
    pid = server.pids("dnsd")[0]
    for name in ("ring0", "self", "link0"):
        done = server.cli("dns", "--ask", "A", f"{name}.example.net", check=False)
        assert done.returncode == 75 and "192.0.2.40" not in done.stdout, done.stdout
    assert ask(server, "A", "link36.example.net")["records"] == ["192.0.2.40"]
    assert server.pids("dnsd") == [pid]


BIG = {  # answers of up to 64 KiB: type, records, whether libunbound writes them as tightly as they come
    "addresses": ("A", [(1, struct.pack(">I", 0xc0000200 + n)) for n in range(4090)], True),
    "text": ("TXT", [(16, b"\xff" + b"%05d" % n + b"\x1b" * 250) for n in range(240)], True),
    "one-record": ("TLSA", [(52, b"\3\0\0" + bytes(65000))], True),
    "hosts": ("MX", [(15, struct.pack(">H", n) + b"\2mx\xc0\x0c") for n in range(1500)], True),
    "more-hosts": ("MX", [(15, struct.pack(">H", n) + b"\xc0\x0c") for n in range(4000)], False),
}


@pytest.mark.parametrize("case", BIG)
def test_big_answers(server, names, case):
    """All records that there are come through, or a failure: never a part of them, nor that there are none."""
    kind, records, whole = BIG[case]

    def answer(query, transport):
        return raw(query, records) if transport == "tcp" else raw(query, [], flags=0x8780)

    name = f"{case}.example.net"
    names.set({(name, kind): answer})
    pid = server.pids("dnsd")[0]
    done = server.cli("dns", "--ask", kind, name, "--json", check=False)
    assert server.pids("dnsd") == [pid]
    if not whole:
        assert done.returncode == 75 and "longer than a packet" in done.stderr
        return
    assert done.returncode == 0 and len(set(json.loads(done.stdout)["records"])) == len(records)
    shown = server.cli("dns", "--ask", kind, name).stdout
    assert "\x1b" not in done.stdout + shown and len(shown) < 1 << 20


@pytest.mark.parametrize("ttl, said", [(0, 0), (1 << 31, 0), ((1 << 32) - 1, 0), ((1 << 31) - 1, 86400), (40, 40)])
def test_how_long_an_answer_holds(server, names, ttl, said):
    """RFC 2181 §8: beyond 31 bits is 0; a day at most."""
    def answer(query, transport):
        packet = raw(query, [(1, b"\xc0\0\2\1")])
        return packet[:-10] + struct.pack(">I", ttl) + packet[-6:]

    name = f"ttl{ttl}.example.net"
    names.set({(name, "A"): answer})
    assert said - 5 * pombo.SLOW <= ask(server, "A", name)["ttl"] <= said
    ask(server, "A", name)
    assert (len(names.questions(name, "A")) == 1) == (said > 0)


def test_what_is_not_there_is_remembered_as_long_as_its_zone_says(server, names):
    """RFC 2308 §5."""
    for name in ("gone.example.net", "example.net"):
        for _ in range(3):
            nothing = ask(server, "AAAA", name)
            assert nothing["records"] == [] and nothing["ttl"] <= 2  # the SOA record's last number
        asked = len(names.questions(name, "AAAA"))
        assert asked >= 1
        deadline = time.monotonic() + 20 * pombo.SLOW
        while len(names.questions(name, "AAAA")) == asked:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            ask(server, "AAAA", name)


def test_many_questions_at_once_and_silence_in_between(server, names):
    """A name server that is slow for most names holds nobody else up."""
    for n in range(60):
        names.set({(f"silent{n}.example.net", "A"): lambda q, t: None, (f"many{n}.example.net", "A"): [f"192.0.2.{n}"]})
    pid = server.pids("dnsd")[0]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        silent = [pool.submit(server.cli, "dns", "--ask", "A", f"silent{n}.example.net", check=False) for n in range(20)]
        started = time.monotonic()
        many = list(pool.map(lambda n: ask(server, "A", f"many{n}.example.net"), range(60)))
        took = time.monotonic() - started
        assert [m["records"] for m in many] == [[f"192.0.2.{n}"] for n in range(60)]
        assert took < 15 * pombo.SLOW
        for s in silent:
            assert s.result().returncode == 75
    assert server.pids("dnsd") == [pid]
    assert processes.pss_kib(pid) < 32 * 1024 * pombo.LONGER


def test_a_dead_dnsd_comes_back(server):
    server.tolerate("dnsd .dns 0. exited unexpectedly", "kind=dns")
    pid = server.kill("dnsd")
    server.wait_role("dnsd", not_pid=pid)
    deadline = time.monotonic() + 10 * pombo.SLOW
    while server.cli("dns", "--ask", "MX", "example.net", check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_reload_asks_the_new_servers(names):
    with DnsServer({("example.net", "A"): ["192.0.2.77"]}) as other, pombo.Server(config=names.settings()) as s:
        assert ask(s, "A", "mx.example.net")["records"]
        s.configure(other.settings())
        s.reload()
        assert ask(s, "A", "example.net")["records"] == ["192.0.2.77"]
        assert other.asked


# ---- DNSSEC

ZONE = """$ORIGIN %s.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mx
mx A 192.0.2.1
_25._tcp.mx TLSA 3 1 1 abababababababababababababababababababababababababababababababab
alias CNAME mx
"""


@pytest.fixture(scope="module")
def signed():
    with SignedZones({"signed.test": ZONE % "signed.test", "other.test": ZONE % "other.test"}) as z:
        yield z


def test_what_dnssec_vouches_for_is_secure_and_what_contradicts_it_fails(signed):
    good, other = signed.anchors()
    # The anchor of one zone is right, of the other it is another zone's: everything there is bogus.
    wrong = good.replace("signed.test.", "other.test.")
    with _Started(signed.port, f"{good}\n; a comment\n{wrong}\n") as s:
        for kind, name in (("MX", "signed.test"), ("A", "mx.signed.test"), ("TLSA", "_25._tcp.mx.signed.test"), ("A", "alias.signed.test")):
            answer = ask(s, kind, name)
            assert answer["secure"] and answer["records"], name
        nothing = ask(s, "TLSA", "_25._tcp.signed.test")
        assert nothing["secure"] and not nothing["records"]
        done = s.cli("dns", "--ask", "MX", "other.test", check=False)
        assert done.returncode == 75 and "bogus" in done.stderr, done.stdout


class _Started(pombo.Server):
    """A server with a file of trust anchors."""

    def __init__(self, port, anchors):
        super().__init__()
        (self.dir / "anchors").write_text(anchors)
        self.configure([f"dns-server = 127.0.0.1@{port}", "trust-anchor = anchors"])


def test_a_stripped_signature_is_bogus(signed, names):
    """The server that is asked knows the zone, without signatures."""
    good, _ = signed.anchors()
    names.set({("signed.test", "MX"): ["10 evil.example.net."], ("signed.test", "SOA"): ["ns.signed.test. a. 1 2 3 4 5"]})
    with pombo.Server(config=[*names.settings(anchor=good)]) as s:
        done = s.cli("dns", "--ask", "MX", "signed.test", check=False)
        assert done.returncode == 75 and "bogus" in done.stderr


def test_without_anchors_of_ones_own_a_resolver_without_dnssec_is_used_and_said(names):
    with pombo.Server(config=[f"dns-server = 127.0.0.1@{names.port}"]) as s:
        answer = ask(s, "A", "mx.example.net")
        assert answer["records"] and not answer["secure"]
        assert s.wait_log(event="dnssec-not-possible", role="dns")
        assert (("", "DNSKEY", "udp") in names.asked) or ((".", "DNSKEY", "udp") in names.asked)


@pytest.mark.parametrize("lines,what", [("trust-anchor = nowhere", "trust-anchor: cannot read"), ("dns-server = example.net", "dns-server"),
                                        ("dns-server = 127.0.0.1@99999", "dns-server")])
def test_bad_settings_are_named(tmp_path, lines, what):
    with pombo.Server(config=[]) as s:
        s.configure(lines)
        done = s.cli("run", "--check", check=False)
        assert done.returncode == 78 and what in done.stderr
