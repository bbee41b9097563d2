# SPDX-License-Identifier: ISC
"""pombo import imaps://…: from Dovecot (where it is installed) and from another pombo; again for the rest; TLS that must be right."""
import contextlib
import imaplib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import pombo
import processes
from ports import PortBlock
from typed import at_terminal

ALICE = "alice@example.test"
PASSWORD = "old secret"


def folders(report):
    return {f["name"]: (f["imported"], f["there"]) for f in report["folders"]}


def pull(server, url, *more, password=PASSWORD, check=True):
    done = server.cli("import", ALICE, url, "--password-stdin", "--json", *more, input=password + "\n", check=False)
    assert not check or done.returncode == 0, done.stderr
    return json.loads(done.stdout) if check else done


@pytest.fixture
def dovecot():
    if not shutil.which("dovecot"):
        pytest.skip("dovecot is not installed")
    top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
    top.chmod(0o755)
    (top / "mail").mkdir()
    shutil.chown(top / "mail", "mail", "mail") if os.geteuid() == 0 else None
    port = PortBlock(("127.0.0.1",))["imaps"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", top / "key.pem", "-out", top / "cert.pem",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"], check=True, capture_output=True)
    user = "mail" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
    (top / "users").write_text("bob:{PLAIN}" + PASSWORD + "\n")
    (top / "conf").write_text(f"""
base_dir = {top}/run
log_path = {top}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{top}/cert.pem
ssl_key = <{top}/key.pem
mail_location = maildir:{top}/mail/%u
mail_uid = {user}
mail_gid = {user}
first_valid_uid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {user}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = .
  mailbox "Sent Messages" {{
    special_use = \\Sent
    auto = create
  }}
}}
passdb {{
  driver = passwd-file
  args = {top}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={top}/mail/%u
}}
""")
    process = subprocess.Popen(["dovecot", "-F", "-c", str(top / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        yield logged_in(port, top), port, top / "cert.pem"
    finally:
        processes.end(process, 20 * pombo.SLOW)
        shutil.rmtree(top)


def logged_in(port, top):
    """As soon as it lets in."""
    context = ssl.create_default_context(cafile=str(top / "cert.pem"))
    deadline = time.monotonic() + 20 * pombo.SLOW
    while True:
        try:
            imap = imaplib.IMAP4_SSL("localhost", port, ssl_context=context)
            imap.login("bob", PASSWORD)
            return imap
        except (OSError, imaplib.IMAP4.error):
            assert time.monotonic() < deadline, (top / "log").read_text() if (top / "log").exists() else "no log"
            time.sleep(0.1)


def test_from_dovecot(make_server, dovecot, tmp_path):
    old, port, certificate = dovecot
    server = make_server()
    when = '"05-May-2011 07:08:09 +0200"'
    for i in range(120):
        old.append("INBOX", r"(\Seen $Label1)" if i % 2 else r"(\Flagged)", when, b"Subject: %d\r\n\r\n%s\r\n" % (i, b"x" * (i * 500)))
    old.append('"Sent Messages"', "", None, b"Subject: sent\r\n\r\nx\r\n")
    old.create("R&AOk-sum&AOk-.old")
    old.append("R&AOk-sum&AOk-.old", "", None, b'Subject: "quoted \\ {5}\r\n\r\n)x(\r\n')
    url = f"imaps://bob@localhost:{port}"
    got = folders(pull(server, url, "--cafile", certificate))
    assert got == {"INBOX": (120, 0), "Sent": (1, 0), "Résumé/old": (1, 0)}
    imap = server.imap(ALICE)
    imap.select("INBOX")
    text = imap.fetch("2", "(FLAGS INTERNALDATE BODY.PEEK[])")[1][0]
    assert text[1] == b"Subject: 1\r\n\r\n" + b"x" * 500 + b"\r\n"
    assert b"$Label1" in text[0] and rb"\Seen" in text[0] and b'" 5-May-2011 05:08:09 +0000"' in text[0]
    # What is moved or deleted here does not come back; what is new there comes.
    imap._simple_command("MOVE", "1:5", "Archive")
    old.append("INBOX", "", None, b"Subject: new\r\n\r\nx\r\n")
    assert folders(pull(server, url, "--cafile", certificate)) == {"INBOX": (1, 120), "Sent": (0, 1), "Résumé/old": (0, 1)}
    imap.logout()
    old.logout()
    # A certificate that nobody vouches for, a wrong password.
    done = pull(server, url, check=False)
    assert done.returncode == 77 and "self-signed" in done.stderr
    assert folders(pull(server, url, "--insecure-tls"))["INBOX"] == (0, 121)
    done = pull(server, url, "--cafile", certificate, password="wrong", check=False)
    assert done.returncode == 77 and "refuses" in done.stderr


def test_from_pombo_by_starttls_and_after_kills(make_server, tmp_path):
    old, server = make_server(), make_server()
    top = tmp_path / "M"
    for part in ("cur", "new", "tmp"):
        (top / part).mkdir(parents=True)
    for i in range(300):
        (top / "cur" / f"{i:04}.x:2,S").write_bytes(b"Subject: %d\n\n%s\n" % (i % 250, b"y" * 20 * i))
    old.cli("import", ALICE, top)
    url = f"imap://alice%40example.test@127.0.0.1:{old.ports['imap']}"
    for delay in (0.1, 0.2, 0.3):
        running = subprocess.Popen([str(pombo.BINARY), "import", "--dir", str(server.dir), ALICE, url, "--password-stdin", "--insecure-tls"],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.stdin.write(old.password.encode() + b"\n")
        running.stdin.close()
        time.sleep(delay * pombo.LONGER)
        running.kill()
        running.wait()
    pull(server, url, "--insecure-tls", password=old.password)
    assert sorted(server.messages(ALICE)) == sorted(old.messages(ALICE))
    assert folders(pull(server, url, "--insecure-tls", password=old.password))["INBOX"] == (0, 300)
    # One more of a message that came before is one more; what both have from elsewhere is not taken again.
    with old.imap(ALICE) as there, server.imap(ALICE) as here:
        there.append("INBOX", "", None, old.messages(ALICE)[7])
        for imap in (there, here):
            imap.append("INBOX", "", None, b"Subject: both\r\n\r\n" + b"b" * 300 + b"\r\n")
    for imported in (1, 0):
        assert folders(pull(server, url, "--insecure-tls", password=old.password))["INBOX"] == (imported, 302 - imported)
    assert sorted(server.messages(ALICE)) == sorted(old.messages(ALICE))


def test_mistakes(make_server):
    server = make_server()
    for url, status, says in (("imap://nobody", 65, "imaps://user@"), ("imaps://a@localhost:1", 69, "refused")):
        done = pull(server, url, check=False)
        assert done.returncode == status and says in done.stderr, (done.returncode, done.stderr)


def test_it_says_whose_password_it_asks_for(make_server):
    """Of a server that could be meant only."""
    server = make_server()
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        url = f"imaps://bob%40old.test@127.0.0.1:{dead.getsockname()[1]}"
        status, shown = at_terminal(["import", ALICE, url, "--dir", server.dir], [(b"Password of bob@old.test at 127.0.0.1: ", b"secret\n")])
        assert status == 69 and "refused" in shown and "secret" not in shown
    status, shown = at_terminal(["import", ALICE, "imap://nobody", "--dir", server.dir], [])
    assert status == 65 and "Password" not in shown


def certificate(tmp_path):
    """What a server of this test shows."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k", "-out", tmp_path / "c",
                    "-subj", "/CN=localhost", "-days", "2"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "c", tmp_path / "k")
    return tls


def serve_once(answers, tls, seen):
    """A server that says the greeting, then for each line of the client the next answer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as plain:
            plain.settimeout(20 * pombo.SLOW)
            try:
                with tls.wrap_socket(plain, server_side=True) if tls else plain as s:
                    s.sendall(answers[0])
                    for answer in answers[1:]:
                        line = s.recv(65536)
                        seen.append(line)
                        s.sendall(answer.replace(b"TAG", line.split(b" ")[0]))
                    s.settimeout(20 * pombo.SLOW if tls else 1)  # without TLS the client waits for a handshake that never comes
                    while s.recv(65536):
                        pass
            except OSError:
                pass  # the client has gone

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread


def test_hostile_servers(make_server, tmp_path):
    server = make_server()
    tls = certificate(tmp_path)
    hello, ok = b"* OK hi\r\n", b"TAG OK done\r\n"
    opened = [hello, ok, ok]
    listed = opened + [b'* LIST () "/" INBOX\r\n* LIST () "/" {6}\r\nEvil/\x01\r\n' + ok, b"* OK [UIDVALIDITY 1] x\r\n" + ok]
    cases = [
        (opened + [b"* LIST () NIL {99999999999}\r\n"], 75, "too long"),
        (opened + [b"* " + b"x" * (1 << 21)], 75, "without an end"),
        (opened + [b"* BYE go\r\n"], 75, "goodbye"),
        ([b"* PREAUTH come in\r\n"], 75, "does not greet"),
        ([b"garbage\r\n"], 75, "does not greet"),
        ([hello, ok, b"TAG NO \x1b[2Jwrong\r\n"], 77, "refuses"),
        # Messages nobody asked for are not taken; those that do not come are told; the odd folder too.
        (listed + [b"* 1 FETCH (UID 5 RFC822.SIZE 9)\r\n* 2 FETCH (UID 6 RFC822.SIZE 99999999999)\r\n" + ok,
                   b"* 1 FETCH (UID 7 BODY[] {8}\r\nA: b\r\n\r\n)\r\n* 1 FETCH (UID 5 BODY[] NIL)\r\n* 1 FETCH (((\r\n" + ok], 65, "did not send"),
        # That it does not tell now what it has is no reason to believe that it has nothing; of an empty folder nothing is to be told.
        (opened + [b'* LIST () "/" INBOX\r\n' + ok, b"* 3 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" + ok, b"TAG NO [UNAVAILABLE] later\r\n"],
         65, "does not tell"),
        # A folder that cannot be read is not passed over in silence.
        (opened + [b'* LIST (\\Drafts "/" INBOX\r\n' + ok], 65, "cannot be read"),
        (opened + [b'* LIST () "/" INBOX\r\n' + ok, b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" + ok, b"TAG BAD empty\r\n"], 0, "INBOX"),
    ]
    for answers, status, says in cases:
        seen = []
        port, thread = serve_once(answers, tls, seen)
        done = pull(server, f"imaps://u@127.0.0.1:{port}", "--insecure-tls", check=False)
        thread.join(20 * pombo.SLOW)
        assert done.returncode == status and says in done.stderr + done.stdout, (answers, done.returncode, done.stderr, done.stdout)
        assert "\x1b" not in done.stderr
    assert not server.messages(ALICE)
    # Without TLS nobody hears the password.
    for answer in (b"TAG NO not here\r\n", b"TAG OK go\r\n" + b"X" * 100):
        seen = []
        port, thread = serve_once([hello, answer], None, seen)
        assert pull(server, f"imap://u@127.0.0.1:{port}", "--insecure-tls", check=False).returncode == 77
        thread.join(20 * pombo.SLOW)
        assert len(seen) == 1 and b"STARTTLS" in seen[0]


def test_what_servers_may_say_too(make_server, tmp_path):
    """A folder's name that is a literal and ends in a blank; what was not asked for: changed flags, and items of extensions."""
    server, tls, ok = make_server(), certificate(tmp_path), b"TAG OK done\r\n"
    listed = b'* LIST () "/" {4}\r\nOld \r\n'
    sizes = b"* 1 FETCH (UID 5 RFC822.SIZE 9 MODSEQ (77))\r\n* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n* 1 FETCH (MODSEQ (78) UID 5 FLAGS ())\r\n"
    body = b"* 1 FETCH (X-LABELS (a (\"b\" c)) UID 5 FLAGS (\\Seen) BODY[] {8}\r\nA: b\r\n\r\n)\r\n"
    port, thread = serve_once([b"* OK hi\r\n", ok, ok, listed + ok, b"* OK [UIDVALIDITY 1] x\r\n" + ok, sizes + ok, body + ok], tls, [])
    report = pull(server, f"imaps://u@127.0.0.1:{port}", "--insecure-tls")
    thread.join(20 * pombo.SLOW)
    assert folders(report) == {"Old ": (1, 0)} and not report["left_out"]


@pytest.mark.parametrize("scheme", ["imap", "imaps"])
@pytest.mark.parametrize("drips", [True, False], ids=["drips", "silent"])
def test_a_server_that_gets_nowhere_is_given_up(make_server, tmp_path, scheme, drips):
    """A byte again and again keeps no import alive, be it before TLS or in it."""
    server, tls, ended = make_server(), certificate(tmp_path), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as plain:
            with contextlib.suppress(OSError), tls.wrap_socket(plain, server_side=True) if scheme == "imaps" else plain as s:
                s.sendall(b"* ")
                while not ended.wait(0.05):
                    if drips:
                        s.sendall(b"x")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        done = pull(server, f"{scheme}://u@127.0.0.1:{listener.getsockname()[1]}", "--insecure-tls", "--timeout", "1", check=False)
    finally:
        ended.set()
        thread.join(20 * pombo.SLOW)
    assert done.returncode == 75 and "run the same command again" in done.stderr
    # Where the machine stands still for a second, what drips was silent.
    assert re.search("hardly anything|said nothing for 1 s" if drips else "said nothing for 1 s", done.stderr)


def test_what_a_server_makes_us_tell_has_an_end(make_server, tmp_path):
    """Of a million messages that are too large ten thousand are named, the others counted."""
    server, n, tls = make_server(), 12000, certificate(tmp_path)
    ok = b"TAG OK done\r\n"
    answers = [b"* OK hi\r\n", ok, ok, b'* LIST () "/" INBOX\r\n' + ok, b"* OK [UIDVALIDITY 1] x\r\n" + ok,
               b"".join(b"* %d FETCH (UID %d RFC822.SIZE 99999999999)\r\n" % (i, i) for i in range(1, n + 1)) + ok]
    port, thread = serve_once(answers, tls, [])
    done = pull(server, f"imaps://u@127.0.0.1:{port}", "--insecure-tls", check=False)
    thread.join(20 * pombo.SLOW)
    assert done.returncode == 65
    report = json.loads(done.stdout)
    assert (len(report["left_out"]), report["not_listed"], report["folders"][0]["left_out"]) == (10000, n - 10000, n)


def test_a_large_message_is_not_held_in_memory(make_server, tmp_path):
    """Neither the other server's nor a Maildir's: the beginning is, the rest goes through a temporary file."""
    size = 48 << 20
    server = make_server(config=["max-message-size = 100M"])
    tls = certificate(tmp_path)
    line = b"0123456789 abcdefghijklmnopqrstuvwxyz 0123456789\n"
    message = b"Subject: large\n\n" + line * (size // len(line))
    ok = b"TAG OK done\r\n"
    sent = b"* 1 FETCH (UID 5 FLAGS (\\Seen) BODY[] {%d}\r\n" % len(message) + message + b" INTERNALDATE \"05-May-2011 07:08:09 +0200\")\r\n"
    answers = [b"* OK hi\r\n", ok, ok, b'* LIST () "/" INBOX\r\n' + ok, b"* OK [UIDVALIDITY 1] x\r\n" + ok,
               b"* 1 FETCH (UID 5 RFC822.SIZE %d)\r\n" % len(message) + ok, sent + ok]
    port, thread = serve_once(answers, tls, [])
    command = [str(pombo.BINARY), "import", "--dir", str(server.dir), ALICE]
    assert peak_kib(command + [f"imaps://u@127.0.0.1:{port}", "--password-stdin", "--insecure-tls"], b"x\n") < 16 * 1024
    thread.join(20 * pombo.SLOW)
    top = tmp_path / "M"
    for part in ("cur", "new", "tmp"):
        (top / part).mkdir(parents=True)
    (top / "cur" / "1.x:2,S").write_bytes(message + b"more\n")
    assert peak_kib(command + [str(top)]) < 16 * 1024
    with server.imap(ALICE) as imap:
        imap.select("INBOX")
        for number, text in ((b"1", message), (b"2", message + b"more\n")):
            got = imap.fetch(number, "(FLAGS BODY.PEEK[])")[1][0]
            assert rb"\Seen" in got[0] and got[1] == text.replace(b"\n", b"\r\n")


def peak_kib(command, stdin=b""):
    """The most memory that a command had at a time, as the kernel saw it until shortly before its end."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    process.stdin.write(stdin)
    process.stdin.close()
    peak = 0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
        peak = int(found[1]) if found else peak
        time.sleep(0.02)
    assert process.returncode == 0 and peak
    return 0 if pombo.SANITIZED else peak
