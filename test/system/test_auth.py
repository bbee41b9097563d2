# SPDX-License-Identifier: ISC
"""Logins: mechanisms, channel bindings, what a stranger can learn, how fast anybody can guess."""
import hashlib
import threading
import time

import pytest

import programs
from pombo import ALICE, PASSWORD, SANITIZED, SLOW
from sasl import LATER, MALFORMED, NO_MECHANISM, OK, WRONG, Scram, authenticate, greet, login, login_on, plain

SERVICES = ("submissions", "imaps", "pop3s")


@pytest.mark.parametrize("service", SERVICES)
def test_every_mechanism_on_every_protocol(shared_server, service):
    assert authenticate(shared_server, service, "PLAIN", plain(ALICE, PASSWORD)) == OK
    assert authenticate(shared_server, service, "LOGIN", login(ALICE, PASSWORD)) == OK
    assert authenticate(shared_server, service, "SCRAM-SHA-256", Scram(ALICE, PASSWORD)()) == OK
    assert authenticate(shared_server, service, "scram-sha-256", Scram("alice", PASSWORD)()) == OK
    assert authenticate(shared_server, service, "PLAIN", plain(ALICE, "wrong")) == WRONG
    assert authenticate(shared_server, service, "SCRAM-SHA-256", Scram(ALICE, "wrong")()) == WRONG
    assert authenticate(shared_server, service, "SCRAM-SHA-256", Scram("nobody", PASSWORD)()) == WRONG
    assert authenticate(shared_server, service, "PLAIN", plain("nobody@example.test", PASSWORD)) == WRONG
    assert authenticate(shared_server, service, "PLAIN", plain(ALICE, PASSWORD, authzid="bob@example.test")) == WRONG
    assert authenticate(shared_server, service, "PLAIN", plain(ALICE, PASSWORD, authzid=ALICE)) == OK
    assert authenticate(shared_server, service, "PLAIN", iter(["no nul"])) == MALFORMED
    assert authenticate(shared_server, service, "CRAM-MD5", iter([])) in (NO_MECHANISM, MALFORMED)


def end_point(wire):
    """RFC 5929 §4: the certificate's hash (it is signed with SHA-256)."""
    return hashlib.sha256(wire.sock.getpeercert(binary_form=True)).digest()


@pytest.mark.parametrize("service", SERVICES)
def test_channel_binding(shared_server, service):
    """tls-server-end-point, which Python can compute; tls-exporter is GNU SASL's below."""

    def attempt(mechanism, header, data=None):
        with shared_server.wire(service) as w:
            greet(w, service)
            bound = end_point(w) if data is None else data
            return login_on(w, service, mechanism, Scram(ALICE, PASSWORD, header, bound)())

    assert attempt("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,") == OK
    # Somebody in the middle, with another certificate.
    assert attempt("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", hashlib.sha256(b"his").digest()) == WRONG
    assert attempt("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", bytes(32)) == WRONG
    assert attempt("SCRAM-SHA-256-PLUS", "p=tls-nothing,,", b"") == WRONG
    assert attempt("SCRAM-SHA-256-PLUS", "n,,", b"") == MALFORMED
    assert attempt("SCRAM-SHA-256", "p=tls-server-end-point,,") == MALFORMED
    # The client could bind but was shown no -PLUS: somebody took it out of the list.
    assert attempt("SCRAM-SHA-256", "y,,", b"") == WRONG
    assert attempt("SCRAM-SHA-256", "n,,", b"") == OK


@pytest.fixture(scope="module")
def local_server():
    """One whose certificate names localhost, for a program that insists."""
    from pombo import Server

    s = Server()
    programs.own_certificate(s)
    try:
        yield s.start()
    finally:
        s.finish()


@pytest.mark.parametrize("service", ["imap", "submission"])
@pytest.mark.parametrize("mechanism, version", [("SCRAM-SHA-256-PLUS", "TLS1.3"), ("SCRAM-SHA-256-PLUS", "TLS1.2"),
                                                ("SCRAM-SHA-256", "TLS1.3"), ("PLAIN", "TLS1.2")])
def test_gnu_sasl(local_server, service, mechanism, version):
    """Binds to tls-exporter (RFC 9266) on TLS 1.3, to tls-unique on TLS 1.2."""
    done = programs.gsasl(local_server, service, mechanism, version)
    assert "Client authentication finished (server trusted)" in done.stdout + done.stderr
    local_server.password, right = "wrong", local_server.password
    try:
        assert programs.gsasl(local_server, service, mechanism, version, check=False).returncode != 0
    finally:
        local_server.password = right


def test_nothing_tells_who_exists(make_server):
    s = make_server(users=(ALICE, "bob@example.test"))

    def salt(user):
        exchange = Scram(user, "whatever", hash_iterations=False)
        assert authenticate(s, "imaps", "SCRAM-SHA-256", exchange()) == WRONG
        return exchange.salt, exchange.iterations

    # One spelling or another, a real one or not: the same salt each time, another for another.
    assert salt(ALICE) == salt("Alice@EXAMPLE.test") != salt("bob@example.test")
    nobody = salt("nobody@example.test")
    assert nobody == salt("NoBody@Example.TEST")
    assert nobody != salt("no.body@example.test") and nobody != salt("nobody@example.org")
    assert len(nobody[0]) == len(salt(ALICE)[0]) and nobody[1] == salt(ALICE)[1]
    # And after a restart.
    s.restart()
    assert salt("nobody@example.test") == nobody
    # Whatever leads to somebody's account leads to nobody's salt where there is none: bare, with detail, by another domain.
    s.cli("domain", "alias", "alias.test", "example.test")
    for form in ("{}", "{}+detail", "{}+detail@example.test", "{}@alias.test"):
        assert salt(form.format("alice")) == salt(ALICE), form
        assert salt(form.format("nobody")) == nobody, form


@pytest.mark.release_only
def test_unknown_users_take_as_long_as_known_ones(make_server):
    s = make_server(config=["max-auth-failures = 100"])
    took = {ALICE: [], "nobody@example.test": []}
    with s.wire("imaps") as w:
        greet(w, "imaps")
        for n in range(18):  # more would be held up
            for user, times in took.items():
                started = time.monotonic()
                assert login_on(w, "imaps", "PLAIN", plain(user, f"guess {n}")) == WRONG
                times.append(time.monotonic() - started)
            known, unknown = (min(t) for t in took.values())  # the least that each takes: whoever else keeps the machine busy can only add to it
            if n > 10 and 0.5 < known / unknown < 2:
                return
    raise AssertionError(took)


HELD_UP_S = 10  # an attempt, while there is no room for it


def guess(server, source, times):
    """Wrong passwords over one connection; how many were judged before one was held up."""
    with server.wire("imaps", source=source, timeout=HELD_UP_S - 4) as w:
        greet(w, "imaps")
        for n in range(times):
            try:
                assert login_on(w, "imaps", "PLAIN", plain(ALICE, f"guess {n} of {source}")) == WRONG
            except TimeoutError:
                return n
    return times


def test_guessing_is_slow_and_locks_nobody_out(make_server):
    s = make_server(config=["max-auth-failures = 100"])
    assert authenticate(s, "imaps", "PLAIN", plain(ALICE, PASSWORD), source="127.0.0.5") == OK
    judged, began = [], time.monotonic()
    guessers = [threading.Thread(target=lambda n=n: judged.append(guess(s, f"127.0.0.{10 + n}", 40))) for n in range(3)]
    for g in guessers:
        g.start()
    for g in guessers:
        g.join()
    # Ten seconds bring one more.
    assert 20 <= sum(judged) <= 21 + (time.monotonic() - began) / 10, judged
    # The budget of strangers is used up; those who have been here before do not notice.
    for mechanism, exchange in (("PLAIN", plain(ALICE, PASSWORD)), ("SCRAM-SHA-256", Scram(ALICE, PASSWORD)())):
        started = time.monotonic()
        assert authenticate(s, "imaps", mechanism, exchange, source="127.0.0.5") == OK
        assert time.monotonic() - started < HELD_UP_S
    # A right password from elsewhere is held up too, although it was right a moment ago: it could be a guess.
    for n in range(10):
        started = time.monotonic()
        verdict = authenticate(s, "imaps", "PLAIN", plain(ALICE, PASSWORD), source=f"127.0.0.{100 + n}")
        took = time.monotonic() - started
        if took > 1:
            break
        guess(s, "127.0.0.98", 1)  # the next attempt was just due: it is used up; and who came in by it is known now, so the next is another
    assert took > 1 and verdict in (OK, LATER)
    # It is the account that is slowed down, nobody else.
    s.add_account("bob@example.test")
    assert authenticate(s, "imaps", "PLAIN", plain("bob@example.test", PASSWORD), source="127.0.0.10") == OK


def test_a_known_address_is_remembered_over_a_restart(make_server):
    s = make_server(config=["max-auth-failures = 100"])
    assert authenticate(s, "imaps", "PLAIN", plain(ALICE, PASSWORD), source="127.0.0.5") == OK
    s.restart()
    began = time.monotonic()
    assert 20 <= guess(s, "127.0.0.10", 40) <= 20 + (time.monotonic() - began) / 10
    started = time.monotonic()
    assert authenticate(s, "imaps", "PLAIN", plain(ALICE, PASSWORD), source="127.0.0.5") == OK
    assert time.monotonic() - started < HELD_UP_S


def test_disabled_and_changed_accounts(make_server):
    s = make_server()
    for mechanism, exchange in (("PLAIN", plain), ("SCRAM-SHA-256", lambda u, p: Scram(u, p)())):
        assert authenticate(s, "imaps", mechanism, exchange(ALICE, PASSWORD)) == OK
        s.cli("account", "disable", ALICE)
        assert authenticate(s, "imaps", mechanism, exchange(ALICE, PASSWORD)) == WRONG
        s.cli("account", "enable", ALICE)
        assert authenticate(s, "imaps", mechanism, exchange(ALICE, PASSWORD)) == OK
    s.cli("account", "password", ALICE, "--password-stdin", input="another\n")
    for mechanism, exchange in (("PLAIN", plain), ("SCRAM-SHA-256", lambda u, p: Scram(u, p)())):
        assert authenticate(s, "imaps", mechanism, exchange(ALICE, PASSWORD)) == WRONG
        assert authenticate(s, "imaps", mechanism, exchange(ALICE, "another")) == OK


def test_letters_however_composed(make_server):
    s = make_server(users=(ALICE,))
    s.add_account("zoe@example.test", "caf\u00e9 \U0001f600")
    for password in ("caf\u00e9 \U0001f600", "cafe\u0301 \U0001f600"):
        assert authenticate(s, "imaps", "PLAIN", plain("zoe@example.test", password)) == OK
    assert authenticate(s, "imaps", "SCRAM-SHA-256", Scram("zoe@example.test", "caf\u00e9 \U0001f600")()) == OK
    done = s.cli("account", "add", "eve@example.test", "--password-stdin", input="bell\a\n", check=False)
    assert done.returncode != 0


def test_authd_comes_back(server):
    server.tolerate("exited unexpectedly", "signal")
    with server.wire("imaps") as w:
        greet(w, "imaps")
        server.wait_role("authd", not_pid=server.kill("authd"))
        deadline = time.monotonic() + 20 * SLOW
        while (verdict := login_on(w, "imaps", "PLAIN", plain(ALICE, PASSWORD))) != OK:
            assert verdict == LATER and time.monotonic() < deadline
            time.sleep(0.05)
    assert authenticate(server, "submissions", "SCRAM-SHA-256", Scram(ALICE, PASSWORD)()) == OK


def test_many_logins_at_once(server):
    """One mail program with many connections, cold: all get in, and it does not take an argon2 each."""
    verdicts = []
    go = threading.Barrier(40)

    def one():
        with server.wire("imaps") as w:
            greet(w, "imaps")
            go.wait(60 * SLOW)
            verdicts.append(login_on(w, "imaps", "PLAIN", plain(ALICE, PASSWORD)))

    before = server.pss_kib()
    threads = [threading.Thread(target=one) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert verdicts == [OK] * 40
    deadline = time.monotonic() + 10 * SLOW
    while not SANITIZED and (grown := server.pss_kib() - before) >= 19 * 1024:  # what argon2 took is given back
        assert time.monotonic() < deadline, grown
        time.sleep(0.1)
