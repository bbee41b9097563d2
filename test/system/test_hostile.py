# SPDX-License-Identifier: ISC
"""Strangers who mean no good, and disks that give out: the server stays up, its memory stays bounded, others are served."""
import imaplib
import os
import random
import resource
import signal
import smtplib
import socket
import ssl
import subprocess
import time

import pytest

import pombo
import processes
from pombo import ALICE, SANITIZED, Server

MESSAGE = "From: sender@example.net\r\nSubject: still here\r\n\r\nyes\r\n"
BOB = "bob@example.test"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")


def wait_until(true, what, timeout=20 * pombo.SLOW):
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def raise_own_limit(files):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files) if os.geteuid() == 0 else (hard, hard))
    elif soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.release_only
def test_ten_thousand_connections(make_server):
    count = 10_000
    if raise_own_limit(count + 500) < count + 500:
        pytest.skip("may not open ten thousand sockets")
    server = make_server(config=["unlimited-networks = 127.0.0.0/8", "max-connections = 20000"])
    before = server.pss_kib()
    held = []
    try:
        for n in range(count):
            s = socket.socket()
            s.settimeout(60 * pombo.SLOW)
            # Several client addresses, of which nobody else is: one has fewer ports than that left over.
            s.bind((f"127.0.10.{2 + n % 8}", 0))
            s.connect(("127.0.0.1", server.ports["smtp" if n % 2 else "imap"]))
            held.append(s)
        for s in held[::100]:
            assert s.recv(200)[:1] in (b"2", b"*")
        per_connection = (server.pss_kib() - before) / count
        assert per_connection < 8, f"{per_connection:.1f} KiB a connection"
        server.deliver(ALICE, MESSAGE)
        assert len(server.messages()) == 1
    finally:
        for s in held:
            s.close()
    server.deliver(ALICE, MESSAGE)


def test_random_bytes_on_every_port(server):
    rng = random.Random(4)
    for service in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"):
        for size in (1, 100, 70_000):
            with socket.create_connection(("127.0.0.1", server.ports[service]), 10 * pombo.SLOW) as s:
                s.settimeout(10 * pombo.SLOW)
                try:
                    s.sendall(rng.randbytes(size))
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass
    server.deliver(ALICE, MESSAGE)
    assert len(server.messages()) == 1
    p = server.pop3()
    assert p.stat()[0] == 1
    p.quit()


def test_slow_writers_hold_up_nobody(server):
    slow = [server.wire("smtp") for _ in range(50)]
    for w in slow:
        w.sock.sendall(b"EHL")
    for _ in range(5):
        for w in slow:
            w.sock.sendall(b"O")
        server.deliver(ALICE, MESSAGE)
    assert len(server.messages()) == 5
    for w in slow:
        w.sock.close()


def test_appends_that_never_end_leave_memory_for_mail(make_server):
    """The messages of one APPEND wait in stored's memory for the last of them, which a client may never send."""
    server = make_server(config=["max-bytes-in-flight = 1M"])  # 4 MiB of stored
    small = b"Subject: one of many\r\n\r\n" + b"0123456789abcdef\r\n" * 1700
    held = []
    for _ in range(40):
        w = server.wire("imaps")
        held.append(w)
        w.read_line()
        w.imap(f'LOGIN {ALICE} "{pombo.PASSWORD}"')
        w.line(f"many APPEND INBOX {{{len(small)}}}")
        for _ in range(5):
            if not w.read_line().startswith("+"):
                break  # refused: it may not hold so much
            w.send(small + f" {{{len(small)}}}\r\n".encode())
    server.deliver(ALICE, MESSAGE + ("x" * 70 + "\r\n") * 4000)
    assert len(server.messages()) == 1
    for w in held:
        w.close()


def test_annotations_that_many_sessions_hear_of_end_nothing(make_server):
    """One account's sessions, all at one imapd, each hear of every annotation that is set: no process is given more than it can take."""
    server = make_server(config=["processes = 1", "unlimited-networks = 127.0.0.0/8"])
    imapd = server.pids("imapd")

    def logged_in():
        w = server.wire("imaps")
        w.read_line()
        w.imap(f'LOGIN {ALICE} "{pombo.PASSWORD}"')
        return w

    def setting(count, size):
        names = (f"/private/{n:04d}" + "x" * size for n in range(count))
        return f's SETMETADATA "" ({" ".join(f"{{{len(x)}+}}" + chr(13) + chr(10) + x + " NIL" for x in names)})\r\n'.encode()

    watchers, setters = [logged_in() for _ in range(160)], [logged_in() for _ in range(8)]
    for entries in (setting(60, 900), setting(250, 900)):
        for w in watchers:
            w.imap("NOTIFY SET (personal (ServerMetadataChange))")
        for w in setters:
            w.send(entries)
        for w in setters:
            assert w.read_tagged("s")[-1].startswith("s OK")
        for w in watchers:
            w.read_until(b"[NOTIFICATIONOVERFLOW]")
            w.read_line()
    assert server.pids("imapd") == imapd
    for w in watchers + setters:
        w.close()


def rests(cpu_s):
    """Nothing has been worked at for half a second."""
    before = cpu_s()
    time.sleep(0.5)
    return cpu_s() == before


def test_pages_that_many_sessions_ask_for_at_once_end_nothing(make_server):
    """While an imapd takes nothing, the store finds for its sessions what it has asked for: no more than it can take then."""
    server = make_server(config=["processes = 1", "unlimited-networks = 127.0.0.0/8"])
    [imapd], [stored] = server.pids("imapd"), server.pids("stored")
    [first] = searchers(server, 1)
    text = "Subject: long\r\n\r\n" + ("z" * 76 + "\r\n") * 180
    for _ in range(3):
        first.send(("a APPEND INBOX" + f" {{{len(text)}+}}\r\n{text}" * 10 + "\r\n").encode())
        assert first.read_tagged("a")[-1].startswith("a OK")
    wires = searchers(server, 290)
    try:
        os.kill(stored, signal.SIGSTOP)
        for w in wires:
            w.line("f FETCH 1:* (UID BODY.PEEK[])")
        wait_until(lambda: rests(lambda: processes.cpu_s(imapd)), "imapd does not come to rest")
        os.kill(imapd, signal.SIGSTOP)
        os.kill(stored, signal.SIGCONT)
        wait_until(lambda: rests(lambda: stored_cpu_s(server)), "stored does not come to rest")
    finally:
        os.kill(stored, signal.SIGCONT)
        os.kill(imapd, signal.SIGCONT)
    for w in wires:
        answer = w.read_tagged("f")
        assert len(answer) == 31 and answer[-1].startswith("f OK")
    assert server.pids("imapd") == [imapd]
    for w in (first, *wires):
        w.close()


# ---- disks ----

class SmallDisk:
    """The store's folder of a server that is set up and not running, moved to a file system of its own."""

    def __init__(self, server, mib):
        self.path = server.dir / "store"
        aside = server.dir / "aside"
        self.path.rename(aside)
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.path], check=True)
        subprocess.run(["cp", "-a", f"{aside}/.", f"{self.path}/"], check=True)
        subprocess.run(["chown", f"--reference={aside}", self.path], check=True)
        subprocess.run(["chmod", "700", self.path], check=True)

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def on_small_disk():
    """on_small_disk(config): a running server whose store has 48 MiB."""
    made = []

    def make(config=()):
        server = Server(config=config)
        disk = SmallDisk(server, 48)
        made.append((server, disk))
        server.start()
        return server, disk

    yield make
    for server, disk in made:
        try:
            server.stop(timeout=20 * pombo.SLOW)
        finally:
            server.kill_all()
            disk.unmount()
            server.remove()


def fill(server, size):
    """Hands in messages until one is put off; how many were acknowledged."""
    kept = 0
    while kept < 2000:
        try:
            server.deliver(ALICE, f"From: sender@example.net\r\nSubject: {kept}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as e:
            code = e.smtp_code if hasattr(e, "smtp_code") else next(iter(e.recipients.values()))[0]
            assert 400 <= code < 500, e
            return kept
        kept += 1
    raise AssertionError("the disk is not full")


@needs_root
def test_a_disk_nearly_full_puts_mail_off_and_goes_on_reading(on_small_disk):
    server, _ = on_small_disk(["disk-reserve = 24M"])
    server.tolerate("space-low")
    kept = fill(server, 400_000)
    assert kept > 0
    found = server.messages()
    assert len(found) == kept
    with server.imap() as c:
        c.select("INBOX")
        status, _ = c.store("1:*", "+FLAGS", "(\\Seen)")
        assert status == "OK"


@needs_root
def test_a_full_disk_loses_nothing(on_small_disk):
    """No reserve: the file system itself says no."""
    server, disk = on_small_disk(["disk-reserve = 0"])
    server.tolerate("level=", "exited unexpectedly")
    kept = fill(server, 400_000)
    assert kept > 0
    wait_until(lambda: can_be_read(server), "nothing can be read though nothing is to be written")
    assert len(server.messages()) == kept
    disk.remount("size=96m")
    wait_until(lambda: delivers(server), "no mail is taken though there is room again")
    assert len(server.messages()) >= kept + 1


def delivers(server):
    try:
        server.deliver(ALICE, MESSAGE)
        return True
    except (smtplib.SMTPException, OSError):
        return False


def can_be_read(server):
    """stored may just have ended, for the disk's sake, and come again."""
    try:
        server.messages()
        return True
    except (imaplib.IMAP4.error, OSError, AssertionError):
        return False


@needs_root
def test_a_read_only_disk_is_named_and_loses_nothing(on_small_disk):
    server, disk = on_small_disk(["disk-reserve = 0"])
    server.tolerate("level=", "exited unexpectedly")
    for _ in range(3):
        server.deliver(ALICE, MESSAGE)
    server.stop()
    disk.remount("ro")
    server.start(wait=False)
    assert server.process.wait(20 * pombo.SLOW) == 73
    server.process = None
    assert "ead-only" in server.tail(3), "the reason is not named"
    disk.remount("rw")
    server.start()
    server.deliver(ALICE, MESSAGE)
    assert len(server.messages()) == 4


if SANITIZED:
    pytestmark = pytest.mark.timeout(600)


def wide_search(texts):
    """Looks for so many texts, which no index rules out, in every message."""
    return "s SEARCH " + " ".join(f'NOT BODY "!{n % 26 + 97:c}{n // 26 + 97:c}"' for n in range(texts))


@pytest.fixture
def searched(make_server):
    """A server with a mailbox in which such a search takes a while."""
    server = make_server(users=(ALICE, BOB))
    body = b"Subject: much to read\r\n\r\n" + b"the quick brown fox jumps over the lazy dog, and then once more\r\n" * 200
    with server.imap() as c:
        for _ in range(2):
            c.send(b"a APPEND INBOX" + b" {%d+}\r\n%s" % (len(body), body) * 200 + b"\r\n")
            while not (line := c.readline()).startswith(b"a "):
                pass
            assert line.startswith(b"a OK"), line
    return server


def searchers(server, count):
    wires = []
    for _ in range(count):
        w = server.wire("imaps")
        w.line(f'l LOGIN {ALICE} "{server.password}"')
        w.read_until(b"\r\nl OK")
        w.line("m SELECT INBOX")
        w.read_until(b"\r\nm OK")
        w.read_line()
        wires.append(w)
    return wires


def stored_cpu_s(server):
    return sum(processes.cpu_s(p) for p in server.pids("stored"))


def cost_of_a_search(server, wire):
    before = stored_cpu_s(server)
    wire.line(wide_search(250))
    wire.read_until(b"\r\ns OK")
    return stored_cpu_s(server) - before


def test_searches_of_one_user_hold_up_no_other(searched):
    one, *others = searchers(searched, 13)
    cost = cost_of_a_search(searched, one)
    with searched.imap(BOB) as bob:
        before, used = stored_cpu_s(searched), []
        for w in others:
            w.line(wide_search(250))
        wait_until(lambda: stored_cpu_s(searched) > before + cost / 20, "nobody searches")
        for _ in range(3):
            before = stored_cpu_s(searched)
            assert bob.status("INBOX", "(MESSAGES)")[0] == "OK"
            used.append(stored_cpu_s(searched) - before)
        assert min(used) < cost / 8, "Bob waits for turns of Alice's searches"
    for w in (one, *others):
        w.close()


def test_a_search_ends_with_its_connection(searched):
    one, *others = searchers(searched, 9)
    cost = cost_of_a_search(searched, one)
    for w in others:
        w.line(wide_search(250))
    before = stored_cpu_s(searched)
    for w in others:
        w.reset()

    def is_idle():
        was = stored_cpu_s(searched)
        time.sleep(0.5 * pombo.LONGER)
        return stored_cpu_s(searched) == was

    wait_until(is_idle, "stored goes on searching")
    assert stored_cpu_s(searched) - before < cost * 3


def test_a_search_for_too_many_texts_is_refused(server):
    server.deliver(ALICE, MESSAGE)
    [w] = searchers(server, 1)
    w.line(wide_search(257))
    assert w.read_line().startswith("s NO [LIMIT]")
    w.line(wide_search(256))
    w.read_until(b"\r\ns OK")
    w.close()


def test_names_that_are_hard_to_match_hold_up_no_other(make_server):
    server = make_server(config=["processes = 1"], users=(ALICE, BOB))

    def cpu_s():
        return sum(processes.cpu_s(p) for p in server.pids("imapd"))

    with server.imap(BOB) as bob:
        [w] = searchers(server, 1)
        for n in range(300):
            w.line(f"c CREATE {'a' * 900}{n}")
            assert w.read_line().startswith("c OK")
        before = cpu_s()
        w.line('d LIST "" "' + "*a" * 900 + '*b"')
        wait_until(lambda: cpu_s() > before + 0.1, "nothing is matched")
        assert bob.noop()[0] == "OK"
        w.sock.settimeout(0.001)
        with pytest.raises((TimeoutError, ssl.SSLWantReadError)):
            w.sock.recv(1)  # Bob did not wait for it
        assert w.read_line().startswith("d OK")
        w.line('e LIST "" (' + " ".join(["*a" * 100] * 30) + ")")
        assert w.read_line().startswith("e NO [LIMIT]")
        w.close()
