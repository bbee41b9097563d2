# SPDX-License-Identifier: ISC
"""pombo import and export: Maildir and mbox, both ways, again, and after a kill."""
import calendar
import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import time

import pytest

import pombo

ALICE = "alice@example.test"


@pytest.fixture(params=["running", "not running"])
def server(request, make_server):
    return make_server(start=request.param == "running")


def put(folder, name, text, when=None, sub="cur"):
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / sub / name
    path.write_bytes(text)
    if when:
        os.utime(path, (when, when))
    return path


def folders(report):
    return {f["name"]: (f["imported"], f["there"], f["repaired"], f["left_out"]) for f in report["folders"]}


def tree(top):
    """name of folder → sorted (flags, time, bytes) of its messages"""
    found = {}
    for cur in top.rglob("cur"):
        found[str(cur.parent.relative_to(top))] = sorted(
            (p.name.rpartition(":2,")[2], int(p.stat().st_mtime), p.read_bytes()) for p in cur.iterdir())
    return found


def make_maildir(top):
    when = calendar.timegm((2011, 5, 6, 7, 8, 9))
    put(top, "1300000001.a,S=9:2,S", b"Subject: one\n\nfirst\n", when)
    put(top, "1300000002.b:2,FRab", b"Subject: two\r\n\r\nsecond\r\n", when + 60)
    put(top, "1300000003.c", b"Subject: three\n\nFrom here\n>From there\n", when + 120, "new")
    (top / "dovecot-keywords").write_text("0 $Label1\n1 Work\n")
    (top / "dovecot-uidlist").write_text("3 V99 N9 Gx\n3 Pold-1 :1300000001.a,S=9\n2 Pold-2 :1300000002.b\n")
    put(top / ".Sent.R&AOk-sum&AOk-", "1.x:2,DT", b"Subject: draft\n\n" + b"x" * 200000 + b"\n", when)
    put(top / ".Empty", "2.x:2,", b"", when)
    return when


def test_maildir_comes_back_as_it_went_in(server, tmp_path):
    when = make_maildir(tmp_path / "M")
    done = server.cli("import", ALICE, tmp_path / "M", "--json", check=False)
    assert done.returncode == 65
    report = json.loads(done.stdout)
    assert folders(report) == {"INBOX": (3, 0, 0, 0), "Empty": (0, 0, 0, 1), "Sent/Résumé": (1, 0, 0, 0)}
    assert report["complete"] and [n["why"] for n in report["left_out"]] == ["empty: no message"]
    server.cli("export", ALICE, tmp_path / "out")
    got = tree(tmp_path / "out")
    assert got["."] == [("", when + 120, b"Subject: three\n\nFrom here\n>From there\n"),
                        ("FRab", when + 60, b"Subject: two\n\nsecond\n"), ("S", when, b"Subject: one\n\nfirst\n")]
    assert got[".Sent.R&AOk-sum&AOk-"][0][:2] == ("DT", when)
    # UIDL: in the order of the old UIDs, under the old names.
    lines = (tmp_path / "out" / "dovecot-uidlist").read_text().splitlines()
    assert [line.split()[1] for line in lines[1:3]] == ["Pold-2", "Pold-1"]
    assert sorted((tmp_path / "out" / "dovecot-keywords").read_text().splitlines()) == ["0 $Label1", "1 Work"]
    # Again: nothing new either way.
    again = json.loads(server.cli("import", ALICE, tmp_path / "M", "--json", check=False).stdout)
    assert folders(again)["INBOX"] == (0, 3, 0, 0)
    out = server.cli_json("export", ALICE, tmp_path / "out")
    assert {f["name"]: (f["exported"], f["there"]) for f in out["folders"]}["INBOX"] == (0, 3)
    # What was exported is known here, whatever it is called now.
    back = server.cli_json("import", ALICE, tmp_path / "out")
    assert folders(back)["INBOX"] == (0, 3, 0, 0) and folders(back)["Sent/Résumé"] == (0, 1, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_who_reads_the_mail_is_nobody(make_server, tmp_path):
    """Where no server runs, the command's own stored and policyd give up root as the server's do."""
    server = make_server(start=False)
    put(tmp_path / "in", "1.x:2,", b"Subject: one\n\nfirst\n")
    env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # which cannot be while it is traced
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=execve,setresuid", "-o", tmp_path / "trace", server.binary, "import", ALICE, tmp_path / "in", "--dir", server.dir],
                   check=True, env=env, timeout=60 * pombo.SLOW, stdout=subprocess.DEVNULL)
    trace = (tmp_path / "trace").read_text()
    users = {}
    for role in ("pombo-stored", "pombo-policyd"):
        pid = re.search(rf'^(\d+) +execve\("[^"]*/{role}"', trace, re.M)[1]
        users[role] = set(re.findall(rf"^{pid} +setresuid\((\d+),", trace, re.M))
    assert all(len(u) == 1 and "0" not in u for u in users.values()) and users["pombo-stored"] != users["pombo-policyd"], users


def test_uidl_is_kept(make_server, tmp_path):
    make_maildir(tmp_path / "M")
    server = make_server()
    server.cli("import", ALICE, tmp_path / "M", check=False)
    pop = server.pop3()
    assert [line.split()[1] for line in pop.uidl()[1]][:2] == [b"old-2", b"old-1"]
    pop.quit()


def test_a_uidl_that_none_may_be_is_dropped_and_told(make_server, tmp_path):
    make_maildir(tmp_path / "M")
    uidlist = tmp_path / "M/dovecot-uidlist"
    uidlist.write_bytes(uidlist.read_bytes().replace(b"old-1", b"old\xff\x1b[2J"))
    server = make_server()
    report = json.loads(server.cli("import", ALICE, tmp_path / "M", "--json", check=False).stdout)
    assert [n["why"] for n in report["repaired"]].count("a POP3 id that none may be was dropped: it has a new one") == 1
    pop = server.pop3()
    ids = [line.split()[1] for line in pop.uidl()[1]]
    assert ids[0] == b"old-2" and ids[1].isalnum() is False and b"\xff" not in ids[1] and ids[1] != b"old-1"
    pop.quit()


def test_deleted_and_moved_mail_does_not_come_back(make_server, tmp_path):
    server = make_server()
    for i in range(3):
        put(tmp_path / "M", f"{i}.x:2,", b"Subject: %d\n\nx\n" % i)
    server.cli("import", ALICE, tmp_path / "M")
    imap = server.imap(ALICE)
    imap.select("INBOX")
    imap.copy("1", "Archive")
    imap.store("1:2", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    imap.logout()
    put(tmp_path / "M", "4.x:2,", b"Subject: new\n\nx\n")
    assert folders(server.cli_json("import", ALICE, tmp_path / "M")) == {"INBOX": (1, 3, 0, 0)}


def test_copies_of_one_text_are_all_kept(make_server, tmp_path):
    server = make_server(start=False)
    for i in range(3):
        put(tmp_path / "M", f"{i}.x:2,", b"Subject: same\n\nx\n")
    assert folders(server.cli_json("import", ALICE, tmp_path / "M")) == {"INBOX": (3, 0, 0, 0)}
    put(tmp_path / "M", "9.x:2,", b"Subject: same\n\nx\n")
    assert folders(server.cli_json("import", ALICE, tmp_path / "M")) == {"INBOX": (1, 3, 0, 0)}


def test_mbox_trees(server, tmp_path):
    top = tmp_path / "mail"
    (top / "Sent.sbd").mkdir(parents=True)
    (top / "INBOX").write_bytes(b"From a@b Thu Jan  1 10:00:00 2015\nSubject: 1\nStatus: RO\nX-Status: A\n\n>From me\n\n"
                                b"From c@d Thu Jan  1 11:00:00 2015\nSubject: 2\n\nFrom here on\n")
    (top / "Sent").write_bytes(b"From - Thu Jan  1 12:00:00 2015\nX-Mozilla-Status: 0001\nSubject: 3\n\nx\n")
    (top / "Sent.sbd" / "2019").write_bytes(b"From - Thu Jan  1 12:00:00 2015\nSubject: 4\n\nx\n")
    (top / "Sent.msf").write_bytes(b"// <!-- no mail -->\n")
    os.symlink("/etc/passwd", top / "link")
    report = server.cli_json("import", ALICE, top)
    assert folders(report) == {"INBOX": (2, 0, 0, 0), "Sent": (1, 0, 0, 0), "Sent/2019": (1, 0, 0, 0)}
    server.cli("export", ALICE, tmp_path / "out", "--format", "mbox")
    text = (tmp_path / "out" / "INBOX.mbox").read_bytes()
    assert text == (b"From MAILER-DAEMON Thu Jan  1 10:00:00 2015\nSubject: 1\nStatus: RO\nX-Status: A\n\n>From me\n\n"
                    b"From MAILER-DAEMON Thu Jan  1 11:00:00 2015\nSubject: 2\nStatus: O\n\n>From here on\n\n")
    assert folders(server.cli_json("import", ALICE, tmp_path / "out"))["INBOX"] == (0, 2, 0, 0)
    done = server.cli("export", ALICE, tmp_path / "out", "--format", "mbox", check=False)
    assert done.returncode == 73 and "there is such a file already" in done.stderr
    server.cli("export", ALICE, tmp_path / "one", "--format", "mbox", "--folder", "Sent/2019")
    assert (tmp_path / "one").read_bytes().startswith(b"From MAILER-DAEMON Thu Jan  1 12:00:00 2015\nSubject: 4\n")


def test_what_mail_may_not_hold(server, tmp_path):
    put(tmp_path / "M", "1.x:2,", b"Subject: a\rb\r\r\n\r\nx\ry\0z\n")
    put(tmp_path / "M", "2.x:2,", b"\x1f\x8b\x08compressed")
    report = json.loads(server.cli("import", ALICE, tmp_path / "M", "--json", check=False).stdout)
    assert folders(report) == {"INBOX": (1, 0, 1, 1)}
    assert report["repaired"][0]["why"] == "3 CR without LF, 1 NUL"
    assert "compressed" in report["left_out"][0]["why"]
    server.cli("export", ALICE, tmp_path / "out", "--crlf")
    (path,) = (tmp_path / "out" / "cur").iterdir()
    assert path.read_bytes() == b"Subject: a b\r\n\r\nx\r\ny\x80z\r\n"


def test_dates_of_header(server, tmp_path):
    put(tmp_path / "M", "1.x:2,", b"Received: from a by b; Mon, 02 Feb 2009 10:00:00 +0100\n"
        b"Received: from c by a; Sun, 01 Feb 2009 10:00:00 +0100\nDate: Sat, 31 Jan 2009 10:00:00 +0000\n\nx\n")
    put(tmp_path / "M", "2.x:2,", b"Date: Sat, 31 Jan 2009 10:00:00 +0000\n\nx\n")
    server.cli("import", ALICE, tmp_path / "M", "--dates", "header")
    server.cli("export", ALICE, tmp_path / "out")
    assert sorted(int(p.stat().st_mtime) for p in (tmp_path / "out" / "cur").iterdir()) == [
        calendar.timegm((2009, 1, 31, 10, 0, 0)), calendar.timegm((2009, 2, 2, 9, 0, 0))]


def test_mistakes(server, tmp_path):
    def fails(status, says, *args):
        done = server.cli(*args, check=False)
        assert done.returncode == status and says in done.stderr, (done.returncode, done.stderr)

    fails(64, "an account and a path are needed", "import", ALICE)
    fails(67, "there is no such account", "import", "nobody@example.test", tmp_path)
    fails(65, "No such file", "import", ALICE, tmp_path / "nothing")
    fails(65, "neither a Maildir nor an mbox", "import", ALICE, tmp_path)
    fails(65, "cannot be a folder's name", "import", ALICE, tmp_path, "--folder", "a//b")
    fails(67, "there is no such folder", "export", ALICE, tmp_path / "x", "--folder", "Nowhere")
    fails(64, "--format is", "export", ALICE, tmp_path / "x", "--format", "zip")


def test_quota_stops_and_more_room_goes_on(make_server, tmp_path):
    server = make_server(start=False)
    for i in range(20):
        put(tmp_path / "M", f"{i:03}.x:2,", b"Subject: %d\n\n%s\n" % (i, b"x" * 9000))
    server.cli("account", "quota", ALICE, "100K")
    done = server.cli("import", ALICE, tmp_path / "M", "--json", check=False)
    assert done.returncode == 77 and "quota" in done.stderr
    report = json.loads(done.stdout)
    assert not report["complete"] and 5 < report["folders"][0]["imported"] < 20
    server.cli("account", "quota", ALICE, "none")
    got = folders(server.cli_json("import", ALICE, tmp_path / "M"))["INBOX"]
    assert got == (20 - report["folders"][0]["imported"], report["folders"][0]["imported"], 0, 0)


def test_killed_imports_lose_and_double_nothing(make_server, tmp_path):
    """kill -9 of the import, of everything it started, and of the server under it; each time run again."""
    rng = random.Random(7)
    top = tmp_path / "M"
    texts = [b"Subject: %d\n\n%s\n" % (i % 700, b"y" * rng.choice((10, 3000, 90000))) for i in range(800)]
    for i, text in enumerate(texts):
        put(top, f"{i:05}.x:2,S", text)
    server = make_server(start=False)
    for attempt in range(6):
        command = [str(pombo.BINARY), "import", "--dir", str(server.dir), ALICE, str(top)]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.05 + rng.random() * 0.25 * pombo.LONGER)
        if attempt % 2:
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.kill()
        running.wait()
    server.cli("import", ALICE, top)
    server.cli("export", ALICE, tmp_path / "out")
    assert sorted(m[2] for m in tree(tmp_path / "out")["."]) == sorted(texts)
    assert not list((tmp_path / "out" / "tmp").iterdir())


@pytest.mark.parametrize("make,path,more", [
    (["cur"], "cur", []), (["tmp"], "tmp", []), ([".Work"], ".Work", []),
    (["Work"], "Work", ["--format", "mbox"]),
], ids=["cur", "tmp", "a folder", "mbox"])
def test_an_export_follows_no_link_out_of_its_folder(make_server, tmp_path, make, path, more):
    """Root exports into a user's own folder: what that user put there must not lead elsewhere."""
    server = make_server()
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    imap = server.imap(ALICE)
    imap.create("Work/x")
    imap.append("Work/x", None, None, b"Subject: y\r\n\r\ny\r\n")
    imap.append("Work", None, None, b"Subject: z\r\n\r\nz\r\n")
    imap.logout()
    (tmp_path / "away").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / path).symlink_to(tmp_path / "away")
    done = server.cli("export", ALICE, tmp_path / "out", *more, check=False)
    assert done.returncode == 73 and "no symbolic link" in done.stderr
    assert list((tmp_path / "away").iterdir()) == []


def test_an_export_writes_into_no_file_that_lies_ready(make_server, tmp_path):
    server = make_server()
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    (tmp_path / "precious").write_text("precious")
    for out, name, more in (("a", "tmp/dovecot-uidlist", []), ("b", "INBOX.mbox.tmp", ["--format", "mbox"])):
        (tmp_path / out / name).parent.mkdir(parents=True)
        (tmp_path / out / name).hardlink_to(tmp_path / "precious")
        server.cli("export", ALICE, tmp_path / out, *more)
        assert (tmp_path / "precious").read_text() == "precious"
    assert "Subject: x" in (tmp_path / "b/INBOX.mbox").read_text()


def test_a_file_of_any_size_takes_no_room(make_server, tmp_path):
    """Holes: a terabyte in a Maildir, another in an mbox."""
    server = make_server(start=False)
    make_maildir(tmp_path / "M")
    with open(tmp_path / "M/cur/3000.hole:2,", "wb") as f:
        f.write(b"Subject: x\n\n")
        f.truncate(1 << 40)
    with open(tmp_path / "hole.mbox", "wb") as f:
        f.write(b"From a@example.net Thu Jan  1 00:00:00 2026\nSubject: x\n\n")
        f.truncate((1 << 30) + (1 << 20))
    (tmp_path / "spool").mkdir()
    for source in ("M", "hole.mbox"):
        command = [str(pombo.BINARY), "import", "--dir", str(server.dir), "--json", ALICE, str(tmp_path / source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * pombo.SLOW,
                              env={**os.environ, "TMPDIR": str(tmp_path / "spool")},
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28)))
        assert done.returncode == 65, done.stderr
        assert "larger than 1 GiB" in [n["why"] for n in json.loads(done.stdout)["left_out"]]


def test_folders_that_a_maildir_cannot_name_are_neither_mixed_nor_forgotten(make_server, tmp_path):
    server = make_server()
    imap = server.imap(ALICE)
    long = "l" * 300
    for name in ("a.b", "a_b", "a_b_", long):
        imap.create(name)
        imap.append(name, f"(word-of-{len(name)}-{name[1]})", None, f"Subject: {name}\r\n\r\nx\r\n".encode())
    imap.logout()
    done = server.cli("export", ALICE, tmp_path / "out", "--json", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 65 and [n["folder"] for n in report["notes"]] == ["a.b", long]
    paths = {f["name"]: f["path"] for f in report["folders"]}
    assert (paths["a.b"], paths["a_b"], paths["a_b_"], long in paths) == (".a_b__", ".a_b", ".a_b_", False)
    for name in ("a.b", "a_b", "a_b_"):
        (message,) = (tmp_path / "out" / paths[name] / "cur").iterdir()
        assert f"Subject: {name}\n".encode() in message.read_bytes() and message.name.endswith("a")
        assert (tmp_path / "out" / paths[name] / "dovecot-keywords").read_text() == f"0 word-of-{len(name)}-{name[1]}\n"
    done = server.cli("export", ALICE, tmp_path / "mbox", "--format", "mbox", "--json", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 65 and [n["folder"] for n in report["notes"]] == [long] and "Trash" in [f["name"] for f in report["folders"]]


def import_cut_short(server, tree, name, length):
    """Imports the folder, at a terminal, and makes that file in it so short once the first message is under way. (status, report and errors)"""
    told, terminal = os.openpty()
    with subprocess.Popen([str(pombo.BINARY), "import", "--dir", str(server.dir), ALICE, str(tree)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=terminal, start_new_session=True) as running:
        os.close(terminal)
        shown = os.read(told, 1000)
        running.send_signal(signal.SIGSTOP)
        os.truncate(tree / name, length)
        running.send_signal(signal.SIGCONT)
        report = running.stdout.read()
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while more := os.read(told, 1000):
                shown += more
    os.close(told)
    return running.returncode, (report + shown).decode()


@pytest.mark.parametrize("left", [0.5, 0.9999], ids=["pages", "bytes"])
def test_an_mbox_that_becomes_shorter_meanwhile(make_server, tmp_path, left):
    """What came before is kept, what it was is told, and the rest of the tree comes."""
    server = make_server()
    texts = [b"Subject: %d\n\n%s\n" % (i, b"z" * 30000) for i in range(300)]
    whole = b"".join(b"From a@b Thu Jan  1 00:00:00 1970\n%s\n" % text for text in texts)
    (tmp_path / "M").mkdir()
    for attempt in range(5):  # on a machine that stands still it may be done before it is stopped
        name = f"{attempt}.mbox"
        (tmp_path / "M" / name).write_bytes(whole)
        (tmp_path / "M" / "z.mbox").write_bytes(b"From a@b Thu Jan  1 00:00:00 1970\nSubject: last %d\n\nx\n" % attempt)
        status, said = import_cut_short(server, tmp_path / "M", name, int(len(whole) * left))
        if status != 0:
            break
        (tmp_path / "M" / name).unlink()  # what is cut must be the file that is being read
    assert status == 65, said
    cut = int(re.search(rf"{name}, message (\d+): the file became shorter", said)[1])
    assert 300 * left - 1 < cut <= 300  # those that it had read by then came
    imap = server.imap(ALICE)
    assert int(imap.select(str(attempt))[1][0]) == cut - 1
    assert int(imap.select("z")[1][0]) == attempt + 1
    imap.logout()
