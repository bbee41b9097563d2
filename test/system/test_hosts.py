# SPDX-License-Identifier: ISC
"""Servers on hosts of their own (hosts.py), with real addresses and their default ports, which find each other by signed names: how mail goes
between them, and what becomes of it when the network fails them."""
import concurrent.futures
import contextlib
import email
import itertools
import smtplib
import socket
import threading
import time

import dns.reversename
import pytest
from authority import Authority
from dnsserver import SignedZones
from foreign import Exim, Postfix
from hosts import Network
from pombo import SLOW, Server
from smtpserver import SmtpServer
from test_relay import wait_empty, wait_queue

NAMES = ("192.0.2.53", "2001:db8::53")
# Those that libunbound knows by heart: who is told of no resolver asks them.
ROOTS = ("198.41.0.4", "199.9.14.201", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4", "198.97.190.53",
         "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33")
A = ("192.0.2.10", "2001:db8:a::10", "192.0.2.11", "2001:db8:a::11")
B = ("203.0.113.20", "2001:db8:b::20")
C = ("198.51.100.30",)
PRIMARY = ("2001:db8:c::40",)
FAR = ("203.0.113.99", "2001:db8:f::99")
SILENT = ("203.0.113.66", "2001:db8:f::66")
NOBODY = "203.0.113.67"
HOSTS = {"mail.a.test": A[:2], "out.a.test": A[2:], "mail.b.test": B, "mail.c.test": C, "mail.primary.test": PRIMARY, "mx.far.test": FAR,
         "silent.far.test": SILENT, "nobody.far.test": [NOBODY], "half.far.test": [FAR[0], SILENT[1]], "other-half.far.test": [SILENT[0], FAR[1]],
         "four.far.test": FAR[:1], "six.far.test": FAR[1:]}
MX = {"a.test": ["mail.a.test"], "b.test": ["mail.b.test"], "c.test": ["mail.c.test"], "primary.test": ["mail.primary.test", "mail.b.test"],
      "dead.test": ["silent.far.test", "nobody.far.test", "mx.far.test"], "half.test": ["half.far.test"], "other-half.test": ["other-half.far.test"],
      "four.test": ["four.far.test"], "six.test": ["six.far.test"], "*.far.test": ["mx.far.test"]}
FRESH = 2500  # names that nobody has asked for yet, and whose being there no answer about others proves


def zone(tlsa):
    """All the names there are, in one zone: the root."""
    lines = ["$ORIGIN .", "$TTL 300", "@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60", "@ NS ns.test.",
             f"ns.test. A {NAMES[0]}", f"ns.test. AAAA {NAMES[1]}"]
    for name, addresses in HOSTS.items():
        for a in addresses:
            lines.append(f"{name}. {'AAAA' if ':' in a else 'A'} {a}")
            if "half" not in name and "four" not in name and "six" not in name:
                lines.append(f"{dns.reversename.from_address(a)} PTR {name}.")
    lines += [f"{domain}. MX {n * 10} {host}." for domain, hosts in MX.items() for n, host in enumerate(hosts, 1)]
    lines += [f"n{n}.names.test. MX 10 mx.far.test." for n in range(FRESH)]
    lines += [f"_25._tcp.{host}. TLSA {record}" for host, record in tlsa.items()]
    return "\n".join(lines) + "\n"


class World:
    def __init__(self, stack):
        self.net = stack.enter_context(Network())
        self.names = self.net.host(*NAMES, *ROOTS)
        self.servers = {}
        self.add(stack, "a", self.net.host(*A, resolver=NAMES[0]))
        self.add(stack, "b", self.net.host(*B), f"dns-server = {NAMES[1]}", "backup-mx = primary.test")
        self.add(stack, "c", self.net.host(*C, mtu=1280))  # asks the root
        self.add(stack, "primary", self.net.host(*PRIMARY, resolver=NAMES[1]))
        self.far = self.net.host(*FAR, resolver=NAMES[0])
        self.net.cut(*SILENT)
        tlsa = {s.hostname: s.cli("dns", s.domain).stdout.split(" TLSA ")[1].split("\n")[0].strip() for s in self.servers.values()}
        self.zones = stack.enter_context(SignedZones({".": zone(tlsa)}, self.names))
        for s in self.servers.values():
            (s.dir / "anchors").write_text("\n".join(self.zones.anchors()) + "\n")
            s.start()

    def add(self, stack, name, host, *lines):
        config = ["hold-outbound = no", "trust-anchor = anchors", "client-names = all", *lines]
        s = Server(config, users=(f"alice@{name}.test",), hostname=f"mail.{name}.test", domain=f"{name}.test", host=host)
        stack.push(s)
        self.servers[name] = s
        setattr(self, name, s)

    @contextlib.contextmanager
    def sink(self, **kwargs):
        """Somebody on port 25 of `far`: one for each family."""
        with self.far.inside():
            sinks = [SmtpServer(address=a, port=25, family=f, **kwargs) for a, f in zip(FAR, (socket.AF_INET, socket.AF_INET6))]
        with sinks[0], sinks[1]:
            yield sinks


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def user(server):
    return f"alice@{server.domain}"


def submit(server, *to, subject="hello", body="hello\r\n"):
    with server.submission(user(server)) as s:
        assert s.sendmail(user(server), to, f"From: {user(server)}\r\nSubject: {subject}\r\n\r\n{body}") == {}


def wait_message(server, subject, log=None):
    """The only message of this subject, when it is there."""
    deadline = time.monotonic() + 30 * SLOW
    while len(found := [m for m in map(email.message_from_bytes, server.messages(user(server))) if m["Subject"] == subject]) == 0:
        assert time.monotonic() < deadline, (log or server.tail)()
        time.sleep(0.05)
    m, = found
    return m


def configured(server, *lines):
    """Settings for a while."""
    class Context:
        def __enter__(self):
            self.old = (server.dir / "pombo.conf").read_text()
            server.configure(lines)
            server.reload()

        def __exit__(self, *_):
            (server.dir / "pombo.conf").write_text(self.old)
            server.reload()

    return Context()


def trace(server, message):
    return {e["event"]: e for e in server.cli_json("trace", message["Message-ID"])}


@pytest.mark.parametrize("one, other", ["ab", "ac", "ba", "bc", "ca", "cb"])
def test_servers_find_each_other(world, one, other):
    """By MX, with certificates that DNSSEC vouches for; each knows the other's name by its address. To and from c all goes through a narrower wire."""
    one, other = world.servers[one], world.servers[other]
    submit(one, user(other), subject=f"from {one.domain}", body="x" * 70 + "\r\n" + "y" * 70 + "\r\n" * 2000)
    m = wait_message(other, f"from {one.domain}")
    v6 = other is not world.c and one is not world.c
    address = one.host.address(v6)
    sent = one.wait_log(event="sent", to=user(other), mx=other.hostname)
    assert "DANE verified" in sent["tls"] and sent["ip"] == f"{other.host.address(v6)}:25"
    came = " ".join(m["Received"].split())
    assert came.startswith(f"from {one.hostname} ({one.hostname} [{'IPv6:' * v6}{address}]) by {other.hostname} with ESMTPS")
    wait_empty(one)
    there, here = trace(other, m), trace(one, m)
    assert there["received"]["peer"] == f"{one.hostname} ({one.hostname} {address})" and there["delivered"]["address"] == user(other)
    assert here["sent"]["peer"] == f"{other.hostname} ({sent['ip']})" and there["received"]["id"] in here["sent"]["text"]
    if other is world.c:
        assert "mtu 1280" in one.host.run("ip", "route", "get", C[0])


def test_a_notice_comes_back_over_the_net(world):
    """a writes to an alias of b that leads to c, where nobody is of that name: b tells a."""
    a, b, c = world.a, world.b, world.c
    b.add_alias("away@b.test", "nobody@c.test")
    submit(a, "away@b.test", subject="to nobody")
    deadline = time.monotonic() + 30 * SLOW
    while not (found := [m for m in map(email.message_from_bytes, a.messages(user(a)))
                         if m["Return-Path"] == "<>" and "away@b.test" in m.as_string()]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    notice, = found
    assert notice.get_content_type() == "multipart/report" and "from mail.b.test (mail.b.test [IPv6:" in " ".join(notice["Received"].split())
    assert "550" in notice.as_string()
    wait_empty(b)


def test_mail_comes_from_the_address_that_is_set(world):
    a, b = world.a, world.b
    before = a.messages(user(a))
    with configured(a, f"outbound-source = {A[2]} {A[3]}", "[route four]", "to = four.test", "[route six]", "to = six.test", f"source = {A[1]}",
                    "[route wrong]", "to = wrong.far.test", "source = 192.0.2.12 2001:db8:a::12"):
        submit(a, user(b), subject="from another address")
        m = wait_message(b, "from another address")
        assert f"from mail.a.test (out.a.test [IPv6:{A[3]}]) by" in " ".join(m["Received"].split())
        with world.sink() as (four, six):
            submit(a, "x@four.test", "x@six.test", "x@wrong.far.test")
            four.wait(1)
            six.wait(1)
            assert four.peers == [A[2]] and six.peers == [A[1]]
            q = wait_queue(a, lambda q: len(q) == 1 and q[0]["attempts"])
            assert "outbound-source" in q[0]["last_reply"] and a.messages(user(a)) == before
            assert four.connections == six.connections == 1
        a.cli("queue", "remove", q[0]["id"])


def test_hosts_that_do_not_answer_are_passed_over(world):
    """The first says nothing at all, the second is nowhere."""
    with configured(world.a, "outbound-connect-timeout = 1s"), world.sink() as sinks:
        submit(world.a, "x@dead.test")
        wait_empty(world.a)
        assert sum(len(s.messages) for s in sinks) == 1
        assert world.a.wait_log(event="sent", to="x@dead.test")["mx"] == "mx.far.test"


@pytest.mark.parametrize("domain, v6", [("half.test", False), ("other-half.test", True), ("four.test", False), ("six.test", True)])
def test_one_family_is_enough(world, domain, v6):
    """Of the two addresses one swallows all that comes; it has ten minutes to answer."""
    with configured(world.b, "outbound-connect-timeout = 10m"), world.sink() as sinks:
        submit(world.b, f"x@{domain}")
        sinks[v6].wait(1)
        wait_empty(world.b)
        assert not sinks[not v6].messages


def test_a_server_without_ipv6(world):
    """What is reached by IPv6 only has to wait; what is reached by both is reached."""
    with world.sink() as (four, six):
        submit(world.c, "x@six.test", "x@half.test", "x@both.far.test")
        four.wait(2)
        q = wait_queue(world.c, lambda q: len(q) == 1 and q[0]["attempts"])
        assert q[0]["recipient"] == "x@six.test" and "unreachable" in q[0]["last_reply"]
    world.c.cli("queue", "remove", q[0]["id"])


def cutting(world, cut):
    """Answers of somebody whose wire breaks when the first of a message is there, or before its last reply leaves."""
    def break_it():
        world.net.cut(*FAR)
        cut.set()

    def data(connection, line):
        read = connection.line

        def first():
            connection.line, found = read, read()
            break_it()
            return found

        connection.line = first
        return b"354 go on\r\n"

    def dot(connection, line):
        break_it()
        return b"250 2.0.0 kept\r\n"

    return {"data": {"DATA": data}, "dot": {"DOT": dot}}


@pytest.mark.parametrize("where", ["data", "dot"])
@pytest.mark.parametrize("long", [False, True])
def test_a_wire_breaks_within_a_message(world, where, long):
    """Where it is mended in time nothing is seen of it; else the message goes again: twice only where the last reply was lost."""
    a, cut, bob = world.a, threading.Event(), f"bob@{where}-{long}.far.test".lower()
    body = ("x" * 70 + "\r\n") * (50_000 if where == "data" else 1)
    # Long enough for a sink that is slow, on its second try above all.
    timeout = f"outbound-{'data' if where == 'data' else 'done'}-timeout = {f'{SLOW}s' if long else '10m'}"
    with configured(a, timeout, "outbound-connect-timeout = 1s"), world.sink(extensions=("SIZE 10000000",)) as sinks:
        for s in sinks:
            s.answers = cutting(world, cut)[where]
        submit(a, bob, body=body)
        try:
            assert cut.wait(30 * SLOW)
            began = time.monotonic()
            if long:
                wait_queue(a, lambda q: q and q[0]["attempts"])
                assert time.monotonic() - began < 11 * SLOW  # its timeouts come to two of these: what nobody takes is not waited for, minutes as those of the others are
            else:
                time.sleep(0.5)
        finally:
            world.net.mend(*FAR)
        for s in sinks:
            s.answers = {}
        a.cli("queue", "retry", "--all")
        wait_empty(a)
        messages = [m for s in sinks for m in s.messages]
        assert len(messages) == (2 if long and where == "dot" else 1)
        assert sum(c.startswith("MAIL ") for s in sinks for c in s.commands) == (2 if long else 1)
        assert all(m.data.endswith(body.encode()) for m in messages)
        sent = a.wait_log(event="sent", to=bob)
        assert bool(a.log_lines(event="unknown-fate", id=sent["id"])) == (long and where == "dot")


def test_a_host_that_was_away_while_its_reply_was_awaited(world):
    """It has the message, loses its power, is back, and knows of nothing: it is not waited for ten minutes."""
    a, far, crashed = world.a, world.far, threading.Event()

    def dot(connection, line):
        time.sleep(0.5)  # it is told that all came
        far.crash()
        crashed.set()
        raise ConnectionError

    with world.sink(answers={"DOT": dot}):
        submit(a, "x@away.far.test")
        assert crashed.wait(30 * SLOW)
    far.boot()
    with world.sink() as sinks:
        wait_queue(a, lambda q: q and q[0]["attempts"], 30)
        a.cli("queue", "retry", "--all")
        wait_empty(a)
        assert sum(len(s.messages) for s in sinks) == 1
    assert len(a.log_lines(event="unknown-fate", id=a.wait_log(event="sent", to="x@away.far.test")["id"])) == 1


def test_a_backup_takes_what_a_dead_server_cannot(world):
    """The power goes where a message has just been kept: it is there afterwards, and so is what others wrote meanwhile."""
    a, b, c, primary = world.a, world.b, world.c, world.primary
    with a.host.inside():
        client = smtplib.SMTP(PRIMARY[0], 25, timeout=30 * SLOW)
    assert client.sendmail("x@far.test", [user(primary)], "Subject: before\r\n\r\n") == {}
    primary.host.crash()
    client.close()
    primary.kill_all()
    submit(a, user(primary), subject="from a meanwhile")
    submit(c, user(primary), subject="from c meanwhile")
    wait_empty(a)
    wait_empty(c)
    wait_queue(b, lambda q: len(q) == 2 and any(r["attempts"] for r in q))
    primary.host.boot()
    primary.start()
    b.cli("queue", "retry", "--all")
    wait_empty(b)
    wait_message(primary, "before")
    for whose in "ac":
        m = wait_message(primary, f"from {whose} meanwhile")
        hops = [" ".join(r.split()) for r in m.get_all("Received")]
        assert hops[0].startswith("from mail.b.test (mail.b.test [") and f"from mail.{whose}.test (mail.{whose}.test [" in hops[1]


def test_a_backup_speaks_for_those_who_cannot(world):
    """c has IPv4 only, the primary IPv6 only: what lies between them is b."""
    submit(world.c, user(world.primary), subject="from the old world")
    m = wait_message(world.primary, "from the old world")
    assert len(m.get_all("Received")) == 3 and f"(mail.b.test [IPv6:{B[1]}]) by mail.primary.test" in " ".join(m["Received"].split())


def test_a_host_loses_its_power_while_mail_comes(world):
    """Whatever it has said yes to is there afterwards; twice is only what it could not say yes to in time."""
    a, b, primary = world.a, world.b, world.primary
    subjects = [f"message {i}" for i in range(60)]
    mark = [s.log_file.stat().st_size for s in (a, b)]
    with a.submission(user(a)) as s:
        for subject in subjects:
            s.sendmail(user(a), [user(primary)], f"From: {user(a)}\r\nSubject: {subject}\r\n\r\n" + ("x" * 78 + "\r\n") * 500)
            if subject == "message 20":
                primary.host.crash()
    primary.kill_all()
    primary.host.boot()
    primary.start()
    deadline = time.monotonic() + 30 * SLOW
    while waiting := [s for s in (a, b) if s.cli_json("queue", "list")]:
        assert time.monotonic() < deadline, a.tail()
        for s in waiting:
            s.cli("queue", "retry", "--all")
        time.sleep(0.3)
    came = [m["Subject"] for m in map(email.message_from_bytes, primary.messages(user(primary))) if m["Subject"] in subjects]
    unknown = [line for s, at in zip((a, b), mark) for line in s.log_lines(at, event="unknown-fate")]
    print(f"{len(came) - len(subjects)} came twice, {len(unknown)} answers were lost")
    assert set(came) == set(subjects) and len(came) <= len(subjects) + len(unknown)


def test_names_cannot_be_had(world):
    """Neither from a resolver nor from the root: all waits, nothing returns to its sender, and goes when they are there again."""
    servers = [world.a, world.b, world.c]
    before = [s.messages(user(s)) for s in servers]
    world.net.cut(*NAMES, *ROOTS)
    try:
        for s in servers:
            submit(s, f"x@fresh-{s.domain[0]}.far.test")
        for s in servers:
            wait_queue(s, lambda q: q and q[0]["attempts"], 40)
    finally:
        world.net.mend(*NAMES, *ROOTS)
    assert [s.messages(user(s)) for s in servers] == before
    with world.sink():
        # A failure is remembered for 5 s.
        deadline = time.monotonic() + 30 * SLOW
        while waiting := [s for s in servers if s.cli_json("queue", "list")]:
            assert time.monotonic() < deadline
            for s in waiting:
                s.cli("queue", "retry", "--all")
            time.sleep(0.3)


def ask(server, n):
    return server.cli("dns", "--ask", "MX", f"n{n}.names.test", check=False).returncode == 0


@pytest.mark.release_only  # libunbound is the same, and so are its times
def test_names_are_found_soon_after_a_long_outage(world):
    """Name servers that were silent while the network was away, with mail asking all the time, do not count as dead when it is back. As libunbound
    has it they do, after 13 s for 13, then after 25 for 25, and so on, and are asked once in between; now for 8 s at the worst."""
    servers, n, over = [world.a, world.c], itertools.count(), threading.Event()  # one asks a resolver, one the root

    def keep_asking(server):
        while not over.wait(0.2):
            ask(server, next(n))

    def until_dead(server):
        """13 s into a time in which its questions end at once, because there is nobody whom it would ask; a minute if there is no such time."""
        began, since = time.monotonic(), None
        while (now := time.monotonic()) < began + 60 and (not since or now < since + 13):
            assert not ask(server, next(n))
            since = (since or now) if time.monotonic() - now < 1 else None
            time.sleep(0.1)

    def found_after(server):
        began = time.monotonic()
        while not ask(server, next(n)):
            assert time.monotonic() < began + 120
            time.sleep(0.1)
        return time.monotonic() - began

    for s in servers:
        found_after(s)
    usual = max(found_after(s) for s in servers)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        world.net.cut(*NAMES, *ROOTS)
        try:
            for s in servers * 4:
                pool.submit(keep_asking, s)
            until_dead(world.c)
        finally:
            over.set()
            world.net.mend(*NAMES, *ROOTS)
        took = list(pool.map(found_after, servers))
    assert next(n) < FRESH and max(took) < 10 + 10 * usual, (took, usual)


@pytest.mark.parametrize("kind", [Postfix, Exim])
def test_servers_that_none_of_us_wrote(world, kind, tmp_path):
    """They find us and we them, by the same records."""
    a = world.a
    certificate = tmp_path / "mx.pem"
    Authority(tmp_path).server("mx.far.test")
    next(tmp_path.glob("mx.far.test-*.pem")).rename(certificate)
    with kind(25, dict.fromkeys(FAR, certificate), [f"{kind.__name__.lower()}.far.test"], host=world.far) as other:
        bob = f"bob@{other.domains[0]}"
        submit(a, bob, subject="to the other")
        m = email.message_from_bytes(other.wait_inbox(1)[0])
        assert m["Subject"] == "to the other" and f"{A[1]}]" in m["Received"] and "ESMTPS" in m["Received"].upper()
        assert a.wait_log(event="sent", to=bob)["tls"].startswith("TLSv1.3 ")
        other.send(bob, user(a), f"From: {bob}\r\nSubject: from {bob}\r\n\r\nhello\r\n")
        m = wait_message(a, f"from {bob}", other.log)
        assert "(mx.far.test [" in m["Received"] and "with ESMTPS" in " ".join(m["Received"].split())
        with other.smtp() as s:
            assert s.sendmail(user(a), ["nobody@b.test"], "Subject: to nobody\r\n\r\n") == {}
        notice = wait_message(a, {Postfix: "Undelivered Mail Returned to Sender", Exim: "Mail delivery failed: returning message to sender"}[kind], other.log)
        assert notice["Return-Path"] == "<>" and "550" in notice.as_string()
