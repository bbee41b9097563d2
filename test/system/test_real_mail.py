# SPDX-License-Identifier: ISC
"""Real mail, kept as it came: what others test their parsers with is delivered, and read back by IMAP and POP3 byte for byte.

The messages stand beside the project (../shared/mail) or in the folders that POMBO_TEST_MAIL names (parted by ":"); without any the
tests are skipped."""
import os
import pathlib
import poplib
import re

import pytest

from pombo import ALICE, ROOT

FOLDERS = [pathlib.Path(p) for p in os.environ.get("POMBO_TEST_MAIL", "").split(":") if p] or [ROOT.parent / "shared" / "mail"]
MAX_BYTES = 2_000_000


def messages():
    found = []
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and path.suffix in (".eml", ".msg", ".txt", ".mbox", "") and path.name != "README.md" \
                    and 0 < path.stat().st_size < MAX_BYTES:
                found.append(path)
    return found


def crlf(raw):
    raw = re.sub(rb"(?<!\r)\n", b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def is_refused(raw):
    """What no SMTP message may hold: a CR that ends no line, a NUL."""
    return b"\0" in raw or re.search(rb"\r(?!\n)", raw) is not None


def may_be_refused(raw):
    """Policies of ours that real mail may run into: a header over 256 KiB, more than 50 hops."""
    return len(raw.partition(b"\r\n\r\n")[0]) > 256 * 1024 or raw.count(b"\nReceived:") > 50


def send(s, raw):
    assert s.mail("sender@example.net", ["BODY=8BITMIME", "SMTPUTF8"])[0] == 250
    assert s.rcpt(ALICE)[0] == 250
    assert s.docmd("DATA")[0] == 354
    s.send(re.sub(rb"(?m)^\.", b"..", raw) + b".\r\n")
    return s.getreply()


def fetch_all(connection, item):
    """uid → bytes of one item that comes as a literal."""
    got = {}
    _, data = connection.uid("FETCH", "1:*", f"({item})")
    for part in data:
        if isinstance(part, tuple):
            got[int(re.search(rb"UID (\d+)", part[0]).group(1))] = part[1]
    return got


def test_real_mail_comes_back_as_it_was(shared_server, monkeypatch):
    paths = messages()
    if not paths:
        pytest.skip("no mail to test with: neither ../shared/mail nor POMBO_TEST_MAIL")
    kept, refused = [], []
    s = shared_server.smtp()
    s.ehlo()
    for path in paths:
        raw = crlf(path.read_bytes())
        code, text = send(s, raw)
        if is_refused(raw):
            assert code // 100 == 5, f"{path}: {code} {text}"
            refused.append(path)
        elif code != 250:
            assert may_be_refused(raw), f"{path}: {code} {text}"
        else:
            kept.append((path, raw))
        if len(kept) % 15 == 0:  # errors count against a connection
            s.quit()
            s = shared_server.smtp()
            s.ehlo()
    s.quit()
    assert len(kept) > len(paths) * 0.8

    with shared_server.imap() as c:
        c.select("INBOX", readonly=True)
        bodies = fetch_all(c, "BODY.PEEK[]")
        _, structures = c.uid("FETCH", "1:*", "(BODYSTRUCTURE ENVELOPE RFC822.SIZE)")
    assert len(bodies) == len(kept)
    for (path, raw), uid in zip(kept, sorted(bodies)):
        assert bodies[uid].endswith(raw), f"{path} is not what was sent"
        prefix = bodies[uid][:-len(raw)]
        assert prefix.startswith(b"Return-Path: <sender@example.net>\r\n"), path
        assert prefix.endswith(b"\r\n") and b"\r\n\r\n" not in prefix[:-2], path
    answers = b"".join(b"".join(p) if isinstance(p, tuple) else p for p in structures)
    assert answers.count(b"BODYSTRUCTURE (") == len(kept)
    assert answers.count(b"ENVELOPE (") == len(kept)
    sizes = sorted(int(n) for n in re.findall(rb"RFC822\.SIZE (\d+)", answers))
    assert sizes == sorted(len(b) for b in bodies.values())

    monkeypatch.setattr(poplib, "_MAXLINE", MAX_BYTES)  # real mail has longer lines than it reads by itself
    p = shared_server.pop3()
    assert p.stat()[0] == len(kept)
    for number, uid in enumerate(sorted(bodies), 1):
        raw = b"".join(line + b"\r\n" for line in p.retr(number)[1])
        assert raw == bodies[uid], f"message {number} differs between POP3 and IMAP"
    p.quit()
