# SPDX-License-Identifier: ISC
"""IMAP's commands about folders and items against a real server, on the wire: what the RFCs' examples say, and what they leave out."""
import base64
import re
import time

from pombo import ALICE, PASSWORD, not_at_midnight


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


# ---- FETCH items ----

ENCODED = (b"Subject: encoded\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
           b"--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
           b"<p>Caf=E9 =\r\n<b>au</b> lait</p>\r\n"
           b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n")


def test_binary_and_preview(make_server):
    s = make_server()
    content = bytes(range(256)) * 4000
    with logged_in(s) as w:
        literals(w, "APPEND INBOX ", ENCODED % base64.encodebytes(content).replace(b"\n", b"\r\n"))
        lines = w.imap("FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[2] BINARY.PEEK[1] PREVIEW)")
        assert "BINARY.SIZE[1] 26 BINARY.SIZE[2] 1024000 BINARY[1] {26}\r\n<p>Caf\xe9 <b>au</b> lait</p>" in lines[0]
        assert "PREVIEW {13}\r\nCaf\xc3\xa9 au lait" in lines[0]
        lines = w.imap("FETCH 1 BINARY.PEEK[2]<255.514>")
        assert "BINARY[2]<255> ~{514}\r\n" + (content[255:769]).decode("latin-1") in lines[0]
        lines = w.imap("FETCH 1 BINARY.PEEK[2]")
        assert lines[0] == "* 1 FETCH (BINARY[2] ~{1024000}\r\n" + content.decode("latin-1") + ")"


def fetched(w, what):
    text = "\r\n".join(w.imap(f"FETCH * ({what})"))
    return text[text.index("FETCH"):]


def test_lines_that_are_no_fields(make_server):
    """They are passed over, in the header and in a part's; all bytes come back."""
    s = make_server()
    odd = (b"From: a@example.net\r\nno field, but a line\r\n with more\r\nSubject: behind it\r\n"
           b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nstray\r\nContent-Type: text/html\r\n\r\ntext\r\n--b--\r\n")
    with logged_in(s, "Drafts") as w:
        literals(w, "APPEND Drafts ", odd)
        assert '"behind it"' in fetched(w, "ENVELOPE") and '"html"' in fetched(w, "BODYSTRUCTURE")
        assert "Subject: behind it\r\n\r\n" in fetched(w, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        assert f"{{{odd.index(b'--b')}}}\r\nFrom: a@" in fetched(w, "RFC822.HEADER")
        assert "{4}\r\ntext" in fetched(w, "BODY.PEEK[1]")
        assert f"{{{len(odd)}}}\r\n" + odd.decode() in fetched(w, "BODY.PEEK[]")
        # one that has lost its empty line: the header would be too big
        lost = b"Subject: lost\r\n" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\r\n" * 20_000
        literals(w, "APPEND Drafts ", lost)
        assert f"RFC822.SIZE {len(lost)}" in fetched(w, "RFC822.SIZE") and "{15}\r\nSubject: lost\r\n" in fetched(w, "RFC822.HEADER")
        assert f'"7bit" {len(lost) - 15} 20000' in fetched(w, "BODYSTRUCTURE")
        # text without a header that comes by SMTP: it is the body, behind our own fields
        with s.smtp() as smtp:
            smtp.sendmail("stranger@example.net", [ALICE], b"hello there\r\n\r\nSubject: none\r\n")
        w.imap("SELECT INBOX")
        assert '"7bit" 30 3' in fetched(w, "BODYSTRUCTURE") and "{30}\r\nhello there" in fetched(w, "BODY.PEEK[TEXT]")
        assert "hello" not in fetched(w, "RFC822.HEADER") and "\r\n\r\nhello there\r\n\r\nSubject: none" in fetched(w, "BODY.PEEK[]")


def test_dates_and_ids(make_server):
    s = make_server()
    not_at_midnight()
    with logged_in(s) as w:
        literals(w, "APPEND INBOX \"01-Feb-2001 10:00:00 +0000\" ", message(1))
        literals(w, "APPEND INBOX ", message(2))
        lines = w.imap("FETCH 1:2 (INTERNALDATE SAVEDATE EMAILID THREADID)")
        today = time.strftime("%d-%b-%Y", time.gmtime()).lstrip("0")
        assert '" 1-Feb-2001 10:00:00 +0000"' in lines[0] and re.search(rf'SAVEDATE "[ 0]?{today} ', lines[0])
        ids = [re.search(r"EMAILID \((M\d+)\) THREADID \(TM\d+\)", x)[1] for x in lines[:2]]
        assert ids[0] != ids[1]
        assert w.imap(f"SEARCH SAVEDON {today} BEFORE 1-Jan-2002")[0] == "* SEARCH 1"
        assert w.imap(f"SEARCH SAVEDSINCE {today} SAVEDBEFORE 1-Jan-2030")[0] == "* SEARCH 1 2"
        assert w.imap(f"SEARCH EMAILID {ids[1]}")[0] == "* SEARCH 2"
        assert w.imap("SEARCH THREADID T1")[0] == "* SEARCH"
        assert w.imap("SEARCH OLDER 86400")[0] == "* SEARCH 1" and w.imap("SEARCH YOUNGER 3600")[0] == "* SEARCH 2"
        w.imap("MOVE 2 Archive")
        lines = w.imap("SELECT Archive")
        mailbox = [re.search(r"\[MAILBOXID \((F\d+)\)\]", x) for x in lines]
        mailbox = [x[1] for x in mailbox if x][0]
        assert ids[1] in w.imap("FETCH 1 EMAILID")[0]
        w.imap("RENAME Archive Old/Archive")
        assert f"MAILBOXID ({mailbox})" in w.imap("STATUS Old/Archive (MAILBOXID)")[0]
        # What is older than the clock's beginning has days too.
        literals(w, "APPEND INBOX \"31-Dec-1969 10:00:00 +0000\" ", message(3))
        w.imap("SELECT INBOX")
        assert w.imap("SEARCH ON 31-Dec-1969")[0] == "* SEARCH 2" and w.imap("SEARCH SINCE 1-Jan-1970")[0] == "* SEARCH 1"


def test_threads_have_names(make_server):
    """RFC 8474 §5.2: the same for all that belongs together, in every mailbox, for good; large headers too."""
    s = make_server()
    with logged_in(s) as w:
        literals(w, "APPEND INBOX ", b"Subject: a\r\nMessage-ID: <1@x>\r\n\r\n")
        literals(w, "APPEND INBOX ", b"X-Long: " + b"0123456789 " * 10_000 + b"\r\nReferences: <1@x>\r\n\r\nlong\r\n")
        literals(w, "APPEND INBOX ", b"Subject: Re: a\r\nMessage-ID: <3@x>\r\nIn-Reply-To: <1@x>\r\n\r\n")
        literals(w, "APPEND INBOX ", b"Subject: b\r\nMessage-ID: <4@x>\r\n\r\n")
        lines = w.imap("FETCH 1:4 (PREVIEW THREADID BODY.PEEK[TEXT])")
        names = re.findall(r"THREADID \((T[0-9a-f]{16})\)", "\n".join(lines))
        assert len(names) == 4 and names[0] == names[1] == names[2] != names[3], lines
        assert w.imap(f"SEARCH THREADID {names[0]}")[0] == "* SEARCH 1 2 3"
        assert w.imap(f"SEARCH THREADID {names[0]} NOT SUBJECT Re")[0] == "* SEARCH 1 2"
        w.imap("COPY 2:3 Archive")
        s.cli("reindex", ALICE)
        s.restart()
    with logged_in(s, "Archive") as w:
        assert w.imap(f"SEARCH THREADID {names[0]}")[0] == "* SEARCH 1 2"
        assert w.imap("FETCH 1 THREADID")[0] == f"* 1 FETCH (THREADID ({names[0]}))"


# ---- folders ----

def test_special_uses(make_server):
    s = make_server()
    with logged_in(s) as w:
        assert len(w.imap('LIST (SPECIAL-USE) "" "*"')) == 6
        w.imap(r"CREATE Work/Special (USE (\Drafts \Sent))", r"OK \[MAILBOXID \(F\d+\)\]")
        lines = w.imap('LIST (SPECIAL-USE) "" "*" RETURN (SPECIAL-USE)')
        assert r'* LIST (\HasNoChildren \Drafts \Sent) "/" Work/Special' in lines and len(lines) == 5
        w.imap(r"CREATE Everything (USE (\All))", r"NO \[USEATTR\]")
        assert len(w.imap("LIST \"\" Everything")) == 1


def test_names_in_utf8(make_server):
    s = make_server()
    with logged_in(s) as w:
        w.imap("CREATE &ANw-ber/&U,BTFw-")
        lines = w.imap('LIST "" "Ü*"')
        assert lines[0].endswith('"/" &ANw-ber') and lines[1].endswith('"/" &ANw-ber/&U,BTFw-')
        w.imap("ENABLE IMAP4rev2")
        lines = w.imap('LIST "" *')
        assert any(x.endswith('"/" "\xc3\x9cber"') for x in lines)
        assert w.imap('CREATE "U\u0308ber/x"')[0] == '* LIST () "/" "\xc3\x9cber/x" ("OLDNAME" ("U\xcc\x88ber/x"))'
        for bad in ("a*b", "a//b", "/a", "a\x01b"):
            w.imap(f'CREATE "{bad}"', "NO|BAD")


def test_trees(make_server):
    s = make_server()
    with logged_in(s) as w:
        for name in ("a/b/c", "a/b/d", "inbox/child", "x"):
            w.imap(f"CREATE {name}")
        w.imap("SUBSCRIBE a/b/c")
        w.imap("RENAME a z/a")
        assert [x.split()[-1] for x in w.imap("LIST \"\" z*")[:-1]] == ["z", "z/a", "z/a/b", "z/a/b/c", "z/a/b/d"]
        w.imap("DELETE z/a/b")
        assert w.imap("LIST \"\" z/a/b")[0] == r'* LIST (\Noselect \HasChildren) "/" z/a/b'
        w.imap("DELETE z/a/b", r"NO \[HASCHILDREN\]")
        w.imap("SELECT z/a/b", r"NO")
        w.imap("SELECT INBOX")
        w.imap("DELETE z/a/b/c")
        w.imap("DELETE z/a/b/d")
        assert len(w.imap("LIST \"\" z/a/*")) == 1
        assert r'* LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" a/b/c' in w.imap('LIST (SUBSCRIBED) "" a*')
        literals(w, "APPEND INBOX ", message(1))
        w.imap("RENAME INBOX kept")
        assert "MESSAGES 0" in w.imap("STATUS INBOX (MESSAGES)")[0] and "MESSAGES 1" in w.imap("STATUS kept (MESSAGES)")[0]
        assert w.imap("LIST \"\" Inbox/%")[0].endswith("INBOX/child")
        w.imap("DELETE InBoX", r"NO \[CANNOT\]")
        w.imap("CREATE inboX", r"NO \[ALREADYEXISTS\]")


# ---- quota and annotations ----

def test_quota(make_server):
    s = make_server()
    with logged_in(s) as w:
        assert w.imap('GETQUOTA ""')[0] == '* QUOTA "" ()'
        s.cli("account", "quota", ALICE, "100K")
        literals(w, "APPEND INBOX (\\Deleted) ", message(1, 30_000))
        literals(w, "APPEND INBOX ", message(2, 30_000))
        lines = w.imap("GETQUOTAROOT Inbox")
        assert lines[0] == '* QUOTAROOT INBOX ""' and re.fullmatch(r'\* QUOTA "" \(STORAGE 59 100\)', lines[1])
        assert "DELETED 1 DELETED-STORAGE 30" in w.imap("STATUS INBOX (DELETED DELETED-STORAGE)")[0]
        literals(w, "APPEND INBOX ", message(3, 50_000), reply=r"NO \[OVERQUOTA\]")
        w.imap("COPY 1:2 Sent", r"NO \[OVERQUOTA\]")
        w.imap('SETQUOTA "" (STORAGE 1000)', r"NO \[NOPERM\]")
        assert "QUOTASET" not in w.imap("CAPABILITY")[0]


def test_quota_of_messages(make_server):
    s = make_server()
    s.cli("account", "quota", ALICE, "--messages", "3")
    with logged_in(s) as w:
        assert "QUOTA=RES-MESSAGE" in w.imap("CAPABILITY")[0]
        literals(w, "APPEND INBOX (\\Deleted) ", message(1), " ", message(2))
        assert w.imap('GETQUOTA ""')[0] == '* QUOTA "" (MESSAGE 2 3)'
        literals(w, "APPEND INBOX ", message(3), " ", message(4), reply=r"NO \[OVERQUOTA\]")
        w.imap("COPY 1:2 Sent", r"NO \[OVERQUOTA\]")
        s.deliver(ALICE, "Subject: the third\r\n\r\nx\r\n")
        with s.smtp() as smtp:
            smtp.ehlo()
            smtp.mail("stranger@example.net")
            code, text = smtp.rcpt(ALICE)
            assert code == 452 and text.startswith(b"4.2.2 ")
        literals(w, "REPLACE 2 INBOX ", message(5))
        assert "(MESSAGES 3 DELETED 1)" in w.imap("STATUS INBOX (MESSAGES DELETED)")[0]
        s.cli("account", "quota", ALICE, "1M")
        assert re.fullmatch(r'\* QUOTA "" \(STORAGE \d+ 1024 MESSAGE 3 3\)', w.imap('GETQUOTA ""')[0])
        w.imap("EXPUNGE")
        assert re.fullmatch(r'\* QUOTA "" \(STORAGE \d+ 1024 MESSAGE 2 3\)', w.imap('GETQUOTA ""')[0])
        s.cli("account", "quota", ALICE, "none", "--messages", "none")
        assert w.imap('GETQUOTA ""')[0] == '* QUOTA "" ()'


def test_annotations(make_server):
    s = make_server()
    with logged_in(s) as w:
        literals(w, "SETMETADATA Drafts (/private/comment ", b"two\r\nlines", ' /shared/comment "x")')
        assert w.imap("GETMETADATA Drafts (/private/comment /shared/comment /shared/none)")[0] == (
            '* METADATA Drafts (/private/comment {10}\r\ntwo\r\nlines /shared/comment "x" /shared/none NIL)')
        w.imap("RENAME Drafts Elsewhere/Drafts")
        assert '"x"' in w.imap("GETMETADATA Elsewhere/Drafts /shared/comment")[0]
        w.imap("DELETE Elsewhere/Drafts")
        w.imap("CREATE Elsewhere/Drafts")
        assert "NIL" in w.imap("GETMETADATA Elsewhere/Drafts /shared/comment")[0]
        w.imap('SETMETADATA Elsewhere/Drafts (/private/specialuse "\\\\Drafts")')
        assert r'* LIST (\HasNoChildren \Drafts) "/" Elsewhere/Drafts' in w.imap('LIST (SPECIAL-USE) "" "*"')
        big = b"v" * 65536
        for n in range(20):
            literals(w, f"SETMETADATA INBOX (/private/big/{n} ", big, ")")
        lines = w.imap("GETMETADATA (DEPTH 1) INBOX /private/big")
        assert sum(x.count(big.decode()) for x in lines) == 20
        assert "LONGENTRIES 65536" in w.imap("GETMETADATA (DEPTH 1 MAXSIZE 100) INBOX /private/big")[-1]
        literals(w, "SETMETADATA INBOX (/private/bigger ", big + b"v", ")", reply=r"NO \[METADATA MAXSIZE 65536\]")
        for n in range(80):
            w.imap(f'SETMETADATA INBOX (/shared/{n} "x")')
        w.imap('SETMETADATA INBOX (/shared/more "x")', r"NO \[METADATA TOOMANY\]")
        w.imap('SETMETADATA "" (/private/vendor/x/y "z")')
    s.restart()
    with logged_in(s) as w:
        assert w.imap("GETMETADATA (DEPTH infinity) \"\" /private")[0] == '* METADATA "" (/private/vendor/x/y "z")'


# ---- keywords ----

def test_thousands_of_keywords(make_server):
    s = make_server()
    with logged_in(s) as w, logged_in(s) as other:
        for n in range(20):
            literals(w, "APPEND INBOX ", message(n))
        other.imap("NOOP")
        for n in range(20):
            w.imap(f"STORE {n + 1} +FLAGS.SILENT ({' '.join(f'word-{n}-{k}' for k in range(150))})")
        lines = w.imap("SELECT INBOX")
        flags, permanent = [x for x in lines if "FLAGS (" in x]
        assert r"\*" in permanent and all(f" word-{n}-{k} " in flags[:-1] + " " for n in range(20) for k in range(150))
        names = re.search(r"FLAGS \((.*)\)", flags)[1].split()
        assert len(names) == 5 + 3000 and len({x.lower() for x in names}) == len(names)
        assert not any(x.startswith("* FLAGS") for x in w.imap("STORE 5 +FLAGS (WORD-3-3 Word-4-4)"))
        assert any(x.startswith("* FLAGS") and " Word-x)" in x for x in w.imap("STORE 5 +FLAGS (Word-x word-4-5)"))
        w.imap("STORE 5 -FLAGS (word-3-3 word-x)")
        assert w.imap("SEARCH KEYWORD WORD-7-3")[0] == "* SEARCH 8"
        assert w.imap("SEARCH UNKEYWORD word-7-3")[0] == "* SEARCH " + " ".join(str(n) for n in range(1, 21) if n != 8)
        assert any(x.startswith("* 20 FETCH") and "word-19-149" in x for x in other.imap("NOOP"))
        w.imap("STORE 1 +FLAGS (" + " ".join(f"more-{k}" for k in range(150)) + ")", r"NO \[LIMIT\]")
        w.imap("STORE 1 +FLAGS (" + " ".join(f"more-{k}" for k in range(300)) + ")", r"NO \[LIMIT\]")
        w.imap(f"STORE 1 +FLAGS ({'k' * 255})")
        w.imap(f"STORE 1 +FLAGS ({'k' * 256})", r"NO \[LIMIT\]")
        w.imap(r"STORE 1 +FLAGS (\Odd)", "BAD")
        for n in range(7):
            w.imap(f"STORE {n + 8} FLAGS ({' '.join(f'other-{n}-{k}' for k in range(150))})")
        w.imap("STORE 15 FLAGS (" + " ".join(f"last-{k}" for k in range(150)) + ")", r"NO \[LIMIT\]")
        assert "word-14-3" in w.imap("FETCH 15 FLAGS")[0]
