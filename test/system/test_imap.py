# SPDX-License-Identifier: ISC
"""IMAP against a real server: Python's imaplib where a client matters, raw connections where the wire does."""
import base64
import concurrent.futures
import hashlib
import hmac
import imaplib
import os
import re
import time

import pytest

import pombo
from pombo import ALICE, PASSWORD, SLOW
from wire import Closed

MESSAGE = "From: Ann <ann@example.net>\r\nTo: alice@example.test\r\nSubject: number %d\r\n\r\nText %d.\r\n"


def append(client, n, flags="", folder="INBOX"):
    status, data = client.append(folder, flags, None, (MESSAGE % (n, n)).encode())
    assert status == "OK", data


def logged_in(server, folder="INBOX"):
    w = server.wire("imaps")
    w.read_line()
    w.imap(f'LOGIN {ALICE} "{PASSWORD}"')
    if folder:
        w.imap(f"SELECT {folder}")
    return w


def wire_append(w, text, folder="INBOX", flags="()"):
    w.tag = f"t{int(getattr(w, 'tag', 't0')[1:]) + 1}"
    w.send(f"{w.tag} APPEND {folder} {flags} {{{len(text)}+}}\r\n".encode() + text + b"\r\n")
    lines = w.read_tagged(w.tag)
    assert lines[-1].startswith(f"{w.tag} OK"), lines
    return lines


# ---- logging in ----

def test_nothing_secret_before_tls(shared_server):
    with shared_server.wire("imap") as w:
        assert "LOGINDISABLED" in w.read_line() and "AUTH=" not in w.log[-1]
        w.imap(f'LOGIN {ALICE} "{PASSWORD}"', r"NO \[PRIVACYREQUIRED\]")
        w.imap("AUTHENTICATE PLAIN", r"NO \[PRIVACYREQUIRED\]")
        w.imap("STARTTLS")
        w.start_tls(shared_server.tls())
        assert not re.search("STARTTLS|LOGINDISABLED", w.imap("CAPABILITY")[0])
        w.imap("STARTTLS", "BAD")
        w.imap(f'LOGIN {ALICE} "{PASSWORD}"')


def test_bytes_sent_ahead_of_tls_end_the_connection(shared_server):
    with shared_server.wire("imap") as w:
        w.read_line()
        w.send("a STARTTLS\r\nb NOOP\r\n")
        with pytest.raises(Closed):
            for _ in range(3):
                assert "b OK" not in w.read_line()


def test_passwords_in_the_clear_where_asked_for(make_server):
    s = make_server(config=["allow-plaintext-auth-on-loopback = yes"])
    with s.wire("imap") as w:
        assert "AUTH=PLAIN" in w.read_line()
        w.imap(f'LOGIN {ALICE} "{PASSWORD}"')


def test_imaplib_over_starttls(shared_server):
    c = imaplib.IMAP4(shared_server.address, shared_server.ports["imap"])
    assert c.starttls(shared_server.tls())[0] == "OK"
    assert c.login(ALICE, PASSWORD)[0] == "OK"
    assert c.logout()[0] == "BYE"


def scram_client(user, password):
    """RFC 5802, 7677, as a generator: takes the server's words, gives the client's."""
    nonce = base64.b64encode(os.urandom(12)).decode()
    first = f"n={user},r={nonce}"
    server_first = yield "n,," + first
    attributes = dict(a.split("=", 1) for a in server_first.split(","))
    assert attributes["r"].startswith(nonce) and int(attributes["i"]) >= 100_000
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(attributes["s"]), int(attributes["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={attributes['r']}"
    auth = f"{first},{server_first},{without_proof}".encode()
    proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")))
    server_final = yield f"{without_proof},p={base64.b64encode(proof).decode()}"
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
    assert server_final == "v=" + base64.b64encode(signature).decode()
    yield ""


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_authenticate(shared_server, mechanism):
    plain = iter([f"\0{ALICE}\0{PASSWORD}"])
    login = iter([ALICE, PASSWORD])
    scram = scram_client(ALICE, PASSWORD)
    started = []

    def answer(challenge):
        if mechanism == "PLAIN":
            return next(plain).encode()
        if mechanism == "LOGIN":
            return next(login).encode()
        text = scram.send(challenge.decode() if started else None)
        started.append(1)
        return text.encode()

    c = shared_server.imap(user=None)
    assert c.authenticate(mechanism, answer)[0] == "OK"
    assert c.select()[0] == "OK"
    c.logout()


def test_wrong_passwords_end_it(make_server):
    s = make_server(config=["max-auth-failures = 2"])
    with s.wire("imaps") as w:
        w.read_line()
        w.imap(f'LOGIN {ALICE} "wrong"', r"NO \[AUTHENTICATIONFAILED\]")
        w.line(f'x LOGIN nobody@example.test "wrong"')
        assert w.read_line().startswith("* BYE")
        w.expect_closed()


def test_slow_logins_end(make_server):
    s = make_server(config=["login-timeout = 1s"])
    with s.wire("imap") as w:  # a TLS handshake has no longer than that either
        w.read_line()
        assert w.read_line(timeout=4 * SLOW).startswith("* BYE")
        w.expect_closed()


# ---- what a client does with it ----

def test_imaplib_walks_through(make_server):
    c = make_server().imap()
    assert c.create("Work")[0] == "OK"
    assert c.create("Work/Caf&AOk-")[0] == "OK"
    assert c.subscribe("Work/Caf&AOk-")[0] == "OK"
    listed = b"\n".join(c.list()[1])
    assert b"Work/Caf&AOk-" in listed and b"\\HasChildren" in listed and b"\\Trash" in listed
    assert b"Caf&AOk-" in b"\n".join(c.lsub()[1])
    for n in range(1, 11):
        append(c, n)
    assert c.select() == ("OK", [b"10"])
    assert c.search(None, "SUBJECT", '"number 7"') == ("OK", [b"7"])
    assert c.search(None, "UNSEEN", "NOT", "2:9") == ("OK", [b"1 10"])
    assert c.fetch("3", "(BODY[])")[1][0][1] == (MESSAGE % (3, 3)).encode()
    assert c.search(None, "SEEN") == ("OK", [b"3"])
    assert c.store("1:4", "+FLAGS", r"(\Deleted)")[0] == "OK"
    assert c.copy("1,3,5", '"Work"')[0] == "OK"
    assert c.expunge()[1] == [b"4", b"3", b"2", b"1"]
    assert c.uid("MOVE", "6:7", "Work/Caf&AOk-")[0] == "OK"
    assert c.search(None, "ALL") == ("OK", [b"1 2 3 4"])
    assert c.uid("FETCH", "1:*", "(UID)")[1] == [b"1 (UID 5)", b"2 (UID 8)", b"3 (UID 9)", b"4 (UID 10)"]
    assert c.status("Work", "(MESSAGES UIDNEXT)") == ("OK", [b"Work (MESSAGES 3 UIDNEXT 4)"])
    assert c.rename("Work", "Play")[0] == "OK"
    assert c.status("Play/Caf&AOk-", "(MESSAGES)")[1] == [b"Play/Caf&AOk- (MESSAGES 2)"]
    assert c.close()[0] == "OK"
    assert c.delete("Play/Caf&AOk-")[0] == "OK"
    assert c.delete("INBOX")[0] == "NO"
    assert c.logout()[0] == "BYE"


def test_twenty_mebibytes(make_server):
    s = make_server()
    body = (b"0123456789abcdef" * 4 + b"\r\n") * (20 * 1024 * 1024 // 66)
    text = b"Subject: big\r\n\r\n" + body
    with logged_in(s) as w:
        wire_append(w, text)
        lines = w.imap("FETCH 1 (RFC822.SIZE BODY.PEEK[])", timeout=60 * SLOW)
        fetched = next(line for line in lines if " FETCH (" in line)
        assert f"RFC822.SIZE {len(text)}" in fetched and f"{{{len(text)}}}" in fetched
        assert fetched.partition("}\r\n")[2].encode("latin-1")[:-1] == text
        part = next(line for line in w.imap("FETCH 1 BODY.PEEK[TEXT]<1000000.10>") if " FETCH (" in line)
        assert part.endswith(body[1000000:1000010].decode() + ")")


def test_odd_messages_come_back_byte_for_byte(make_server):
    """Appended; what comes by SMTP is in test_real_mail.py."""
    s = make_server()
    odd = [b"\r\n", b"\r\nno header\r\n", b"Subject: no end", b" starts with a blank\r\n\r\nx\r\n",
           b"Subject: \xff\xfe 8-bit\r\n\r\n\x80\x81\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n",
           b"A: b\r\n" * 500 + b"\r\n" + b"x" * 100_000 + b"\r\n"]
    with logged_in(s) as w:
        for text in odd:
            wire_append(w, text)
        for n, text in enumerate(odd, 1):
            fetched = next(line for line in w.imap(f"FETCH {n} (BODY.PEEK[])") if " FETCH (" in line)
            assert fetched.partition("}\r\n")[2].encode("latin-1")[:-1] == text
        answers = w.imap("FETCH 1:* (BODYSTRUCTURE ENVELOPE BODY.PEEK[HEADER] BODY.PEEK[1])")
        assert sum(" BODYSTRUCTURE (" in line for line in answers) == len(odd)


def test_connections_over_the_limit_are_told(make_server):
    s = make_server(config=["processes = 1", "max-connections-per-address = 2"])
    with s.wire("imap") as a, s.wire("imap") as b:
        a.read_line()
        b.read_line()
        with s.wire("imap") as c:
            assert c.read_line().startswith("* BYE [LIMIT]")
            c.expect_closed()
        a.imap("NOOP")


def test_reload_drops_no_session(make_server):
    s = make_server()
    with logged_in(s) as w:
        w.line("i IDLE")
        w.read_line()
        s.configure(["max-message-size = 1M"])
        s.reload()
        s.deliver(ALICE, "Subject: hello\r\n\r\nhi\r\n")
        assert w.read_line() == "* 1 EXISTS"
        w.line("DONE")
        assert w.read_line() == "i OK IDLE completed"
        w.imap("APPEND INBOX {1500000}", r"NO \[TOOBIG\]")


# ---- several sessions ----

def test_two_sessions_in_step(make_server):
    s = make_server()
    with logged_in(s) as a, logged_in(s) as b:
        for n in range(4):
            wire_append(a, (MESSAGE % (n, n)).encode())
        assert "* 4 EXISTS" in b.imap("NOOP")
        a.imap(r"STORE 2 +FLAGS (\Deleted \Flagged)")
        assert r"* 2 FETCH (FLAGS (\Flagged \Deleted))" in b.imap("NOOP")
        assert "* 2 EXPUNGE" in a.imap("EXPUNGE")
        # Not told before a command that may tell it; until then the message is there under its number.
        assert [line for line in b.imap("FETCH 1:4 (UID)")[:-1]] == [f"* {n} FETCH (UID {n})" for n in range(1, 5)]
        assert not any("EXPUNGE" in line for line in b.imap("SEARCH ALL") + b.imap("STORE 1 +FLAGS (\\Seen)"))
        assert "* 2 EXPUNGE" in b.imap("NOOP")
        # A silent write is not echoed to its own session, but told to the other.
        assert len(b.imap(r"STORE 1 +FLAGS.SILENT (\Answered)")) == 1
        assert any("\\Answered" in line for line in a.imap("NOOP"))


def test_idle_is_told_at_once(make_server):
    s = make_server()
    took, appends = [], []
    with logged_in(s) as a, logged_in(s) as b:
        b.line("i IDLE")
        assert b.read_line().startswith("+ ")
        for n in range(1, 21):
            began = time.monotonic()
            wire_append(a, (MESSAGE % (n, n)).encode())
            done = time.monotonic()
            while b.read_line() != f"* {n} EXISTS":
                pass
            took.append(time.monotonic() - done)
            appends.append(done - began)
        # On a machine that is busy with other things everything takes long, the APPEND too.
        assert sorted(took)[10] < max(0.02 * SLOW, 3 * sorted(appends)[10]), (took, appends)
        a.imap(r"STORE 5 +FLAGS (\Deleted)")
        assert b.read_line() == r"* 5 FETCH (FLAGS (\Deleted))"
        a.imap("EXPUNGE")
        assert b.read_line() == "* 5 EXPUNGE"
        b.line("DONE")
        assert b.read_line() == "i OK IDLE completed"


def test_delivery_wakes_idle(make_server):
    s = make_server()
    with logged_in(s) as w:
        w.line("i IDLE")
        w.read_line()
        s.deliver(ALICE, "Subject: hello\r\n\r\nhi\r\n")
        assert w.read_line() == "* 1 EXISTS"


def test_many_watchers(make_server):
    s = make_server()
    watchers = [logged_in(s) for _ in range(40)]
    for w in watchers:
        w.line("i IDLE")
        w.read_line()
    with logged_in(s) as a:
        wire_append(a, (MESSAGE % (1, 1)).encode())
    for w in watchers:
        assert w.read_line() == "* 1 EXISTS"
        w.close()


def test_deleted_under_a_session(make_server):
    s = make_server()
    with logged_in(s, None) as a, logged_in(s, None) as b:
        a.imap("CREATE Gone")
        a.imap("SELECT Gone")
        b.imap("SELECT Gone")
        assert "* OK [CLOSED]" in "\n".join(a.imap("DELETE Gone"))
        a.imap("CHECK", "BAD")
        b.line("x NOOP")
        assert b.read_line().startswith("* BYE")


def test_password_change_ends_sessions(make_server):
    s = make_server()
    with logged_in(s) as w:
        s.cli("account", "password", ALICE, "--password-stdin", input="another one altogether\n")
        assert w.read_line().startswith("* BYE")
        w.expect_closed()


# ---- strangers and fools ----

def test_mistakes_are_forgiven_up_to_a_point(make_server):
    s = make_server(config=["max-command-errors = 5"])
    with logged_in(s) as w:
        w.imap("FROBNICATE", "BAD")
        w.imap("FETCH", "BAD")
        w.imap("FETCH 1 (", "BAD")
        w.imap("NOOP")
        w.line("z FETCH 7 FLAGS")
        assert w.read_line().startswith("z BAD")
        w.line("\x01")
        assert w.read_line().startswith("* BAD")
        assert w.read_line().startswith("* BYE")


def test_literal_abuse(make_server):
    s = make_server(config=["max-message-size = 1M"])
    with s.wire("imaps") as w:
        w.read_line()
        w.imap("LOGIN {100000}", "BAD")  # not asked for
        w.send("x LOGIN {9+}\r\n123456789 {9999999999+}\r\n")
        assert w.read_line().startswith("x BAD")
        assert w.read_line().startswith("* BYE")  # what follows cannot be told from commands
        w.expect_closed()
    with logged_in(s) as w:
        w.imap("APPEND INBOX {2000000}", r"NO \[TOOBIG\]")
        w.imap("APPEND Nowhere {20}", r"NO \[TRYCREATE\]")
        w.send("x APPEND Nowhere {20+}\r\nA: b\r\n\r\n123456789012\r\n")
        assert w.read_line().startswith("x NO [TRYCREATE]")
        w.imap("NOOP")
        w.send("z APPEND INBOX {2000000+}\r\n")
        assert w.read_line().startswith("z NO [TOOBIG]")
        assert w.read_line().startswith("* BYE")


def test_bare_line_ends_are_no_message(make_server):
    with logged_in(make_server()) as w:
        for text in (b"a: b\n\nc\r\n", b"a: b\r\n\r\nc\rd\r\n", b"a: \0\r\n\r\n", b"a: b\r\n\r\nc\r"):
            w.send(b"x APPEND INBOX {%d+}\r\n" % len(text) + text + b"\r\n")
            assert w.read_line().startswith("x NO [CANNOT]")
        assert "* SEARCH" in w.imap("SEARCH ALL")


def test_client_that_goes_in_the_middle(make_server):
    s = make_server()
    for _ in range(5):
        w = logged_in(s)
        w.send("x APPEND INBOX {1000000+}\r\n" + "a" * 500_000)
        w.reset()
    with logged_in(s) as w:
        assert "* SEARCH" in w.imap("SEARCH ALL")


def test_slow_reader_costs_nobody_else(make_server):
    s = make_server(config=["processes = 1"])
    with logged_in(s) as w:
        wire_append(w, b"Subject: big\r\n\r\n" + b"x" * 4_000_000 + b"\r\n")
    slow = [logged_in(s) for _ in range(20)]
    pid = s.pids("imapd")[0]
    for w in slow:
        w.send("".join(f"f{n} FETCH 1 BODY.PEEK[]\r\n" for n in range(50)))
    with logged_in(s) as w:
        for _ in range(20):
            start = time.monotonic()
            w.imap("NOOP")
            assert time.monotonic() - start < 2 * SLOW
    if not pombo.SANITIZED:
        import processes
        assert processes.pss_kib(pid) < 60_000  # 20 sessions that asked for 4 GB
    for w in slow:
        w.reset()


def test_pipelined_commands_are_answered_in_order(shared_server):
    with logged_in(shared_server) as w:
        w.send("".join(f"p{n} NOOP\r\n" for n in range(2000)))
        for n in range(2000):
            assert w.read_line() == f"p{n} OK NOOP completed"


def test_many_clients_at_once(make_server):
    s = make_server()

    def one(n):
        c = s.imap()
        append(c, n)
        c.select()
        found = c.search(None, "SUBJECT", f'"number {n}"')[1][0]
        c.store(found, "+FLAGS", r"(\Seen)")
        c.logout()
        return found != b""

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert all(pool.map(one, range(1000, 1040)))
    c = s.imap()
    assert c.select()[1] == [b"40"]
    assert len(c.search(None, "SEEN")[1][0].split()) == 40
    c.logout()


def test_kill_of_the_store_is_survived(make_server):
    s = make_server()
    s.tolerate("exited unexpectedly", "signal")
    with logged_in(s) as w:
        wire_append(w, (MESSAGE % (1, 1)).encode())
        pid = s.kill("stored")
        assert w.read_line().startswith("* BYE")
    s.wait_role("stored", not_pid=pid)
    deadline = time.monotonic() + 10 * SLOW
    while True:
        try:
            found = s.messages()
            break
        except (imaplib.IMAP4.error, OSError, AssertionError):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert len(found) == 1


# ---- extensions, with the examples of their RFCs ----

def test_condstore_across_sessions(make_server):
    """RFC 7162 §3.1: a conditional STORE loses against a change the session was not told of."""
    s = make_server()
    with logged_in(s) as a, logged_in(s, None) as b:
        for n in range(3):
            wire_append(a, (MESSAGE % (n, n)).encode())
        b.imap("SELECT INBOX (CONDSTORE)")
        answer = b.imap("FETCH 1:3 (MODSEQ)")
        modseq = int(re.search(r"\* 2 FETCH \(MODSEQ \((\d+)\)", "\n".join(answer))[1])
        a.imap(r"STORE 2 +FLAGS.SILENT (\Seen)")
        lines = b.imap(rf"UID STORE 1:3 (UNCHANGEDSINCE {modseq + 1}) +FLAGS.SILENT ($Processed)", r"OK \[MODIFIED 2\]")
        assert sum("MODSEQ" in line and "$Processed" in line for line in lines) == 2
        changed = "\n".join(b.imap(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq + 1})"))
        assert "* 1 FETCH" in changed and "* 2 FETCH" in changed and "* 3 FETCH" in changed
        assert "MODSEQ" in "\n".join(b.imap(f"SEARCH MODSEQ {modseq}"))
        assert re.search(r"HIGHESTMODSEQ \d+", "\n".join(b.imap("STATUS INBOX (HIGHESTMODSEQ)")))


def test_uidplus(make_server):
    """RFC 4315 §2.1: UID EXPUNGE takes only what is named."""
    with logged_in(make_server()) as w:
        for n in range(1, 5):
            line = wire_append(w, (MESSAGE % (n, n)).encode())[-1]
            assert re.search(rf"\[APPENDUID \d+ {n}\]", line)
        assert re.search(r"\[COPYUID \d+ 2:4 1:3\]", w.imap("COPY 2:4 Archive")[-1])
        w.imap(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
        assert "* 2 EXPUNGE" in w.imap("UID EXPUNGE 2")
        assert "* SEARCH 1 3 4" in w.imap("UID SEARCH ALL")


def test_list_extended_and_status(make_server):
    with logged_in(make_server(), None) as w:
        for name in ("Fruit", "Fruit/Apple", "Fruit/Banana", "Tofu"):
            w.imap(f"CREATE {name}")
        w.imap("SUBSCRIBE Fruit/Banana")
        w.imap("SUBSCRIBE Fruit/Peach", r"OK|NO")
        lines = w.imap('LIST (SUBSCRIBED RECURSIVEMATCH) "" "Fr%"')
        assert r'* LIST (\HasChildren) "/" Fruit ("CHILDINFO" ("SUBSCRIBED"))' in lines
        lines = w.imap('LIST "" ("Fruit/%" "Tofu") RETURN (SUBSCRIBED STATUS (MESSAGES))')
        assert r'* LIST (\HasNoChildren \Subscribed) "/" Fruit/Banana' in lines
        assert "* STATUS Tofu (MESSAGES 0)" in lines
        assert any(r"\Sent" in line for line in w.imap('LIST (SPECIAL-USE) "" "*"'))


def test_esearch(make_server):
    with logged_in(make_server()) as w:
        for n in range(1, 13):
            wire_append(w, (MESSAGE % (n, n)).encode(), flags=r"(\Flagged)" if n in (2, 10, 11) else "()")
        w.line("A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"")
        assert '* ESEARCH (TAG "A282") MIN 2 COUNT 3' in w.read_tagged("A282")
        w.line("A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"")
        assert '* ESEARCH (TAG "A283") ALL 2,10:11' in w.read_tagged("A283")
        w.line("A285 UID SEARCH RETURN (MIN MAX) 1:5000")
        assert '* ESEARCH (TAG "A285") UID MIN 1 MAX 12' in w.read_tagged("A285")
        w.line("A286 SEARCH RETURN (COUNT) DELETED")
        assert '* ESEARCH (TAG "A286") COUNT 0' in w.read_tagged("A286")
