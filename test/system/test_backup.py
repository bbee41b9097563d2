# SPDX-License-Identifier: ISC
"""pombo backup and restore: consistent, incremental, verified, while running; and what a kill leaves."""
import contextlib
import imaplib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import pombo

ALICE, BOB = "alice@example.test", "bob@example.test"


def fill(server, tmp_path, name="M", user=ALICE, count=40, start=0, size=300):
    """Imports `count` messages, some of them large, with flags, dates and keywords."""
    top = tmp_path / name
    for part in ("cur", "new", "tmp", ".Work/cur", ".Work/new", ".Work/tmp"):
        (top / part).mkdir(parents=True, exist_ok=True)
    (top / "dovecot-keywords").write_text("0 $Label1\n")
    for i in range(start, start + count):
        body = b"x" * (size if i % 10 else 90000 if i % 20 else 700000)
        path = top / ("cur" if i % 3 else ".Work/cur") / f"{i:05}.x:2,{'S' if i % 2 else 'F'}{'a' if i % 5 == 0 else ''}"
        path.write_bytes(b"Subject: %d\n\n%s\n" % (i, body))
        os.utime(path, (1500000000 + i, 1500000000 + i))
    server.cli("import", user, top)


def contents(server, tmp_path, user=ALICE):
    """folder → sorted (flags, date, keywords, bytes), by export; and UIDLs"""
    out = tmp_path / f"out-{random.getrandbits(64):x}"
    server.cli("export", user, out)
    found, uidls = {}, {}
    for cur in sorted(out.rglob("cur")):
        name = str(cur.parent.relative_to(out))
        keywords = cur.parent / "dovecot-keywords"
        found[name] = (keywords.read_text() if keywords.exists() else "", sorted(
            (p.name.rpartition(":2,")[2], int(p.stat().st_mtime), p.read_bytes()) for p in cur.iterdir()))
        uidls[name] = [line.split()[1] for line in (cur.parent / "dovecot-uidlist").read_text().splitlines()[1:]]
    return found, uidls


def uidvalidity(server, folder="INBOX", user=ALICE):
    imap = server.imap(user)
    text = imap.status(folder, "(UIDVALIDITY)")[1][0].decode()
    imap.logout()
    return int(re.search(r"UIDVALIDITY (\d+)", text).group(1))


@pytest.mark.parametrize("start", [True, False], ids=["running", "not running"])
def test_a_whole_server_on_a_new_machine(make_server, tmp_path, start):
    old = make_server(users=(ALICE, BOB), start=start)
    old.cli("domain", "add", "example.net")
    old.cli("domain", "alias", "example.org", "example.net")
    old.add_alias("info@example.test", ALICE, "x@elsewhere.example")
    old.cli("account", "send-as", ALICE, "boss@example.test")
    old.cli("account", "quota", BOB, "5M", "--messages", "5000")
    fill(old, tmp_path)
    if start:
        old.deliver(ALICE, "Subject: by SMTP\r\n\r\nx\r\n")
        old.deliver(BOB, "Subject: by SMTP\r\n\r\nx\r\n")
    before = [contents(old, tmp_path, user) for user in (ALICE, BOB)]
    took = old.cli_json("backup", tmp_path / "B")
    assert took["accounts"] == 2 and took["messages"] == took["new_messages"] == 40 + 2 * start
    assert "all as they were written" in old.cli("backup", "--verify", tmp_path / "B").stdout
    new = make_server(start=start)
    back = new.cli_json("restore", tmp_path / "B")
    assert (back["accounts"], back["restored"]) == (2, 40 + 2 * start)
    assert [contents(new, tmp_path, user) for user in (ALICE, BOB)] == before
    for command in (["domain", "list"], ["alias", "list"]):
        a, b = old.cli_json(*command), new.cli_json(*command)
        for item in a + b:
            item.pop("created", None)
        assert a == b
    shown = new.cli_json("account", "show", ALICE)
    assert "boss@example.test" in str(shown) and "Restore" not in str(shown)
    gone = new.cli_json("undelete", ALICE)["folders"]
    assert not any(f["name"].startswith("Restore") or f["messages"] == 0 for f in gone), gone
    if start:
        imap = new.imap(BOB)  # with the old password
        assert rb"\Trash" in b"".join(imap.list()[1])
        imap.logout()


def test_incremental_and_an_older_state_of_one_account(make_server, tmp_path):
    server = make_server(users=(ALICE, BOB))
    fill(server, tmp_path)
    first = server.cli_json("backup", tmp_path / "B")
    then, uidls = contents(server, tmp_path)
    old_validity, bobs = uidvalidity(server), uidvalidity(server, user=BOB)
    imap = server.imap(ALICE)
    imap.select("INBOX")
    imap.store("1:10", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    imap.create("Later")
    imap.delete("Work")
    imap.logout()
    fill(server, tmp_path, "M2", count=10, start=100)
    server.deliver(BOB, "Subject: x\r\n\r\nx\r\n")
    second = server.cli_json("backup", tmp_path / "B")
    assert second["new_messages"] == 11 and second["messages"] < first["messages"] + 11
    assert server.cli_json("backup", "--list", tmp_path / "B") == [first["state"], second["state"]]
    back = server.cli_json("restore", tmp_path / "B", "--at", first["state"], "--account", ALICE)
    assert back["accounts"] == 1
    now, uidls_now = contents(server, tmp_path)
    assert now.pop(".Later") == ("", []) and uidls_now.pop(".Later") == []
    assert (now, uidls_now) == (then, uidls)
    assert uidvalidity(server) > old_validity and uidvalidity(server, "Work") > old_validity
    assert uidvalidity(server, user=BOB) == bobs and len(server.messages(BOB)) == 1
    # INBOX is the new one for what comes now, too.
    server.deliver(ALICE, "Subject: after\r\n\r\nx\r\n")
    assert any("Subject: after" in str(m) for m in server.messages(ALICE))


def test_one_message(make_server, tmp_path):
    server = make_server()
    server.deliver(ALICE, "Subject: precious\r\n\r\nx\r\n")
    kept = server.messages(ALICE)[0]
    message = re.search(r"\bid ([0-9a-z]{13})\b", str(kept)).group(1)
    server.cli("backup", tmp_path / "B")
    imap = server.imap(ALICE)
    imap.select("INBOX")
    imap.store("1", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    imap.logout()
    server.cli("restore", tmp_path / "B", "--message", message)
    assert server.messages(ALICE) == [kept]
    server.cli("restore", tmp_path / "B", "--message", message, "--folder", "Found/again")
    imap = server.imap(ALICE)
    assert imap.select("Found/again") == ("OK", [b"1"])
    imap.logout()
    done = server.cli("restore", tmp_path / "B", "--message", "0000000000000", check=False)
    assert done.returncode == 67


def test_damage_is_found(make_server, tmp_path):
    server = make_server(start=False)
    fill(server, tmp_path)
    server.cli("backup", tmp_path / "B")
    files = [p for p in (tmp_path / "B").rglob("*") if p.suffix in (".pack", ".state")]
    assert len(files) == 2
    rng = random.Random(3)
    for path in files:
        whole = path.read_bytes()
        for _ in range(12):
            at = rng.randrange(len(whole))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
            done = server.cli("backup", "--verify", tmp_path / "B", check=False)
            assert done.returncode == 65, (path, at)
        path.write_bytes(whole[:rng.randrange(len(whole))])
        assert server.cli("backup", "--verify", tmp_path / "B", check=False).returncode == 65
        assert server.cli("restore", tmp_path / "B", check=False).returncode == 65
        path.write_bytes(whole)
    server.cli("backup", "--verify", tmp_path / "B")


def test_mistakes(make_server, tmp_path):
    server, other = make_server(start=False), make_server(start=False, own=True)

    def fails(status, says, *args, who=server):
        done = who.cli(*args, check=False)
        assert done.returncode == status and says in done.stderr, (done.returncode, done.stderr)

    server.cli("backup", tmp_path / "B")
    fails(77, "another store", "backup", tmp_path / "B", who=other)
    assert [p.suffix for p in (tmp_path / "B/states").iterdir()] == [".state"]  # nothing is left of it
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x").write_text("x")
    fails(73, "is not empty", "backup", tmp_path / "home")
    fails(65, "no backup", "restore", tmp_path / "home")
    fails(67, "no such state", "restore", tmp_path / "B", "--at", "20000101T000000Z")
    fails(67, "no such state", "restore", tmp_path / "B", "--at", "../states/x")
    fails(67, "no such account in this state", "restore", tmp_path / "B", "--account", "nobody@example.test")
    fails(64, "--folder goes with", "restore", tmp_path / "B", "--folder", "x")


def test_a_link_in_the_folder_leads_nowhere(make_server, tmp_path):
    """Somebody else may own it; root who follows links there would remove and write files elsewhere."""
    server = make_server(start=False)
    for link in ("packs", "states"):
        target, away = tmp_path / f"of-{link}", tmp_path / f"away-{link}"
        away.mkdir()
        (away / "precious.tmp").touch()
        server.cli("backup", target)
        shutil.rmtree(target / link)
        (target / link).symlink_to(away)
        assert server.cli("backup", target, check=False).returncode == 73
        assert server.cli("restore", target, check=False).returncode == 65
        assert [p.name for p in away.iterdir()] == ["precious.tmp"]


def kill_in_the_middle(server, rng, longest, *args):
    running = subprocess.Popen([str(pombo.BINARY), args[0], "--dir", str(server.dir), *map(str, args[1:])],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(rng.random() * longest * pombo.LONGER)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.parametrize("start", [True, False], ids=["running", "not running"])
def test_kills_leave_nothing_half(make_server, tmp_path, start):
    rng = random.Random(11)
    server = make_server(start=start)
    fill(server, tmp_path, count=400)
    server.cli("backup", tmp_path / "B")
    (good,) = server.cli_json("backup", "--list", tmp_path / "B")
    fill(server, tmp_path, "M2", count=400, start=1000)
    for _ in range(6):
        kill_in_the_middle(server, rng, 0.25, "backup", tmp_path / "B")
        server.cli("backup", "--verify", tmp_path / "B")
        assert server.cli_json("backup", "--list", tmp_path / "B")[0] == good
    last = server.cli_json("backup", tmp_path / "B")
    assert last["messages"] == 800
    assert not list((tmp_path / "B").rglob("*.tmp"))
    wanted, _ = contents(server, tmp_path)
    server.cli("restore", tmp_path / "B", "--at", good)
    before, _ = contents(server, tmp_path)
    restored = False
    for _ in range(5):
        kill_in_the_middle(server, rng, 0.5, "restore", tmp_path / "B")
        now, _ = contents(server, tmp_path)
        # What is being filled; after a run that had got as far as giving the names, that is the next run's.
        for name in [name for name in now if name == f".Restore {last['state']}" or name.startswith(f".Restore {last['state']}.")]:
            now.pop(name)
        restored = restored or now == wanted
        assert now == (wanted if restored else before)
    server.cli("restore", tmp_path / "B")
    assert contents(server, tmp_path)[0] == wanted


def test_annotations_come_back(make_server, tmp_path):
    def metadata(server, folder, *entries):
        imap = server.imap(ALICE)
        kind, _ = imap._simple_command("GETMETADATA", folder, "(" + " ".join(entries) + ")")
        found = imap._untagged_response(kind, None, "METADATA")[1]
        imap.logout()
        return b"".join(part if isinstance(part, bytes) else b" ".join(part) for part in found if part)

    imaplib.Commands.update({"GETMETADATA": ("AUTH", "SELECTED"), "SETMETADATA": ("AUTH", "SELECTED")})
    server = make_server()
    imap = server.imap(ALICE)
    imap.create("Work")
    imap.create("Gone")
    for folder, entry, value in (("INBOX", "/private/comment", '"first"'), ("Work", "/private/vendor/x", '"' + "v" * 60000 + '"'),
                                 ("Gone", "/private/comment", '"gone"'), ('""', "/private/vendor/y", '"mine"')):
        assert imap._simple_command("SETMETADATA", folder, f"({entry} {value})")[0] == "OK"
    imap.delete("Gone")
    server.cli("backup", tmp_path / "B")
    assert b"gone".hex() not in next((tmp_path / "B" / "states").iterdir()).read_text()
    for folder, entry, value in (("INBOX", "/private/comment", '"second"'), ("Work", "/private/vendor/x", "NIL"),
                                 ('""', "/private/vendor/y", "NIL"), ('""', "/private/vendor/z", '"later"')):
        assert imap._simple_command("SETMETADATA", folder, f"({entry} {value})")[0] == "OK"
    imap.logout()
    new = make_server()
    for target in (server, new):
        target.cli("restore", tmp_path / "B", "--account", ALICE)
        assert b"first" in metadata(target, "INBOX", "/private/comment")
        assert b"v" * 60000 in metadata(target, "Work", "/private/vendor/x")
        assert b"mine" in metadata(target, '""', "/private/vendor/y")
    assert b"later" in metadata(server, '""', "/private/vendor/z")


def test_a_text_that_json_cannot_hold_keeps_nothing_out_of_the_backup(make_server, tmp_path):
    server = make_server()
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    (tmp_path / "M/.Work").mkdir(parents=True)
    (tmp_path / "M/.Work/dovecot-uidlist").write_text("3 V1 N2\n1 Pold-1 :00000.x\n")
    fill(server, tmp_path, count=1)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.dir / "store/pombo.db")) as db:
        db.execute("UPDATE uidl SET uidl = CAST(x'ff00c3' AS TEXT)")
        assert db.execute("SELECT changes()").fetchone() == (1,)
        db.commit()
    server.start()
    assert server.cli_json("backup", tmp_path / "B")["messages"] == 2
    server.cli("backup", "--verify", tmp_path / "B")
    assert make_server().cli_json("restore", tmp_path / "B")["restored"] == 2


def test_what_stops_one_account_stops_no_other(make_server, tmp_path):
    old = make_server(users=(ALICE, BOB))
    for user in (ALICE, BOB):
        old.deliver(user, f"Subject: for {user}\r\n\r\nx\r\n")
    old.add_alias("info@example.test", BOB)
    old.cli("backup", tmp_path / "B")
    pack = next((tmp_path / "B/packs").iterdir())
    pack.write_bytes(pack.read_bytes().replace(b"Subject: for alice", b"Subject: for alike"))
    new = make_server(users=())
    done = new.cli("restore", tmp_path / "B", check=False)
    assert done.returncode == 65 and f"{ALICE}: this account is not restored" in done.stderr and "1 account NOT restored" in done.stdout
    assert [b"for bob" in m for m in new.messages(BOB)] == [True]
    assert [a["address"] for a in new.cli_json("alias", "list")] == ["info@example.test"]


def create(server, names, user=ALICE):
    """CREATEs, without waiting for each one's answer."""
    imap = server.imap(user)
    imap.send(b"".join(b"c%d CREATE %s\r\n" % (i, name.encode()) for i, name in enumerate(names)))
    assert [line for line in (imap.readline() for _ in names) if b" OK " not in line] == []
    imap.logout()


def test_folders_whose_names_fill_more_than_a_request(make_server, tmp_path):
    old = make_server()
    create(old, [f"f{i:04}{'y' * 990}" for i in range(1100)])
    for i in (0, 1099):
        imap = old.imap(ALICE)
        assert imap.append(f"f{i:04}{'y' * 990}", None, None, b"Subject: %d\r\n\r\nx\r\n" % i)[0] == "OK"
        imap.logout()
    old.cli("backup", tmp_path / "B")
    for server in (old, make_server()):
        assert server.cli_json("restore", tmp_path / "B")["restored"] == 2
        imap = server.imap(ALICE)
        assert len(imap.list()[1]) == 1106
        assert [imap.select(f"f{i:04}{'y' * 990}", True)[1] for i in (0, 1, 1099)] == [[b"1"], [b"0"], [b"1"]]
        imap.logout()


def test_an_account_with_as_many_folders_as_may_be_is_restored_in_place(make_server, tmp_path):
    server = make_server()
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    server.cli("backup", tmp_path / "B")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.dir / "store/pombo.db")) as db:
        last, n = db.execute("SELECT MAX(id) FROM mailbox").fetchone()[0], 10000 - 6
        columns = [c[1] for c in db.execute("PRAGMA table_info(mailbox)")]
        like = dict(zip(columns, db.execute("SELECT * FROM mailbox WHERE name = 'Drafts'").fetchone()))
        rows = [{**like, "id": last + i, "name": f"f{i}", "special_use": 0, "uidvalidity": like["uidvalidity"] + 100 + i} for i in range(1, n + 1)]
        db.executemany(f"INSERT INTO mailbox ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})", rows)
        counts = [c[1] for c in db.execute("PRAGMA table_info(mailbox_count)")]
        like = dict(zip(counts, db.execute("SELECT * FROM mailbox_count WHERE mailbox = ?", (like["id"],)).fetchone()))
        db.executemany(f"INSERT INTO mailbox_count ({', '.join(counts)}) VALUES ({', '.join(':' + c for c in counts)})",
                       [{**like, "mailbox": row["id"]} for row in rows])
        db.execute("UPDATE counter SET value = value + 20000 WHERE name IN ('mailbox', 'uidvalidity')")
        db.commit()
    server.start()
    assert server.cli_json("restore", tmp_path / "B")["restored"] == 1
    assert [b"Subject: x" in m for m in server.messages()] == [True]
    imap = server.imap(ALICE)
    assert len(imap.list()[1]) == 10000 and imap.create("more")[0] == "NO"
    imap.logout()
