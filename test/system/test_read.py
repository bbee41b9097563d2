# SPDX-License-Identifier: ISC
"""pombo read: list, search, show, answer, file and delete, in scripts and at a terminal."""
import json
import re
import shutil
import subprocess
import time

import pytest

import pombo
from terminal import Terminal
from typed import Typed, at_terminal

ALICE, BOB = "alice@example.test", "bob@example.test"
EVIL = "\x1b]0;title\x07\x1b[2J\u202e\x9b"


@pytest.fixture
def server(make_server):
    server = make_server(users=(ALICE, BOB))
    server.deliver(ALICE, "From: Bob <bob@example.test>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <one@x>\r\n"
                   "Date: Thu, 01 Jan 2015 10:00:00 +0000\r\n\r\nfirst text\r\n>quoted\r\n", sender=BOB)
    server.deliver(ALICE, "From: Carol <carol@example.net>\r\nTo: alice@example.test, dave@example.net\r\nSubject: two\r\n"
                   "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                   "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\n<b>no</b>\r\n"
                   "--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                   "na=EFve\r\n--c--\r\n--b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n"
                   "Content-Disposition: attachment; filename*0*=UTF-8''na%C3%AF; filename*1=\"ve.pdf\"\r\n\r\nxx\r\n--b--\r\n")
    server.deliver(ALICE, ("From: evil@example.net\r\nSubject: evil " + EVIL + "\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
                           "<p>a&lt;b&#27;[2J&amp;</p><script>hidden</script>shown" + EVIL + "\r\n").encode())
    return server


def test_list_and_search(server):
    rows = server.cli_json("read", ALICE)
    assert [r["subject"] for r in rows[:2]] == ["café", "two"] and rows[0]["from"] == "Bob <bob@example.test>"
    assert [r["uid"] for r in rows] == [1, 2, 3] and not any(r["seen"] for r in rows)
    for words, found in ((["from:bob"], [1]), (["subject:TWO"], [2]), (["first"], [1]), (["unread"], [1, 2, 3]), (["flagged"], []),
                         (["since:2020-01-01", "to:dave"], [2]), (["before:2020-01-01"], []), (["naïve"], [2]), (["larger:10M"], [])):
        assert [r["uid"] for r in server.cli_json("read", ALICE, *words)] == found, words
    text = server.cli("read", ALICE, "--limit", "1").stdout
    assert "1 of 3 messages, the newest" in text and "evil" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_show_is_decoded_and_harmless(server):
    text = server.cli("read", ALICE, "--show", 1).stdout
    assert "Subject: café\n" in text and text.endswith("\nfirst text\n>quoted\n")
    two = server.cli_json("read", ALICE, "--show", 2)
    assert two["text"].strip() == "naïve" and two["attachments"] == [{"name": "naïve.pdf", "type": "application/pdf", "size": 2}]
    text = server.cli("read", ALICE, "--show", 3).stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "a<b?[2J&" in text and "shown" in text and "hidden" not in text
    assert [r["seen"] for r in server.cli_json("read", ALICE)] == [True, True, True]
    raw = subprocess.run([str(pombo.BINARY), "read", "--dir", str(server.dir), ALICE, "--show", "3", "--raw"], capture_output=True)
    assert EVIL.encode() in raw.stdout


def test_html_that_hides_without_end_is_shown_at_once(make_server):
    server = make_server()
    for tag in ("<script>", "<head>x"):
        server.deliver(ALICE, "Subject: many\r\nContent-Type: text/html\r\n\r\n" + (tag * 100 + "\r\n") * 6000 + "the end\r\n")
    for n in (1, 2):  # each tag with a look at all that follows would take an hour
        assert server.cli("read", ALICE, "--show", n).stdout.endswith("the end \n")


def test_file_and_delete(server):
    assert server.cli("read", ALICE, "--move", "1:2", "--to", "Archive").stdout == "2 moved\n"
    assert [r["subject"] for r in server.cli_json("read", ALICE, "--folder", "Archive")] == ["café", "two"]
    assert server.cli_json("read", ALICE, "--delete", "3") == {"deleted": 1}
    assert len(server.cli_json("read", ALICE, "--folder", "Trash")) == 1 and server.cli_json("read", ALICE) == []
    server.cli("read", ALICE, "--folder", "Trash", "--delete", "1")
    assert server.cli_json("read", ALICE, "--folder", "Trash") == []


def test_reply(server):
    sent = server.cli("read", ALICE, "--reply", "1", input="Merci\n")
    assert "sent: kept as" in sent.stdout
    (got,) = server.messages(BOB)
    for line in (b"In-Reply-To: <one@x>", b"References: <one@x>", b"From: alice@example.test", b"To: Bob <bob@example.test>", b"Merci"):
        assert line in got, got
    assert b"Subject: =?" in got
    assert server.cli_json("read", ALICE)[0]["answered"]
    assert len(server.cli_json("read", ALICE, "--folder", "Sent")) == 1
    server.cli("read", ALICE, "--reply", "2", "--all", input="all\n")
    queued = server.cli_json("queue", "list")
    assert sorted(q["recipient"] for q in queued) == ["carol@example.net", "dave@example.net"]


def test_mistakes(server):
    def fails(status, says, *args, input=None):
        done = server.cli("read", *args, check=False, input=input)
        assert done.returncode == status and says in done.stderr, (done.returncode, done.stderr)

    fails(64, "not just one account")
    fails(67, "no such account", "nobody@example.test")
    fails(67, "no such mailbox", ALICE, "--folder", "Nowhere")
    fails(67, "there is no such message", ALICE, "--show", "99")
    fails(67, "there is no such message", ALICE, "--delete", "99")
    fails(64, "no message's number", ALICE, "--show", "x")
    fails(64, "no list of messages", ALICE, "--delete", "3:1")
    fails(64, "--move goes with --to", ALICE, "--move", "3")
    fails(64, "cannot be searched", ALICE, "since:yesterday")
    fails(65, "it is empty", ALICE, "--reply", "1", input="\n")


def test_without_a_server(make_server, tmp_path):
    server = make_server(start=False)
    top = tmp_path / "M"
    for part in ("cur", "new", "tmp"):
        (top / part).mkdir(parents=True)
    (top / "cur" / "1.x:2,").write_bytes(b"Subject: offline\n\nread me\n")
    server.cli("import", ALICE, top)
    assert "offline" in server.cli("read").stdout
    assert server.cli("read", "--show", "1").stdout.endswith("read me\n")
    done = server.cli("read", "--reply", "1", check=False, input="x\n")
    assert done.returncode != 0


def test_json_is_harmless_at_a_terminal(server):
    status, seen = at_terminal(["read", "--dir", server.dir, ALICE, "--json", "--list"], [])
    assert status == 0
    assert json.loads(seen) == server.cli_json("read", ALICE) and EVIL[-1:] in json.loads(seen)[2]["subject"]
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", seen)


def test_at_a_terminal(server):
    server.deliver(ALICE, "From: bob@example.test\r\nSubject: four\r\nDate: =?utf-8?q?now=0AI_agree=1B[2J?=\r\n\r\nx\r\n", sender=BOB)
    with Typed("read", "--dir", server.dir, ALICE, EDITOR="sed -i 1iYes.") as t:
        t.until(b"pombo> ")
        for say, shown in (("1", b"first text"), ("r 1", b"sent: kept as"), ("r 4", b"sent: kept as"), ("d 4", b"1 deleted"),
                           ("m 2 Archive", b"1 moved"), ("d 3", b"1 deleted"), ("l", b"1 of 1 message"), ("F Archive", b"Archive: 1 of 1"),
                           ("what", b"q           quit")):
            t.type(say.encode() + b"\n")
            t.until(shown)
            t.until(b"pombo> ")
        t.type(b"q\n")
        assert t.end()[0] == 0
    assert b"Yes." in server.messages(BOB)[0] and b"> first text" in server.messages(BOB)[0]
    # Nobody else's words stand there as ours.
    assert b"On now I agree?[2J bob@example.test wrote:" in server.messages(BOB)[1]


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_a_long_subject_ends_with_the_terminals_line(make_server, tmp_path):
    server = make_server()
    server.deliver(ALICE, "From: Bob <b@example.net>\r\nSubject: " + "long " * 40 + "end\r\n\r\nx\r\n")
    server.deliver(ALICE, "From: Bob <b@example.net>\r\nSubject: =?utf-8?b?" + "5pel" * 60 + "?=\r\n\r\nx\r\n")
    assert "long end" in server.cli("read", ALICE).stdout
    with Terminal(tmp_path, [str(pombo.BINARY), "read", ALICE, "--dir", str(server.dir)]) as t:
        lines = [line for line in t.wait("pombo>").splitlines() if line.strip()]
        assert len(lines) == 5 and lines[0].lstrip().startswith("1 N") and lines[1].lstrip().startswith("2 N"), lines
