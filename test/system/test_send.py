# SPDX-License-Identifier: ISC
"""`pombo send` and sendmail against the real server; what arrives is read back and parsed with Python's email package."""
import email
import email.policy
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

import pombo
import programs
from typed import at_terminal

ALICE, BOB = "alice@example.test", "bob@example.test"
ID = "[0-9a-hjkmnp-tv-z]{13}"


@pytest.fixture(scope="module")
def shared():
    with pombo.Server(users=[ALICE, BOB]) as server:
        server.add_alias("root@example.test", ALICE)
        yield server


@pytest.fixture
def server(shared):
    """The module's server, with Bob's mailbox as it was: the test sees only its own mail."""
    shared.seen = len(shared.messages(BOB))
    return shared


def arrived(server, user=BOB):
    """The one message that came since the test began, parsed."""
    raw = server.messages(user)[server.seen:]
    assert len(raw) == 1, raw
    check_form(raw[0])
    return email.message_from_bytes(raw[0], policy=email.policy.default)


def check_form(raw):
    """CRLF only, no long lines, and nothing that Python's parser finds wrong."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw) and max(map(len, raw.split(b"\r\n"))) <= 998
    m = email.message_from_bytes(raw, policy=email.policy.default)
    for part in m.walk():
        assert part.defects == [], part.defects
        for name, value in part.items():
            assert value.defects == (), (name, value, value.defects)


def send(server, *args, text="text\n", check=True, env=None):
    return pombo.run_pombo("send", "--dir", server.dir, *args, input=text, check=check, env=env)


def send_out(server, *args, service="submissions", user=ALICE, password=None, **options):
    """Through the ports, like a mail program somewhere else."""
    scheme = "smtps" if service == "submissions" else "smtp"
    args = ["--server", f"{scheme}://localhost:{server.ports[service]}", *(["--user", user] if user else []), *args]
    return send(server, *args, env={"POMBO_PASSWORD": password or server.password, **options.pop("env", {})}, **options)


def fails(done, status, says):
    assert done.returncode == status and done.stdout == "" and says in done.stderr, (done.returncode, done.stderr)
    assert done.stderr.startswith("pombo: ") and done.stderr.count("\n") == 1


# What is written


def test_plain(server):
    done = send(server, "-f", f"Alice <{ALICE}>", "-s", "hello", BOB)
    assert re.fullmatch(rf"sent: kept as {ID}\n", done.stdout) and done.stderr == ""
    m = arrived(server)
    assert (m["From"], m["To"], m["Subject"], m["Cc"]) == (f"Alice <{ALICE}>", BOB, "hello", None)
    assert m.get_content_type() == "text/plain" and m.get_content() == "text\r\n" and m["Content-Transfer-Encoding"] == "7bit"
    assert re.fullmatch(r"<[0-9a-f]{30}@example\.test>", m["Message-ID"]) and m["Date"].datetime.tzinfo
    assert m["Return-Path"] == f"<{ALICE}>"


TEXTS = {
    "empty": ("", "7bit"),
    "no line end": ("hello", "7bit"),
    "dots": (".\n..\n.x\n", "7bit"),
    "from": ("From here\nFrom there\n", "quoted-printable"),
    "umlauts": ("Sehr geehrte Damen und Herren,\nanbei die übliche Rechnung. Mit freundlichen Grüßen\n-- \nF\n", "quoted-printable"),
    "russian": ("Привет, как дела?\n", "base64"),
    "emoji": ("😀" * 400 + "\n", "base64"),
    "long line": ("word " * 2000 + "\n", "quoted-printable"),
    "long word": ("x" * 5000 + "\n", "quoted-printable"),
    "crlf": ("one\r\ntwo\r\n", "7bit"),
    "blanks at the end": ("one  \n two\t\n= three=\n" + "and so on, " * 9 + "ä", "quoted-printable"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(server, name):
    text, encoding = TEXTS[name]
    send(server, "-f", ALICE, BOB, text=text.encode())
    m = arrived(server)
    want = text.replace("\r\n", "\n")
    want += "" if want.endswith("\n") or not want else "\n"
    assert m.get_content().replace("\r\n", "\n") == want and m["Content-Transfer-Encoding"] == encoding


SUBJECTS = ["plain", "Grüße aus München", "Привет " * 20, "=?UTF-8?Q?not_encoded?=", "word " * 60, "a\tb", "😀" * 50, "trailing \\ \" quotes"]


@pytest.mark.parametrize("subject", SUBJECTS, ids=range(len(SUBJECTS)))
def test_subjects(server, subject):
    send(server, "-f", ALICE, "-s", subject, BOB)
    assert arrived(server)["Subject"] == subject.replace("\t", " ").strip()


def test_a_subject_adds_no_field(server):
    send(server, "-f", ALICE, "-s", "x\r\nBcc: alice@example.test\n\nbody", BOB)
    m = arrived(server)
    assert m["Bcc"] is None and m["Subject"] == "x  Bcc: alice@example.test  body"


def test_names(server):
    send(server, "-f", f'"Wonder, Älice" <{ALICE}>', "-s", "x", f"Bob B. Builder <{BOB}>", "--cc", f"Jürgen <{ALICE}>")
    m = arrived(server)
    assert m["From"].addresses[0].display_name == "Wonder, Älice"
    assert [(a.display_name, a.addr_spec) for a in m["To"].addresses] == [("Bob B. Builder", BOB)]
    assert [(a.display_name, a.addr_spec) for a in m["Cc"].addresses] == [("Jürgen", ALICE)]


def test_bcc(server):
    before = len(server.messages(ALICE))
    send(server, "-f", ALICE, "-s", "x", "--bcc", ALICE, BOB)
    m = arrived(server)
    assert m["Bcc"] is None and ALICE not in (m["To"] or "") and len(server.messages(ALICE)) == before + 1
    server.seen += 1
    send(server, "-f", ALICE, "-s", "x", "--bcc", BOB)
    assert arrived(server)["To"] == "undisclosed-recipients:;"


def test_once_each(server):
    """However often somebody is named."""
    send(server, "-f", ALICE, BOB, BOB.upper().replace("EXAMPLE", "example"), "--cc", BOB, "--bcc", f"B <{BOB}>")
    arrived(server)


def test_attachments(server, tmp_path):
    files = {
        "report.pdf": (b"%PDF-1.4\n\xff\0", "application/pdf"),
        "with blank & \"quote\".txt": (b"one\ntwo\r\nthree", "text/plain"),
        "Grüße.txt": ("Grüße\n".encode(), "text/plain"),
        "日本語の" * 12 + ".png": (bytes(range(256)) * 300, "image/png"),
        "noending": (b"\x7fELF", "application/octet-stream"),
        "latin1.txt": (b"caf\xe9\n", "application/octet-stream"),
        "empty": (b"", "text/plain"),
        "x" * 200 + ".bin": (b"\0", "application/octet-stream"),
    }
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    send(server, "-f", ALICE, "-s", "files", *(w for name in files for w in ("-a", tmp_path / name)), BOB, text="See attached: ü\n")
    m = arrived(server)
    assert m.get_content_type() == "multipart/mixed"
    assert m.get_body().get_content() == "See attached: ü\r\n"
    parts = list(m.iter_attachments())
    assert [p.get_filename() for p in parts] == list(files)
    for part, (data, kind) in zip(parts, files.values()):
        assert part.get_content_type() == kind and part.get_payload(decode=True) == data
        assert part.get_content_disposition() == "attachment"


def test_a_message_as_attachment(server, tmp_path):
    (tmp_path / "a.eml").write_text("From: x@y.example\nSubject: inner\n\nhello\n")
    send(server, "-f", ALICE, "-a", tmp_path / "a.eml", BOB)
    inner = next(arrived(server).iter_attachments())
    assert inner.get_content_type() == "message/rfc822" and inner.get_content()["Subject"] == "inner"


def test_a_large_attachment(server, tmp_path):
    """Over 64 KiB the server takes the message in pieces, and says how many."""
    data = os.urandom(8_000_000)
    (tmp_path / "large").write_bytes(data)
    for how in (send, send_out):
        how(server, "-f", ALICE, "-a", tmp_path / "large", BOB)
        assert next(arrived(server).iter_attachments()).get_payload(decode=True) == data
        server.seen += 1


def test_only_files(server, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    send(server, "-f", ALICE, "-a", tmp_path / "a.txt", BOB, text="")
    m = arrived(server)
    assert [p.get_filename() for p in m.iter_parts()] == ["a.txt"]


def test_idn_and_utf8_addresses(server):
    server.cli("domain", "add", "münchen.example", check=False)
    server.cli("account", "add", "jürgen@münchen.example", "--password-stdin", input="x\n", check=False)
    server.seen = 0
    send(server, "-f", ALICE, "-s", "x", "jürgen@münchen.example")
    m = email.message_from_bytes(read_as(server, "jürgen@münchen.example", "x"), policy=email.policy.SMTPUTF8)
    assert m["To"] == "jürgen@xn--mnchen-3ya.example"


def read_as(server, user, password):
    with server.imap(None) as c:
        c.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        c.select()
        return c.fetch("1", "(BODY.PEEK[])")[1][0][1]


def test_a_whole_message(server):
    text = f"From: Someone Else <{ALICE}>\nTo: Bob <{BOB}>\nBcc: {ALICE}\nSubject: whole\nX-Own: kept\n\nbody\n.\nmore\n"
    before = len(server.messages(ALICE))
    send(server, "-t", text=text)
    m = arrived(server)
    assert (m["Subject"], m["X-Own"], m["Bcc"], m["Return-Path"]) == ("whole", "kept", None, f"<{ALICE}>")
    assert m.get_content() == "body\r\n.\r\nmore\r\n" and len(server.messages(ALICE)) == before + 1
    server.seen += 1
    send_out(server, "-t", text=text)
    assert arrived(server)["Subject"] == "whole"


# The way there: this machine's server


def test_who_sends_when_nobody_says(server):
    send(server, BOB)
    m = arrived(server)
    assert m["From"].addresses[0].domain == "example.test" and m["Return-Path"] == f"<{m['From'].addresses[0].addr_spec}>"


def test_a_remote_recipient_is_queued(server):
    assert send(server, "-f", ALICE, "far@far.example").returncode == 0
    assert "far@far.example" in server.cli("queue", "list").stdout


LOCAL_ERRORS = [
    ([], "text", 64, "to whom?"),
    (["nobody@example.test"], "text", 67, "the message was refused: nobody@example.test: no such user here"),
    (["-f", "no address", BOB], "text", 65, "no address: this is not an address"),
    (["bob@"], "text", 65, "bob@: this is not an address"),
    (["-a", "/no/such/file", BOB], "text", 65, "/no/such/file: No such file or directory"),
    (["-a", "/", BOB], "text", 65, "/: Is a directory"),
    ([BOB], b"caf\xe9", 65, "standard input is no text: it is not UTF-8, or holds NUL bytes; send it as a file with -a"),
    ([BOB], b"a\0b", 65, "standard input is no text"),
    (["-s", "x" * 1000, BOB], "text", 65, "the subject cannot be sent"),
    (["-t", BOB], "To: x@y.example\n\n", 64, "with -t everything but the sender comes from standard input"),
    (["-t"], "Subject: x\n\n", 65, "no recipients: the message has no To, Cc or Bcc field"),
    (["-t"], "To: a b c\n\n", 65, "a b c: this is not an address"),
    (["-t"], f"From: a@x.example, b@x.example\nTo: {BOB}\n\n", 65, "Several authors need a Sender field"),
    (["-t"], f"From: a@x.example\nFrom: b@x.example\nTo: {BOB}\n\n", 65, "There are several From fields"),
    (["--user", "x", BOB], "text", 64, "go with --server"),
    (["--insecure", BOB], "text", 64, "go with --server"),
    (["--server", "http://x", BOB], "text", 64, "--server takes smtps://HOST[:PORT]"),
    (["--server", "x", "--password-stdin", BOB], "text", 64, "--password-stdin needs --user"),
    (["--server", "localhost", BOB], "text", 64, "from whom? -f ADDRESS says it"),
]


@pytest.mark.parametrize("args, text, status, says", LOCAL_ERRORS, ids=range(len(LOCAL_ERRORS)))
def test_errors(server, args, text, status, says):
    done = pombo.run_pombo("send", *args, "--dir", server.dir, input=text.encode() if isinstance(text, str) else text, check=False)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    fails(done, status, says)
    assert len(server.messages(BOB)) == server.seen


def test_a_message_too_big(make_server, tmp_path):
    server = make_server(config=["max-message-size = 1M"])
    (tmp_path / "big").write_bytes(b"x" * 3_000_000)
    fails(send(server, "-f", ALICE, "-a", tmp_path / "big", ALICE, check=False), 65, "bigger than this server takes")
    fails(send_out(server, "-f", ALICE, "-a", tmp_path / "big", ALICE, check=False), 65, "552 5.3.4")
    assert server.messages() == []


def test_no_server(make_server):
    server = make_server(start=False)
    fails(send(server, "-f", ALICE, ALICE, check=False), 69, "no server runs on this data folder")


def test_too_many_recipients(server):
    fails(send(server, "-f", ALICE, *(f"u{n}@example.test" for n in range(1001)), check=False), 65, "too many recipients")


# The way there: SMTP


@pytest.mark.parametrize("service", ["submissions", "submission"])
def test_through_the_ports(server, service):
    done = send_out(server, "-s", "by port", BOB, "--cc", ALICE, service=service)
    assert re.fullmatch(rf"sent: 250 2\.0\.0 .*{ID}.*\n", done.stdout) and done.stderr == ""
    m = arrived(server)
    assert (m["From"], m["Subject"]) == (ALICE, "by port") and re.search(r"with ESMTPSA", m["Received"])


def test_without_login_on_port_25(server):
    send_out(server, "-f", "stranger@example.net", "-s", "x", BOB, service="smtp", user=None)
    m = arrived(server)
    assert m["Return-Path"] == "<stranger@example.net>" and "with ESMTPS" in m["Received"]  # TLS where it is offered
    done = send_out(server, "-f", "stranger@example.net", "far@far.example", service="smtp", user=None, check=False)
    fails(done, 77, "the server refused <far@far.example>: 550 5.7.1 relaying denied")


def test_refusals(server):
    fails(send_out(server, BOB, password="wrong", check=False), 77, "the server does not let you in: 535 5.7.8")
    fails(send_out(server, BOB, "nobody@example.test", check=False), 67, "the server refused <nobody@example.test>: 550 5.1.1")
    fails(send_out(server, "-f", "x@other.test", BOB, check=False), 77, "the server refused: 553 5.7.1")
    assert len(server.messages(BOB)) == server.seen  # all or nothing


def test_password_from_standard_input(server):
    args = ["--server", f"localhost:{server.ports['submissions']}", "--user", ALICE, "--password-stdin", BOB]
    send(server, *args, text=f"{server.password}\nthe text\n")
    assert arrived(server).get_content() == "the text\r\n"


def test_password_at_the_terminal(server):
    args = ["send", "--server", f"localhost:{server.ports['submissions']}", "--user", ALICE, BOB, "--dir", server.dir]
    question = f"Password of {ALICE} at localhost:{server.ports['submissions']}: ".encode()
    status, shown = at_terminal(args, [(question, server.password.encode() + b"\n"),
                                       (b"Ctrl-D", b"typed text\n\x04")])
    assert status == 0 and "sent: 250" in shown and server.password not in shown, shown
    assert arrived(server).get_content() == "typed text\r\n"


def test_the_password_is_on_no_command_line(server):
    """Not while pombo-send runs either: a server that waits sees to it that it does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        p = subprocess.Popen([pombo.BINARY, "send", "--server", url, "--user", ALICE, "--dir", server.dir, BOB],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env={**os.environ, "POMBO_PASSWORD": "a-secret-word"}, start_new_session=True)
        conn, _ = listener.accept()
        lines = subprocess.run(["ps", "-s", str(p.pid), "-o", "args="], capture_output=True, text=True).stdout
        conn.close()
        p.wait(20 * pombo.SLOW)
    assert "pombo-send" in lines and "a-secret-word" not in lines


# TLS


def test_our_own_certificate_is_known(server, tmp_path):
    """By the key in the data folder; who has no such folder must be told whom to trust, and the name must be right."""
    args = ["-f", ALICE, BOB]
    done = send_out(server, *args, "--dir", tmp_path, check=False)
    fails(done, 77, "the server's certificate cannot be trusted: SSL certificate problem: self-signed certificate")
    done = send_out(server, *args, "--dir", tmp_path, "--cafile", server.certificate, check=False)
    fails(done, 77, "matches target host name 'localhost'; use the name that is in it")
    done = send_out(server, *args, "--dir", tmp_path, "--cafile", tmp_path / "none", check=False)
    fails(done, 78, "cannot read the certificates to trust")
    assert len(server.messages(BOB)) == server.seen
    send_out(server, *args, "--dir", tmp_path, "--insecure")
    arrived(server)


def test_a_certificate_with_the_right_name(make_server, tmp_path):
    server = make_server(users=[ALICE, BOB], start=False)
    programs.own_certificate(server)
    server.start()
    server.seen = 0
    for options in ({}, {"service": "submission"}):
        send_out(server, "--dir", tmp_path, "--cafile", server.certificate, BOB, **options)
        arrived(server)
        server.seen += 1
    send_out(server, "--dir", tmp_path, BOB, env={"SSL_CERT_FILE": str(server.certificate)})
    arrived(server)


def test_another_server_s_key(make_server):
    """Somebody else listens on our port: the data folder's certificate is not theirs."""
    ours, theirs = make_server(start=False), make_server(own=True)
    done = send(ours, "--server", f"localhost:{theirs.ports['submissions']}", "--user", ALICE, ALICE, check=False,
                env={"POMBO_PASSWORD": theirs.password})
    fails(done, 77, "the server's key is not the one of the certificate in the data folder")


class Fake(threading.Thread):
    """An SMTP server that says what it is told, and notes what it hears."""

    def __init__(self, replies):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.replies, self.heard = replies, []
        self.start()

    def run(self):
        conn, _ = self.listener.accept()
        with conn, conn.makefile("rb") as lines:
            conn.sendall(self.replies[""])
            for line in lines:
                self.heard.append(line.decode())
                verb = line.split()[0].decode().upper() if line.split() else ""
                reply = self.replies.get(verb, b"250 ok\r\n")
                conn.sendall(reply)
                if verb == "DATA" and reply.startswith(b"354"):
                    while (line := lines.readline()) not in (b".\r\n", b""):
                        self.heard.append(line.decode())
                    conn.sendall(self.replies.get(".", b"250 2.0.0 taken\r\n"))
                if verb == "QUIT":
                    return


GREETING = {"": b"220 fake ESMTP\r\n", "EHLO": b"250-fake\r\n250-SIZE 1000000\r\n250 AUTH PLAIN\r\n", "DATA": b"354 go\r\n",
            "QUIT": b"221 bye\r\n"}


def test_no_password_without_tls(server):
    fake = Fake(GREETING)
    done = send(server, "--server", fake.url, "--user", ALICE, BOB, check=False, env={"POMBO_PASSWORD": "secret"})
    fails(done, 77, "the server offers no STARTTLS, and without TLS nothing is sent")
    assert not any(line.upper().startswith(("AUTH", "MAIL")) for line in fake.heard)


def test_what_is_said_on_the_wire(server):
    fake = Fake(GREETING)
    done = send(server, "--server", fake.url, "-f", ALICE, "-s", "x", BOB, "--bcc", "c@example.net", text=".dot\n")
    assert done.stdout == "sent: 250 2.0.0 taken\n"
    assert fake.heard[0] == "EHLO localhost\r\n" and re.fullmatch(rf"MAIL FROM:<{ALICE}> SIZE=\d+\r\n", fake.heard[1])
    assert fake.heard[2:5] == [f"RCPT TO:<{BOB}>\r\n", "RCPT TO:<c@example.net>\r\n", "DATA\r\n"]
    assert fake.heard[-2:] == ["..dot\r\n", "QUIT\r\n"] and not any("Bcc" in line or "c@example.net" in line for line in fake.heard[5:])


REPLIES = [
    ({"": b"554 5.7.1 go away\r\n"}, 77, "the server refused: 554 5.7.1 go away"),
    ({"": b"421 4.3.2 too busy\r\n"}, 75, "the server refused: 421 4.3.2 too busy"),
    ({"MAIL": b"451 4.3.0 later\r\n"}, 75, "the server refused: 451 4.3.0 later"),
    ({"RCPT": b"550-5.1.1 who\r\n550 5.1.1 is that?\r\n"}, 67, f"the server refused <{BOB}>: 550 5.1.1 who 5.1.1 is that?"),
    ({"RCPT": b"452 4.2.2 full\r\n"}, 75, f"the server refused <{BOB}>: 452 4.2.2 full"),
    ({"DATA": b"554 5.6.0 no\r\n"}, 65, "the server refused: 554 5.6.0 no"),
    ({".": b"554 5.6.0 bad \x1b[2J message\r\n"}, 65, "the server refused: 554 5.6.0 bad ?[2J message"),
    ({".": b"452 4.3.1 disk\r\n"}, 75, "the server refused: 452 4.3.1 disk"),
    ({"": b"nonsense\r\n"}, 75, ""),
]


@pytest.mark.parametrize("replies, status, says", REPLIES, ids=range(len(REPLIES)))
def test_replies(server, replies, status, says):
    fake = Fake({**GREETING, **replies})
    done = send(server, "--server", fake.url, "-f", ALICE, BOB, check=False)
    if says:
        fails(done, status, says)
    else:
        assert done.returncode != 0 and done.stderr.startswith("pombo: ")


def test_nobody_there(server):
    with socket.socket() as s:  # ours, and nobody listens
        s.bind(("127.0.0.1", 0))
        done = send(server, "--server", f"smtp://127.0.0.1:{s.getsockname()[1]}", "-f", ALICE, BOB, check=False)
    fails(done, 69, "cannot reach the server")
    done = send(server, "--server", "smtp://no-such-host.invalid", "-f", ALICE, BOB, check=False)
    fails(done, 69, "there is no server of that name")
    done = send(server, "--server", f"smtps://localhost:{server.ports['submission']}", "-f", ALICE, BOB, check=False)
    fails(done, 69, "no TLS with the server")


def test_proxies_of_the_environment_are_not_asked(server):
    send_out(server, "-s", "x", BOB, env={"ALL_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"})
    arrived(server)


# sendmail


@pytest.fixture(scope="module")
def names():
    """A folder with the program under its other names, which every user can reach."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
    folder.chmod(0o755)
    for name in ("sendmail", "mailq", "newaliases"):
        (folder / name).symlink_to(pombo.BINARY)
    yield folder
    shutil.rmtree(folder)


def sendmail(server, names, *args, text="Subject: s\n\nbody\n", name="sendmail", env=None):
    text = text.encode() if isinstance(text, str) else text
    done = subprocess.run([names / name, *map(str, args)], input=text, capture_output=True, timeout=60 * pombo.SLOW,
                          env={**os.environ, "POMBO_DIR": str(server.dir), **(env or {})})
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


@pytest.mark.parametrize("name", ["sendmail", "mailq", "newaliases"])
def test_sendmail_explains_itself(server, names, name):
    done = sendmail(server, names, "--help", name=name)
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: {name}") and f"\nExample:\n" in done.stdout and done.stderr == ""


def test_sendmail(server, names):
    done = sendmail(server, names, BOB)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    m = arrived(server)
    assert m["Subject"] == "s" and m.get_content() == "body\r\n" and m["From"].addresses[0].domain == "example.test"
    assert m["Date"] and m["Message-ID"]


@pytest.mark.parametrize("args, text, body", [
    ([], "Subject: s\n\na\n.\nb\n", "a\r\n"),
    (["-i"], "Subject: s\n\na\n.\nb\n", "a\r\n.\r\nb\r\n"),
    (["-oi"], "Subject: s\r\n\r\na\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n"),
    (["-oi", "-oem", "-odb", "-bm", "-B8BITMIME", "-N", "failure", "-R", "hdrs", "-V", "id", "-Lx", "-O", "a=b", "-om", "-v", "-n", "-U", "-e", "m"],
     "Subject: s\n\nprogress 1\rprogress 2\n", "progress 1\r\nprogress 2\r\n"),
    (["-ti"], f"To: {BOB}\n\nx\n", "x\r\n"),
    (["-F", "A Name", "-fbob@example.test"], "no header at all\nin this one\n", "no header at all\r\nin this one\r\n"),
    (["--"], "\nTo: nobody\n", "To: nobody\r\n"),
    ([], "Subject: s\n\n" + "ü" * 10 + "\n", "ü" * 10 + "\r\n"),
])
def test_sendmail_forms(server, names, args, text, body):
    done = sendmail(server, names, *args, *([] if "-ti" in args else [BOB]), text=text)
    assert done.returncode == 0, done.stderr
    raw = server.messages(BOB)[server.seen:]
    assert len(raw) == 1 and raw[0].decode().split("\r\n\r\n", 1)[1] == body


def test_cron(server, names):
    """As Debian's cron writes it: no domains anywhere."""
    text = ("From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> test -x /usr/sbin/job\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <HOME=/root>\n\nÄrger\n")
    server.seen = len(server.messages(ALICE))
    done = sendmail(server, names, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root", text=text)
    assert done.returncode == 0, done.stderr
    m = arrived(server, ALICE)
    assert m["From"] == "Cron Daemon <root@example.test>" and m["To"] == "root@example.test" and m.get_content() == "Ärger\r\n"


def test_envelope_senders(server, names):
    for args, want in ((["-f", ALICE], f"<{ALICE}>"), (["-r", ALICE], f"<{ALICE}>"), (["-f", ""], "<>"), (["-f<>"], "<>"),
                       (["-f", "root"], "<root@example.test>")):
        server.seen = len(server.messages(BOB))
        assert sendmail(server, names, *args, BOB).returncode == 0
        assert arrived(server)["Return-Path"] == want


def test_recipients_of_the_header(server, names):
    before = len(server.messages(ALICE))
    text = f"To: Bob <{BOB}>,\n Nobody: ;\nCc: Alice <{ALICE}>\nBcc: {ALICE}\nSubject: s\n\nx\n"
    assert sendmail(server, names, "-t", text=text).returncode == 0
    assert arrived(server)["Bcc"] is None and len(server.messages(ALICE)) == before + 1
    assert sendmail(server, names, "-t", BOB, text=f"To: {ALICE}\n\nx\n").returncode == 0  # besides
    assert len(server.messages(ALICE)) == before + 2 and len(server.messages(BOB)) == server.seen + 2


@pytest.mark.parametrize("args, status, says", [
    (["nobody"], 67, "nobody@example.test: no such user here"),
    (["a b c"], 65, "this is not an address"),
    ([], 64, "no recipients: the command line names none; add them, or -t"),
    (["-t"], 64, "no recipients: neither the command line nor the message names one"),
    (["-bs"], 64, "the mode -bs is not offered"),
    (["-bd"], 64, "the mode -bd is not offered"),
    (["-q"], 64, "the mode -q is not offered"),
    (["-q15m"], 64, "the mode -q is not offered"),
    (["-Z"], 64, "there is no option -Z"),
    (["-f", "not an address", BOB], 65, "this is not an address"),
])
def test_sendmail_errors(server, names, args, status, says):
    fails(sendmail(server, names, *args), status, says)
    assert len(server.messages(BOB)) == server.seen


def test_sendmail_without_a_server(make_server, names):
    """A status that makes programs try again."""
    server = make_server(start=False)
    fails(sendmail(server, names, ALICE), 75, "no server runs on this data folder")
    fails(sendmail(server, names, ALICE, env={"POMBO_DIR": "/nonexistent"}), 75, "no server runs on this data folder")
    assert sendmail(server, names, name="mailq").stdout == "Mail queue is empty\n"


def test_mailq_and_newaliases(server, names):
    assert sendmail(server, names, "far@mailq.example").returncode == 0
    for name, args in (("mailq", []), ("mailq", ["-v"]), ("sendmail", ["-bp"])):
        done = sendmail(server, names, *args, name=name)
        assert done.returncode == 0 and " -> far@mailq.example\n" in done.stdout
    for name, args in (("newaliases", []), ("sendmail", ["-bi"]), ("sendmail", ["-I"])):
        done = sendmail(server, names, *args, name=name)
        assert done.returncode == 0 and "nothing to rebuild" in done.stdout


def test_s_nail_and_mutt_send_through_it(server, names, tmp_path):
    """Mail programs of others that call sendmail."""
    (tmp_path / "a.txt").write_text("attached ü\n")
    env = {"POMBO_DIR": str(server.dir), "MAILRC": "/dev/null"}
    done = programs.run(server, ["s-nail", "-:/", "-S", "v15-compat", "-S", f"mta={names}/sendmail", "-S", "sendwait", "-S", "ttycharset=utf-8",
                                 "-S", f"from={ALICE}", "-s", "from s-nail: ü", "-a", tmp_path / "a.txt", BOB], input="grüße\n", env=env)
    m = arrived(server)
    assert m["Subject"] == "from s-nail: ü" and next(m.iter_attachments()).get_content().strip() == "attached ü", done
    server.seen += 1
    programs.run(server, ["mutt", "-F", "/dev/null", "-e", f"set sendmail='{names}/sendmail -oem -oi'", "-e", f"set from={ALICE}",
                          "-e", "set use_envelope_from=yes", "-e", "set copy=no", "-e", "set charset=utf-8", "-s", "from mutt: ü",
                          "-a", tmp_path / "a.txt", "--", BOB], input="grüße\n.\nmore\n", env=env)
    m = arrived(server)
    assert m["Subject"] == "from mutt: ü" and m.get_body().get_content().startswith("grüße\r\n.\r\nmore")


def test_many_at_once(server, names):
    done = []
    threads = [threading.Thread(target=lambda n=n: done.append(sendmail(server, names, BOB, text=f"Subject: n{n}\n\nx\n").returncode))
               for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert done == [0] * 20
    subjects = {email.message_from_bytes(raw)["Subject"] for raw in server.messages(BOB)[server.seen:]}
    assert subjects == {f"n{n}" for n in range(20)}


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_another_user_may_not(server, names):
    done = subprocess.run([names / "sendmail", BOB], input="x", capture_output=True, text=True, user=65534, group=65534,
                          extra_groups=[], env={**os.environ, "POMBO_DIR": str(server.dir)})
    fails(done, 77, "its control socket is not yours; run this as the user that runs the server, or as root")


def test_pombo_send_is_no_program_for_people():
    helper = pathlib.Path(pombo.BINARY).parent / "pombo-send"
    done = subprocess.run([helper], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 64 and "this program is for 'pombo send'" in done.stderr
