# SPDX-License-Identifier: ISC
"""IMAP's commands about folders and items against a real server, on the wire: what the RFCs' examples say, and what they leave out."""
import re

import pytest

from pombo import ALICE, PASSWORD


def logged_in(server, folder="INBOX"):
    w = server.wire("imaps")
    w.read_line()
    w.imap(f'LOGIN {ALICE} "{PASSWORD}"')
    if folder:
        w.imap(f"SELECT {folder}")
    return w


def literals(w, command, *pieces, reply="OK"):
    """A command with non-synchronising literals: text, literal, text, literal …; its response lines."""
    text = b"lit " + command.encode()
    for piece in pieces:
        text += f"{{{len(piece)}+}}\r\n".encode() + piece if isinstance(piece, bytes) else piece.encode()
    w.send(text + b"\r\n")
    lines = w.read_tagged("lit")
    assert re.match(f"lit {reply}", lines[-1]), lines
    return lines


def message(n, size=0):
    return f"Subject: number {n}\r\n\r\n".encode() + b"0123456789abcdef\r\n" * (size // 18) + b"end\r\n"


# ---- APPEND and REPLACE ----

def test_multiappend(make_server):
    s = make_server()
    with logged_in(s, "Drafts") as w:
        sizes = [10, 200_000, 10, 100_000, 3_000_000, 10]
        pieces = [x for n, size in enumerate(sizes) for x in (message(n, size), f' (\\Flagged k{n}) "0{n + 1}-Feb-2020 00:00:00 +0000" ')][:-1]
        lines = literals(w, "APPEND Drafts ", *pieces)
        assert re.search(r"OK \[APPENDUID \d+ 1:6\]", lines[-1]) and "* 6 EXISTS" in lines
        lines = [x for x in w.imap("FETCH 1:* (RFC822.SIZE FLAGS INTERNALDATE)") if " FETCH " in x]
        for n, size in enumerate(sizes):
            assert f"RFC822.SIZE {len(message(n, size))}" in lines[n]
            if n:
                assert f"\\Flagged k{n - 1}" in lines[n] and re.search(f'INTERNALDATE "[0 ]{n}-Feb-2020 00:00:00', lines[n])
        # all or none
        lines = literals(w, "APPEND Drafts ", message(1), " ", b"bare \n line end", reply=r"NO \[CANNOT\]")
        lines = literals(w, "APPEND Drafts ", message(1, 100_000), " ", b"", reply=r"NO \[CANNOT\]")
        assert "* 6 EXISTS" not in lines
        w.imap("STATUS Drafts (MESSAGES UIDNEXT)", r"OK")
        assert "MESSAGES 6 UIDNEXT 7" in w.imap("STATUS Drafts (MESSAGES UIDNEXT)")[0]


def test_many_in_one_append(make_server):
    s = make_server()
    with logged_in(s) as w:
        many = [x for n in range(256) for x in (message(n), " ")][:-1]
        assert "[APPENDUID " in literals(w, "APPEND INBOX ", *many)[-1]
        literals(w, "APPEND INBOX ", *many, " ", message(0), reply=r"NO \[LIMIT\]")
        assert "MESSAGES 256" in w.imap("STATUS INBOX (MESSAGES)")[0]


def test_append_over_quota_keeps_nothing(make_server):
    s = make_server()
    s.cli("account", "quota", ALICE, "20K")
    with logged_in(s) as w:
        literals(w, "APPEND INBOX ", message(1, 9000), " ", message(2, 9000))
        literals(w, "APPEND INBOX ", message(3), " ", message(4, 9000), reply=r"NO \[OVERQUOTA\]")
        assert "MESSAGES 2" in w.imap("STATUS INBOX (MESSAGES)")[0]
        literals(w, "REPLACE 2 INBOX ", message(5, 9000))
        assert "MESSAGES 2 UIDNEXT 4" in w.imap("STATUS INBOX (MESSAGES UIDNEXT)")[0]


def test_replace(make_server):
    s = make_server()
    with logged_in(s, "Drafts") as w, logged_in(s, "Drafts") as other:
        for n in range(4):
            literals(w, "APPEND Drafts (\\Draft) ", message(n))
        assert "* 4 EXISTS" in other.imap("NOOP")
        lines = literals(w, "REPLACE 4 Drafts (\\Seen \\Draft) ", message(5))
        assert re.match(r"\* OK \[APPENDUID \d+ 5\]", lines[0])
        assert lines.index("* 5 EXISTS") < lines.index("* 4 EXPUNGE")
        lines = other.imap("NOOP")
        assert "* 4 EXPUNGE" in lines
        lines = literals(other, "UID REPLACE 5 Sent ", message(6))
        assert re.match(r"\* OK \[APPENDUID \d+ 1\]", lines[0]) and "* 4 EXPUNGE" in lines
        literals(w, "UID REPLACE 5 Sent ", message(7), reply=r"NO \[EXPUNGEISSUED\]")
        assert "MESSAGES 1" in w.imap("STATUS Sent (MESSAGES)")[0]
        assert "MESSAGES 3" in w.imap("STATUS Drafts (MESSAGES)")[0]
