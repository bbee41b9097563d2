# SPDX-License-Identifier: ISC
"""Routes of outgoing mail, LMTP to other stores (aiosmtpd, Dovecot, Postfix's smtp-sink), and mail for domains whose backup we are."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import processes
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult
from authority import Authority
from dnsserver import DnsServer
from foreign import await_banner
from pombo import ALICE, SLOW
from ports import PortBlock
from smtpserver import EXTENSIONS, SmtpServer
from test_relay import GO, submit, wait_empty, wait_queue

STRANGER = "sender@example.net"
TEXT = f"From: {STRANGER}\r\nSubject: hello\r\n\r\nhello\r\n"


def route(name, *lines):
    return [f"[route {name}]", *lines]


def to(sink, *lines):
    """The settings of a route to a sink of ours."""
    return [f"host = {sink.address}:{sink.port}", *lines]


def addresses(sink):
    return sorted(a for m in sink.messages for a in m.addresses())


def retry(server):
    server.cli("queue", "retry", "--all")


def deferred(server, words):
    """Waits until all that waits was tried; the last reply of each has these words."""
    queue = wait_queue(server, lambda q: q and all(r["attempts"] for r in q))
    assert all(words in r["last_reply"] for r in queue), queue
    return queue


# ---- which way ----


def test_the_most_specific_route_takes_it(make_server):
    with contextlib.ExitStack() as stack:
        exact, below, sender, rest = (stack.enter_context(SmtpServer()) for _ in range(4))
        server = make_server(config=[*GO, rest.setting(),
                                     *route("sender", *to(sender), "from = boss@example.test"),
                                     *route("below", *to(below), "to = .far.test"),
                                     *route("exact", *to(exact), "to = far.test x.far.test")], users=[ALICE, "boss@example.test"])
        recipients = ["a@far.test", "b@x.far.test", "c@y.far.test", "d@else.test"]
        submit(server, *recipients)
        with server.submission("boss@example.test") as s:
            s.sendmail("boss@example.test", recipients, "From: boss@example.test\r\n\r\nhello\r\n")
        wait_empty(server)
        assert addresses(exact) == ["a@far.test"] * 2 + ["b@x.far.test"] * 2
        assert addresses(below) == ["c@y.far.test"] * 2
        assert [(m.sender, m.addresses()) for m in sender.messages] == [("boss@example.test", ["d@else.test"])]
        assert [(m.sender, m.addresses()) for m in rest.messages] == [(ALICE, ["d@else.test"])]
        sent = {(f["from"], f["to"]): f["route"] for f in server.log_lines(event="sent")}
        assert sent[ALICE, "c@y.far.test"] == "below" and sent[ALICE, "d@else.test"] == "relay-host"
        assert sent["boss@example.test", "d@else.test"] == "sender"
        trace = [e for e in server.cli_json("trace", "c@y.far.test") if e["event"] == "sent" and e["address"] == "c@y.far.test"]
        assert len(trace) == 2 and all(e["peer"] == f"[127.0.0.1] (127.0.0.1:{below.port}, route below)" for e in trace)
        shown = server.cli_json("route", "show", "C@Y.Far.Test", "--from", ALICE)
        assert shown["name"] == "below" and shown["host"] == "127.0.0.1" and shown["port"] == below.port
        assert server.cli_json("route", "show", "else.test", "--from", "boss@example.test")["name"] == "sender"
        assert "route relay-host" in server.cli("route", "show", "d@else.test").stdout
        assert [r["name"] for r in server.cli_json("route", "list")] == ["sender", "below", "exact", "relay-host"]


def test_without_host_the_domains_own_servers_or_anothers(make_server):
    with SmtpServer(address="127.0.0.3") as mx, SmtpServer() as smart:
        records = {("far.test", "MX"): ["10 mx.far.test."], ("mx.far.test", "A"): ["127.0.0.3"], ("own.test", "A"): ["127.0.0.3"]}
        with DnsServer(records) as dns:
            server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}", smart.setting(),
                                         *route("direct", "to = own.test"), *route("partner", "to = brand.test", "mx = far.test")])
            submit(server, "a@own.test", "b@brand.test", "c@else.test")
            wait_empty(server)
            assert addresses(mx) == ["a@own.test", "b@brand.test"] and addresses(smart) == ["c@else.test"]
            sent = {f["to"]: (f["mx"], f["route"]) for f in server.log_lines(event="sent")}
            assert sent["a@own.test"] == ("own.test", "direct") and sent["b@brand.test"] == ("mx.far.test", "partner")


def test_a_reload_takes_the_queue_along(make_server):
    """What waits goes by the new route, at once; with the old settings it would have waited on."""
    with SmtpServer({"MAIL": b"451 4.7.1 not now\r\n"}) as old, SmtpServer() as new:
        server = make_server(config=[*GO, "retry-first = 1h", *route("way", "to = far.test", *to(old))])
        submit(server, *[f"r{i}@far.test" for i in range(5)])
        deferred(server, "not now")
        server.configure(route("way", "to = far.test", *to(new)))
        server.reload()
        wait_empty(server)
        assert addresses(new) == [f"r{i}@far.test" for i in range(5)] and old.messages == []


@pytest.fixture
def dead():
    """A port where nobody listens, and nobody else will meanwhile."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def events(server, address, kind):
    return [e for e in server.cli_json("trace", address) if e["event"] == kind and e["address"] == address]


@pytest.mark.parametrize("was", ["a wrong relay-host", "a wrong route", "no route", "a wrong password"])
def test_a_mended_way_is_taken_at_once(make_server, tmp_path, dead, was):
    """Nobody waits for a time that was set, or a destination that was closed, because the way was wrong."""
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    with contextlib.ExitStack() as stack:
        dns = stack.enter_context(DnsServer({("smtp.provider.test", "A"): ["127.0.0.1"], ("far.test", "A"): ["127.0.0.1"]}))
        right = stack.enter_context(Provider(ca.server("smtp.provider.test")) if was == "a wrong password" else SmtpServer())
        before = {"a wrong relay-host": [f"relay-host = 127.0.0.1:{dead}"],
                  "a wrong route": route("way", "to = far.test", f"host = 127.0.0.1:{dead}"), "no route": [],
                  "a wrong password": route("way", f"host = smtp.provider.test:{right.port}", "user = me")}[was]
        server = make_server(start=False, config=[*dns.settings(), *GO, "retry-first = 1h", f"outbound-port = {dead}",
                                                  f"outbound-ca = {ca.file}", *before])
        if was == "a wrong password":
            server.cli("route", "password", "way", "--password-stdin", input="wrong\n")
        server.start()
        recipients = [f"r{i}@far.test" for i in range(5)]
        for r in recipients:
            submit(server, r)
        wait_queue(server, lambda q: any(r["attempts"] for r in q))
        if was == "a wrong password":
            server.cli("route", "password", "way", "--password-stdin", input="pass word\n")
        elif was == "a wrong relay-host":
            server.configure([f"relay-host = 127.0.0.1:{right.port}"])
        else:
            server.configure(route("way", "to = far.test", f"host = 127.0.0.1:{right.port}"))
        server.reload()
        wait_empty(server)
        got = [r for _, to, _ in right.got for r in to] if was == "a wrong password" else addresses(right)
        assert sorted(got) == recipients
        told = [e["text"] for r in recipients for e in events(server, r, "retried")]
        assert told and set(told) == {"the way it takes is another one now"}


def test_a_reload_that_changes_no_way_hurries_nobody(make_server, dead):
    with SmtpServer() as mx:
        server = make_server(config=[*GO, "retry-first = 1h", *route("mx", "to = far.test", *to(mx)),
                                     *route("dead", "to = dead.test", f"host = 127.0.0.1:{dead}")])
        submit(server, "x@dead.test")
        deferred(server, "Connection refused")
        (before,) = server.cli_json("queue", "list")
        assert "\n    waits: tried 1 time" in server.cli("queue", "show", before["id"]).stdout
        server.configure(["log-level = debug", "retry-max = 3h"])
        server.reload()
        # A change that comes later is seen: the former would have been.
        server.configure(["hostname = other.example.test"])
        server.reload()
        (after,) = wait_queue(server, lambda q: q and q[0]["attempts"] == 2)
        assert after["next"] > before["next"] and len(events(server, "x@dead.test", "retried")) == 1


# ---- a destination that comes back ----


@pytest.mark.parametrize("by", ["relay-host", "mx"])
def test_all_follow_once_one_gets_through(make_server, by):
    """A dead host that lives again: whoever was tried in vain goes out with the first that gets through, not each at its own time. Who was
    told to come later by the host itself keeps that time."""
    def rcpt(connection, line):
        return b"451 4.7.1 greylisted\r\n" if b"grey" in line else b"250 ok\r\n"

    port = PortBlock(("127.0.0.1",))["smtp"]
    domains = ["far.test"] if by == "mx" else [f"far{i}.test" for i in range(4)]
    records = {("far.test", "MX"): ["10 mx.far.test."], ("mx.far.test", "A"): ["127.0.0.1"]}
    with DnsServer(records) as dns:
        way = [f"outbound-port = {port}"] if by == "mx" else [f"relay-host = 127.0.0.1:{port}"]
        server = make_server(config=[*dns.settings(), *GO, "retry-first = 1h", *way])
        with SmtpServer({"RCPT": rcpt}, port=port) as before:
            submit(server, f"grey@{domains[0]}")
            deferred(server, "greylisted")
            submit(server, f"first@{domains[0]}")
            wait_queue(server, lambda q: len(q) == 1)
        before.hang_up()
        dead = [f"r{i}@{domain}" for i in range(8) for domain in domains]
        for r in dead:
            submit(server, r)
        wait_queue(server, lambda q: len(q) == len(dead) + 1 and {r["recipient"].split("@")[1] for r in q if r["attempts"]} == set(domains))
        tried = [r for r in server.cli_json("queue", "list") if r["attempts"] and "grey" not in r["recipient"]]
        with SmtpServer({"RCPT": rcpt}, port=port) as mx:
            server.cli("queue", "retry", tried[0]["id"])
            left = wait_queue(server, lambda q: len(q) == 1)
            assert left[0]["recipient"] == f"grey@{domains[0]}" and left[0]["attempts"] == 1
            assert sorted(addresses(mx)) == sorted(dead)
        others = [r for r in tried if r["id"] != tried[0]["id"]]
        told = [e["text"] for r in others for e in events(server, r["recipient"], "retried")]
        assert bool(told) == bool(others) and all(t.endswith("answers again") for t in told)


def test_bad_routes_are_told_with_their_line_and_change_nothing(make_server):
    with SmtpServer() as mx:
        server = make_server(config=[*GO, *route("way", *to(mx))])
        n = len((server.dir / "pombo.conf").read_text().splitlines())
        server.configure(route("way", *to(mx), "transport = uucp"))
        done = server.cli("run", "--check", check=False)
        assert done.returncode == 78 and f'pombo.conf:{n + 1}: transport: "uucp" is not one of smtp, smtps, lmtp' in done.stderr
        done = server.cli("reload", check=False)
        assert done.returncode and f"pombo.conf:{n + 1}" in done.stderr
        server.tolerate("event=reload_failed")
        submit(server)
        mx.wait(1)
        server.configure(route("way", "to = far.test", "user = me", "host = smtp.example.net"))
        done = server.cli("run", "--check", check=False)
        assert done.returncode == 78 and "`pombo route password way`" in done.stderr and "pombo.conf:" in done.stderr
        server.cli("route", "password", "way", "--password-stdin", input="secret\n")
        assert server.cli("run", "--check").returncode == 0


def test_source_addresses(make_server):
    with SmtpServer() as mx:
        peers = []
        mx.answers["EHLO"] = lambda connection, line: peers.append(connection.sock.getpeername()[0]) or b"250 mx.far.test\r\n"
        server = make_server(config=[*GO, "outbound-source = 127.0.0.4 ::1", mx.setting(),
                                     *route("five", "to = five.test", "source = 127.0.0.5", *to(mx)),
                                     *route("none-here", "to = none.test", "source = 192.0.2.77", *to(mx))])
        submit(server, "a@far.test")
        wait_empty(server)
        submit(server, "a@five.test")
        wait_empty(server)
        assert peers == ["127.0.0.4", "127.0.0.5"]
        submit(server, "a@none.test")
        deferred(server, "this machine has not the address that it is to come from")
        assert len(peers) == 2


def test_source_address_of_ipv6(make_server):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with SmtpServer(address="::1", family=socket.AF_INET6) as mx:
        peers = []
        mx.answers["EHLO"] = lambda connection, line: peers.append(connection.sock.getpeername()[0]) or b"250 mx.far.test\r\n"
        server = make_server(config=[*GO, *route("six", f"host = [::1]:{mx.port}", "source = 127.0.0.4 ::1")])
        submit(server)
        wait_empty(server)
        assert peers == ["::1"]


# ---- TLS and logins ----


class Provider:
    """A smart host that wants TLS and a login, at the name smtp.provider.test."""

    def __init__(self, context, smtps=False):
        self.got, self.logins = [], []
        owner = self

        class Handler:
            async def handle_DATA(self, server, session, envelope):
                owner.got.append((session.auth_data and session.auth_data.login.decode(), envelope.rcpt_tos, session.peer[0]))
                return "250 2.0.0 ok"

        def authenticator(server, session, envelope, mechanism, data):
            owner.logins.append((data.login.decode(), data.password.decode()))
            return AuthResult(success=data.password == b"pass word", handled=False, auth_data=data)

        class Here(Controller):
            def factory(self):
                return SMTP(self.handler, hostname="smtp.provider.test", authenticator=authenticator, auth_required=True,
                            auth_require_tls=not smtps, tls_context=None if smtps else context)

        self.controller = Here(Handler(), hostname="127.0.0.1", port=PortBlock(("127.0.0.1",))["smtp"], ssl_context=context if smtps else None,
                               ready_timeout=30 * SLOW)
        self.controller.start()
        self.port = self.controller.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.controller.stop()


PROVIDER = {("smtp.provider.test", "A"): ["127.0.0.1"]}


@pytest.mark.parametrize("transport", ["smtp", "smtps"])
def test_through_a_provider_with_a_login(make_server, tmp_path, transport):
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    with Provider(ca.server("smtp.provider.test"), smtps=transport == "smtps") as provider, DnsServer(PROVIDER) as dns:
        way = route("provider", f"host = smtp.provider.test:{provider.port}", "user = me@provider.test", f"transport = {transport}")
        server = make_server(config=[*dns.settings(), *GO, f"outbound-ca = {ca.file}", *way])
        submit(server)
        deferred(server, "`pombo route password`")
        assert provider.logins == []  # not even tried
        for password in ("wrong", "pass word"):
            server.cli("route", "password", "provider", "--password-stdin", input=password + "\n")
            assert (server.dir / "relay-passwords").stat().st_mode & 0o777 == 0o600
            server.reload()
            retry(server)
            if password == "wrong":
                wait_queue(server, lambda q: "refused our login" in q[0]["last_reply"])
        wait_empty(server)
        assert provider.got == [("me@provider.test", ["bob@far.test"], "127.0.0.1")]
        assert provider.logins[0] == ("me@provider.test", "wrong") and provider.logins[-1] == ("me@provider.test", "pass word")
        assert "(certificate verified)" in server.wait_log(event="sent")["tls"]
        assert server.cli_json("route", "list")[0] == {
            "name": "provider", "to": [], "from": [], "host": "smtp.provider.test", "mx": None, "socket": None, "port": provider.port, "transport": transport,
            "tls": "verify", "user": "me@provider.test", "password": True, "source": []}
        assert "pass word" not in server.cli("route", "list").stdout + server.log_text()
        logins = len(provider.logins)
        (server.dir / "relay-passwords").unlink()
        server.reload()
        submit(server)
        deferred(server, "`pombo route password`")
        assert len(provider.logins) == logins


def test_two_logins_at_one_host_share_no_connection(make_server, tmp_path):
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    with Provider(ca.server("smtp.provider.test")) as provider, DnsServer(PROVIDER) as dns:
        ways = [line for user in ("one", "two") for line in route(user, f"host = smtp.provider.test:{provider.port}", f"user = {user}",
                                                                    f"from = {user}@example.test")]
        server = make_server(start=False, config=[*dns.settings(), *GO, f"outbound-ca = {ca.file}", *ways],
                             users=["one@example.test", "two@example.test"])
        for user in ("one", "two"):
            server.cli("route", "password", user, "--password-stdin", input="pass word\n")
        server.start()
        for user in ("one", "two", "one", "two"):
            with server.submission(f"{user}@example.test") as s:
                s.sendmail(f"{user}@example.test", ["bob@far.test"], f"From: {user}@example.test\r\n\r\nhello\r\n")
            wait_empty(server)
        assert [login for login, _, _ in provider.got] == ["one", "two", "one", "two"]


def test_a_login_goes_to_the_right_host_only(make_server, tmp_path):
    """auto with a user is verify: the wrong certificate gets neither mail nor password."""
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    with Provider(ca.server("other.test")) as provider, DnsServer(PROVIDER) as dns:
        server = make_server(start=False, config=[*dns.settings(), *GO, f"outbound-ca = {ca.file}", *route(
            "provider", f"host = smtp.provider.test:{provider.port}", "user = me@provider.test")])
        server.cli("route", "password", "provider", "--password-stdin", input="pass word\n")
        server.start()
        submit(server)
        deferred(server, "cannot be trusted")
        assert provider.logins == [] and provider.got == []


@pytest.mark.parametrize("tls", ["none", "opportunistic", "require", "verify", "dane"])
@pytest.mark.parametrize("has", ["nothing", "wrong", "right"])
def test_what_tls_is_asked_for(make_server, tmp_path, tls, has):
    """Never weaker than the route asks."""
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    context = {"nothing": None, "wrong": ca.server("other.test"), "right": ca.server("mx.far.test")}[has]
    records = {("far.test", "MX"): ["10 mx.far.test."], ("mx.far.test", "A"): ["127.0.0.1"]}
    with SmtpServer() as mx, DnsServer(records) as dns:
        mx.context = context
        server = make_server(config=[*dns.settings(), *GO, f"outbound-ca = {ca.file}",
                                     *route("way", "to = far.test", f"host = mx.far.test:{mx.port}", f"tls = {tls}")])
        submit(server)
        goes = tls in ("none", "opportunistic") or (tls == "require" and context) or (tls == "verify" and has == "right")
        if goes:
            wait_empty(server)
            assert [m.tls for m in mx.messages] == [tls != "none" and context is not None]
            assert not (tls == "none" and "STARTTLS" in mx.commands)
        else:
            deferred(server, "TLSA" if tls == "dane" else "offers no TLS" if has == "nothing" else "cannot be trusted")
            assert mx.messages == []


def test_verify_wants_a_name_that_somebody_vouches_for(make_server):
    """The right certificate for the name that an unsigned MX record says is worth nothing."""
    records = {("far.test", "MX"): ["10 mx.far.test."], ("mx.far.test", "A"): ["127.0.0.1"]}
    with SmtpServer() as mx, DnsServer(records) as dns:
        server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}", *route("way", "to = far.test", "tls = verify")])
        submit(server)
        deferred(server, "name the host in the route")
        assert mx.connections == 0


# ---- LMTP ----


def fates(server, n):
    """What became of each recipient, once n have an event."""
    deadline = time.monotonic() + 20 * SLOW
    while True:
        found = {f["to"]: f["event"] for event in ("sent", "deferred", "failed") for f in server.log_lines(event=event)}
        if len(found) >= n:
            return found
        assert time.monotonic() < deadline, server.tail()
        time.sleep(0.05)


EACH = {"good@store.test": "sent", "later@store.test": "deferred", "never@store.test": "failed", "also@store.test": "sent",
        "unknown@store.test": "failed"}


def check_each(server):
    """After a message to all of EACH over LMTP."""
    assert fates(server, len(EACH)) == EACH
    queue = wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1)
    assert queue[0]["recipient"] == "later@store.test"
    bounces = "".join(m.decode() for m in server.messages())
    assert "never@store.test" in bounces and "unknown@store.test" in bounces
    assert not any(a in bounces for a in ("good@", "later@", "also@"))


@pytest.mark.parametrize("without", [(), ("CHUNKING",), ("CHUNKING", "PIPELINING")])
def test_lmtp_answers_for_each_recipient(make_server, without):
    answers = {"good": b"250 2.0.0 kept\r\n", "later": b"452 4.2.2 full\r\n", "never": b"550 5.7.1 never\r\n", "also": b"250 2.1.5 ok\r\n"}

    def rcpt(connection, line):
        return b"550 5.1.1 who?\r\n" if b"unknown" in line else b"250 ok\r\n"

    with SmtpServer({"RCPT": rcpt, "DOT": lambda c, r: answers[r.split(b"@")[0].decode()]}, lmtp=True,
                    extensions=[e for e in EXTENSIONS if e not in without]) as store:
        server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", *to(store))])
        submit(server, *EACH)
        check_each(server)
        assert store.commands[0].startswith("LHLO ") and store.complaints == []
        # The next message over the same connection, and again only for whom it waits.
        store.answers["DOT"] = b"250 2.0.0 kept\r\n"
        submit(server, "good@store.test")
        wait_queue(server, lambda q: len(q) == 1)  # with two at a time there would be two connections
        retry(server)
        wait_empty(server)
        assert sorted(a for m in store.messages[1:] for a in m.kept) == ["good@store.test", "later@store.test"]


def test_lmtp_that_ends_in_the_midst_of_its_answers(make_server):
    """Whom it answered for has the mail; the others are tried again, and only they."""
    def dot(connection, recipient):
        if recipient == b"two@store.test":
            raise ConnectionError
        return b"250 2.0.0 kept\r\n"

    with SmtpServer({"DOT": dot}, lmtp=True) as store:
        server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", *to(store))])
        submit(server, "one@store.test", "two@store.test", "three@store.test")
        queue = wait_queue(server, lambda q: len(q) == 2 and all(r["attempts"] == 1 for r in q))
        assert {r["recipient"] for r in queue} == {"two@store.test", "three@store.test"}
        store.answers.pop("DOT")
        retry(server)
        wait_empty(server)
        assert [sorted(m.addresses()) for m in store.messages[1:]] == [["three@store.test", "two@store.test"]]


@pytest.mark.parametrize("reply", [b"what?\r\n", b"421 4.3.2 going down\r\n", b"354 more\r\n", b"250-" + b"x" * 100_000])
def test_lmtp_that_answers_oddly_for_the_second(make_server, reply):
    with SmtpServer({"DOT": [b"250 2.0.0 kept\r\n", reply]}, lmtp=True) as store:
        server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", *to(store))])
        submit(server, "one@store.test", "two@store.test", "three@store.test")
        queue = wait_queue(server, lambda q: len(q) == 2 and all(r["attempts"] == 1 for r in q))
        assert {r["recipient"] for r in queue} == {"two@store.test", "three@store.test"}
        retry(server)
        wait_empty(server)
        assert sorted(store.messages[-1].kept) == ["three@store.test", "two@store.test"] and server.messages() == []


def test_lmtp_in_tls(make_server, tmp_path):
    tmp_path.chmod(0o755)
    ca = Authority(tmp_path)
    with SmtpServer(lmtp=True) as store, DnsServer({("lmtp.store.test", "A"): ["127.0.0.1"]}) as dns:
        server = make_server(config=[*dns.settings(), *GO, f"outbound-ca = {ca.file}", *route(
            "store", "to = store.test", "transport = lmtp", f"host = lmtp.store.test:{store.port}", "tls = verify")])
        submit(server, "one@store.test")
        deferred(server, "offers no TLS")
        store.context = ca.server("lmtp.store.test")
        retry(server)
        wait_empty(server)
        assert [m.tls for m in store.messages] == [True] and [c[:4] for c in store.commands].count("LHLO") == 3


def test_lmtp_of_aiosmtpd(make_server):
    got = []

    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, options):
            if address.startswith("unknown"):
                return "550 5.1.1 who?"
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 ok"

        async def handle_DATA(self, server, session, envelope):
            got.append(envelope)
            answers = {"later": "451 4.2.0 later", "never": "554 5.7.1 never"}
            return "\r\n".join(answers.get(a.split("@")[0], "250 2.0.0 kept") for a in envelope.rcpt_tos)

    class Here(Controller):
        def factory(self):
            return LMTP(self.handler, hostname="store.test", enable_SMTPUTF8=True)

    controller = Here(Handler(), hostname="127.0.0.1", port=PortBlock(("127.0.0.1",))["smtp"], ready_timeout=30 * SLOW)
    controller.start()
    try:
        server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", f"host = 127.0.0.1:{controller.port}")])
        submit(server, *EACH)
        check_each(server)
        assert len(got) == 1 and sorted(got[0].rcpt_tos) == sorted(a for a in EACH if not a.startswith("unknown"))
    finally:
        controller.stop()


def test_lmtp_of_smtp_sink(make_server):
    if not (sink := shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")):
        pytest.skip("smtp-sink (postfix) is not installed")
    port = PortBlock(("127.0.0.1",))["smtp"]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([sink, *user, "-L", "-c", f"127.0.0.1:{port}", "100"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_banner("127.0.0.1", port)
        server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", f"host = 127.0.0.1:{port}")])
        for i in range(5):
            submit(server, *[f"r{k}@store.test" for k in range(1 + 20 * i)])
        wait_empty(server)
        assert len(server.log_lines(event="sent")) == 1 + 21 + 41 + 61 + 81
    finally:
        process.terminate()
        process.wait(10 * SLOW)


@pytest.fixture
def dovecot():
    """Dovecot's LMTP on a port, for good@, also@, never@ and later@store.test; (port, folder of a user's mail)."""
    if not os.path.exists("/usr/lib/dovecot/lmtp"):
        pytest.skip("dovecot-lmtpd is not installed")
    top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
    top.chmod(0o755)
    (top / "mail").mkdir()
    root = os.geteuid() == 0
    if root:
        shutil.chown(top / "mail", "mail", "mail")
    user = "mail" if root else os.environ.get("USER", "nobody")
    port = PortBlock(("127.0.0.1",))["smtp"]
    quota = {"never": "userdb_quota_rule=*:storage=1", "later": "userdb_quota_rule=*:storage=1 userdb_quota_full_tempfail=yes"}
    (top / "users").write_text("".join(f"{name}@store.test:{{PLAIN}}x::::::{quota.get(name, '')}\n"
                                       for name in ("good", "also", "never", "later")))
    (top / "conf").write_text(f"""
base_dir = {top}/run
log_path = {top}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{top}/mail/%n
mail_uid = {user}
mail_gid = {user}
first_valid_uid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {user}
mail_plugins = quota
postmaster_address = postmaster@store.test
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {top}/users
}}
userdb {{
  driver = passwd-file
  args = {top}/users
  default_fields = uid={user} gid={user} home={top}/mail/%n
}}
""")
    process = subprocess.Popen(["dovecot", "-F", "-c", str(top / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        await_banner("127.0.0.1", port)
        yield port, top
    finally:
        processes.end(process, 20 * SLOW)
        shutil.rmtree(top)


@pytest.mark.parametrize("over", ["TCP", "a UNIX socket"])
def test_lmtp_of_dovecot(make_server, dovecot, over):
    port, top = dovecot
    where = f"host = 127.0.0.1:{port}" if over == "TCP" else f"socket = {top}/run/lmtp"
    server = make_server(config=[*GO, *route("store", "to = store.test", "transport = lmtp", where)])
    submit(server, *EACH, text=f"From: {ALICE}\r\nSubject: hello\r\n\r\n" + ("x" * 70 + "\r\n") * 100)
    found = fates(server, len(EACH))
    print({f["to"]: f["reply"] for event in ("sent", "deferred", "failed") for f in server.log_lines(event=event)})
    assert found == EACH
    check_each(server)
    for name in ("good", "also"):
        (mail,) = (top / "mail" / name / "new").iterdir()
        assert b"Subject: hello" in mail.read_bytes() and f"Return-Path: <{ALICE}>".encode() in mail.read_bytes()


# ---- LMTP over a UNIX socket ----


def local(path, *lines):
    return route("store", "to = store.test", "transport = lmtp", f"socket = {path}", *lines)


def test_a_unix_socket_answers_for_each_recipient(make_server, tmp_path):
    """As over TCP; nothing is said of TLS, which the server may offer."""
    path = tmp_path / "lmtp"
    answers = {"good": b"250 2.0.0 kept\r\n", "later": b"452 4.2.2 full\r\n", "never": b"550 5.7.1 never\r\n", "also": b"250 2.1.5 ok\r\n"}

    def rcpt(connection, line):
        return b"550 5.1.1 who?\r\n" if b"unknown" in line else b"250 ok\r\n"

    with SmtpServer({"RCPT": rcpt, "DOT": lambda c, r: answers[r.split(b"@")[0].decode()]}, lmtp=True, path=path) as store:
        store.context = True  # offers STARTTLS
        server = make_server(config=[*GO, "outbound-reuse-time = 5m", *local(path)])
        submit(server, *EACH)
        check_each(server)
        assert store.commands[0].startswith("LHLO ") and "STARTTLS" not in store.commands and store.complaints == []
        sent = server.wait_log(event="sent", to="good@store.test", since=0)
        assert (sent["mx"], sent["ip"], sent["tls"], sent["route"]) == ("mail.example.test", str(path), "over a UNIX socket", "store")
        trace = server.cli("trace", "good@store.test").stdout
        assert f"to mail.example.test ({path}, route store), over a UNIX socket, which said: 250 2.0.0 kept" in " ".join(trace.split())
        shown = server.cli_json("route", "show", "x@store.test")
        assert (shown["socket"], shown["host"], shown["port"], shown["tls"]) == (str(path), None, None, "none")
        assert f"to {path} by lmtp, a UNIX socket" in server.cli("route", "show", "x@store.test").stdout
        assert f"{path} by lmtp, a UNIX socket" in server.cli("route", "list").stdout
        # The next message over the same connection, and again only for whom it waits.
        store.answers["DOT"] = b"250 2.0.0 kept\r\n"
        submit(server, "good@store.test")
        wait_queue(server, lambda q: len(q) == 1)  # with two at a time there would be two connections
        retry(server)
        wait_empty(server)
        assert sorted(a for m in store.messages[1:] for a in m.kept) == ["good@store.test", "later@store.test"]
        assert store.connections == 1


def test_a_unix_socket_keeps_the_limit_of_connections(make_server, tmp_path):
    path = tmp_path / "lmtp"
    with SmtpServer(lmtp=True, path=path, delay=0.01) as store:
        server = make_server(config=[*GO, "max-connections-per-destination = 2", *local(path)])
        for i in range(12):
            submit(server, f"r{i}@store.test")
        wait_empty(server)
        assert len(store.messages) == 12 and store.most_open <= 2


@pytest.mark.parametrize("there", ["nothing", "a stale socket", "a file", "a full backlog"])
def test_a_unix_socket_without_its_server(make_server, tmp_path, there):
    """The mail waits, and the reason says where to look; what is there later takes it."""
    path = tmp_path / "lmtp"
    words = {"nothing": f"cannot connect to {path}: no such file; is the server running?",
             "a stale socket": "nobody listens there; is the server running?", "a file": "nobody listens there",
             "a full backlog": "more connections wait there than it takes"}
    with contextlib.ExitStack() as stack:
        if there == "a file":
            path.write_text("")
        elif there != "nothing":
            silent = stack.enter_context(socket.socket(socket.AF_UNIX))
            silent.bind(str(path))
        if there == "a full backlog":
            silent.listen(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                    waiting.setblocking(False)
                    waiting.connect(str(path))
        server = make_server(config=[*GO, *local(path)])
        submit(server, "one@store.test")
        deferred(server, words[there])
        assert server.cli_json("status")  # the supervisor does not wait for it
    path.unlink(missing_ok=True)
    with SmtpServer(lmtp=True, path=path) as store:
        retry(server)
        wait_empty(server)
        assert addresses(store) == ["one@store.test"] and server.messages() == []


def test_a_unix_socket_that_is_not_for_us(make_server, tmp_path):
    """Nobody's permissions hold root back: then the server runs as another user."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
    folder.chmod(0o755)
    path = folder / "lmtp"
    with SmtpServer(lmtp=True, path=path) as store:
        path.chmod(0)
        server = make_server(start=False, config=[*GO, *local(path)])
        if os.geteuid() == 0:
            server.run_as(65534)
        else:
            server.start()
        submit(server, "one@store.test")
        deferred(server, f"cannot connect to {path}: permission denied")
        assert store.connections == 0
        path.chmod(0o666)
        retry(server)
        wait_empty(server)
        assert addresses(store) == ["one@store.test"]
    folder.rmdir()


def test_a_unix_socket_whose_server_restarts(make_server, tmp_path):
    path = tmp_path / "lmtp"
    with SmtpServer(lmtp=True, path=path) as first:
        server = make_server(config=[*GO, "outbound-reuse-time = 60s", *local(path)])
        submit(server, "one@store.test")
        wait_empty(server)
    first.hang_up()
    with SmtpServer(lmtp=True, path=path) as second:
        submit(server, "two@store.test")
        wait_empty(server)
        assert addresses(first) == ["one@store.test"] and addresses(second) == ["two@store.test"]


def test_a_reload_moves_to_another_socket(make_server, tmp_path):
    """By the name of the route alone the supervisor would be asked for either: each mail goes where its own settings say."""
    with SmtpServer({"DOT": b"451 4.3.0 not now\r\n"}, lmtp=True, path=tmp_path / "old") as old, \
            SmtpServer(lmtp=True, path=tmp_path / "new") as new:
        server = make_server(config=[*GO, *local(tmp_path / "old")])
        submit(server, "one@store.test")
        deferred(server, "not now")
        server.configure(local(tmp_path / "new"))
        server.reload()
        submit(server, "two@store.test")
        retry(server)
        wait_empty(server)
        assert addresses(new) == ["one@store.test", "two@store.test"] and addresses(old) == ["one@store.test"]


def test_requiretls_ends_at_a_unix_socket(make_server, tmp_path):
    """RFC 8689: what the sender fears is the wire, and here is none; the word itself is for TLS sessions only (section 2)."""
    path = tmp_path / "lmtp"
    with SmtpServer(lmtp=True, path=path, extensions=[*EXTENSIONS, "REQUIRETLS"]) as store, SmtpServer(lmtp=True) as tcp:
        server = make_server(config=[*GO, *local(path), *route("tcp", "to = tcp.test", "transport = lmtp", *to(tcp))])
        submit(server, "one@store.test", "one@tcp.test", options=["REQUIRETLS"])
        assert server.wait_log(event="failed", to="one@tcp.test", since=0) and tcp.messages == []
        store.wait(1)
        assert addresses(store) == ["one@store.test"]
        assert [p for p in store.messages[0].parameters if "TLS" in p] == []


# ---- backup MX ----


def stranger_sends(server, *recipients):
    """Which of them port 25 takes from anybody."""
    with server.smtp() as s:
        s.ehlo()
        s.mail(STRANGER)
        taken = [r for r in recipients if s.rcpt(r)[0] == 250]
        if taken:
            assert s.data(TEXT)[0] == 250
        return taken


@pytest.mark.parametrize("named", ["by-name", "by-address"])
def test_a_backup_keeps_mail_until_the_primary_takes_it(make_server, named):
    """Only for the domains that are listed; only to better servers than ourselves, whatever they call us."""
    server = make_server(start=False)
    port = server.ports["smtp"]
    us = "mail.example.test." if named == "by-name" else "backup.far.test."
    records = {("far.test", "MX"): ["10 primary.far.test.", f"20 {us}", "20 equal.far.test.", "30 worse.far.test."],
               ("primary.far.test", "A"): ["127.0.0.3"], ("backup.far.test", "A"): ["127.0.0.1"],
               ("mail.example.test", "A"): ["127.0.0.1"], ("equal.far.test", "A"): ["127.0.0.5"], ("worse.far.test", "A"): ["127.0.0.4"]}
    with contextlib.ExitStack() as stack:
        equal = stack.enter_context(SmtpServer(address="127.0.0.5", port=port))
        worse = stack.enter_context(SmtpServer(address="127.0.0.4", port=port))
        dns = stack.enter_context(DnsServer(records))
        server.configure([*dns.settings(), *GO, f"outbound-port = {port}", "backup-mx = far.test .below.test"])
        server.start()
        strangers = ["bob@far.test", "x@sub.far.test", "x@else.test", "x@below.test", "alice@example.test", "nobody@example.test",
                     "x%else.test@example.test", "@far.test:x@else.test"]
        assert stranger_sends(server, *strangers) == ["bob@far.test", "alice@example.test"]
        assert stranger_sends(server, "Bob@FAR.Test") == ["Bob@FAR.Test"]
        queue = wait_queue(server, lambda q: len(q) == 2 and any(r["attempts"] for r in q))
        assert {q["sender"] for q in queue} == {STRANGER}
        assert equal.connections == worse.connections == 0
        with SmtpServer(address="127.0.0.3", port=port) as primary:
            retry(server)
            wait_empty(server)
            assert addresses(primary) == ["Bob@FAR.Test", "bob@far.test"]
            assert {m.sender for m in primary.messages} == {STRANGER}
        assert equal.connections == worse.connections == 0 and len(server.messages()) == 1


def test_a_backup_that_meets_itself_waits(make_server):
    """Its address is not to be known for its own (it is translated on the way): the greeting tells."""
    server = make_server(start=False)
    port = server.ports["smtp"]
    records = {("far.test", "MX"): ["10 primary.far.test.", "20 backup.far.test.", "30 worse.far.test."],
               ("primary.far.test", "A"): ["127.0.0.3"], ("backup.far.test", "A"): ["127.0.0.6"], ("worse.far.test", "A"): ["127.0.0.4"]}
    itself = {"EHLO": b"250 mail.example.test\r\n"}
    with SmtpServer(itself, address="127.0.0.6", port=port), SmtpServer(address="127.0.0.4", port=port) as worse, DnsServer(records) as dns:
        server.configure([*dns.settings(), *GO, f"outbound-port = {port}", "backup-mx = far.test"])
        server.start()
        assert stranger_sends(server, "bob@far.test") == ["bob@far.test"]
        deferred(server, "the better servers of far.test cannot be reached")
        assert worse.connections == 0 and server.messages() == []
        with SmtpServer(address="127.0.0.3", port=port) as primary:
            retry(server)
            wait_empty(server)
            assert addresses(primary) == ["bob@far.test"] and worse.connections == 0


@pytest.mark.parametrize("ends_as", ["mx.far.test", "mail.example.test"])
def test_only_under_tls_is_a_host_believed_to_be_ourselves(make_server, tmp_path, ends_as):
    """Where TLS is asked for: before it anybody on the way could say so (RFC 3207 §4.2), and the mail would come back for good."""
    def ehlo(connection, line):
        return f"250 {ends_as}\r\n".encode() if connection.tls else b"250-mail.example.test\r\n250 STARTTLS\r\n"

    with SmtpServer({"EHLO": ehlo}) as mx:
        mx.context = Authority(tmp_path).server("mx.far.test")
        server = make_server(config=[*GO, *route("way", "to = far.test", *to(mx), "tls = require")])
        submit(server)
        if ends_as == "mx.far.test":
            wait_empty(server)
            assert addresses(mx) == ["bob@far.test"] and server.messages() == []
        else:
            assert "loops" in server.wait_log(event="failed", to="bob@far.test")["reply"] and mx.messages == []


def test_a_backup_that_is_the_best_server_itself_says_so(make_server):
    server = make_server(start=False)
    port = server.ports["smtp"]
    records = {("far.test", "MX"): ["10 mail.example.test.", "20 worse.far.test."], ("worse.far.test", "A"): ["127.0.0.4"],
               ("mail.example.test", "A"): ["127.0.0.1"]}
    with SmtpServer(address="127.0.0.4", port=port) as worse, DnsServer(records) as dns:
        server.configure([*dns.settings(), *GO, f"outbound-port = {port}", "backup-mx = far.test"])
        server.start()
        assert stranger_sends(server, "bob@far.test") == ["bob@far.test"]
        assert "loops" in server.wait_log(event="failed", to="bob@far.test")["reply"] and worse.connections == 0


def test_mail_for_another_store_comes_in_for_anybody(make_server):
    """backup-mx with a route: a gateway; no MX is asked for."""
    with SmtpServer(lmtp=True) as store:
        server = make_server(config=[*GO, "backup-mx = store.test", *route("store", "to = store.test", "transport = lmtp", *to(store))])
        assert stranger_sends(server, "bob@store.test", "x@else.test") == ["bob@store.test"]
        wait_empty(server)
        assert addresses(store) == ["bob@store.test"] and store.messages[0].sender == STRANGER
