# SPDX-License-Identifier: ISC
"""Mail programs that none of us wrote, unmodified, reading and changing mail over IMAP."""
import os
import re
import shutil
import subprocess
import time

import pytest

from pombo import ALICE, PASSWORD, SLOW
from terminal import Terminal

MESSAGE = "From: Ann <ann@example.net>\r\nTo: alice@example.test\r\nSubject: number %d\r\nDate: Sun, 1 Feb 2026 10:00:00 +0000\r\n\r\nText %d.\r\n"


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def fill(server, count, folder="INBOX"):
    with server.imap() as c:
        for n in range(1, count + 1):
            assert c.append(folder, "", None, (MESSAGE % (n, n)).encode())[0] == "OK"


def count(server, folder="INBOX"):
    with server.imap() as c:
        return int(re.search(rb"MESSAGES (\d+)", c.status(folder, "(MESSAGES)")[1][0])[1])


def run(*command, check=True, env=None, input=None, timeout=60 * SLOW):
    done = subprocess.run([str(c) for c in command], capture_output=True, env={**os.environ, **(env or {})},
                          input=input and input.encode(), timeout=timeout)
    done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert not check or done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"
    return done


# ---- curl ----

def curl(server, url, *options, service="imaps", check=True):
    scheme = "imaps" if service == "imaps" else "imap"
    return run("curl", "-sSv", "--cacert", server.certificate, "--resolve",
               f"{server.hostname}:{server.ports[service]}:{server.address}", "-u", f"{ALICE}:{PASSWORD}", *options,
               f"{scheme}://{server.hostname}:{server.ports[service]}{url}", check=check)


@needs("curl")
def test_curl(make_server, tmp_path):
    s = make_server()
    fill(s, 3)
    assert '"/" Trash' in curl(s, "/").stdout
    assert curl(s, "/INBOX;UID=2").stdout == MESSAGE % (2, 2)
    assert curl(s, "/INBOX;MAILINDEX=3;SECTION=TEXT").stdout == "Text 3.\r\n"
    assert "* SEARCH 2" in curl(s, "/INBOX?SUBJECT%20%22number%202%22").stdout
    for mechanism in ("PLAIN", "LOGIN"):
        done = curl(s, "/INBOX", "-X", "FETCH 1:* FLAGS", "--login-options", f"AUTH={mechanism}")
        assert "OK FETCH completed" in done.stderr
    assert "* 1 FETCH" in curl(s, "/INBOX", "-X", "STORE 1 +FLAGS \\Deleted", "--ssl-reqd", service="imap").stdout
    assert "* 1 EXPUNGE" in curl(s, "/INBOX", "-X", "EXPUNGE").stdout
    file = tmp_path / "message"
    file.write_bytes((MESSAGE % (9, 9)).encode())
    curl(s, "/Archive", "-T", file)
    assert curl(s, "/Archive;UID=1").stdout == MESSAGE % (9, 9)
    assert "ESEARCH (TAG" in curl(s, "/INBOX", "-X", "UID SEARCH RETURN (MIN MAX COUNT) ALL").stdout
    assert 'CHILDINFO' not in curl(s, "/", "-X", 'LIST (SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES))').stdout


# ---- mbsync ----

def mbsync_config(server, folder):
    return f"""
IMAPAccount pombo
Host {server.address}
Port {server.ports["imaps"]}
SSLType IMAPS
CertificateFile {server.certificate}
User {ALICE}
Pass "{PASSWORD}"
AuthMechs PLAIN

IMAPStore far
Account pombo

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
"""


class Maildir:
    """A folder of messages as mbsync keeps it."""

    def __init__(self, path):
        self.path = path

    def files(self):
        return sorted(p for sub in ("cur", "new") for p in (self.path / sub).glob("*"))

    def texts(self):
        return sorted(self.subject(p) for p in self.files())

    @staticmethod
    def subject(path):
        return re.search(rb"^Subject: (.*?)\r?$", path.read_bytes(), re.M)[1].decode()


@needs("mbsync")
def test_mbsync_both_ways(make_server, tmp_path):
    s = make_server()
    fill(s, 120)
    fill(s, 5, "Sent")
    mail, config = tmp_path / "mail", tmp_path / "mbsyncrc"
    mail.mkdir()
    config.write_text(mbsync_config(s, mail))

    def sync():
        return run("mbsync", "-V", "-c", config, "-a").stdout

    sync()
    inbox = Maildir(mail / "INBOX")
    assert len(inbox.files()) == 120 and len(Maildir(mail / "Sent").files()) == 5
    second = sync()
    assert not re.search(r"[1-9]\d* (?:new|changed|deleted)|Pulling [1-9]|[+*#][1-9]", second), second

    # Changes on both sides.
    with s.imap() as c:
        c.select()
        c.store("1:10", "+FLAGS", r"(\Seen \Flagged)")
        c.store("11:20", "+FLAGS", r"(\Deleted)")
        c.expunge()
        assert c.append("INBOX", r"(\Answered)", None, (MESSAGE % (1001, 1001)).encode())[0] == "OK"
        c.create("Far/Away")
        c.append("Far/Away", "", None, (MESSAGE % (1002, 1002)).encode())
    for path in inbox.files():
        number = int(Maildir.subject(path).split()[1])
        if 30 <= number < 40:
            path.unlink()
        elif 40 <= number < 50:
            path.rename(mail / "INBOX" / "cur" / (path.name.partition(":")[0] + ":2,FS"))
    (mail / "INBOX" / "new" / "1.local").write_bytes((MESSAGE % (2001, 2001)).replace("\r\n", "\n").encode())
    for part in ("cur", "new", "tmp"):
        (mail / "Near" / part).mkdir(parents=True)
    (mail / "Near" / "new" / "2.local").write_bytes((MESSAGE % (2002, 2002)).replace("\r\n", "\n").encode())
    sync()
    sync()
    expected = sorted(f"number {n}" for n in [*range(1, 11), *range(21, 30), *range(40, 121), 1001, 2001])
    assert inbox.texts() == expected
    with s.imap() as c:
        c.select()
        assert len(c.search(None, "ALL")[1][0].split()) == len(expected)
        assert len(c.search(None, "FLAGGED", "SEEN")[1][0].split()) == 20
        assert len(c.search(None, "SUBJECT", '"number 2001"')[1][0].split()) == 1
        assert c.select("Near") == ("OK", [b"1"])
    assert Maildir(mail / "Far" / "Away").texts() == ["number 1002"]
    last = sync()
    assert not re.search(r"[+*#][1-9]", last), last


# ---- mutt ----

def muttrc(server, folder, extra=""):
    return f"""
set folder = "imaps://{server.address}:{server.ports["imaps"]}/"
set spoolfile = "+INBOX"
set imap_user = "{ALICE}"
set imap_pass = "{PASSWORD}"
set certificate_file = "{server.certificate}"
set ssl_verify_host = no
set ssl_force_tls = yes
set header_cache = "{folder}/cache"
set confirmappend = no
set delete = yes
set move = no
set record = "+Sent"
set mail_check = 1
set timeout = 1
set imap_idle = yes
set wait_key = no
set tmpdir = "{folder}"
{extra}
"""


@pytest.mark.parametrize("program, extra", [
    pytest.param("mutt", "", marks=needs("mutt")),
    pytest.param("mutt", "set imap_condstore = yes\nset imap_qresync = no", marks=needs("mutt"), id="mutt-condstore"),
    pytest.param("neomutt", "set imap_condstore = yes", marks=needs("neomutt")),
])
@needs("tmux")
def test_mutt(make_server, tmp_path, program, extra):
    s = make_server()
    fill(s, 8)
    rc = tmp_path / "muttrc"
    rc.write_text(muttrc(s, tmp_path, extra))
    t = Terminal(tmp_path, [program, "-n", "-F", rc])
    try:
        t.wait("number 8")
        t.keys("1", "Enter", "Enter")
        t.wait("Text 1.")
        t.keys("q")
        t.wait("number 8")
        t.keys("3", "Enter", "D", "number 3", "Enter")  # delete by pattern
        t.keys("F")  # flag one
        t.keys("5", "Enter", "s")
        t.wait("ave to mailbox")
        t.keys("C-u", "=Archive", "Enter")
        time.sleep(0.5)
        t.keys("$")
        if program == "neomutt":
            time.sleep(0.5)
            t.keys("y")
        deadline = time.monotonic() + 20 * SLOW
        while count(s) != 6:
            assert time.monotonic() < deadline, t.screen()
            time.sleep(0.2)
        assert len(s.messages(folder="Archive")) == 1
        s.deliver(ALICE, "Subject: while you look\r\nFrom: x@example.net\r\n\r\nnew\r\n")
        t.wait("while you look", nudge="k")
        t.keys("q")
    finally:
        t.close()
    with s.imap() as c:
        c.select()
        assert c.search(None, "SUBJECT", '"number 1"', "SEEN") == ("OK", [b"1"])
        assert c.search(None, "SUBJECT", '"number 3"') == ("OK", [b""])


# ---- s-nail ----

@needs("s-nail")
def test_s_nail(make_server, tmp_path):
    s = make_server()
    fill(s, 3)
    user = ALICE.replace("@", "%40")
    secret = PASSWORD.replace(" ", "%20")
    url = f"imaps://{user}:{secret}@{s.hostname}:{s.ports['imaps']}"
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{s.address} {s.hostname}\n")
    common = ["s-nail", "-n", "-S", "v15-compat=yes", "-S", f"tls-ca-file={s.certificate}", "-S", "tls-verify=ignore",
              "-S", "imap-use-starttls=no", "-S", "noheader", "-S", "nomore"]
    url = url.replace(s.hostname, s.address)
    done = run(*common, "-f", f"{url}/INBOX", input="from *\ntype 2\nflag 1\ncopy 3 " + f'"{url}/Archive"' +
               "\ndelete 2\nquit\n", env={"HOME": str(tmp_path)}, check=False)
    assert "number 2" in done.stdout and "Text 2." in done.stdout, done.stdout + done.stderr
    assert [re.search(rb"Subject: (.*)\r", m)[1] for m in s.messages()] == [b"number 1", b"number 3"]
    assert len(s.messages(folder="Archive")) == 1, done.stdout + done.stderr
