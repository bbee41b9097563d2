# SPDX-License-Identifier: ISC
"""Memory of the processes near their limits, against what doc/limits.md says."""
import os
import threading
import time

import pytest

import processes
from pombo import ALICE, PASSWORD, SLOW

pytestmark = pytest.mark.release_only
MIB = 1024  # in KiB


def memory_kib(server, role):
    return [processes.own_kib(pid) for pid in server.pids(role)]


def begin_message(server, text):
    w = server.wire("smtp")
    w.expect("220 ")
    w.send(f"EHLO client.example.net\r\nMAIL FROM:<>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
    while not (line := w.read_line()).startswith("354 "):
        assert line.startswith("250"), line
    w.send(text)
    return w


def settled(server, role):
    """When memory has stopped growing."""
    last, seen = -1, sum(memory_kib(server, role))
    while seen > last:
        last = seen
        time.sleep(0.3 * SLOW)
        seen = sum(memory_kib(server, role))
    return max(last, seen)


def test_messages_under_way(make_server):
    """120 clients stop in the middle of 250 KB: smtpd holds max-bytes-in-flight, stored four times as much; who comes after that is told to come back."""
    server = make_server(config=["processes = 1", "max-bytes-in-flight = 1M", "max-connections-per-address = 1000"])
    server.deliver(ALICE, "Subject: first\r\n\r\n")
    before = {role: sum(memory_kib(server, role)) for role in ("smtpd mx", "stored")}
    text = b"Subject: x\r\n\r\n" + b"0123456789012345678901234567890123456789\r\n" * 6000
    held = [begin_message(server, text) for _ in range(120)]
    grown = {role: settled(server, role) - before[role] for role in before}
    assert grown["smtpd mx"] < 2 * MIB + 120 * 64, grown
    assert grown["stored"] < 2 * 4 * MIB + 8 * MIB, grown
    replies = []
    for w in held:
        w.send(b".\r\n")
        replies.append(w.read_line(timeout=60 * SLOW)[:3])
        w.close()
    assert set(replies) == {"250", "451"}, replies
    server.deliver(ALICE, "Subject: last\r\n\r\n")
    assert len(server.messages()) == replies.count("250") + 2


def test_passwords_tried_at_once(make_server):
    """40 guesses at once: each thread of authd has one argon2 run, 19 MiB; the others wait."""
    server = make_server(config=["max-connections-per-address = 1000"])
    (pid,) = server.pids("authd")

    def guess(n):
        try:
            server.imap(ALICE, f"wrong {n}").logout()
        except Exception:  # noqa: BLE001 - refused, as it should be
            pass

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60 * SLOW)
    peak = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM:"))
    assert 19 * MIB < peak < min(os.cpu_count(), 16) * 19 * MIB + 16 * MIB, peak


@pytest.mark.parametrize("notify", [False, True], ids=["idle", "notify"])
def test_idle_sessions(make_server, tmp_path, notify):
    """100 sessions with a mailbox of 1,000 selected, in IDLE: 20 KiB each; with NOTIFY about all 26 mailboxes 8 KiB more."""
    server = make_server(config=["processes = 1", "max-connections-per-address = 1000"])
    for part in ("cur", "new", "tmp"):
        (tmp_path / "M" / part).mkdir(parents=True)
    for n in range(1000):
        (tmp_path / "M" / "cur" / f"{n:04}.x:2,").write_bytes(b"Subject: %d\n\nx\n" % n)
    server.cli("import", ALICE, tmp_path / "M")
    with server.imap(ALICE) as c:
        for n in range(20):
            c.create(f"folder-{n}")
    (before,) = memory_kib(server, "imapd")
    sessions = []
    for _ in range(100):
        w = server.wire("imaps")
        w.read_line()
        w.send(f'a LOGIN {ALICE} "{PASSWORD}"\r\n')
        w.read_tagged("a")
        w.send("b SELECT INBOX\r\n")
        w.read_tagged("b")
        if notify:
            w.send("c NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange MailboxName))\r\n")
            w.read_tagged("c")
        w.send("d IDLE\r\n")
        assert w.read_line().startswith("+")
        sessions.append(w)
    deadline = time.monotonic() + 10 * SLOW
    while True:  # buffers that are kept for a moment go
        (after,) = memory_kib(server, "imapd")
        each = (after - before) / len(sessions)
        if each < (28 if notify else 20) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    print(f"{each:.1f} KiB a session")
    assert 5 < each < (28 if notify else 20), each
    for w in sessions:
        w.close()
