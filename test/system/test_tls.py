# SPDX-License-Identifier: ISC
"""TLS as clients meet it: keys of every kind, versions, resumption, handshakes that stall or fail, keyd going and coming."""
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time

import processes
import pytest

from pombo import ALICE, PASSWORD, SLOW
from wire import Closed, Wire

SERVICES = ("submissions", "imaps", "pop3s")


def make_certificate(server, *key_options):
    key, certificate = server.dir / "tls" / "key.pem", server.dir / "tls" / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", *key_options, "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "30",
                    "-subj", f"/CN={server.hostname}", "-addext", f"subjectAltName=DNS:{server.hostname}"],
                   check=True, capture_output=True)


def context_of(server, version=None):
    context = server.tls()
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def greeting(server, service, context):
    with Wire(server.address, server.ports[service], context, timeout=20 * SLOW) as w:
        return w.read_line(), w.sock.version(), w.sock.cipher()[0]


@pytest.mark.parametrize("kind, cipher", [
    (["-newkey", "rsa:2048"], "ECDHE-RSA-AES128-GCM-SHA256"),
    (["-newkey", "rsa:3072", "-sha384"], "ECDHE-RSA-AES128-GCM-SHA256"),
    (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (["-newkey", "ed25519"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
])
def test_keys_of_every_kind(make_server, kind, cipher):
    server = make_server(start=False)
    make_certificate(server, *kind)
    server.start()
    for service in SERVICES:
        modern = greeting(server, service, context_of(server, ssl.TLSVersion.TLSv1_3))
        assert modern[1:] == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
        assert greeting(server, service, context_of(server, ssl.TLSVersion.TLSv1_2))[1:] == ("TLSv1.2", cipher)


def test_a_chain_is_sent_whole(make_server):
    """A leaf that an intermediate signed: a client that trusts the root only gets there."""
    server = make_server(start=False)
    folder = server.dir / "tls"

    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *ec, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root", "-days", 9)
    (folder / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    (folder / "leaf.ext").write_text(f"subjectAltName=DNS:{server.hostname}\n")
    for name, signer, ext in (("middle", "root", "ca.ext"), ("leaf", "middle", "leaf.ext")):
        openssl("req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial",
                "-extfile", ext, "-days", 9, "-out", f"{name}.pem")
    (folder / "cert.pem").write_text((folder / "leaf.pem").read_text() + (folder / "middle.pem").read_text())
    (folder / "key.pem").write_text((folder / "leaf.key").read_text())
    server.start()
    context = context_of(server)
    trusting = type(context)(server.hostname, folder / "root.pem")
    assert greeting(server, "imaps", trusting)[0].startswith("* OK")


def test_the_oldest_version_is_a_setting(make_server):
    server = make_server(config=["tls-min-version = 1.3"])
    for service in SERVICES:
        assert greeting(server, service, context_of(server, ssl.TLSVersion.TLSv1_3))[1] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            greeting(server, service, context_of(server, ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(make_server, version):
    """Without keyd: a resumed session needs no signature."""
    server = make_server(config=["processes = 1"])
    context = context_of(server, version)
    session, reused = None, []
    for n in range(3):
        raw = socket.create_connection((server.address, server.ports["imaps"]), timeout=20 * SLOW)
        with ssl.SSLContext.wrap_socket(context, raw, server_hostname=server.hostname, session=session) as s:
            assert s.recv(1000).startswith(b"* OK")  # TLS 1.3: the ticket is there by then
            session = s.session
            reused.append(s.session_reused)
    assert reused == [False, True, True]
    # A reload keeps the tickets' keys, a restart does not: then it is a full handshake, not a failure.
    server.reload()
    raw = socket.create_connection((server.address, server.ports["imaps"]), timeout=20 * SLOW)
    with ssl.SSLContext.wrap_socket(context, raw, server_hostname=server.hostname, session=session) as s:
        assert s.recv(1000).startswith(b"* OK") and s.session_reused
    server.restart()
    raw = socket.create_connection((server.address, server.ports["imaps"]), timeout=20 * SLOW)
    with ssl.SSLContext.wrap_socket(context, raw, server_hostname=server.hostname, session=session) as s:
        assert s.recv(1000).startswith(b"* OK") and not s.session_reused


def test_established_connections_do_not_need_keyd(server):
    server.tolerate("exited unexpectedly", "signal")
    with server.wire("imaps") as w:
        w.read_line()
        for _ in range(3):
            fresh = server.wait_role("keyd", not_pid=server.kill("keyd"))
            w.imap("NOOP")
        assert fresh
        w.imap(f'LOGIN {ALICE} "{PASSWORD}"')
    deadline = time.monotonic() + 20 * SLOW
    for service in SERVICES:
        while True:
            with contextlib.suppress(OSError, Closed), server.wire(service) as w:
                if w.read_line():
                    break
            assert time.monotonic() < deadline, f"{service}: no handshake since keyd is back"
            time.sleep(0.05)


def wait_for_handshake(server, service, context):
    deadline = time.monotonic() + 20 * SLOW
    while True:
        with contextlib.suppress(OSError, Closed):
            return greeting(server, service, context)
        assert time.monotonic() < deadline, f"{service}: no handshake"
        time.sleep(0.05)


def test_a_renewed_certificate_waits_for_the_reload_with_its_key(make_server, tmp_path):
    """A keyd that starts anew before the reload gets the key of the certificate that is shown, not the one that lies there now."""
    server = make_server()
    server.tolerate("exited unexpectedly", "signal")
    former = server.tls()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem", "-subj", f"/CN={server.hostname}", "-addext", f"subjectAltName=DNS:{server.hostname}"],
                   check=True, capture_output=True)
    for name in ("key.pem", "cert.pem"):
        shutil.copy(tmp_path / name, server.dir / "tls" / "next")
        os.rename(server.dir / "tls" / "next", server.dir / "tls" / name)
    server.wait_role("keyd", not_pid=server.kill("keyd"))
    for service in SERVICES:
        wait_for_handshake(server, service, former)
    server.reload()
    for service in SERVICES:
        wait_for_handshake(server, service, server.tls())


def close_is_clean(sock):
    """True when the end came as TLS's close_notify, not as a cut."""
    try:
        while sock.recv(4096):
            pass
    except ssl.SSLError:
        return False
    return True


def test_every_end_is_said(make_server):
    # The same patience holds for handshakes: not less than they take.
    server = make_server(config=[f"login-timeout = {SLOW}s", f"smtp-idle-timeout = {SLOW}s"])
    farewells = {"submissions": b"QUIT\r\n", "imaps": b"x LOGOUT\r\n", "pop3s": b"QUIT\r\n"}
    with contextlib.ExitStack() as stack:
        waiting = []
        for service, farewell in farewells.items():
            for last in (farewell, b""):  # b"": until the server loses patience
                raw = socket.create_connection((server.address, server.ports[service]), timeout=20 * SLOW)
                s = ssl.SSLContext.wrap_socket(context_of(server), raw, server_hostname=server.hostname, suppress_ragged_eofs=False)
                stack.enter_context(s)
                s.recv(1000)
                s.send(last)
                waiting.append((s, service, last))
        for s, service, last in waiting:
            assert close_is_clean(s), (service, last)


def test_handshakes_that_stall_or_fail_harm_nobody(make_server):
    server = make_server(config=[f"login-timeout = {2 * SLOW}s", f"smtp-idle-timeout = {2 * SLOW}s"])  # also of the handshakes that succeed
    hello = client_hello(server)
    starts = [b"", hello[:1], hello[:5], hello[:-1], os.urandom(200), b"EHLO client.example.net\r\n", b"\x16\x03\x01\xff\xff" + bytes(70000),
              hello[:9] + os.urandom(len(hello) - 9), b"\x80\x2e\x01\x00\x02" + os.urandom(60), b"\x15\x03\x03\x00\x02\x02\x28"]
    stalled = []
    for service in SERVICES:
        for start in starts * 5:
            s = socket.create_connection((server.address, server.ports[service]), timeout=20 * SLOW)
            with contextlib.suppress(OSError):
                s.sendall(start)
            stalled.append(s)
    for service in SERVICES:
        began = time.monotonic()
        assert greeting(server, service, context_of(server))[0]
        assert time.monotonic() - began < 5 * SLOW
    for s in stalled:
        with contextlib.suppress(ConnectionError):
            while s.recv(4096):
                pass
        s.close()
    assert server.running


def client_hello(server):
    client = context_of(server)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.SSLContext.wrap_bio(client, incoming, outgoing, server_hostname=server.hostname)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_proxy_in_front_of_tls(make_server):
    """The header and the ClientHello in one packet, as proxies send them."""
    server = make_server(config=["proxy-networks = 127.0.0.2"])
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + b"\x9c\x40\x01\xd1"
    raw = socket.create_connection((server.address, server.ports["imaps"]), timeout=20 * SLOW, source_address=("127.0.0.2", 0))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.SSLContext.wrap_bio(context_of(server), incoming, outgoing, server_hostname=server.hostname)
    while True:
        try:
            tls.do_handshake()
            line = tls.read(1000)
            break
        except ssl.SSLWantReadError:
            raw.sendall(header + outgoing.read())
            header = b""
            incoming.write(raw.recv(65536))
    assert line.startswith(b"* OK")
    tls.write(f'x LOGIN {ALICE} "wrong"\r\n'.encode())
    raw.sendall(outgoing.read())
    assert server.wait_log(event="login_failed", role="auth")["client"] == "192.0.2.7"
    raw.close()


@pytest.mark.release_only
def test_idle_connections_are_small(server):
    """A TLS connection that waits holds no buffers: OpenSSL's 14 KiB and a session."""
    count = 80  # per address and process; 127/8 has many
    idle = []

    def connect(n):
        w = server.wire("imaps", source=f"127.0.0.{2 + n % 50}")
        w.read_line()
        return w

    for n in range(200):  # what is allocated once
        connect(n).close()
    before = sum(own_memory(server))
    idle = [connect(n) for n in range(count * 5)]
    deadline = time.monotonic() + 10 * SLOW
    while (each := (sum(own_memory(server)) - before) / len(idle)) >= 20 and time.monotonic() < deadline:
        time.sleep(0.1)
    for w in idle:
        w.close()
    print(f"{each:.1f} KiB each")
    assert each < 20


def own_memory(server):
    return [processes.own_kib(p) for p in server.pids("imapd")]
