# SPDX-License-Identifier: ISC
"""A real pombo in a folder of its own: started, driven, killed, looked into, and checked for a clean end.

    with Server() as s:
        s.deliver("alice@example.test", "Subject: hello\\r\\n\\r\\nhi\\r\\n")
        assert len(s.messages("alice@example.test")) == 1

POMBO_BUILD names the build under test (default: build/ of this tree). The fixtures are in test/conftest.py.
"""
import atexit
import contextlib
import functools
import imaplib
import json
import os
import pathlib
import poplib
import random
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

import logfmt
import processes
from ports import PortBlock, WellKnownPorts
from wire import TlsContext, Wire

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("POMBO_BUILD") or ROOT / "build").resolve()
BINARY = BUILD / "src" / "cli" / "pombo"
ROLES = sorted(p.name for p in (ROOT / "src").glob("?*d") if p.is_dir())  # one folder a process
HOSTNAME = "mail.example.test"
DOMAIN = "example.test"
ALICE = "alice@example.test"
PASSWORD = "correct horse battery staple"


def is_sanitized():
    symbols = subprocess.run(["nm", str(BINARY)], capture_output=True, text=True).stdout if BINARY.exists() else ""
    return "__asan_init" in symbols


SANITIZED = is_sanitized()
# What everything that waits for something is multiplied with: how long it takes on a machine that is idle is no matter here.
SLOW = 12 if SANITIZED else 4
LONGER = 4 if SANITIZED else 1  # how much longer the same work takes: for moments that are to fall into the middle of it
READY_TIMEOUT_S = 20 * SLOW
STOP_TIMEOUT_S = 8 * SLOW
# What no log may hold at the end, unless the test says that it caused it: Server.tolerate().
ALARMS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion `", "exited unexpectedly", "level=error")


def not_at_midnight():
    """For tests in which the day (UTC) must not change."""
    left = 86400 - time.time() % 86400
    if left < 60:
        time.sleep(left + 1)


class CommandFailed(AssertionError):
    def __init__(self, done):
        super().__init__(f"{' '.join(done.args)}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
        self.done = done


def run_pombo(*args, input=None, check=True, env=None, timeout=60 * SLOW):
    """Runs the command line; the CompletedProcess has text in .stdout and .stderr."""
    command = [str(BINARY), *map(str, args)]
    text = not isinstance(input, bytes)
    done = subprocess.run(command, input=input if input is not None else "", capture_output=True, text=text,
                          timeout=timeout, env={**os.environ, **(env or {})})
    if check and done.returncode:
        raise CommandFailed(done)
    return done


@functools.cache
def initialised(binary, hostname, domain, users, addresses):
    """The folder that `pombo init` and `pombo account add` (of `binary`, the BINARY of now) made for these; to be copied, gone with this process."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-init-"))
    atexit.register(shutil.rmtree, top, ignore_errors=True)
    folder = top / "data"
    args = ["init", "--dir", folder, "--hostname", hostname, "--domain", domain, "--port-offset", 1]
    for address in addresses:
        args += ["--listen", address]
    if users:
        args += ["--user", users[0], "--password-stdin"]
    run_pombo(*args, input=f"{PASSWORD}\n" if users else None)
    for user in users[1:]:
        run_pombo("account", "add", user, "--password-stdin", "--dir", folder, input=f"{PASSWORD}\n")
    return folder


def cut_sections(lines):
    """Lines of a pombo.conf: the server's settings, and the sections behind them."""
    first = next((i for i, line in enumerate(lines) if line.startswith("[")), len(lines))
    return lines[:first], lines[first:]


class Server:
    """Initialises a folder; start() runs it. `config` is a list of lines for pombo.conf (or one text). On a `host` (hosts.py) it has the
    default ports, and its clients here are there too."""

    def __init__(self, config=(), users=(ALICE,), hostname=HOSTNAME, domain=DOMAIN, addresses=("127.0.0.1",), env=None, own=False, host=None):
        self.host = host
        addresses = host.addresses if host else addresses
        self.hostname, self.domain, self.address = hostname, domain, addresses[0]
        self.env = env or {}
        self.password = PASSWORD
        self.tolerated = []
        self.process = None
        self.session = None  # of the supervisor and whatever it starts
        self.binary = BINARY
        self.first = []  # the processes that were there when all was ready
        self.ports = WellKnownPorts() if host else PortBlock(addresses)
        # Not pytest's folder: servers started as root run their processes under other users, who must reach it.
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
        self.top.chmod(0o755)
        self.dir = self.top / "data"
        self.log_file = self.top / "log"
        self.log_file.touch()
        try:
            self.init(users, addresses, own)
            self.configure(["hold-outbound = yes"])  # nothing leaves this machine, unless a test says where to
            self.configure(config)
        except BaseException:
            self.remove()
            raise

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.finish(failed=kind is not None)

    # Set-up

    def init(self, users, addresses, own):
        """A copy of what `pombo init` made once for the same words: keys and passwords take long to make. `own`: with keys and an
        identity that no other server has."""
        make = initialised.__wrapped__ if own else initialised
        made = make(BINARY, self.hostname, self.domain, tuple(users), tuple(addresses))
        subprocess.run(["cp", "-a", made, self.dir], check=True)
        self.configure([f"port-offset = {self.ports.offset}"])

    def configure(self, lines):
        """Sets `key = value` lines in pombo.conf, each in place of an earlier line of that key; sections, if there are any, in place of
        all earlier ones."""
        lines, sections = cut_sections(lines.splitlines() if isinstance(lines, str) else list(lines))
        path = self.dir / "pombo.conf"
        old, old_sections = cut_sections(path.read_text().splitlines())
        keys = {line.split("=")[0].strip() for line in lines}
        kept = [line for line in old if line.split("=")[0].strip() not in keys]
        # Whole at any moment: the server may be reading it.
        new = path.with_suffix(".new")
        new.write_text("\n".join([*kept, *lines, *(sections or old_sections)]) + "\n")
        shutil.copystat(path, new)
        os.chown(new, path.stat().st_uid, path.stat().st_gid)
        os.replace(new, path)

    def unset(self, key):
        """Takes a setting out of pombo.conf."""
        path = self.dir / "pombo.conf"
        path.write_text(re.sub(rf"^\s*{re.escape(key)}\s*=.*\n", "", path.read_text(), flags=re.M))

    def setting(self, key):
        """The value of a key that stands in pombo.conf."""
        found = re.findall(rf"^\s*{re.escape(key)}\s*=\s*(.*?)\s*$", (self.dir / "pombo.conf").read_text(), re.M)
        return found[-1] if found else None

    @property
    def certificate(self):
        return self.dir / (self.setting("tls-cert") or "tls/cert.pem")

    # Life

    def run_as(self, uid):
        """start() as that user, whose the folder is from then on; for root to call."""
        subprocess.run(["chown", "-R", f"{uid}:{uid}", str(self.dir)], check=True)
        self.start(user=uid, group=uid, extra_groups=[])

    def start(self, wait=True, timeout=READY_TIMEOUT_S, **as_whom):
        """Runs `pombo run`; with `wait`, returns when every port answers."""
        assert not self.running, "already running"
        self.mark = self.log_file.stat().st_size
        popen = self.host.popen if self.host else subprocess.Popen
        with open(self.log_file, "ab") as log:
            self.process = popen([str(self.binary), "run", "--dir", str(self.dir)], stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, start_new_session=True, env={**os.environ, **self.env}, **as_whom)
        self.session = self.process.pid
        self.first = []
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=READY_TIMEOUT_S):
        """Until every port answers."""
        self.wait_log(event="ready", role="supervisor", timeout=timeout)
        self.first = self.pids()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=None):
        """SIGTERM; wants a clean end in time, with nothing left running."""
        timeout = timeout or STOP_TIMEOUT_S
        if self.process is None:
            return
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            left = processes.describe(processes.in_session(self.session))
            self.kill_all()
            raise AssertionError(f"no end {timeout} s after SIGTERM; still there: {left}\n{self.tail()}") from None
        left = self._wait_for_nobody(2 * SLOW)
        session, self.process, self.session = self.session, None, None
        if left:
            text = processes.describe(left)
            processes.kill(processes.in_session(session))
            raise AssertionError(f"processes left after the end: {text}\n{self.tail()}")
        assert status == 0, f"pombo run ended with status {status}\n{self.tail()}"

    def kill_all(self):
        """SIGKILL for the supervisor and everything it started: the end of the world."""
        if self.session is None:
            return
        deadline = time.monotonic() + 10 * SLOW
        while pids := processes.in_session(self.session):
            processes.kill(pids)
            self.process.poll()
            assert time.monotonic() < deadline, f"cannot kill {processes.describe(pids)}"
            time.sleep(0.01)
        self.process.wait()
        self.process = self.session = None

    def kill(self, role, sig=signal.SIGKILL):
        """Signals one process of a role ("smtpd", or "smtpd mx" for a kind of it), once there is one; returns its pid."""
        pid = self.wait_role(role, starting=True)
        os.kill(pid, sig)
        return pid

    def kill_any(self, role, rng=random):
        """SIGKILL for whichever process of a role; False when none is there now, for processes may be killed at a time when
        they wait to be restarted, or end by themselves with one that was killed before."""
        pids = self.pids(role)
        try:
            os.kill(rng.choice(pids), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            return False
        return True

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        """SIGHUP; returns when the supervisor says that it is done, by all processes: those that are late on a slow machine are asked again."""
        deadline = time.monotonic() + 20 * SLOW
        while True:
            mark = self.log_file.stat().st_size
            self.process.send_signal(signal.SIGHUP)
            said = self.wait_log(event="reloaded", since=mark)
            if "message" not in said:
                return said
            assert time.monotonic() < deadline, self.tail()

    def finish(self, failed=False):
        """The end of a test: stops, looks for alarms in the log, removes the folder."""
        try:
            try:
                self.stop()
            finally:
                self.kill_all()
            if not failed:
                self.check_log()
        except BaseException:
            failed = True
            raise
        finally:
            if failed:
                print(f"--- log of {self.dir}\n{self.tail(200)}")
            self.remove()

    def remove(self):
        if self.session is not None:
            self.kill_all()
        self.ports.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def _wait_for_nobody(self, timeout):
        deadline = time.monotonic() + timeout
        while (left := processes.in_session(self.session)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left

    # Log

    def log_text(self, since=0):
        with open(self.log_file, "rb") as f:
            f.seek(since)
            return f.read().decode("utf-8", "replace")

    def log_lines(self, since=0, **fields):
        """The parsed lines in which every given field has the given value; one that is still being written is none."""
        parsed = (logfmt.parse(line) for line in self.log_text(since).rpartition("\n")[0].splitlines())
        return [p for p in parsed if p and all(p.get(k.replace("_", "-"), p.get(k)) == v for k, v in fields.items())]

    def wait_log(self, since=None, timeout=10 * SLOW, **fields):
        """The first line since the last start (or since an offset) that has these fields."""
        since = self.mark if since is None else since
        deadline = time.monotonic() + timeout
        while True:
            ended = not self.running
            found = self.log_lines(since, **fields)
            if found:
                return found[0]
            assert not ended, f"pombo run ended with status {self.process.returncode}\n{self.tail()}"
            assert time.monotonic() < deadline, f"no log line with {fields} within {timeout} s\n{self.tail()}"
            time.sleep(0.01)

    def tail(self, lines=60):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def tolerate(self, *patterns):
        """Regular expressions for log lines that are no alarm in this test."""
        self.tolerated += patterns

    def check_log(self):
        for line in self.log_text().splitlines():
            if any(alarm in line for alarm in ALARMS) and not any(re.search(t, line) for t in self.tolerated):
                raise AssertionError(f"alarm in the log: {line}\n{self.tail()}")

    # Processes

    def pids(self, role=None):
        """Pids of the running processes of a role, oldest first; of all of them without an argument. A second
        word names the kind where a role has several: "smtpd mx"."""
        found = processes.in_session(self.session)
        if role is None:
            return found
        name, _, kind = role.partition(" ")
        return [p for p in found if processes.role_of(p) == name and (not kind or kind in processes.arguments(p))]

    def wait_role(self, role, not_pid=None, timeout=10 * SLOW, starting=False):
        """Waits for a process of a role (another one than `not_pid`, a pid or several) that is ready: in its sandbox, with
        all its channels, and the supervisor knows; with `starting`, for one that is there. Returns its pid."""
        former = not_pid if isinstance(not_pid, list) else [not_pid]
        deadline = time.monotonic() + timeout
        while True:
            again = [int(line["pid"]) for line in self.log_lines(self.mark, event="process_ready")]
            fresh = [p for p in self.pids(role) if p not in former and (starting or p in self.first or processes.own_pid(p) in again)]
            if fresh:
                return fresh[0]
            assert time.monotonic() < deadline, f"no process of {role} within {timeout} s\n{self.tail()}"
            time.sleep(0.01)

    def pss_kib(self):
        return sum(processes.pss_kib(p) for p in self.pids())

    def cpu_s(self):
        return sum(processes.cpu_s(p) for p in self.pids())

    # Command line

    def cli(self, *args, input=None, check=True, timeout=60 * SLOW):
        """Runs `pombo ARGS... --dir DIR`."""
        return run_pombo(*args, "--dir", self.dir, input=input, check=check, timeout=timeout, env=self.env)

    def cli_json(self, *args):
        return json.loads(self.cli(*args, "--json").stdout)

    def add_account(self, address, password=None, *options):
        self.cli("account", "add", address, "--password-stdin", *options, input=f"{password or self.password}\n")

    def add_alias(self, address, *targets):
        self.cli("alias", "add", address, *targets)

    def add_domain(self, domain):
        self.cli("domain", "add", domain)

    # Clients

    def inside(self):
        return self.host.inside() if self.host else contextlib.nullcontext()

    def tls(self):
        """A context that trusts this server's certificate and wants its name."""
        return TlsContext(self.hostname, self.certificate)

    def wire(self, service, tls=None, source=None, timeout=20.0 * SLOW):
        """A raw connection; TLS from the first byte where the service has it, or as told."""
        tls = service.endswith("s") if tls is None else tls
        with self.inside():
            return Wire(self.address, self.ports[service], self.tls() if tls else None, source, timeout)

    def smtp(self, timeout=30 * SLOW):
        with self.inside():
            return smtplib.SMTP(self.address, self.ports["smtp"], local_hostname="client.example.net", timeout=timeout)

    def submission(self, user=ALICE, password=None, starttls=False, timeout=30 * SLOW):
        """Logged in, over port 465, or 587 with STARTTLS; not logged in when user is None."""
        names = {"local_hostname": "client.example.net", "timeout": timeout}
        with self.inside():
            if starttls:
                s = smtplib.SMTP(self.address, self.ports["submission"], **names)
                s.starttls(context=self.tls())
            else:
                s = smtplib.SMTP_SSL(self.address, self.ports["submissions"], context=self.tls(), **names)
        if user:
            s.login(user, password or self.password)
        return s

    def imap(self, user=ALICE, password=None, timeout=30 * SLOW):
        """Logged in over port 993; not logged in when user is None."""
        with self.inside():
            c = imaplib.IMAP4_SSL(self.address, self.ports["imaps"], ssl_context=self.tls(), timeout=timeout)
        if user:
            c.login(user, password or self.password)
        return c

    def pop3(self, user=ALICE, password=None, timeout=30 * SLOW):
        """Logged in over port 995; not logged in when user is None."""
        with self.inside():
            c = poplib.POP3_SSL(self.address, self.ports["pop3s"], context=self.tls(), timeout=timeout)
        if user:
            c.user(user)
            c.pass_(password or self.password)
        return c

    def deliver(self, to, message, sender="sender@example.net"):
        """Hands a message in on port 25, as a stranger would; returns what it refused (as smtplib has it)."""
        with self.smtp() as s:
            return s.sendmail(sender, to, message)

    def messages(self, user=ALICE, folder="INBOX", password=None):
        """The bytes of all messages of a folder, oldest first, as IMAP gives them."""
        with self.imap(user, password) as c:
            status, _ = c.select(folder, readonly=True)
            assert status == "OK"
            _, found = c.uid("SEARCH", "ALL")
            uids = found[0].split()
            return [c.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1] for uid in uids]
