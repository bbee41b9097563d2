# SPDX-License-Identifier: ISC
"""DKIM: what leaves is signed with both keys of the author's domain, and judges that none of ours wrote find the signatures good."""
import os
import pathlib
import re
import signal
import subprocess
import time

import dkim
import opendkim
import pombo
import processes
import pytest
from dnsserver import DnsServer
from smtpserver import SmtpServer

DOMAIN = pombo.DOMAIN
FAR = "bob@far.test"


def records(server, domain=DOMAIN):
    """{name: text} of the DKIM records that `pombo dns` prints."""
    found = server.cli_json("dns", domain)["records"]
    return {r["name"].rstrip("."): "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', r["value"])) for r in found
            if r["type"] == "TXT" and "._domainkey." in r["name"]}


def submit(server, message, to=FAR, sender=pombo.ALICE):
    with server.submission() as s:
        return s.sendmail(sender, to, message)


def sent(server, message, **kwargs):
    """Submits; what the other server got."""
    n = len(server.mx.messages)
    submit(server, message, **kwargs)
    return server.mx.wait(n + 1)[n].data


def last(server, user=pombo.ALICE):
    return server.messages(user)[-1]


def signatures(message):
    return re.findall(rb"^DKIM-Signature:(?:[^\n]*\n)(?:[ \t][^\n]*\n)*", message, re.M)


def block(message):
    """From the first signature on: what goes out, without the copy's trace fields."""
    return message[message.index(b"DKIM-Signature:"):]


def verify(message, keys):
    """dkimpy says each signature is good; returns how many there are."""
    def txt(name, timeout=5):
        return keys.get(name.decode().rstrip(".")).encode()
    n = len(signatures(message))
    for i in range(n):
        assert dkim.DKIM(message).verify(idx=i, dnsfunc=txt), signatures(message)[i]
    return n


@pytest.fixture(scope="module")
def server():
    with SmtpServer() as mx, pombo.Server(config=[mx.setting(), "hold-outbound = no"], users=(pombo.ALICE,)) as s:
        s.mx = mx
        yield s


@pytest.fixture(scope="module")
def keys(server):
    found = records(server)
    assert len(found) == 2 and all(v.startswith("v=DKIM1; k=") for v in found.values())
    return found


ODD = {
    "plain": "From: alice@example.test\r\nTo: alice@example.test\r\nSubject: plain\r\n\r\nHello\r\n",
    "folded": "From: Alice\r\n\t<alice@example.test>\r\nSubject: a\r\n  very \t long\r\n subject   \r\nTo: a@example.test,\r\n b@example.test\r\n\r\nHello\r\n",
    "no body": "From: alice@example.test\r\nSubject: none\r\n\r\n",
    "no empty line": "From: alice@example.test\r\nSubject: none\r\n",
    "blanks at ends": "From: alice@example.test \r\nSubject:trailing  \t\r\n\r\nline \t \r\n\t\r\n  two  words\t\there \r\n\r\n\r\n",
    "only empty lines": "From: alice@example.test\r\nSubject: x\r\n\r\n\r\n\r\n\r\n",
    "empty fields": "From: alice@example.test\r\nSubject:\r\nTo:\r\nReferences: \r\n\r\nx\r\n",
    "many": "From: alice@example.test\r\n" + "".join(f"References: <{n}@x>\r\n" for n in range(20)) + "Subject: x\r\n\r\nx\r\n",
    "utf-8": "From: =?utf-8?q?Al=C3=AFce?= <alice@example.test>\r\nSubject: =?utf-8?b?w6TDtsO8?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u00e4\u00f6\u00fc\r\n",
    "dots": "From: alice@example.test\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
    "long": "From: alice@example.test\r\nSubject: long\r\n\r\n" + ("0123456789 " * 6 + " \r\n") * 5000,
}


OLD = "From : alice@example.test\r\nSubject : x\r\n\r\nx\r\n"  # RFC 5322 §4.5; dkimpy does not read it


@pytest.mark.parametrize("name", ODD)
def test_what_is_submitted_is_signed_twice_and_verifies(server, keys, name):
    message = sent(server, ODD[name].encode())
    assert verify(block(message), keys) == 2
    body = ODD[name].encode().partition(b"\r\n\r\n")[2]
    assert message.partition(b"\r\n\r\n")[2] == body
    for signature in signatures(message):
        text = re.sub(rb"\s", b"", signature).decode()
        names = re.search(r";h=([^;]*);", text)[1].lower().split(":")
        assert names.count("from") == 2 and names.count("subject") >= 1 + (b"subject" in ODD[name].lower().encode())
        assert "c=relaxed/relaxed" in text and f"d={DOMAIN};" in text and ";l=" not in text


@pytest.mark.parametrize("name", ODD)
def test_opendkim_agrees(server, keys, name):
    """Both of its algorithms; and it does not just say so."""
    message = block(sent(server, ODD[name].encode()))
    try:
        assert opendkim.judge(message, keys) == dict.fromkeys(keys, True)
    except OSError:
        pytest.skip("no libopendkim")
    assert not any(opendkim.judge(message.replace(b"Subject:", b"Subject: not"), keys).values())
    if b"\r\n\r\n" in message:
        assert not any(opendkim.judge(message + b"more\r\n", keys).values())


def test_imap_still_finds_its_parts(server, keys):
    """The index knows of the lines in front."""
    sent(server, to=[FAR, pombo.ALICE], message="From: alice@example.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
                   "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n")
    with server.imap() as c:
        c.select("INBOX")
        n = c.search(None, "ALL")[1][0].split()[-1].decode()
        def get(part):
            return c.fetch(n, f"(BODY.PEEK[{part}])")[1][0][1]
        assert get("1") == b"one" and get("2.1") == b"inside" and get("2.HEADER") == b"Subject: inner\r\n\r\n"
        assert get("HEADER").rstrip().endswith(b"boundary=b") and get("TEXT").startswith(b"--b\r\n")
        size = int(re.search(rb"RFC822.SIZE (\d+)", c.fetch(n, "(RFC822.SIZE)")[1][0])[1])
        assert size == len(c.fetch(n, "(BODY.PEEK[])")[1][0][1])


def test_a_changed_message_does_not_verify(server, keys):
    message = block(sent(server, ODD["plain"]))
    with pytest.raises((AssertionError, dkim.ValidationError)):
        verify(message.replace(b"Hello", b"Hullo"), keys)
    with pytest.raises((AssertionError, dkim.ValidationError)):
        verify(message.replace(b"Subject: plain", b"Subject: plane"), keys)
    with pytest.raises((AssertionError, dkim.ValidationError)):
        verify(b"Reply-To: evil@example.net\r\n" + message, keys)


def test_mail_from_strangers_is_not_signed(server):
    assert server.deliver(pombo.ALICE, "From: alice@example.test\r\nSubject: forged\r\n\r\nx\r\n") == {}
    assert signatures(last(server)) == []


def test_mail_that_stays_is_not_signed(server):
    submit(server, ODD["plain"], to=pombo.ALICE)
    assert signatures(last(server)) == []


def test_mail_to_an_alias_that_leads_elsewhere_is_signed(server, keys):
    server.add_alias("away@example.test", FAR)
    assert verify(block(sent(server, ODD["plain"], to="away@example.test")), keys) == 2


def test_a_local_copy_of_what_leaves_is_as_good(server, keys):
    sent(server, ODD["plain"], to=[pombo.ALICE, FAR])
    assert verify(block(last(server)), keys) == 2


def test_the_command_lines_mail_is_signed(server, keys):
    n = len(server.mx.messages)
    server.cli("send", "-f", pombo.ALICE, "-s", "from the command line", FAR, input="text\n")
    assert verify(block(server.mx.wait(n + 1)[n].data), keys) == 2


def test_notices_are_signed_with_the_keys_above_the_host_name():
    """They come from postmaster@mail.example.test; the keys are example.test's."""
    def rcpt(_, line):
        return b"550 5.1.1 who?\r\n" if b"nobody@" in line else b"250 ok\r\n"

    with SmtpServer({"RCPT": rcpt}) as mx, pombo.Server(config=[mx.setting(), "hold-outbound = no", "trusted-networks = 127.0.0.1"]) as s:
        with s.smtp() as c:
            c.sendmail(FAR, "nobody@far.test", "From: bob@far.test\r\nSubject: x\r\n\r\nx\r\n")
        notice = mx.wait(1)[0]
        assert notice.sender == "" and notice.addresses() == [FAR]
        assert verify(block(notice.data), records(s)) == 2 and b"From: Mail Delivery System <postmaster@mail.example.test>" in notice.data


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def has_store_open(pid):
    try:
        return any(os.readlink(fd).endswith("/pombo.db") for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def caught_at_work(server, top, attempt):
    """An import that has the store open, stopped; None: it was done too soon."""
    for folder in ("cur", "new", "tmp"):
        (top / folder).mkdir(parents=True)
    for i in range(2000):
        (top / "cur" / f"{i}:2,").write_text(f"Subject: {attempt}.{i}\n\nx\n")
    command = subprocess.Popen([pombo.BINARY, "import", "--dir", server.dir, pombo.ALICE, top], stdout=subprocess.DEVNULL)
    while command.poll() is None:
        if any(has_store_open(pid) for pid in children(command.pid)):
            command.send_signal(signal.SIGSTOP)
            if any(has_store_open(pid) for pid in children(command.pid)):
                return command
            command.send_signal(signal.SIGCONT)
    assert command.returncode == 0
    return None


def test_a_notice_waits_for_the_server_that_can_sign_it(make_server, tmp_path):
    """A command that has the store for itself, with a policyd and no keyd beside it, makes none that leaves."""
    with SmtpServer({"MAIL": b"451 4.7.1 not today\r\n"}) as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = no", "trusted-networks = 127.0.0.1"])
        with server.smtp() as s:
            s.sendmail(FAR, "nobody@far.test", "From: bob@far.test\r\nSubject: x\r\n\r\nx\r\n")
        queued, = server.cli_json("queue", "list")
        server.stop()
        server.cli("queue", "remove", queued["id"], "--bounce")
        # The command stands still for a while, and what it started goes on.
        for attempt in range(20):
            command = caught_at_work(server, tmp_path / f"M{attempt}", attempt)
            if command:
                break
        assert command, "it is always done before it can be stopped"
        time.sleep(2)
        command.send_signal(signal.SIGCONT)
        assert command.wait() == 0
        assert "made" not in [e["event"] for e in server.cli_json("trace", FAR)]
        mx.answers = {}
        server.start()
        notice = mx.wait(1)[0]
        assert notice.sender == "" and notice.addresses() == [FAR] and verify(block(notice.data), records(server)) == 2


def test_other_domains_are_signed_with_their_own_keys(server):
    server.add_domain("second.test")
    server.add_account("bob@second.test")
    second = records(server, "second.test")
    assert len(second) == 2 and not set(second) & set(records(server))
    with server.submission("bob@second.test") as s:
        n = len(server.mx.messages)
        s.sendmail("bob@second.test", FAR, "From: bob@second.test\r\nSubject: x\r\n\r\nx\r\n")
    assert verify(block(server.mx.wait(n + 1)[n].data), second) == 2


def test_mail_dkim_agrees(server, keys):
    zone = {(name, "TXT"): [" ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))] for name, text in keys.items()}
    with DnsServer(zone) as d:
        for name in ("plain", "folded", "no body", "blanks at ends", "only empty lines", "many", "long", "blank before colon"):
            message = block(sent(server, ODD.get(name, OLD).encode()))
            script = ("use Net::DNS; use Mail::DKIM::Verifier; use Mail::DKIM::DNS;"
                      f"Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers=>['127.0.0.1'],port=>{d.port}));"
                      "my $v=Mail::DKIM::Verifier->new(); local $/; $v->PRINT(<STDIN>); $v->CLOSE;"
                      "print $_->algorithm, ' ', $_->result, qq(\\n) for $v->signatures;")
            done = subprocess.run(["perl", "-e", script], input=message, capture_output=True)
            assert b"rsa-sha256 pass" in done.stdout, (name, done.stdout, done.stderr)
            assert b"fail" not in done.stdout, (name, done.stdout)


def test_the_private_keys_are_in_keyd_alone(server):
    """Neither the file nor the primes are where the network, or the store, is."""
    text = (server.dir / "keys" / "dkim").read_text()
    assert (server.dir / "keys" / "dkim").stat().st_mode & 0o777 == 0o600
    inner = "".join(text.split("-----BEGIN PRIVATE KEY-----")[1].split("-----END")[0].split())
    der = __import__("base64").b64decode(inner)
    secret = der[-100:-60]  # of the last numbers of an RSA key
    needles = [secret, secret[::-1], inner[100:160].encode()]
    assert sent(server, ODD["plain"])
    assert processes.holds(server.pids("keyd")[0], needles), "not even found where it must be: this test would see nothing"
    for pid in server.pids():
        if processes.role_of(pid) not in ("keyd", "pombo"):
            assert not processes.holds(pid, needles), processes.arguments(pid)


def test_signing_goes_on_after_keyd_ended(server, keys):
    server.tolerate("keyd .key 0. exited unexpectedly", "kind=key")
    pid = server.kill("keyd")
    server.wait_role("keyd", not_pid=pid)
    deadline = time.monotonic() + 10 * pombo.SLOW
    while True:
        try:
            message = sent(server, ODD["plain"])
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert verify(block(message), keys) == 2


def test_signing_can_be_switched_off():
    with SmtpServer() as mx, pombo.Server(config=["dkim-sign = no", mx.setting(), "hold-outbound = no"]) as s:
        submit(s, ODD["plain"])
        assert signatures(mx.wait(1)[0].data) == []
        assert s.cli_json("trace", FAR)[0]["notes"][1:] == ["not signed: dkim-sign is off"]


def test_the_trace_says_who_signed(make_server):
    with SmtpServer() as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = no", "trusted-networks = 127.0.0.1"])
        selectors = [k["selector"] for k in server.cli_json("domain", "dkim", "example.test")]

        def notes(author, to):
            with server.smtp() as s:
                s.sendmail("robot@example.test", [to], f"From: {author}\r\nSubject: x\r\n\r\nx\r\n")
            checked, *rest = server.cli_json("trace", to, "--last", "1")[0]["notes"]
            assert checked == "checked: the client is in trusted-networks"
            return rest

        note, = notes("robot@example.test", FAR)
        assert note.startswith("signed for example.test: selectors ") and sorted(note.split(": selectors ")[1].split(", ")) == sorted(selectors)
        for author in ("robot@elsewhere.test", "nobody"):
            assert notes(author, FAR) == ["not signed: there is no DKIM key for the domain in its From"]
        assert notes("robot@example.test", pombo.ALICE) == []  # it stays
