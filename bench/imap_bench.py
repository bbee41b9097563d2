# SPDX-License-Identifier: ISC
"""IMAP side by side: pombo, Dovecot (mdbox) and Cyrus with the same mailbox of IMAP_N messages; single commands warm and cold, a mixed
load, how soon IDLE tells, memory. README.md says how to run it."""
import collections
import os
import re
import statistics
import subprocess
import sys
import time

from servers import BIN, PEERS, ROUNDS, cpu_ns, pss_by_process, sh, start, stop

N = int(os.environ.get("IMAP_N", "100000"))
COLD_ROUNDS = int(os.environ.get("COLD_ROUNDS", "1"))
MIX_SECONDS = int(os.environ.get("MIX_SECONDS", "20"))
WATCHERS = int(os.environ.get("WATCHERS", "1000"))
PARTS = os.environ.get("IMAP_PARTS", "warm cold mix watch").split()
BIG = 100  # the user with the large mailbox
NAMES = os.environ.get("SERVERS", "pombo dovecot cyrus").split()

# command → goal in ms with 100,000 messages
GOALS = {
    "SELECT big": 2,
    "FETCH 1:* (FLAGS)": 40,
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)": 150,
    "FETCH 1:* (ENVELOPE)": 150,
    "FETCH 1:* (BODYSTRUCTURE)": 120,
    "FETCH 1:* (BODY.PEEK[])": 600,
    "SEARCH SUBJECT topic55": 50,
    "SEARCH TEXT qqqqqq": 20,
    "SEARCH TEXT badogulimatu": 20,
    "SORT (DATE) UTF-8 ALL": 60,
    "THREAD REFERENCES UTF-8 ALL": 200,
    "STORE 1:* +FLAGS.SILENT (\\Flagged)": 20,
    "EXPUNGE": 30,
    "@copy 300 copy": 150,
    "@append copy 500 4096": 330,
}
MEANS = {"EXPUNGE": "EXPUNGE of 5,500", "@copy 300 copy": "300 single COPY", "@append copy 500 4096": "500 APPENDs of 4 KiB, one by one"}
READS = list(GOALS)[:11]
COLD = [c for c in READS if c not in ("SEARCH TEXT badogulimatu",)]


def user(name, n):
    return PEERS[name]["user"] % n


def timed(name, *steps, n=BIG):
    """step → (ms, MB, untagged lines, numbers, server CPU ms); a step that was refused is absent."""
    peer = PEERS[name]
    out = subprocess.run([f"{BIN}/imap_time", "-p", str(peer["imap"]), "-u", user(name, n), "-w", "pw", "-g", "+".join(peer["groups"]), *steps],
                         text=True, stdout=subprocess.PIPE).stdout
    got = {}
    for line in out.splitlines():
        step, *figures, verdict = line.split("\t")
        if verdict == "OK":
            got[step] = tuple(float(f) for f in figures)
        print(f"  {name}: {line}", file=sys.stderr, flush=True)
    return got


def settle(name, most_s=300):
    """Waits until the server has nothing more to do in the background."""
    until = time.monotonic() + most_s
    while time.monotonic() < until:
        before = cpu_ns(PEERS[name]["groups"])
        time.sleep(2)
        if cpu_ns(PEERS[name]["groups"]) - before < 40e6:
            return
    print(f"!! {name} is still busy after {most_s} s", file=sys.stderr)


def populate(name):
    timed(name, "@quiet CREATE big")
    if timed(name, "SELECT big", "FETCH 1:* (UID)").get("FETCH 1:* (UID)", (0, 0, 0))[2] == N:
        return
    timed(name, "@quiet DELETE big", "@quiet CREATE big", f"@fill big {N} 2048")


def warm_round(name):
    reads = [f"@times {5 if c.startswith('SELECT') else 3} {c}" for c in READS[:5]] + READS[5:6] + [f"@times 3 {c}" for c in READS[6:]]
    half = min(4700, N)
    return timed(name, "@quiet SELECT big", *reads, "STORE 1:* +FLAGS.SILENT (\\Flagged)", "@quiet STORE 1:* -FLAGS.SILENT (\\Flagged)",
                 "@quiet CREATE copy", "@copy 300 copy", "@append copy 500 4096", f"@quiet UID COPY 1:{half} copy", "@quiet SELECT copy",
                 "@quiet STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "@quiet SELECT big", "@quiet DELETE copy")


def cold_command(name, command):
    """The first thing a server that was just started does, with nothing of the disk in memory."""
    stop(name)
    sh("sync; echo 3 > /proc/sys/vm/drop_caches")
    start(name)
    steps = [command] if command.startswith("SELECT") else ["@quiet SELECT big", command]
    return timed(name, *steps)


def median(rows, step, column=0):
    v = [r[step][column] for r in rows if step in r]
    return statistics.median(v) if v else None


def cell(value):
    return "–" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(title, steps, rows):
    print(f"### {title}\n")
    print("| command | goal ms | " + " | ".join(f"{n} ms" for n in NAMES) + " | " + " | ".join(f"CPU {n}" for n in NAMES) + " |")
    print("|---" * (2 + 2 * len(NAMES)) + "|")
    for step in steps:
        values = [median(rows[n], step) for n in NAMES]
        cpu = [median(rows[n], step, 4) for n in NAMES]
        missed = "" if values[0] is None or values[0] <= GOALS[step] else " **missed**"
        print(f"| {MEANS.get(step, step)} | {GOALS[step]}{missed} | " + " | ".join(map(cell, values + cpu)) + " |")
        counts = {int(median(rows[n], step, 3)) for n in NAMES if median(rows[n], step, 3) is not None}
        if len(counts) > 1:
            print(f"!! {step}: different answers: {counts}", file=sys.stderr)
    print(flush=True)


def commands():
    for name in NAMES:
        populate(name)
    for name in NAMES:
        settle(name)
    if "warm" in PARTS:
        rows = collections.defaultdict(list)
        for rnd in range(ROUNDS):
            for name in NAMES:
                print(f"warm, round {rnd + 1}, {name}", file=sys.stderr)
                rows[name].append(warm_round(name))
        table(f"Single commands, warm: {N:,} messages of 2 KiB, medians of {ROUNDS} rounds", GOALS, rows)
        memory("after these commands")
    if "cold" in PARTS:
        rows = collections.defaultdict(list)
        for _ in range(COLD_ROUNDS):
            for command in COLD:
                for name in NAMES:
                    rows[name].append(cold_command(name, command))
        table(f"Cold: server just started, nothing of the disk in memory, medians of {COLD_ROUNDS}", COLD, rows)


def memory(when):
    print(f"### Memory (PSS, KiB) {when}\n")
    for name in NAMES:
        kinds = collections.defaultdict(list)
        for kind, kib in pss_by_process(PEERS[name]["groups"]):
            kinds[kind].append(kib)
        text = ", ".join(f"{len(v)} × {k} {sum(v):,}" if len(v) > 1 else f"{k} {v[0]:,}" for k, v in sorted(kinds.items()))
        print(f"- {name}: {sum(map(sum, kinds.values())):,} in all: {text}")
    print(flush=True)


def mix():
    rows = collections.defaultdict(list)
    for name in NAMES:  # every user once, so that nobody pays for password hashing or new mailboxes in the timed part
        for n in range(1, 101):
            quietly(name, n, "@quiet SELECT INBOX", "@fill INBOX 30 4096")
    for rnd in range(ROUNDS):
        for name in NAMES:
            peer = PEERS[name]
            c0 = cpu_ns(peer["groups"])
            out = subprocess.run([f"{BIN}/imap_mix", "-p", str(peer["imap"]), "-u", peer["user"], "-w", "pw", "-t", str(MIX_SECONDS), "-r", str(rnd)],
                                 text=True, stdout=subprocess.PIPE).stdout
            print(f"  {name}: {out.strip()}", file=sys.stderr, flush=True)
            got = dict(re.findall(r"([\w\[\]]+)=(\S+)", out))
            if got:
                got["cpu"] = (cpu_ns(peer["groups"]) - c0) / 1e6 / int(got["commands"])
                rows[name].append(got)
    kinds = ["LOGIN", "LIST", "SELECT", "FETCH", "BODY[]", "STORE", "APPEND", "EXPUNGE", "LOGOUT"]
    print(f"### Mixed load: 100 clients, {MIX_SECONDS} s, medians of {ROUNDS} rounds\n")
    print("| server | commands/s | server CPU ms a command | refused | " + " | ".join(f"{k} p50 / p99 ms" for k in kinds) + " |")
    print("|---" * (4 + len(kinds)) + "|")
    for name in NAMES:
        if not rows[name]:
            print(f"| {name} | failed |")
            continue
        med = lambda key: statistics.median(float(r[key]) for r in rows[name])  # noqa: E731
        times = [" / ".join(f"{statistics.median(float(r[k].split('/')[i]) for r in rows[name]):.1f}" for i in (1, 2))
                 if all(k in r for r in rows[name]) else "–" for k in kinds]
        print(f"| {name} | {med('rate'):,.0f} | {med('cpu'):.3f} | {sum(int(r['no']) for r in rows[name])} | " + " | ".join(times) + " |")
    print(flush=True)
    memory("under the mixed load's caches")


def quietly(name, n, *steps):
    subprocess.run([f"{BIN}/imap_time", "-p", str(PEERS[name]["imap"]), "-u", user(name, n), "-w", "pw", *steps], check=True,
                   stdout=subprocess.DEVNULL)


def watch():
    print(f"### IDLE: {WATCHERS} sessions on one mailbox, from the OK of an APPEND to the last notice\n")
    print("| server | OK after ms | first notice ms | last notice ms | from OK to last notice ms: median [most] |\n|---|---|---|---|---|")
    for name in NAMES:
        done = subprocess.run([f"{BIN}/imap_watch", "-p", str(PEERS[name]["imap"]), "-u", user(name, 7), "-w", "pw", "-n", str(WATCHERS), "-r", "12"],
                              text=True, stdout=subprocess.PIPE)
        got = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in done.stdout.splitlines()]
        if done.returncode or not got:
            print(f"| {name} | not all told within 30 s |", flush=True)
            continue
        v = {k: [float(g[k]) for g in got] for k in got[0]}
        print(f"| {name} | " + " | ".join(f"{statistics.median(v[k]):.2f}" for k in ("ok", "first", "last"))
              + f" | {statistics.median(v['after_ok']):.2f} [{max(v['after_ok']):.2f}] |", flush=True)
    print()


def imap():
    sh("sysctl -q -w fs.inotify.max_user_instances=4096 || true")  # Dovecot wants one a session
    for name in NAMES:
        stop(name)
        start(name)
    try:
        commands()
        if "mix" in PARTS:
            mix()
        if "watch" in PARTS:
            watch()
    finally:
        for name in NAMES:
            stop(name)
