# SPDX-License-Identifier: ISC
"""NOTIFY (RFC 5465): one session is told what another one does, without asking."""
import re
import threading

from pombo import ALICE, PASSWORD

MESSAGE = b"Subject: news\r\nFrom: a@example.net\r\n\r\ntext\r\n"


def logged_in(server, *commands):
    w = server.wire("imaps")
    w.read_line()
    w.imap(f'LOGIN {ALICE} "{PASSWORD}"')
    for c in commands:
        w.imap(c)
    return w


def append(w, mailbox):
    w.send(f"app APPEND {mailbox} {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE + b"\r\n")
    lines = w.read_tagged("app")
    assert lines[-1].startswith("app OK"), lines


def status(line):
    """(mailbox, its items)"""
    m = re.match(r"\* STATUS (\S+) \((.*)\)$", line)
    assert m, line
    words = m[2].split()
    return m[1], {k: int(v) for k, v in zip(words[::2], words[1::2])}


def test_messages(make_server):
    server = make_server()
    with logged_in(server) as a, logged_in(server) as b:
        lines = a.imap("NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge FlagChange)) "
                       "(personal (MessageNew MessageExpunge FlagChange))")
        told = dict(status(x) for x in lines[:-1])
        assert set(told) == {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"}
        assert all(set(x) == {"MESSAGES", "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ"} for x in told.values())
        a.imap("SELECT INBOX")
        append(b, "INBOX")
        assert a.read_line() == "* 1 EXISTS"
        assert re.match(r"\* 1 FETCH \(UID 1 BODY\[HEADER.FIELDS \(SUBJECT\)\] \{17\}", a.read_line())
        assert [a.read_line() for _ in range(3)] == ["Subject: news", "", ")"]
        append(b, "Archive")
        name, items = status(a.read_line())
        assert name == "Archive" and items == {"MESSAGES": 1, "UIDNEXT": 2, "UIDVALIDITY": told["Archive"]["UIDVALIDITY"], "UNSEEN": 1}
        b.imap("SELECT Archive")
        b.imap(r"STORE 1 +FLAGS (\Flagged)")  # nothing that a client without CONDSTORE can be told
        b.imap(r"STORE 1 +FLAGS (\Seen)")
        assert status(a.read_line()) == ("Archive", {"UIDVALIDITY": told["Archive"]["UIDVALIDITY"], "UNSEEN": 0})
        b.imap(r"STORE 1 +FLAGS (\Deleted)")
        b.imap("EXPUNGE")
        assert status(a.read_line())[1]["MESSAGES"] == 0
        b.imap("SELECT INBOX")
        b.imap(r"STORE 1 +FLAGS (\Flagged \Deleted)")
        assert a.read_line() == r"* 1 FETCH (UID 1 FLAGS (\Flagged \Deleted))"
        b.imap("EXPUNGE")
        assert a.read_line() == "* 1 EXPUNGE"
        # its own messages it knows of; that one more is unseen it may hear
        append(a, "Drafts")
        assert all("MESSAGES" not in status(x)[1] for x in a.imap("NOOP")[:-1])
        append(b, "Drafts")
        while "MESSAGES" not in (items := status(a.read_line())[1]):
            assert set(items) == {"UIDVALIDITY", "UNSEEN"}, items  # of the former, and told late
        assert items["MESSAGES"] == 2
        assert a.imap("NOTIFY NONE")[:-1] == []
        append(b, "Drafts")
        append(b, "INBOX")
        assert a.imap("NOOP")[:-1] == []


def test_condstore(make_server):
    server = make_server()
    with logged_in(server, "ENABLE QRESYNC", "SELECT INBOX") as a, logged_in(server) as b:
        append(b, "INBOX")
        append(b, "INBOX")
        assert "* 2 EXISTS" in a.imap("NOTIFY SET (selected-delayed (MessageNew (FLAGS) MessageExpunge FlagChange)) (mailboxes (Sent Junk) "
                                      "(MessageNew MessageExpunge FlagChange))")
        assert [re.match(r"\* \d FETCH \(UID (\d) FLAGS \(\) MODSEQ", a.read_line())[1] for _ in range(2)] == ["1", "2"]
        append(b, "Sent")
        assert set(status(a.read_line())[1]) == {"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"}
        b.imap("SELECT Sent")
        b.imap(r"STORE 1 +FLAGS (\Flagged)")
        assert set(status(a.read_line())[1]) == {"UIDVALIDITY", "HIGHESTMODSEQ"}
        append(b, "Trash")
        b.imap("SELECT INBOX")
        b.imap(r"STORE 1 +FLAGS (\Deleted)")
        assert re.match(r"\* 1 FETCH \(UID 1 FLAGS \(\\Deleted\) MODSEQ \(\d+\)\)", a.read_line())
        b.imap("EXPUNGE")
        assert a.read_line().startswith("* OK [HIGHESTMODSEQ ")
        assert "* VANISHED 1" in a.imap("NOOP")
        a.send("i IDLE\r\n")
        assert a.read_line().startswith("+")
        append(b, "Junk")
        assert status(a.read_line())[0] == "Junk"
        b.imap(r"STORE 1 +FLAGS (\Deleted)")
        assert r"FLAGS (\Deleted)" in a.read_line()
        b.imap("EXPUNGE")
        assert a.read_line() == "* VANISHED 2"
        a.send("DONE\r\n")
        while not a.read_line().startswith("i OK"):
            pass


def test_names_and_annotations(make_server):
    server = make_server()
    with logged_in(server) as a, logged_in(server) as b:
        a.imap("NOTIFY SET (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))")
        b.imap("CREATE one/two")
        assert [a.read_line() for _ in range(2)] == [r'* LIST (\HasChildren) "/" one', r'* LIST (\HasNoChildren) "/" one/two']
        b.imap("SUBSCRIBE one/two")
        assert a.read_line() == r'* LIST (\HasNoChildren \Subscribed) "/" one/two'
        b.imap("RENAME one three")
        assert a.read_line() == r'* LIST (\HasChildren) "/" three ("OLDNAME" (one))'
        b.imap("UNSUBSCRIBE one/two")
        assert a.read_line() == r'* LIST (\NonExistent \Noselect \HasNoChildren) "/" one/two'
        b.imap("DELETE three")
        assert a.read_line() == r'* LIST (\Noselect \HasChildren) "/" three'
        b.imap("DELETE three/two")
        lines = sorted(a.read_line() for _ in range(2))
        assert lines == [r'* LIST (\NonExistent \Noselect \HasNoChildren) "/" three',
                         r'* LIST (\NonExistent \Noselect \HasNoChildren) "/" three/two']
        append(b, "INBOX")
        b.imap("RENAME INBOX kept")
        assert a.read_line() == r'* LIST (\HasNoChildren) "/" kept'
        b.imap('SETMETADATA INBOX (/shared/comment "x")')
        assert a.read_line() == "* METADATA INBOX /shared/comment"
        b.imap('SETMETADATA INBOX (/shared/comment NIL)')
        assert a.read_line() == "* METADATA INBOX /shared/comment"
        b.imap('SETMETADATA "" (/private/comment "x")')
        assert a.read_line() == '* METADATA "" /private/comment'
        b.imap('SETMETADATA kept (/private/specialuse "\\\\Archive")')
        assert sorted(a.read_line() for _ in range(2)) == ["* METADATA Archive /private/specialuse", "* METADATA kept /private/specialuse"]
        # its own
        for c in ("CREATE a/b/c", "SUBSCRIBE a/b", "RENAME a/b d", "DELETE d/c", "DELETE d", "UNSUBSCRIBE d", "UNSUBSCRIBE a/b",
                  'SETMETADATA INBOX (/shared/comment "y")'):
            a.imap(c)
        told = a.imap("NOOP")[:-1]
        assert [x for x in told if " d" not in x and "a/b" not in x and not x.endswith('"/" a')] == []


def test_many_commits(make_server):
    """However many changes are told as one: in the end the client knows how things stand."""
    server = make_server()
    with logged_in(server) as a:
        boxes = ["Drafts", "Sent", "Junk", "Trash", "Archive"]
        lines = a.imap("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))")
        known = {k: v["MESSAGES"] for k, v in map(status, lines[:-1])}

        def write(n):
            with logged_in(server) as w:
                for i in range(40):
                    append(w, boxes[(i + n) % len(boxes)])

        writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for t in writers:
            t.start()
        heard = 0
        while sum(known.values()) < 120:
            name, items = status(a.read_line())
            assert items["MESSAGES"] > known[name] and items["UIDNEXT"] == items["MESSAGES"] + 1
            known[name] = items["MESSAGES"]
            heard += 1
        for t in writers:
            t.join()
        assert all(known[b] == 24 for b in boxes) and heard <= 120
        assert a.imap("NOOP")[:-1] == []
