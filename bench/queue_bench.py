# SPDX-License-Identifier: ISC
"""bench/run queue: a queue of 1,000,000 recipients in 1,000 dead destinations, and what it does to everything else.

Half of the destinations refuse connections, half take them and never say a word. They are address literals on loopback."""
import os
import re
import resource
import selectors
import shutil
import smtplib
import socket
import statistics
import subprocess
import threading
import time

from servers import CPUACCT, DISK, HERE, PEERS, POMBO, RUN, start, stop

PORT = 7026
DOMAINS = int(os.environ.get("QUEUE_DOMAINS", "1000"))
RECIPIENTS = int(os.environ.get("QUEUE", "1000000"))
PER_MESSAGE = 100
CONF = f"outbound-port = {PORT}\ntrusted-networks = 127.0.0.0/8\nmax-recipients = 1000\n"


class Silent:
    """Half of the dead: connections are taken by the kernel, nobody ever speaks. first() is when the first of all came."""

    def __init__(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
        self.listeners = [socket.create_server((f"127.1.{i // 250}.{i % 250 + 1}", PORT), backlog=64) for i in range(0, DOMAINS, 2)]

    def first(self, timeout=60):
        with selectors.DefaultSelector() as s:
            for listener in self.listeners:
                s.register(listener, selectors.EVENT_READ)
            return time.monotonic() if s.select(timeout) else None

    def drop(self):
        """What earlier runs left."""
        for listener in self.listeners:
            listener.setblocking(False)
            try:
                while True:
                    listener.accept()[0].close()
            except OSError:
                pass

    def close(self):
        for listener in self.listeners:
            listener.close()


class Live:
    """The live destination, [127.0.0.1]: when each message came, by its number."""

    def __init__(self):
        self.came = {}
        self.listener = socket.create_server(("127.0.0.1", PORT), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock, sock.makefile("rb") as f:
            sock.sendall(b"220 live.test\r\n")
            for line in f:
                word = line[:4].upper()
                if word == b"DATA":
                    sock.sendall(b"354 go\r\n")
                    for text in f:
                        if text == b".\r\n":
                            break
                        if found := re.match(rb"Subject: live (\d+)", text):
                            self.came[int(found[1])] = time.monotonic()
                sock.sendall(b"250 ok\r\n" if word != b"QUIT" else b"221 bye\r\n")

    def latency(self, port, n):
        """ms from acceptance here to arrival there, message by message, each alone."""
        out = []
        with smtplib.SMTP("127.0.0.1", port) as s:
            for i in range(n):
                key = len(self.came) + i * 1000003 + 1
                s.sendmail("sender@load.test", ["x@[127.0.0.1]"], f"Subject: live {key}\r\n\r\nhello\r\n")
                t0 = time.monotonic()
                while key not in self.came:
                    if time.monotonic() - t0 > 60:
                        return [*out, float("inf")]
                    time.sleep(0.001)
                out.append(max(0.0, self.came[key] - t0) * 1e3)
        return out


def relayd():
    for group in PEERS["pombo"]["groups"]:
        with open(f"{CPUACCT}/pb_{group}/cgroup.procs") as f:
            for pid in f.read().split():
                with open(f"/proc/{pid}/comm") as comm:
                    if comm.read().strip() == "pombo-relayd":
                        return pid
    return None


def peak_mib():
    with open(f"/proc/{relayd()}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) / 1024


def listing():
    """(ms to the first line, ms in all, lines, peak MiB of the command)"""
    t0 = time.monotonic()
    p = subprocess.Popen([POMBO, "queue", "list", "--dir", f"{DISK}/pombo"], stdout=subprocess.PIPE)
    first, lines = None, 0
    for _ in p.stdout:
        first = first or time.monotonic() - t0
        lines += 1
    _, _, usage = os.wait4(p.pid, 0)
    return first * 1e3, (time.monotonic() - t0) * 1e3, lines, usage.ru_maxrss / 1024


def first_attempt(silent):
    """ms from `pombo run` to the first connection, and to the first banner."""
    silent.drop()
    t0 = time.monotonic()
    waiter = threading.Thread(target=lambda: seen.append(silent.first()))
    seen = []
    waiter.start()
    start("pombo")
    banner = time.monotonic() - t0
    waiter.join()
    return (seen[0] - t0) * 1e3 if seen[0] else float("inf"), banner * 1e3


def fill():
    store = f"{DISK}/pombo/store"
    owner = os.stat(store)
    t0 = time.monotonic()
    subprocess.run([f"{HERE}/../build/bench/queue_fill", store, str(RECIPIENTS // PER_MESSAGE), str(PER_MESSAGE), str(DOMAINS)], check=True)
    for folder, _, names in os.walk(store):
        for name in names:
            os.chown(os.path.join(folder, name), owner.st_uid, owner.st_gid)
    print(f"filled with {RECIPIENTS:,} recipients in {DOMAINS:,} dead destinations: {time.monotonic() - t0:.0f} s\n", flush=True)


def queue(load):
    n = int(os.environ.get("N", "3000"))
    os.environ["POMBO_CONF"] = CONF
    stop("pombo")
    shutil.rmtree(f"{DISK}/pombo", ignore_errors=True)
    live = Live()
    start("pombo")
    receive = lambda: load(PEERS["pombo"], sessions=10, size=4096, n=n, counted=False)
    receive()
    before, before_ms = receive(), live.latency(PEERS["pombo"]["port"], 50)
    stop("pombo")
    fill()
    silent = Silent()
    try:
        starts = [first_attempt(silent)]
        early_ms = live.latency(PEERS["pombo"]["port"], 20)
        for _ in range(2):
            stop("pombo")
            starts.append(first_attempt(silent))
        time.sleep(3)
        lists = listing()
        beside, beside_ms = receive(), live.latency(PEERS["pombo"]["port"], 50)
        print("| what | figure |\n|---|---|")
        print(f"| `pombo run` to the first attempt, ms (three starts) | {', '.join(f'{a:.0f}' for a, _ in starts)} |")
        print(f"| `pombo queue list`: first line, all of {lists[2]:,} lines; its memory | {lists[0]:.0f} ms, {lists[1] / 1e3:.1f} s; {lists[3]:.0f} MiB |")
        print(f"| relayd, most memory ever | {peak_mib():.1f} MiB |")
        for what, rows in (("queue empty", before_ms), ("right after the start", early_ms), ("queue full", beside_ms)):
            print(f"| a message to a live destination, {what}: median, most | {statistics.median(rows):.0f}, {max(rows):.0f} ms |")
        for what, row in (("queue empty", before), ("queue full", beside)):
            print(f"| reception, 10 sessions, 4 KiB, {what} | {row['rate']:.0f}/s, p99 {row['p99']:.1f} ms, {row['cpu']:.2f} ms CPU |")
        print(flush=True)
    finally:
        silent.close()
        live.listener.close()
        stop("pombo")
        shutil.rmtree(f"{DISK}/pombo", ignore_errors=True)
