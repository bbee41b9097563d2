# SPDX-License-Identifier: ISC
"""The private key is in keyd's memory and in no other process's: looked for in all of it, in every form it could have."""
import base64
import os
import re
import subprocess

import processes
import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reads other processes' memory: needs root")
FRONTS = ("smtpd mx", "smtpd submission", "imapd", "popd")


def secret_number(key_file):
    """The scalar d of an EC key, 32 bytes, the most significant first."""
    text = subprocess.run(["openssl", "ec", "-in", str(key_file), "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    digits = re.search(r"priv:\s*((?:[0-9a-f]{2}:?\s*)+)", text)[1]
    return int(re.sub(r"[^0-9a-f]", "", digits), 16).to_bytes(32, "big")


def forms(key_file):
    """What would betray the key: the number as it is written, as a big number lies in memory, and the file's own lines."""
    d = secret_number(key_file)
    pem = key_file.read_bytes()
    body = b"".join(line for line in pem.splitlines() if not line.startswith(b"-----"))
    at = base64.b64decode(body).index(d)
    inside = body[(at + 2) // 3 * 4:(at + 32) // 3 * 4]  # those characters that hold nothing but d
    lines = [line for line in pem.splitlines() if inside[:12] in line or inside[-12:] in line]
    return [d, d[::-1], d.hex().encode(), *(line[:40] for line in lines), inside[4:24]]


def handshake_everywhere(server):
    """Signatures in every front end, so that whatever a handshake leaves behind is there."""
    for service in ("submissions", "imaps", "pop3s") * 6:
        with server.wire(service) as w:
            w.read_line()
    for service in ("smtp", "submission") * 4:
        with server.wire(service) as w:
            w.read_reply()
            w.line("EHLO client.example.net")
            w.read_reply()
            w.line("STARTTLS")
            w.read_reply()
            w.start_tls(server.tls())


def test_only_keyd_holds_the_private_key(server):
    needles = forms(server.dir / "tls" / "key.pem")
    handshake_everywhere(server)
    keyd = server.pids("keyd")
    assert len(keyd) == 1 and processes.holds(keyd[0], needles), "the key is not even found where it must be: this test would see nothing"
    for kind in (*FRONTS, "policyd", "authd", "stored"):
        for pid in server.pids(kind):
            assert not processes.holds(pid, needles), f"the private key is in the memory of {kind} {pid}"
    assert not processes.holds(server.process.pid, needles), "the private key is in the supervisor's memory"


def test_a_reload_does_not_spread_it(server):
    server.reload()
    server.tolerate("exited unexpectedly")
    server.wait_role("keyd", not_pid=server.kill("keyd"))
    handshake_everywhere(server)
    needles = forms(server.dir / "tls" / "key.pem")
    for pid in server.pids():
        if processes.role_of(pid) != "keyd":
            assert not processes.holds(pid, needles), processes.describe([pid])
