# SPDX-License-Identifier: ISC
"""The running server's processes are made to do what a taken-over process would try (test/tools/inject), and must not succeed;
the same call with the filter suspended shows that it is the filter that denied it, and Landlock behind it."""
import contextlib
import os
import re
import subprocess
import time

import pombo
import pytest

INJECT = pombo.BUILD / "test" / "tools" / "inject"
KINDS = ("smtpd mx", "smtpd submission", "imapd", "popd", "policyd", "relayd", "dnsd", "fetchd", "authd", "keyd", "stored")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="stops processes of other users: needs root")

# What an intruder tries first ends the process; what libraries may try in passing is refused.
FATAL = ("socket", "connect", "bind", "listen", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "setuid",
         "mkfifo", "bpf", "fast-open")
REFUSED = {"open": "EPERM", "openat": "EPERM", "open-folder": "EPERM", "creat": "EPERM", "sendto": "EPERM", "fork": "EPERM",
           "mmap-exec": "EPERM", "kill": "EPERM", "io_uring_setup": "ENOSYS"}
# These ask others: sockets of the two kinds they need are their work.
ASKERS = ("dnsd", "fetchd", "relayd")
ASKS = ("socket", "connect", "bind", "sendto", "fast-open")
CA = os.path.realpath("/etc/ssl/certs/ca-certificates.crt")
FILES = ("open", "openat", "open-folder", "creat")


def inject(pid, call, *arguments, without_seccomp=False):
    option = ["--without-seccomp"] if without_seccomp else []
    done = subprocess.run([str(INJECT), *option, str(pid), call, *map(str, arguments)], capture_output=True, text=True, timeout=30 * pombo.SLOW)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def victims(server):
    server.tolerate(r"exited unexpectedly", r"event=peer_odd", r"level=error")
    return {kind: server.pids(kind)[0] for kind in KINDS}


@pytest.mark.parametrize("call", FATAL)
def test_what_only_an_intruder_does_ends_the_process(server, victims, call):
    if call in ASKS:
        victims = {kind: pid for kind, pid in victims.items() if kind not in ASKERS}
    for kind, pid in victims.items():
        assert inject(pid, call) == "killed SYS", kind
    fresh = {kind: server.wait_role(kind, not_pid=list(victims.values())) for kind in victims}
    for kind, pid in fresh.items():  # without the filter all would go another way
        assert not re.match(r"killed|denied ENOSYS", inject(pid, call, without_seccomp=True)), kind


@pytest.mark.parametrize("call,error", REFUSED.items())
def test_what_a_library_may_try_is_refused(victims, call, error):
    if call in ASKS:
        victims = {kind: pid for kind, pid in victims.items() if kind not in ASKERS}
    for kind, pid in victims.items():
        if kind == "stored" and call in FILES:
            continue  # below
        assert inject(pid, call) == f"denied {error}", kind
    for kind, pid in victims.items():
        assert inject(pid, call, without_seccomp=True) != f"denied {error}", kind


@pytest.mark.parametrize("call", FILES)
def test_landlock_denies_files_where_seccomp_would_not(server, victims, call):
    # The call as such works: in the supervisor, which is not confined.
    supervisor = next(p for p in server.pids() if p == server.process.pid)
    assert inject(supervisor, call).startswith("returned"), "inject itself does not work"
    if call == "creat":
        os.unlink(f"/tmp/pombo-inject-{supervisor}")
    for kind, pid in victims.items():
        if kind != "stored":
            assert inject(pid, call, without_seccomp=True) == "denied EACCES", kind


@pytest.mark.parametrize("kind", ASKERS)
def test_who_asks_opens_sockets_to_ask_with_and_no_others(server, victims, kind):
    pid = victims[kind]
    assert re.match("returned [0-9]+", inject(pid, "socket"))
    for call in ("connect", "bind"):  # of descriptor 3, a socket of another family: that far it came
        assert inject(pid, call) in ("denied EAFNOSUPPORT", "denied EINVAL", "denied EISCONN"), call
    assert inject(pid, "socket-raw") == "denied EPERM"
    assert inject(pid, "socket-raw", without_seccomp=True) in ("denied EPERM", "denied EACCES")  # it holds no capability
    assert inject(pid, "fast-open") == "denied EOPNOTSUPP"  # of a connection without connect(), past Landlock
    assert inject(pid, "fast-open", without_seccomp=True) == "denied EFAULT"
    for call in ("socket-unix", "socket-netlink", "listen"):
        assert inject(pid, call) == "killed SYS", call
        pid = server.wait_role(kind, not_pid=pid)
        assert not re.match("killed", inject(pid, call, without_seccomp=True)), call


def listening(pid):
    """Descriptors of sockets that take TCP connections."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}").read().splitlines()[1:]]
    inodes = {fields[9] for fields in lines if fields[3] == "0A"}
    return [fd for fd, target in descriptors(pid) if target.startswith("socket:") and target[8:-1] in inodes]


@pytest.mark.parametrize("kind", ["smtpd mx", "smtpd submission", "imapd", "popd"])
def test_a_front_end_cannot_spoil_the_listener_that_others_share_with_it(server, kind):
    pid = server.pids(kind)[0]
    listeners = listening(pid)
    assert listeners
    for fd in listeners:
        assert inject(pid, "shutdown", fd) == "denied EPERM"  # the port would be closed for all, after a restart too
        assert inject(pid, "block", fd) == "denied EPERM"  # the others would sleep in accept()
    with server.smtp() as client:
        assert client.noop()[0] == 250


def test_the_store_reaches_its_own_folder_only(server, victims):
    pid = victims["stored"]
    assert inject(pid, "openat") in ("denied ENOENT", "denied EACCES")  # another root, or Landlock
    assert inject(pid, "creat") in ("denied ENOENT", "denied EACCES")
    assert inject(pid, "open-folder").startswith("returned")  # its root is its folder
    assert os.readlink(f"/proc/{pid}/root") == str((server.dir / "store").resolve())
    # Landlock lets it make plain files and folders there, nothing else.
    assert inject(pid, "mkfifo", without_seccomp=True) == "denied EACCES"


def test_a_log_that_is_a_file_is_only_added_to(make_server, tmp_path):
    s = make_server(start=False)
    path = tmp_path / "log"
    with open(path, "wb") as log:
        # As `pombo run 2>log` has it: whoever holds that descriptor could go back and write over what it did.
        run = subprocess.Popen([str(s.binary), "run", "--dir", str(s.dir)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + pombo.READY_TIMEOUT_S
        while b"event=ready" not in path.read_bytes():
            assert run.poll() is None and time.monotonic() < deadline, path.read_text()
            time.sleep(0.05)
        flags = re.search(r"^flags:\s+(\d+)", open(f"/proc/{run.pid}/fdinfo/2").read(), re.M)[1]
        assert int(flags, 8) & os.O_APPEND
    finally:
        run.terminate()
        run.wait()


def test_the_harness_sees_a_call_that_is_allowed(victims):
    for kind, pid in victims.items():
        assert inject(pid, "getpid") == f"returned {pid}", kind
        assert inject(pid, "read") == "denied EBADF", kind


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_every_process_has_given_up_what_it_does_not_need(server):
    uids = {}
    for kind in KINDS:
        for pid in server.pids(kind):
            s = status_of(pid)
            assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", kind
            assert {s[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}, kind
            assert s["Groups"].strip() == "", kind
            assert len(set(s["Uid"].split())) == 1 and len(set(s["Gid"].split())) == 1, kind
            uids.setdefault(kind, s["Uid"].split()[0])
            limits = open(f"/proc/{pid}/limits").read()
            assert re.search(r"Max core file size\s+0\s+0", limits), kind
            assert re.search(r"Max processes\s+4096\s+4096", limits), kind
            # Not dumpable: its /proc folder belongs to root, whatever its uid is.
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0, kind
    assert "0" not in uids.values() and len(set(uids.values())) == len(KINDS), uids


def descriptors(pid):
    """(number, what it is); one that is closed while we look is left out."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield int(fd), os.readlink(f"/proc/{pid}/fd/{fd}")


def test_no_process_holds_a_descriptor_that_is_not_its_own(server):
    """Front ends and helpers: sockets, pipes, the loop, /dev/null and the log; no file, no folder."""
    for kind in KINDS:
        for pid in server.pids(kind):
            for fd, target in descriptors(pid):
                if fd <= 2 or re.match(r"socket:|anon_inode:|pipe:", target):
                    continue
                assert kind == "stored" and target.startswith(str((server.dir / "store").resolve())) or \
                    kind in ("fetchd", "relayd") and target == CA or \
                    kind == "keyd" and target == str((server.dir / "tls" / "key.pem").resolve()), (kind, fd, target)


def unix_sockets(pid):
    """Descriptors of connected sockets to other processes: the channels."""
    inodes = {line.split()[6] for line in open("/proc/net/unix").read().splitlines()[1:] if line.split()[5] == "03"}
    return sorted(fd for fd, target in descriptors(pid) if fd > 2 and target.startswith("socket:") and target[8:-1] in inodes)


@pytest.mark.parametrize("kind", ["smtpd mx", "smtpd submission", "imapd"])
def test_a_process_that_breaks_a_channels_list_is_started_anew_and_nobody_else(server, kind):
    server.tolerate("exited unexpectedly", "event=peer_odd", "event=process_odd")
    others = [p for p in server.pids() if p not in server.pids(kind)]
    known = server.pids(kind)
    how_many = len(unix_sockets(known[0]))
    assert how_many >= 3  # the supervisor's, stored's, keyd's
    for n in range(how_many):
        pid = server.pids(kind)[-1]
        assert inject(pid, "garbage", unix_sockets(pid)[n]) in ("returned 32", "killed KILL")
        known.append(server.wait_role(kind, not_pid=known))
        assert pid not in server.pids()
    assert [p for p in server.pids() if p in others] == others
    assert server.deliver(pombo.ALICE, "Subject: x\r\n\r\nafter all\r\n") == {}
    assert server.messages()[-1].endswith(b"after all\r\n")
