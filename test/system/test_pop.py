# SPDX-License-Identifier: ISC
"""POP3 against a real server: raw connections, Python's poplib, and mail programs that none of us wrote."""
import os
import poplib
import re
import shutil
import subprocess

import pytest

from pombo import ALICE, PASSWORD, SLOW
from wire import Closed

MESSAGE = "From: Ann <ann@example.net>\r\nTo: alice@example.test\r\nSubject: number %d\r\n\r\nText %d.\r\n.leading dot\r\n"


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def fill(server, count):
    with server.imap() as c:
        for n in range(1, count + 1):
            assert c.append("INBOX", "", None, (MESSAGE % (n, n)).encode())[0] == "OK"


def run(*command, env=None, input=None, status=0, timeout=60 * SLOW):
    done = subprocess.run([str(c) for c in command], capture_output=True, env={**os.environ, **(env or {})},
                          input=input and input.encode(), timeout=timeout)
    done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert done.returncode == status, f"{done.args}\n{done.stdout}{done.stderr}"
    return done


def subjects(server):
    return [re.search(rb"Subject: (.*)\r", m)[1].decode() for m in server.messages()]


# ---- the wire ----

def test_nothing_secret_before_tls(shared_server):
    with shared_server.wire("pop3") as w:
        assert w.read_line().startswith("+OK")
        w.line("CAPA")
        capabilities = w.read_dotted()[1].decode().split("\r\n")
        assert "STLS" in capabilities and not any(c.startswith(("SASL", "USER")) for c in capabilities)
        w.line(f"USER {ALICE}")
        assert w.read_line().startswith("-ERR")
        w.line("STLS")
        assert w.read_line().startswith("+OK")
        w.start_tls(shared_server.tls())
        w.line("CAPA")
        capabilities = w.read_dotted()[1].decode().split("\r\n")
        assert "STLS" not in capabilities
        assert "SASL PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" in capabilities
        for line in (f"USER {ALICE}", f"PASS {PASSWORD}", "STAT"):
            w.line(line)
            assert w.read_line().startswith("+OK")


def test_bytes_sent_ahead_of_tls_end_the_connection(shared_server):
    with shared_server.wire("pop3") as w:
        w.read_line()
        w.send("STLS\r\nCAPA\r\n")
        with pytest.raises(Closed):
            for _ in range(4):
                assert "Capabilities" not in w.read_line()


def test_slow_logins_end(make_server):
    s = make_server(config=["login-timeout = 1s"])
    with s.wire("pop3") as w:  # a TLS handshake has no longer than that either
        w.read_line()
        assert w.read_line(timeout=4 * SLOW).startswith("-ERR")
        w.expect_closed()


def test_wrong_passwords_end_it(make_server):
    s = make_server(config=["max-auth-failures = 2"])
    with s.wire("pop3s") as w:
        w.read_line()
        w.send(f"USER {ALICE}\r\nPASS wrong\r\n")
        assert w.read_line() == "+OK" and w.read_line().startswith("-ERR [AUTH]")
        w.send(f"USER {ALICE}\r\nPASS wrong\r\n")
        assert w.read_line() == "+OK" and w.read_line().startswith("-ERR [AUTH]")
        w.expect_closed()


@pytest.mark.parametrize("service,lines", [("pop3s", "AUTH X\r\n"), ("pop3s", "AUTH LOGIN\r\n*\r\n"), ("pop3s", "AUTH PLAIN !\r\n"),
                                                ("imaps", "a AUTHENTICATE X\r\n"), ("imaps", "a AUTHENTICATE LOGIN\r\n*\r\n")])
def test_what_is_no_login_at_all_does_not_fill_the_log(make_server, service, lines):
    s = make_server(config=["max-command-errors = 5"])
    with s.wire(service) as w:
        w.read_line()
        w.send(lines * 50)
        with pytest.raises(Closed):
            while True:
                w.read_line()
    assert 1 <= len(s.log_lines(event="login_failed", service=service)) <= 5


def test_pipelining(make_server):
    """RFC 2449 §6.6"""
    s = make_server()
    fill(s, 3)
    with s.wire("pop3s") as w:
        w.read_line()
        w.send(f"USER {ALICE}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nUIDL 2\r\nQUIT\r\n")
        assert w.read_line() == "+OK"
        assert w.read_line().startswith("+OK 3 messages")
        assert w.read_line().startswith("+OK 3 ")
        for n in (1, 2):
            assert w.read_dotted()[1].decode() == MESSAGE % (n, n)
        assert [w.read_line().startswith("+OK") for _ in range(3)] == [True] * 3
        w.expect_closed()
    assert subjects(s) == ["number 2", "number 3"]


# ---- clients ----

def test_poplib(make_server):
    s = make_server()
    fill(s, 5)
    c = s.pop3()
    assert c.capa()["IMPLEMENTATION"][0].startswith("pombo")
    assert c.stat()[0] == 5
    assert b"\r\n".join(c.retr(3)[1]) + b"\r\n" == (MESSAGE % (3, 3)).encode()
    assert c.top(2, 1)[1][-1] == b"Text 2."
    before = dict(line.split() for line in c.uidl()[1])
    c.dele(2)
    c.rset()
    assert c.stat()[0] == 5
    c.dele(4)
    c.quit()
    c = s.pop3()
    after = dict(line.split() for line in c.uidl()[1])
    assert list(after.values()) == [v for k, v in before.items() if k != b"4"]
    c.dele(1)
    c.close()  # without QUIT: nothing goes
    assert subjects(s) == ["number 1", "number 2", "number 3", "number 5"]


def test_poplib_over_stls(shared_server):
    c = poplib.POP3(shared_server.address, shared_server.ports["pop3"])
    c.stls(shared_server.tls())
    c.user(ALICE)
    c.pass_(PASSWORD)
    c.quit()


def test_unique_ids_outlive_restarts_and_restores(make_server):
    s = make_server()
    fill(s, 3)
    c = s.pop3()
    before = c.uidl()[1]
    c.quit()
    s.restart()
    c = s.pop3()
    assert c.uidl()[1] == before
    c.quit()


def test_twenty_mebibytes(make_server):
    s = make_server()
    lines = b".x\r\n..\r\n" + b"y" * 246 + b"\r\n"
    text = b"Subject: big\r\n\r\n" + lines * (20 * 1024 * 1024 // len(lines))
    with s.imap() as c:
        assert c.append("INBOX", "", None, text)[0] == "OK"
    c = s.pop3()
    assert b"\r\n".join(c.retr(1)[1]) + b"\r\n" == text
    c.quit()


def test_slow_reader_costs_nobody_else(make_server):
    s = make_server(config=["processes = 1"])
    with s.imap() as c:
        c.append("INBOX", "", None, b"Subject: big\r\n\r\n" + b"x" * 4_000_000 + b"\r\n")
    slow = [s.wire("pop3s") for _ in range(20)]
    for w in slow:
        w.send(f"USER {ALICE}\r\nPASS {PASSWORD}\r\n" + "RETR 1\r\n" * 50)
    c = s.pop3()
    for _ in range(10):
        c.noop()
    c.quit()
    for w in slow:
        w.reset()


@needs("curl")
def test_curl(make_server):
    s = make_server()
    fill(s, 3)

    def curl(path, *options, port="pop3s", scheme="pop3s"):
        return run("curl", "-sS", "--cacert", s.certificate, "--resolve", f"{s.hostname}:{s.ports[port]}:{s.address}",
                   "-u", f"{ALICE}:{PASSWORD}", *options, f"{scheme}://{s.hostname}:{s.ports[port]}{path}").stdout

    assert curl("/").splitlines()[0].startswith("1 ")
    assert curl("/2") == MESSAGE % (2, 2)
    assert curl("/3", "--ssl-reqd", port="pop3", scheme="pop3") == MESSAGE % (3, 3)
    assert "number 1" in curl("/", "-X", "TOP 1 0")
    assert len(curl("/", "-X", "UIDL").splitlines()) == 3
    assert curl("/1", "--login-options", "AUTH=PLAIN") == MESSAGE % (1, 1)
    curl("/1", "-X", "DELE", "-I")
    assert subjects(s) == ["number 2", "number 3"]


@needs("fetchmail")
@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_fetchmail(make_server, tmp_path, protocol):
    s = make_server()
    fill(s, 4)
    port = s.ports["pop3s" if protocol == "pop3" else "imaps"]
    rc, box = tmp_path / "fetchmailrc", tmp_path / "box"
    rc.write_text(f'poll {s.address} protocol {protocol} service {port} user "{ALICE}" password "{PASSWORD}" '
                  f'ssl sslcertck sslcertfile "{s.certificate}" sslcommonname "{s.hostname}" '
                  f'mda "cat >> {box}" no rewrite\n')
    rc.chmod(0o600)
    env = {"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path), "LC_ALL": "C"}
    run("fetchmail", "-f", rc, "--pidfile", tmp_path / "pid", "--nodetach", "--nosyslog", "-v", env=env)
    assert re.findall(r"^Subject: (.*?)\r?$", box.read_text(), re.M) == [f"number {n}" for n in range(1, 5)]
    assert subjects(s) == []
    run("fetchmail", "-f", rc, "--pidfile", tmp_path / "pid", "--nodetach", "--nosyslog", env=env, status=1)  # 1: no mail


@needs("mpop")
@pytest.mark.parametrize("mechanism", ["plain", "user", "scram-sha-256"])
def test_mpop(make_server, tmp_path, mechanism):
    s = make_server()
    fill(s, 3)
    box = tmp_path / "box"
    (tmp_path / "mpoprc").write_text(f"""
account a
host {s.address}
port {s.ports["pop3s"]}
tls on
tls_starttls off
tls_trust_file {s.certificate}
tls_host_override {s.hostname}
user {ALICE}
passwordeval echo "{PASSWORD}"
auth {mechanism}
delivery mbox {box}
keep on
uidls_file {tmp_path}/uidls
""")
    (tmp_path / "mpoprc").chmod(0o600)
    run("mpop", "-C", tmp_path / "mpoprc", "a")
    run("mpop", "-C", tmp_path / "mpoprc", "a")  # knows by their unique ids that it has them
    assert re.findall(r"^Subject: (.*?)\r?$", box.read_text(), re.M) == [f"number {n}" for n in range(1, 4)]
    assert len(subjects(s)) == 3
