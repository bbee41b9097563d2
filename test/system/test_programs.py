# SPDX-License-Identifier: ISC
"""Mail programs that none of us wrote send mail in and read it back, unmodified, over TLS with a verified certificate."""
import email
import os

import pytest

import pombo
import programs

BOB = "bob@example.test"
MESSAGE = """From: Alice <alice@example.test>
To: Bob <bob@example.test>
Subject: {}
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <{}@client.example.net>

A line.
.A line that starts with a dot.
"""


@pytest.fixture
def two(make_server):
    """A server with Alice and Bob, under a certificate that also names localhost."""
    server = make_server(users=[pombo.ALICE, BOB], start=False)
    programs.own_certificate(server)
    return server.start()


def text_of(subject):
    return MESSAGE.format(subject, subject.replace(" ", "-"))


def the_only(server, user=BOB):
    messages = server.messages(user)
    assert len(messages) == 1
    return email.message_from_bytes(messages[0])


def fill(server, count, user=pombo.ALICE):
    for n in range(count):
        server.deliver(user, f"From: <s@example.net>\r\nSubject: number {n}\r\nMessage-ID: <n{n}@example.net>\r\n\r\nbody {n}\r\n")


@pytest.mark.parametrize("service", ["submissions", "submission"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_sends(two, service, mechanism):
    done = programs.swaks(two, "--auth", mechanism, "--header", "Subject: from swaks", service=service, to=BOB)
    assert "<~  235 2.7.0" in done.stdout and "<~  250 2." in done.stdout
    assert the_only(two)["Subject"] == "from swaks"


def test_swaks_is_refused_with_a_wrong_password(two):
    two.password, right = "wrong", two.password
    assert programs.swaks(two, to=BOB, check=False).returncode == 28
    two.password = right
    assert two.messages(BOB) == []


def test_swaks_cannot_relay(two):
    done = programs.swaks(two, service="smtp", user=None, to="someone@example.org", check=False)
    assert done.returncode == 24 and "<** 550 5.7.1" in done.stdout


@pytest.mark.parametrize("service", ["submissions", "submission"])
def test_curl_sends(two, service):
    programs.curl(two, f"{service}:", "--mail-from", pombo.ALICE, "--mail-rcpt", BOB, "--crlf", "-T", "-", input=text_of("from curl"))
    got = the_only(two)
    assert got["Subject"] == "from curl" and ".A line that starts with a dot." in got.get_payload()


@pytest.mark.parametrize("service", ["imaps", "imap"])
def test_curl_reads_by_imap(server, service):
    fill(server, 2)
    listed = programs.curl(server, f"{service}:").stdout
    assert "INBOX" in listed
    assert programs.curl(server, f"{service}:INBOX;MAILINDEX=2").stdout.endswith("Subject: number 1\r\n"
        "Message-ID: <n1@example.net>\r\n\r\nbody 1\r\n")
    assert "* SEARCH 2" in programs.curl(server, f"{service}:INBOX?SUBJECT%20%22number%201%22").stdout


@pytest.mark.parametrize("service", ["pop3s", "pop3"])
def test_curl_reads_by_pop3(server, service):
    fill(server, 2)
    assert [line.split()[0] for line in programs.curl(server, f"{service}:").stdout.splitlines()] == ["1", "2"]
    assert programs.curl(server, f"{service}:1").stdout.endswith("\r\n\r\nbody 0\r\n")
    programs.curl(server, f"{service}:1", "-X", "DELE", "-l")
    assert len(server.messages()) == 1


@pytest.mark.parametrize("starttls", [False, True])
@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256"])
def test_msmtp_sends(two, auth, starttls):
    programs.msmtp(two, text_of("from msmtp"), BOB, auth=auth, starttls=starttls)
    assert the_only(two)["Subject"] == "from msmtp"


def test_s_nail_sends(two, tmp_path):
    (tmp_path / "attached.bin").write_bytes(bytes(range(256)))
    programs.s_nail(two, "-s", "from s-nail", "-a", tmp_path / "attached.bin", BOB, input="text\n")
    got = the_only(two)
    assert got["Subject"] == "from s-nail"
    assert got.get_payload()[1].get_payload(decode=True) == bytes(range(256))


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_fetchmail_takes_everything_once(server, protocol):
    fill(server, 3)
    first = programs.fetchmail(server, protocol)
    assert [email.message_from_string(m)["Subject"] for m in first.messages] == ["number 0", "number 1", "number 2"]
    again = programs.fetchmail(server, protocol, check=False)
    assert again.returncode == 1 and again.messages == []  # 1: there was no mail
    assert server.messages() == []


def maildir(folder):
    """name -> bytes of all messages below a folder, without mbsync's own notes."""
    return {os.path.relpath(os.path.join(top, name), folder): open(os.path.join(top, name), "rb").read()
            for top, _, names in os.walk(folder) for name in names if os.path.basename(top) in ("cur", "new")}


def test_mbsync_goes_both_ways_and_then_changes_nothing(server, tmp_path):
    fill(server, 5)
    near = tmp_path / "near"
    programs.mbsync(server, near)
    got = maildir(near)
    assert len(got) == 5
    there = sorted(m.replace(b"\r\n", b"\n") for m in server.messages())
    assert sorted(b"".join(l for l in m.splitlines(True) if not l.startswith(b"X-TUID")) for m in got.values()) == there

    # A second run changes nothing, near or far.
    programs.mbsync(server, near)
    assert maildir(near) == got
    with server.imap() as c:
        c.select("INBOX")
        before = c.uid("FETCH", "1:*", "(UID FLAGS)")[1]

    # A flag and a new message here; a deletion there.
    one = sorted(got)[0]
    flagged = near / (one.replace("/new/", "/cur/").split(":")[0] + ":2,FS")
    os.rename(near / one, flagged)
    (near / "INBOX/new/1.made.here").write_bytes(b"Subject: made here\n\nlocal\n")
    with server.imap() as c:
        c.select("INBOX")
        c.uid("STORE", c.uid("SEARCH", "SUBJECT", '"number 4"')[1][0], "+FLAGS", r"(\Deleted)")
        c.expunge()
    programs.mbsync(server, near)
    with server.imap() as c:
        c.select("INBOX", readonly=True)
        assert len(c.search(None, "SUBJECT", '"made here"')[1][0].split()) == 1
        assert len(c.search(None, "FLAGGED", "SEEN")[1][0].split()) == 1
        assert c.search(None, "SUBJECT", '"number 4"')[1] == [b""]
        assert len(before) == 5 and len(c.search(None, "ALL")[1][0].split()) == 5
    assert not any(b"number 4" in m for m in maildir(near).values())

    # A folder made here goes there with its mail, and back into an empty tree.
    os.makedirs(near / "Work/cur"), os.makedirs(near / "Work/new"), os.makedirs(near / "Work/tmp")
    (near / "Work/cur/2.made.here:2,S").write_bytes(b"Subject: at work\n\nlocal\n")
    programs.mbsync(server, near)
    assert len(server.messages(folder="Work")) == 1
    programs.mbsync(server, tmp_path / "fresh")
    assert len([m for m in maildir(tmp_path / "fresh") if m.startswith("Work/")]) == 1


def test_mutt_reads_flags_replies_and_deletes(two):
    fill(two, 3)
    with programs.Mutt(two) as m:
        m.wait_for("number 2")
        m.keys("=", "Enter")
        m.wait_for("body 0")
        m.keys("i")
        m.wait_for("number 2")
        m.keys("F", "$")
        m.keys("m")
        m.wait_for("To:")
        m.keys(BOB, "Enter")
        m.wait_for("Subject:")
        m.keys("from mutt", "Enter")
        m.wait_for("y:Send")
        m.keys("y")
        m.wait_for("Mail sent")
        m.keys("*", "d", "$")
        m.wait_for("Msgs:2")
        # New mail shows up by itself.
        two.deliver(pombo.ALICE, "From: <s@example.net>\r\nSubject: while you watch\r\n\r\nhi\r\n")
        m.wait_for("while you watch")
        m.keys("q")
        m.wait_for_end()
    assert the_only(two)["Subject"] == "from mutt"
    with two.imap() as c:
        c.select("INBOX", readonly=True)
        assert len(c.search(None, "ALL")[1][0].split()) == 3
        assert len(c.search(None, "SEEN")[1][0].split()) == 1
        assert len(c.search(None, "FLAGGED")[1][0].split()) == 1
        assert c.search(None, "SUBJECT", '"number 2"')[1] == [b""]


SERVICES = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"]


@pytest.mark.release_only
@pytest.mark.parametrize("service", SERVICES)
def test_sslscan_finds_nothing_weak(shared_server, service):
    report = programs.sslscan(shared_server, service)
    lines = [line.split() for line in report.splitlines() if line.strip()]
    assert {line[0] for line in lines if line[-1] == "enabled"} == {"TLSv1.2", "TLSv1.3"}
    accepted = [line for line in lines if line[0] in ("Preferred", "Accepted")]
    assert {line[1] for line in accepted} == {"TLSv1.2", "TLSv1.3"}
    for _, _, bits, _, cipher, *_ in accepted:
        assert int(bits) >= 128 and not any(weak in cipher for weak in ("RC4", "DES", "NULL", "EXP", "MD5", "anon", "CBC"))
    assert "Insecure session renegotiation" not in report and "Compression enabled" not in report
    assert report.count("not vulnerable to heartbleed") == report.count("vulnerable to heartbleed") > 0


@pytest.mark.release_only
@pytest.mark.timeout(400)
@pytest.mark.parametrize("service", ["submissions", "smtp"])
def test_testssl_finds_nothing_weak(shared_server, service):
    findings = programs.testssl(shared_server, service, "-p", "-s", "-U", "-f")
    # The certificate is self-signed and localhost has no CAA record: that is the test's, not the server's.
    bad = [f for f in findings if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "WARN")]
    assert findings and not bad, bad
