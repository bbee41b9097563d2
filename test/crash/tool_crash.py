#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills processes while the tools for mailboxes work, and looks whether those kept their word.

    tool_crash.py --kills 300 [--seed N]

`pombo import imap://` from another pombo, while stored, imapd or everything of the one that gives, stored or everything of the one that takes, or the
tool itself gets SIGKILL; run again and again until it is done: each message of each folder is there once, byte for byte.
`pombo backup` while mail comes in and stored, everything or the tool gets SIGKILL: what lies there is whole after each, and each backup that was said to be
made holds all that was acknowledged before it began, and nothing in part.
"""
import collections
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from crash import TOLERATED, USERS, Writers, arguments, message_of, read_back, rounds  # noqa: E402
from imap_answer import Client, Refused, parse  # noqa: E402
from pombo import ALICE, BINARY, PASSWORD, SLOW, Server  # noqa: E402

FOLDERS = ("", ".Work", ".Work.2019")
CONFIG = ["max-connections-per-address = 1000"]


def start_tool(server, *args, password=None):
    tool = subprocess.Popen([str(BINARY), args[0], "--dir", str(server.dir), *map(str, args[1:])], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if password:
        tool.stdin.write(password.encode() + b"\n")
    tool.stdin.close()
    tool.stdin = None
    return tool


def turns(rng, *servers):
    """Whom to kill next, without an end: each of them once, then once more."""
    victims = [("tool", None), *((v, s) for s, names in servers for v in names)]
    while True:
        rng.shuffle(victims)
        yield from list(victims)


def kill_under(tool, victims, rng, longest):
    """While the tool works; what `everything` was is started anew when the tool has given up. Returns what was killed, or None: it was too late."""
    time.sleep(rng.uniform(0.02, longest))
    victim, server = next(victims)
    if tool.poll() is not None:
        return None
    if victim == "tool":
        tool.kill()
    elif victim == "everything":
        server.kill_all()
    else:
        server.kill_any(victim, rng)
    tool.communicate(timeout=300)
    if victim == "everything":
        server.start()
    return victim


# ---- import ----

def make_maildir(top, rng, count, name):
    """`name`: what begins each message's token."""
    for folder in FOLDERS:
        for part in ("cur", "new", "tmp"):
            (top / folder / part).mkdir(parents=True)
    for n in range(count):
        token = f"{name}{n % (count - count // 10)}"  # some are there twice: that is so afterwards, too
        text = message_of(token, 300000 if n % 25 == 0 else rng.choice((500, 1000, 4000)))
        (top / FOLDERS[n % len(FOLDERS)] / "cur" / f"{n:05}.x:2,S").write_text(text, newline="")


def read_folders(server):
    client, found = Client(server.ports["imaps"], ALICE, PASSWORD, server.tls()), {}
    names = [parse(line[len(b"* LIST "):])[2].decode() for line in client.command(b'LIST "" ("INBOX" "Work" "Work/*")')]
    for name in names:
        client.command(f'EXAMINE "{name}"'.encode())
        lines = client.command(b"UID FETCH 1:* (BODY.PEEK[])")
        found[name] = collections.Counter(line.split(b"}\r\n", 1)[1] for line in lines if b" FETCH (" in line)
    client.close()
    return found


def everything(server):
    """name → how often each message is there; when what was killed is back."""
    deadline = time.monotonic() + 60 * SLOW
    while True:
        try:
            return read_folders(server)
        except (OSError, Refused):
            assert time.monotonic() < deadline, "the server does not come back"
            time.sleep(0.1)


def run_import(kills, seed, count=500):
    """Returns how often each was killed, while the import was at work."""
    rng, done, longest = random.Random(seed), collections.Counter(), 0.4 * SLOW
    with Server(config=CONFIG) as old, Server(config=CONFIG) as new, tempfile.TemporaryDirectory() as top:
        for server in (old, new):
            server.tolerate(*TOLERATED)

        def fill(name):
            make_maildir(pathlib.Path(top) / name, rng, count, name)
            old.cli("import", ALICE, pathlib.Path(top) / name)

        fill("t")
        want = everything(old)
        assert sum(n for folder in want.values() for n in folder.values()) == count
        command = ("import", ALICE, f"imap://alice%40example.test@127.0.0.1:{old.ports['imap']}", "--password-stdin", "--insecure-tls")
        victims = turns(rng, (old, ("imapd", "stored", "everything")), (new, ("stored", "everything")))
        for n in itertools.count():
            if sum(done.values()) == kills:
                break
            assert n < 10 * kills, f"seed {seed}: it is always done before the kill comes: {done}"
            tool = start_tool(new, *command, password=PASSWORD)
            victim = kill_under(tool, victims, rng, longest)
            tool.communicate()
            done.update([victim] if victim else [])
            if not victim:  # it was done: what is to come next, and to be killed sooner
                longest /= 2
                everything(old)  # back from the last kill
                fill(f"late{n}-")
                want = everything(old)
            got = everything(new)
            assert all(n <= want[f][m] for f in got for m, n in got[f].items()), "a message is there twice, or in part"
        everything(old)  # what was killed last is back
        deadline = time.monotonic() + 60 * SLOW
        while True:
            tool = start_tool(new, *command, "--json", password=PASSWORD)
            out, problem = tool.communicate()
            if tool.returncode == 0:
                break
            assert time.monotonic() < deadline, f"seed {seed}: {problem.decode()}"
            time.sleep(0.2)  # one of two imapd may still be away
        assert not json.loads(out)["left_out"]
        want, got = everything(old), everything(new)
        missing = [(f, m[:120], n, got[f][m]) for f in want for m, n in want[f].items() if got[f][m] != n]
        assert not missing and got == want, f"seed {seed}: {len(missing)} are missing: {missing[:5]}"
    return done


# ---- backup ----

def check_state(found, writers, before, seed):
    """A state holds each message for all its recipients or for none, and all that was acknowledged before it was made."""
    for token, users in found.items():
        assert all(n == 1 for n in users.values()), f"seed {seed}: {token} is there twice"
        assert sorted(users) == sorted(writers.sent[token][0]), f"seed {seed}: {token} is there in half: {sorted(users)}"
    missing = before - set(found)
    assert not missing, f"seed {seed}: acknowledged before the backup and not in it: {missing}"


def run_backup(kills, seed, writer_count=2):
    """Returns how often each was killed, while the backup was at work, and how many states were read back."""
    rng, done, states, longest = random.Random(seed), collections.Counter(), [], 0.15 * SLOW
    with Server(users=USERS, config=CONFIG) as server, Server(config=CONFIG) as new, tempfile.TemporaryDirectory() as top:
        server.tolerate(*TOLERATED)
        backup = pathlib.Path(top) / "B"
        writers = Writers(server, writer_count, seed)
        writers.start()
        victims, deadline = turns(rng, (server, ("stored", "everything"))), None
        try:
            writers.wait_acknowledged()
            for n in itertools.count():
                last = sum(done.values()) >= kills
                deadline = deadline or last and time.monotonic() + 60 * SLOW
                assert n < 10 * kills or last, f"seed {seed}: it is always done before the kill comes: {done}"
                with writers.lock:
                    before = set(writers.acknowledged)
                tool = start_tool(server, "backup", backup, "--json")
                victim = kill_under(tool, victims, rng, longest) if n and not last else None
                out, _ = tool.communicate(timeout=300)
                done.update([victim] if victim else [])
                longest = longest if victim or not n else longest / 2
                if tool.returncode == 0:
                    states.append((json.loads(out)["state"], frozenset(before)))
                verified = server.cli("backup", "--verify", backup, check=False)
                assert verified.returncode == 0, f"seed {seed}: {verified.stderr}"
                if last and tool.returncode == 0:
                    break
                assert not last or time.monotonic() < deadline, f"seed {seed}: the server does not come back"
        finally:
            writers.stop()
        listed = server.cli_json("backup", "--list", backup)
        assert {state for state, _ in states} <= set(listed)
        for state, before in {*states[-1:], *states[:1]}:
            new.cli("restore", backup, "--at", state)
            check_state(read_back(new), writers, before, seed)
    return done, len(states)


def main():
    a = arguments(__doc__, kills=300, per_round=20)
    for total, n, seed in rounds(a):
        imported = run_import(n, seed)
        backed_up, states = run_backup(n, seed)
        print(f"{total} of {a.kills} kills, seed {a.seed}: import {dict(imported)}, backup {dict(backed_up)}, {states} backups: all as promised", flush=True)


if __name__ == "__main__":
    main()
