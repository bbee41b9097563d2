# SPDX-License-Identifier: ISC
"""SORT and THREAD (RFC 5256, 5957) against a real server."""
import re

from test_imap import logged_in, wire_append

HEADERS = [
    # subject, from, to, date, id, references
    ("[list] Beta", "Zoe <carl@x.test>", "bob@x.test", "Tue, 01 Feb 2022 10:00:00 +0000", "a@x", ""),
    ("Re: beta", "=?utf-8?Q?=C3=84nne?= <bert@x.test>", "<Amy@x.test>", "Tue, 01 Feb 2022 12:00:00 +0300", "b@x", "<a@x>"),
    ("alpha", "anna@x.test", "group: z@x.test;", "Mon, 31 Jan 2022 10:00:00 +0000", "c@x", ""),
    ("_under", "bert@x.test", "", "none", "d@x", "<gone@x>"),
    ("Fwd: alpha (fwd)", "Adam <dora@x.test>", "bob@x.test", "Wed, 02 Feb 2022 10:00:00 +0000", "e@x", "<gone@x> <d@x>"),
]


def message(n):
    subject, sender, to, date, ident, refs = HEADERS[n]
    text = f"From: {sender}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{ident}>\r\n"
    text += f"To: {to}\r\n" if to else ""
    text += f"References: {refs}\r\n" if refs else ""
    return (text + "\r\n" + "x" * (50 * (5 - n)) + f" word{n}\r\n").encode()


def filled(server, folder):
    w = logged_in(server, None)
    w.imap(f"CREATE {folder}")
    for n in range(len(HEADERS)):
        wire_append(w, message(n), folder, f'() "0{n + 1}-Jan-2021 00:00:00 +0000"')
    w.imap(f"SELECT {folder}")
    return w


def answer(w, command, kind="SORT"):
    lines = w.imap(command)
    return next(x for x in lines if x.startswith(f"* {kind}"))


def test_sort(shared_server):
    with filled(shared_server, "sort") as w:
        for criteria, order in {
            "ARRIVAL": "1 2 3 4 5",
            "REVERSE ARRIVAL": "5 4 3 2 1",
            # 2 is at 09:00 UTC; 4 has no date: its arrival counts
            "DATE": "4 3 2 1 5",
            "REVERSE SIZE": None,
            # ALPHA ALPHA BETA BETA _UNDER: title case sorts before "_"
            "SUBJECT": "3 5 1 2 4",
            "REVERSE SUBJECT": "4 1 2 3 5",
            "SUBJECT REVERSE DATE": "5 3 1 2 4",
            "FROM": "3 2 4 1 5",
            "TO": "4 2 1 5 3",
            "CC SUBJECT": "3 5 1 2 4",
            # A + diaeresis (decomposed) behind plain letters, ADAM, ANNA@X.TEST, ANNE, BERT@X.TEST, ZOE
            "DISPLAYFROM": "5 3 2 4 1",
            "DISPLAYTO": "4 2 1 5 3",
        }.items():
            got = answer(w, f"SORT ({criteria}) UTF-8 ALL")
            if order is None:
                assert sorted(got.split()[2:]) == list("12345")
            else:
                assert got == f"* SORT {order}", criteria
        assert answer(w, "SORT (SIZE) US-ASCII 1:3") == "* SORT 3 2 1"
        assert answer(w, "SORT (SUBJECT) US-ASCII TEXT word2") == "* SORT 3"
        assert answer(w, 'SORT (SUBJECT) US-ASCII TEXT "not in mailbox"') == "* SORT"
        assert answer(w, "SORT (DATE) UTF-8 SUBJECT beta") == "* SORT 2 1"
        w.imap("SORT () UTF-8 ALL", "BAD")
        w.imap("SORT (SHOE) UTF-8 ALL", "BAD")
        w.imap("SORT (REVERSE) UTF-8 ALL", "BAD")
        w.imap("SORT (DATE) UTF-8", "BAD")
        w.imap("SORT (DATE) x-what SUBJECT \"a\"", r"NO \[BADCHARSET")
        assert re.search(r"SORT 4 3 2 1 5 \(MODSEQ \d+\)", answer(w, "SORT (DATE) UTF-8 MODSEQ 1"))


def test_thread(shared_server):
    with filled(shared_server, "thread") as w:
        assert answer(w, "THREAD REFERENCES UTF-8 ALL", "THREAD") == "* THREAD (4 5)(3)(1 2)"
        assert answer(w, "THREAD ORDEREDSUBJECT UTF-8 ALL", "THREAD") == "* THREAD (4)(3 5)(2 1)"
        assert answer(w, "THREAD REFERENCES UTF-8 2,5", "THREAD") == "* THREAD (2)(5)"
        assert answer(w, "THREAD REFERENCES US-ASCII TEXT gewp", "THREAD") == "* THREAD"
        w.imap("THREAD SHOE UTF-8 ALL", "BAD")
        w.imap("THREAD REFERENCES UTF-8", "BAD")


def test_numbers_are_the_sessions(shared_server):
    """What another session expunged keeps its number until it is told; UIDs go their own way."""
    with filled(shared_server, "moved") as w, logged_in(shared_server, "moved") as other:
        other.imap("STORE 2 +FLAGS.SILENT (\\Deleted)")
        other.imap("EXPUNGE")
        assert answer(w, "SORT (ARRIVAL) UTF-8 ALL") == "* SORT 1 2 3 4 5"
        w.imap("NOOP")
        assert answer(w, "SORT (ARRIVAL) UTF-8 ALL") == "* SORT 1 2 3 4"
        assert answer(w, "UID SORT (REVERSE ARRIVAL) UTF-8 ALL") == "* SORT 5 4 3 1"
        assert answer(w, "UID THREAD REFERENCES UTF-8 ALL", "THREAD") == "* THREAD (4 5)(3)(1)"
        assert answer(w, "THREAD REFERENCES UTF-8 UID 4:5", "THREAD") == "* THREAD (3 4)"


def test_capabilities(shared_server):
    with logged_in(shared_server) as w:
        words = w.imap("CAPABILITY")[0].split()
        assert {"SORT", "SORT=DISPLAY", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT"} <= set(words)
        assert answer(w, "SORT (DATE) UTF-8 UID 4000000000:*").startswith("* SORT")
