# SPDX-License-Identifier: ISC
"""Mail programs that none of us wrote hand mail in, unmodified, over TLS with a verified certificate; judges of the TLS itself.
How they read: test_imap_clients.py, test_pop.py."""
import email

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


def test_mutt_sends(two):
    with programs.mutt(two) as t:
        t.wait("q:Quit")
        for prompt, answer in (("", "m"), ("To:", BOB), ("Subject:", "from mutt")):
            t.wait(prompt)
            t.keys(answer, *["Enter"] * (prompt != ""))
        t.wait("y:Send")
        t.keys("y")
        t.wait("Mail sent")
    assert the_only(two)["Subject"] == "from mutt"


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
