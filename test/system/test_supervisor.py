# SPDX-License-Identifier: ISC
"""The supervisor: start, restart with back-off, reload without a connection dropped, end, and what it says when it cannot."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import processes
import pombo
import pytest
from wire import Closed

KINDS = ("smtpd mx", "smtpd submission", "imapd", "popd", "policyd", "authd", "keyd", "stored")
FRONT_PORTS = {"smtpd mx": "smtp", "smtpd submission": "submission", "imapd": "imap", "popd": "pop3"}


def greeting(server, service, timeout=10 * pombo.SLOW):
    """The first bytes that a new connection gets."""
    with socket.create_connection((server.address, server.ports[service]), timeout=timeout) as s:
        s.settimeout(timeout)
        return s.recv(512)


def is_closed(server, service):
    with socket.socket() as s:
        return s.connect_ex((server.address, server.ports[service])) != 0


def wait_for(what, timeout=10 * pombo.SLOW):
    deadline = time.monotonic() + timeout
    while not (got := what()):
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.01)
    return got


# ---- restart ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_is_started_anew_and_the_others_stay(server, kind):
    server.tolerate("exited unexpectedly")
    before = server.pids()
    victim = server.kill(kind)
    fresh = server.wait_role(kind, not_pid=before)
    assert set(server.pids()) == set(before) - {victim} | {fresh}
    for service in FRONT_PORTS.values():
        assert greeting(server, service)
    # All channels are there again: mail goes in and out.
    assert server.deliver(pombo.ALICE, "Subject: after\r\n\r\nthe crash\r\n") == {}
    assert server.messages()[-1].endswith(b"the crash\r\n")



def test_back_off_doubles_while_a_process_keeps_dying(server):
    server.tolerate("exited unexpectedly")
    others = [p for p in server.pids() if processes.role_of(p) != "popd"]
    gaps = []
    for _ in range(5):
        pid = server.wait_role("popd")
        assert greeting(server, "pop3")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        server.wait_role("popd", not_pid=pid, timeout=20 * pombo.SLOW)
        gaps.append(time.monotonic() - began)
    for n, gap in enumerate(gaps):
        assert gap >= 0.1 * 2 ** n * 0.9, gaps
    assert gaps[0] < 1 * pombo.SLOW, gaps
    assert [p for p in server.pids() if processes.role_of(p) != "popd"] == others


# ---- reload ----

def test_a_reload_keeps_connections_and_takes_up_settings(server):
    with server.wire("smtp") as old:
        old.read_reply()
        old.line("EHLO client.example.net")
        assert "SIZE 52428800" in " ".join(old.read_reply())
        server.configure(["max-message-size = 1M"])
        server.reload()
        old.line("NOOP")
        assert old.read_reply()[0].startswith("250")
        with server.wire("smtp") as new:
            new.read_reply()
            new.line("EHLO client.example.net")
            assert "SIZE 1048576" in " ".join(new.read_reply())


def test_a_reload_opens_and_closes_ports(server):
    pids = server.pids()
    assert is_closed(server, "submission-alt")
    server.configure(["submission-alt = yes"])
    server.reload()
    assert greeting(server, "submission-alt").startswith(b"220")
    with server.wire("submission-alt") as w:
        w.read_reply()
        server.configure(["submission-alt = no"])
        server.reload()
        assert is_closed(server, "submission-alt")
        w.line("NOOP")  # who was connected stays
        assert w.read_reply()[0].startswith("250")
    assert server.pids() == pids


@pytest.mark.parametrize("line,why", [("hostnmae = x", "did you mean"), ("max-recipients = many", "is not a number"),
                                      ("tls-cert = /nonexistent.pem", "cannot read"), ("tls-cert = pombo.conf", "no certificate")])
def test_bad_settings_never_replace_good_ones(server, line, why):
    server.tolerate("event=reload_failed")
    pids = server.pids()
    good = (server.dir / "pombo.conf").read_text()
    server.configure(["submission-alt = yes", line])
    server.process.send_signal(signal.SIGHUP)
    said = server.wait_log(event="reload_failed")
    assert why in said["error"] and str(server.dir) in said["error"] or "/nonexistent" in said["error"], said
    assert is_closed(server, "submission-alt") and greeting(server, "smtp").startswith(b"220")
    done = server.cli("reload", check=False)
    assert done.returncode != 0 and why in done.stderr
    (server.dir / "pombo.conf").write_text(good)
    server.reload()
    assert server.pids() == pids


def make_certificate(server, name):
    """A new pair in the place of the server's own; the certificate's bytes."""
    key, cert = server.dir / "tls" / "key.pem", server.dir / "tls" / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
                    "-out", str(cert), "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
                   check=True, capture_output=True)
    return subprocess.run(["openssl", "x509", "-in", str(cert), "-outform", "DER"], check=True, capture_output=True).stdout


def test_a_reload_takes_up_a_new_certificate_and_key(server):
    with server.wire("submissions") as old:
        old.read_reply()
        first = old.sock.getpeercert(binary_form=True)
        second = make_certificate(server, server.hostname)
        assert first != second
        server.reload()
        for service in ("submissions", "imaps", "pop3s"):
            with server.wire(service) as new:
                new.read_line()
                assert new.sock.getpeercert(binary_form=True) == second, service
        old.line("NOOP")
        assert old.read_reply()[0].startswith("250")
        # A process that starts later has it too.
        server.tolerate("exited unexpectedly")
        for kind in ("keyd", "popd"):
            server.wait_role(kind, not_pid=server.kill(kind))
        wait_for(lambda: tls_works(server, "pop3s"))


def test_a_reload_asked_for_during_another_follows_it(server):
    """The first may have read the settings before they were changed."""
    keyd = server.pids("keyd")[0]
    os.kill(keyd, signal.SIGSTOP)
    try:
        server.process.send_signal(signal.SIGHUP)  # waits for keyd
        server.configure(["max-message-size = 1M"])
        asked = subprocess.Popen([str(pombo.BINARY), "reload", "--dir", str(server.dir)], stdout=subprocess.PIPE, text=True)
        server.process.send_signal(signal.SIGHUP)
    finally:
        os.kill(keyd, signal.SIGCONT)
    assert asked.communicate(timeout=60 * pombo.SLOW) == ("reloaded\n", None) and asked.returncode == 0
    with server.smtp() as s:
        s.ehlo()
        assert s.esmtp_features["size"] == str(1 << 20)


def test_domains_added_side_by_side_all_sign(server):
    """Each has its keys given to keyd by a reload."""
    names = [f"side{n}.example" for n in range(4)]
    running = [subprocess.Popen([str(pombo.BINARY), "domain", "add", name, "--dir", str(server.dir)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True) for name in names]
    assert [(p.communicate(timeout=60 * pombo.SLOW)[0], p.returncode) for p in running] == [(f"{n}: added\n", 0) for n in names]
    for name in names:
        assert server.cli("dns", name).stdout.count("v=DKIM1; k=") == 2


def tls_works(server, service):
    try:
        with server.wire(service) as w:
            return w.read_line()
    except (OSError, Closed):
        return None


def test_a_certificate_without_its_key_is_refused(server):
    server.tolerate("event=reload_failed")
    old_key = (server.dir / "tls" / "key.pem").read_bytes()
    make_certificate(server, server.hostname)
    (server.dir / "tls" / "key.pem").write_bytes(old_key)
    server.process.send_signal(signal.SIGHUP)
    assert "is not the key of the certificate" in server.wait_log(event="reload_failed")["error"]
    done = server.cli("run", "--check", check=False)
    assert done.returncode == 78 and "is not the key of the certificate" in done.stderr


# ---- the end ----

def test_a_clean_end_says_goodbye_to_those_who_are_connected(server):
    with server.wire("smtp") as w, server.wire("imap") as i:
        w.read_reply()
        i.read_line()
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5 * pombo.SLOW
        assert w.read_reply()[0].startswith("421")
        assert i.read_line().startswith("* BYE")


def test_it_ends_well_however_often_it_is_told(server):
    """Also by a signal that comes when all is done."""
    while server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    assert server.process.returncode == 0


def test_it_ends_in_time_though_clients_neither_read_nor_go(server):
    stubborn = [socket.create_connection((server.address, server.ports[s])) for s in FRONT_PORTS.values() for _ in range(3)]
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5 * pombo.SLOW
    for s in stubborn:
        s.close()


def test_no_process_outlives_the_supervisor(server):
    left = set(server.pids()) - {server.process.pid}
    assert len(left) >= 8
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 2 * pombo.SLOW
    while server.pids():
        assert time.monotonic() < deadline, processes.describe(server.pids())
        time.sleep(0.01)
    server.process = server.session = None
    server.start()  # and nothing is in the way of the next
    assert greeting(server, "smtp").startswith(b"220")


# ---- what it says when it cannot ----

def run_again(server, **kwargs):
    return subprocess.run([str(pombo.BINARY), "run", "--dir", str(server.dir)], capture_output=True, text=True, timeout=20 * pombo.SLOW,
                          stdin=subprocess.DEVNULL, **kwargs)


def test_a_second_server_on_the_same_folder_is_told_why_not(server):
    done = run_again(server)
    assert done.returncode == 73
    assert done.stderr.startswith("pombo: a server runs on ") and f"process {server.process.pid}" in done.stderr
    assert greeting(server, "smtp").startswith(b"220")


HOLD_A_READ_LOCK = """
import fcntl, struct, sys, time
try:
    f = open(sys.argv[1])
    fcntl.fcntl(f, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
    print("locked", flush=True)
except OSError as e:
    print(e.strerror, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root")
def test_another_user_of_the_machine_cannot_keep_it_from_starting(server):
    server.stop()
    with subprocess.Popen(["/usr/bin/python3", "-c", HOLD_A_READ_LOCK, str(server.dir / "run/lock")], user=65534, group=65534, extra_groups=[],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "Permission denied\n"
            server.start()
            # Nor is that user told that nothing runs.
            done = subprocess.run([str(pombo.BINARY), "stop", "--dir", str(server.dir)], user=65534, group=65534, extra_groups=[],
                                  capture_output=True, text=True)
            assert done.returncode == 77 and "run this as the user that runs the server, or as root" in done.stderr
        finally:
            other.kill()


def test_a_port_in_use_is_named(make_server):
    server = make_server(start=False)
    # As every server binds: what an earlier one had on this port may still be in TIME_WAIT.
    with socket.create_server((server.address, server.ports["imap"])):
        done = run_again(server)
    assert done.returncode == 69
    assert f"cannot listen on {server.address}:{server.ports['imap']} (imap): another program listens there" in done.stderr


def test_a_privileged_port_without_root(make_server):
    if os.geteuid() == 0 and int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 25:
        server = make_server(start=False, config=["port-offset = 0"])
        subprocess.run(["chown", "-R", "65534:65534", str(server.dir)], check=True)
        done = run_again(server, user=65534, group=65534, extra_groups=[])
        assert done.returncode == 77, done.stderr
        assert f"cannot listen on {server.address}:25 (smtp): Permission denied; run as root, or set port-offset = 10000" in done.stderr
    else:
        pytest.skip("every port may be bound here")


@pytest.mark.parametrize("line,status,why", [
    ("hostnmae = x", 78, 'unknown key "hostnmae"; did you mean "hostname"?'),
    ("listen = 192.0.2.1", 69, "this machine has no such address"),
    ("submission-alt = yes\nport-offset = 64000", 78, "the highest port is 65535"),
    ("tls-key = /nonexistent", 78, "tls-key: cannot read /nonexistent"),
    ("hostname = \"\"", 78, "hostname is not set"),
])
def test_settings_that_cannot_be_served(make_server, line, status, why):
    server = make_server(start=False)
    server.configure(line)
    done = run_again(server)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("pombo: ") and why in done.stderr


def installed_tree(top, popd):
    """pombo as it is installed, but with another pombo-popd (None: without)."""
    (top / "bin").mkdir()
    (top / "libexec" / "pombo").mkdir(parents=True)
    shutil.copy(pombo.BINARY, top / "bin" / "pombo")
    for role in pombo.ROLES:
        to = top / "libexec" / "pombo" / f"pombo-{role}"
        if role != "popd":
            shutil.copy(pombo.BUILD / "src" / role / f"pombo-{role}", to)
        elif popd:
            to.write_text(popd)
            to.chmod(0o755)
    return top / "bin" / "pombo"


@pytest.mark.skipif(shutil.which("/usr/local/libexec/pombo/pombo-popd") is not None, reason="the one that is installed would be found")
def test_a_program_that_is_missing_is_named(make_server, tmp_path):
    server = make_server(start=False)
    done = subprocess.run([str(installed_tree(tmp_path, None)), "run", "--dir", str(server.dir)], capture_output=True, text=True,
                          timeout=20 * pombo.SLOW)
    assert done.returncode == 72 and "cannot find the program pombo-popd" in done.stderr


def test_what_trying_again_would_not_mend_ends_the_start(make_server, tmp_path):
    server = make_server(start=False)
    done = subprocess.run([str(installed_tree(tmp_path, "#!/bin/sh\nexit 78\n")), "run", "--dir", str(server.dir)], capture_output=True,
                          text=True, timeout=20 * pombo.SLOW, start_new_session=True)
    assert done.returncode == 78
    assert "popd (pop 0) exited unexpectedly" in done.stderr and "event=stopped" in done.stderr


def test_a_command_that_needs_a_reload_waits_for_the_start(make_server, tmp_path):
    """popd comes up only when it is let; the server is starting until then."""
    server = make_server(start=False)
    go, real = tmp_path / "go", pombo.BUILD / "src" / "popd" / "pombo-popd"
    server.binary = installed_tree(tmp_path, f'#!/bin/sh\nuntil [ -e "{go}" ]; do sleep 0.02; done\nexec "{real}" "$@"\n')
    server.start(wait=False)
    server.wait_role("popd", starting=True)
    adding = subprocess.Popen([str(pombo.BINARY), "domain", "add", "d.example", "--dir", str(server.dir)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: "d.example" in (server.dir / "keys" / "dkim").read_text(), timeout=30 * pombo.SLOW)
    assert adding.poll() is None and not server.log_lines(event="ready", role="supervisor")
    go.touch()
    server.wait_ready()
    assert adding.communicate(timeout=60 * pombo.SLOW) == ("d.example: added\n", None) and adding.returncode == 0
    assert server.cli("dns", "d.example").stdout.count("v=DKIM1; k=") == 2


# ---- the service manager ----

@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(make_server, tmp_path, abstract):
    name = f"pombo-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("\0" + name if abstract else name)
        s.settimeout(10 * pombo.SLOW)
        server = make_server(env={"NOTIFY_SOCKET": "@" + name if abstract else name})
        assert b"READY=1" in s.recv(4096)
        server.reload()
        said = s.recv(4096)
        assert said.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert b"READY=1" in s.recv(4096)
        server.stop()
        while b"STOPPING=1" not in s.recv(4096):  # until the timeout; a reload that was late was asked for once more
            pass


# ---- overview ----

def test_status_names_every_process_and_port(server):
    state = server.cli_json("status")
    text = json.dumps(state)
    for pid in set(server.pids()) - {server.process.pid}:
        assert f'"pid": {pid}' in text
    for service in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"):
        assert f'"port": {server.ports[service]}' in text


# ---- as anybody ----

@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root")
def test_it_runs_without_root(make_server):
    server = make_server(start=False)
    server.run_as(65534)
    assert server.deliver(pombo.ALICE, "Subject: x\r\n\r\ny\r\n") == {}
    assert len(server.messages()) == 1


# ---- figures ----

@pytest.mark.release_only
def test_the_idle_server_is_small(server):
    deadline = time.monotonic() + 20 * pombo.SLOW
    while server.pss_kib() > 30 * 1024:  # buffers of the start are given back in a moment
        assert time.monotonic() < deadline, {processes.role_of(p): processes.pss_kib(p) for p in server.pids()}
        time.sleep(0.1)
