# SPDX-License-Identifier: ISC
"""What /proc tells of the server's processes. They all are in the session that `pombo run` was started in."""
import array
import itertools
import os
import pathlib
import re
import signal
import struct
import subprocess
import time

PROC = pathlib.Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """(name, fields after the name) of a process, or None when it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    begin, end = text.index("("), text.rindex(")")
    return text[begin + 1:end], text[end + 2:].split()


def in_session(session):
    """Living pids of a session, oldest first; zombies are not living."""
    found = []
    for entry in PROC.iterdir() if session is not None else ():
        if entry.name.isdigit() and (s := stat(entry.name)):
            state, sid, started = s[1][0], int(s[1][3]), int(s[1][19])
            if sid == session and state not in "ZX":
                found.append((started, int(entry.name)))
    return [pid for _, pid in sorted(found)]


def role_of(pid):
    """"smtpd" for a pombo-smtpd, "pombo" for the supervisor, "" for one that is gone."""
    s = stat(pid)
    return s[0].removeprefix("pombo-") if s else ""


def own_pid(pid):
    """What a process takes its pid for: another one in a namespace of its own."""
    try:
        text = (PROC / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(re.search(r"^NSpid:.*?(\d+)$", text, re.M)[1])


def arguments(pid):
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def describe(pids):
    return ", ".join(f"{pid} {' '.join(arguments(pid)).strip() or role_of(pid)}" for pid in pids) or "nobody"


def kill(pids, sig=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def end(process, patience):
    """SIGTERM for a program that has a session of its own, then SIGKILL for what is left of that: afterwards nobody writes into its folder."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    while left := in_session(process.pid):
        kill(left)
        time.sleep(0.01)


def memory_kib(pid, what):
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def pss_kib(pid):
    """Proportional share of memory: it grows where others end who had the same program or library, a server of another test."""
    return memory_kib(pid, "Pss")


def own_kib(pid):
    """What it has made itself, whoever else runs: how it grows tells what something costs."""
    return memory_kib(pid, "Anonymous")


def cpu_s(pid):
    """User and system time so far."""
    s = stat(pid)
    return (int(s[1][11]) + int(s[1][12])) / TICKS if s else 0.0


def present(pid, begin, end):
    """The parts of a mapping that have pages: a sanitizer's mappings are huge, and empty for the most part."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        f.seek(begin // page * 8)
        entries = array.array("Q", f.read((end - begin) // page * 8))
    assert len(entries) == (end - begin) // page
    at = 0
    for there, run in itertools.groupby(entries, lambda e: e >> 62 != 0):  # in memory, or swapped out
        n = sum(1 for _ in run)
        if there:
            yield begin + at * page, n * page
        at += n


def memory(pid):
    """The readable memory, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ \d+\s*(\S*)", line)
            if not m or m[4] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            begin, end = int(m[1], 16), int(m[2], 16)
            if end - begin > 1 << 32:
                continue  # a sanitizer's shadow
            for at, n in present(pid, begin, end):
                try:
                    mem.seek(at)
                    yield mem.read(n)
                except OSError:
                    pass  # a guard page


def holds(pid, needles):
    """Does any of these bytes stand in its memory?"""
    return any(needle in piece for piece in memory(pid) for needle in needles)


def set_clock(pid, seconds):
    """The process's wall clock, so much ahead of the machine's from now on, as if somebody had set it (src/base/clock.c); for root."""
    program = os.readlink(f"/proc/{pid}/exe")
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    offset = int(re.search(r"^([0-9a-f]+) \w wall_shift_us$", symbols, re.M)[1], 16)
    maps = (PROC / str(pid) / "maps").read_text()
    base = int(re.search(rf"^([0-9a-f]+)-\S+ \S+ 00000000 .*{re.escape(program)}$", maps, re.M)[1], 16)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
        mem.seek(base + offset)
        mem.write(struct.pack("=q", seconds * 1_000_000))
