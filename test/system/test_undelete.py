# SPDX-License-Identifier: ISC
"""pombo undelete: expunged messages and deleted folders come back as they were."""
import re

import pytest

import pombo

ALICE = "alice@example.test"


@pytest.fixture
def server(make_server):
    server = make_server()
    for i in range(1, 6):
        server.deliver(ALICE, f"Subject: message {i}\r\n\r\ntext {i}\r\n")
    return server


def rows(imap, folder="INBOX"):
    imap.select(folder)
    found = imap.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1]
    return [(m[0], m[1]) for m in found if isinstance(m, tuple)]


def lost(server, *more):
    return [(m["folder"], m["uid"]) for m in server.cli_json("undelete", ALICE, *more)["messages"]]


def uidls(server):
    pop = server.pop3()
    found = [line.split()[1] for line in pop.uidl()[1]]
    pop.quit()
    return found


def test_messages_come_back_with_flags_dates_and_uidl(server):
    imap = server.imap()
    imap.select("INBOX")
    imap.store("2", "+FLAGS", r"(\Flagged \Seen Work)")
    before, ids = rows(imap), uidls(server)
    imap.store("2:4", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    assert lost(server) == [("INBOX", 2), ("INBOX", 3), ("INBOX", 4)]
    assert lost(server, "--since", "1h") == lost(server) and lost(server, "--since", "2100-01-01") == []
    assert lost(server, "--folder", "Sent") == []
    assert "message 3" in server.cli("undelete").stdout  # there is just one account
    assert server.cli("undelete").stdout == server.cli("undelete", ALICE).stdout
    assert server.cli("undelete", ALICE, "--folder", "INBOX", "--restore", "2,4").stdout == "2 messages are back\n"
    assert lost(server) == [("INBOX", 3)]
    after = rows(imap)
    assert len(after) == 4 and after[2][1] == before[1][1] and after[3][1] == before[3][1]

    def facts(row):
        return re.search(rb'INTERNALDATE "[^"]*"', row[0]).group(), sorted(re.search(rb"FLAGS \(([^)]*)\)", row[0]).group(1).split())

    assert facts(after[2])[0] == facts(before[1])[0]
    assert [f for f in facts(after[2])[1] if f != rb"\Recent"] == [rb"Work", rb"\Flagged", rb"\Seen"]
    assert b"UID 6" in after[2][0] and b"UID 7" in after[3][0]
    assert uidls(server) == [ids[0], ids[4], ids[1], ids[3]]
    assert server.cli_json("undelete", ALICE, "--all") == {"restored": 1} and lost(server) == []
    assert server.cli_json("account", "show", ALICE)["messages"] == 5
    imap.logout()


def test_what_was_moved_is_not_deleted(server):
    imap = server.imap()
    imap.select("INBOX")
    imap._simple_command("MOVE", "1:2", "Trash")
    assert lost(server) == []
    imap.select("Trash")
    imap.store("1", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    assert lost(server) == [("INBOX", 1)]
    server.cli("undelete", ALICE, "--all")
    assert lost(server) == [] and len(rows(imap)) == 4 and len(rows(imap, "Trash")) == 1
    imap.logout()


def test_a_deleted_folder(server):
    imap = server.imap()
    imap.create("Projects/old")
    imap.select("INBOX")
    imap.copy("1:3", "Projects/old")
    before = rows(imap, "Projects/old")
    imap.select("INBOX")
    used = server.cli_json("account", "show", ALICE)["messages"]
    imap.delete("Projects/old")
    (gone,) = server.cli_json("undelete", ALICE)["folders"]
    assert (gone["name"], gone["messages"]) == ("Projects/old", 3)
    imap.create("Projects/old")
    done = server.cli("undelete", ALICE, "--deleted-folder", gone["id"], check=False)
    assert done.returncode == 73 and "exists" in done.stderr
    assert server.cli("undelete", ALICE, "--deleted-folder", gone["id"], "--to", "Projects/found").stdout == "Projects/found: back\n"
    assert rows(imap, "Projects/found") == before
    shown = server.cli_json("account", "show", ALICE)
    assert shown["messages"] == used and server.cli_json("undelete", ALICE)["folders"] == []
    server.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
    imap.select("INBOX")
    imap.copy("1", "Projects/found")
    assert len(rows(imap, "Projects/found")) == 4
    imap.logout()
    server.restart()
    assert len(server.messages(ALICE, "Projects/found")) == 4


def test_what_never_held_mail_is_not_listed(server):
    """An empty folder is no loss; one that was emptied before it was deleted is."""
    imap = server.imap()
    imap.create("Unused")
    imap.delete("Unused")
    imap.create("Emptied")
    imap.select("INBOX")
    imap.copy("1", "Emptied")
    imap.select("Emptied")
    imap.store("1", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    imap.select("INBOX")
    imap.delete("Emptied")
    imap.logout()
    assert [(f["name"], f["messages"]) for f in server.cli_json("undelete", ALICE)["folders"]] == [("Emptied", 0)]
    assert "Emptied, 0 messages\n" in server.cli("undelete", ALICE).stdout


def test_mistakes(server):
    def fails(status, says, *args):
        done = server.cli("undelete", *args, check=False)
        assert done.returncode == status and says in done.stderr, (done.returncode, done.stderr)

    fails(64, "one account at a time", ALICE, ALICE)
    fails(67, "no such account", "nobody@example.test")
    fails(67, "no such folder", ALICE, "--folder", "Nowhere")
    fails(64, "--restore goes with", ALICE, "--restore", "1")
    fails(64, "--since wants", ALICE, "--since", "soon")
    fails(67, "nothing of this was deleted", ALICE, "--folder", "INBOX", "--restore", "1")
    fails(67, "no such deleted folder", ALICE, "--deleted-folder", "999")
    assert "No deleted messages" in server.cli("undelete", ALICE).stdout
