# SPDX-License-Identifier: ISC
"""More mail programs and libraries that none of us wrote, over TLS: much mail, many commands, changes on both sides. Where they use an extension when it is
advertised (SORT, THREAD, CONDSTORE, QUOTA …) they use pombo's."""
import imaplib
import random
import re
import shutil
import time

import pytest

from pombo import ALICE, PASSWORD, SANITIZED, SLOW
from terminal import Terminal
from test_imap_clients import MESSAGE, Maildir, count, fill, mbsync_config, needs, run


def many(c, folder, numbers):
    """APPENDs in a pipeline: thousands in seconds."""
    tags = []
    for n in numbers:
        text = (MESSAGE % (n, n)).encode()
        tags.append(c._new_tag())
        c.send(tags[-1] + b' APPEND "%s" {%d+}\r\n' % (folder.encode(), len(text)) + text + b"\r\n")
        if len(tags) % 50 == 0:
            while c.tagged_commands[tags[-1]] is None:
                c._get_response()
    for tag in tags:
        while c.tagged_commands[tag] is None:
            c._get_response()
        assert c.tagged_commands.pop(tag)[0] == "OK"


# ---- mbsync, thousands ----

@needs("mbsync")
@pytest.mark.timeout(600)
def test_mbsync_thousands(make_server, tmp_path):
    s = make_server()
    total = 600 if SANITIZED else 2000
    with s.imap() as c:
        many(c, "INBOX", range(1, total + 1))
        many(c, "Archive", range(1, 301))
    mail, config, rng = tmp_path / "mail", tmp_path / "mbsyncrc", random.Random(3)
    mail.mkdir()
    config.write_text(mbsync_config(s, mail))

    def sync():
        return run("mbsync", "-V", "-c", config, "-a", timeout=240 * SLOW).stdout

    def nothing_changes():
        before = sorted(p.relative_to(mail) for p in mail.rglob("*") if p.parent.name in ("cur", "new"))
        said = sync()
        assert not re.search(r"[+*#][1-9]", said), said
        assert before == sorted(p.relative_to(mail) for p in mail.rglob("*") if p.parent.name in ("cur", "new"))

    sync()
    inbox = Maildir(mail / "INBOX")
    assert len(inbox.files()) == total
    nothing_changes()
    expected = set(range(1, total + 1))
    for turn in range(2):
        numbers = sorted(expected)
        far_gone, near_gone = set(rng.sample(numbers, total // 20)), set(rng.sample(numbers, total // 20))
        near_flagged = set(rng.sample(sorted(expected - near_gone), total // 10))
        with s.imap() as c:
            c.select()
            uids = c.uid("SEARCH", "ALL")[1][0].split()
            subjects = dict(zip(uids, sorted(expected)))
            far = [u.decode() for u in uids if subjects[u] in far_gone]
            assert c.uid("STORE", ",".join(far), "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
            assert c.uid("EXPUNGE", ",".join(far))[0] == "OK"
            assert c.uid("STORE", "1:*", "+FLAGS.SILENT" if turn else "-FLAGS.SILENT", r"(\Answered)")[0] == "OK"
            new = range(10000 * (turn + 1), 10000 * (turn + 1) + 100)
            many(c, "INBOX", new)
        for path in inbox.files():
            number = int(Maildir.subject(path).split()[1])
            if number in near_gone:
                path.unlink()
            elif number in near_flagged:
                path.rename(mail / "INBOX" / "cur" / (path.name.partition(":")[0] + ":2,FS"))
        sync()
        sync()
        expected = (expected - far_gone - near_gone) | set(new)
        assert inbox.texts() == sorted(f"number {n}" for n in expected)
        with s.imap() as c:
            c.select()
            assert len(c.uid("SEARCH", "ALL")[1][0].split()) == len(expected)
            flagged = len(near_flagged - far_gone)
            assert len(c.uid("SEARCH", "FLAGGED")[1][0].split()) >= flagged
        nothing_changes()


# ---- alpine ----

@needs("alpine")
@needs("tmux")
def test_alpine(make_server, tmp_path):
    s = make_server()
    fill(s, 8)
    far = f'{{{s.address}:{s.ports["imaps"]}/ssl/novalidate-cert/user="{ALICE}"}}'
    (tmp_path / ".pinerc").write_text(f"""personal-name=Alice
user-domain=example.test
inbox-path={far}INBOX
folder-collections=pombo {far}[]
feature-list=disable-password-file-saving,expunge-without-confirm,expunge-without-confirm-everywhere,quit-without-confirm,enable-flag-cmd
last-version-used=6.26
""")
    with Terminal(tmp_path, ["alpine", "-i"]) as t:
        t.wait("ENTER PASSWORD")
        t.keys(PASSWORD, "Enter")
        t.wait("number 8")
        t.keys("Enter")
        t.wait("Text 1.")
        t.keys("<")
        t.wait("FldrList")
        t.keys("4", "Enter", "D")
        t.wait("Message 4 marked for deletion")
        t.keys("s")
        t.wait("SAVE Msg #5")
        t.keys("C-u", "Archive", "Enter")
        t.wait("Message 5 of 8 DEL")
        t.keys("6", "Enter", "*")
        t.wait("[Important]")
        t.keys("*")
        t.wait('Flagged message 6 "Important"')
        t.keys("$")  # sort; by SORT and THREAD where the server has them
        t.wait("Choose type of sort")
        t.keys("s")
        time.sleep(0.5)
        t.keys("$")
        t.wait("Choose type of sort")
        t.keys("h")
        time.sleep(0.5)
        t.keys("w")  # find words: SEARCH
        t.wait("Word to search for")
        t.keys("number 8", "Enter")
        t.wait("Message 8 of 8")
        t.keys("x")
        t.wait("of 6")
        s.deliver(ALICE, "Subject: while you look\r\nFrom: x@example.net\r\n\r\nnew\r\n")
        t.wait("while you look", nudge="C-l")
        t.keys("q")
        deadline = time.monotonic() + 20 * SLOW
        while count(s) != 7:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with s.imap() as c:
        c.select()
        assert c.search(None, "SEEN") == ("OK", [b"1"])
        assert c.search(None, "FLAGGED", "SUBJECT", '"number 6"')[1][0]
        assert c.search(None, "OR", "SUBJECT", '"number 4"', "SUBJECT", '"number 5"') == ("OK", [b""])
        assert c.select("Archive") == ("OK", [b"1"])


# ---- offlineimap ----

@needs("offlineimap")
def test_offlineimap_both_ways(make_server, tmp_path):
    s = make_server()
    fill(s, 60)
    fill(s, 3, "Sent")
    rc, mail = tmp_path / "offlineimaprc", tmp_path / "mail"
    rc.write_text(f"""[general]
accounts = pombo
metadata = {tmp_path}/metadata
socktimeout = 60

[Account pombo]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {mail}

[Repository far]
type = IMAP
remotehost = {s.address}
remoteport = {s.ports["imaps"]}
remoteuser = {ALICE}
remotepass = {PASSWORD}
auth_mechanisms = PLAIN, LOGIN
ssl = yes
sslcacertfile = {s.certificate}
""".replace(f"remotehost = {s.address}", f"remotehost = {s.address}\ncert_fingerprint = {fingerprint(s)}").replace(f"sslcacertfile = {s.certificate}\n", ""))

    def sync():
        return run("offlineimap", "-c", rc, "-o", "-u", "basic", env={"HOME": str(tmp_path)}, timeout=120 * SLOW)

    sync()
    inbox = Maildir(mail / "INBOX")
    assert len(inbox.files()) == 60 and len(Maildir(mail / "Sent").files()) == 3
    with s.imap() as c:
        c.select()
        c.store("1:10", "+FLAGS", r"(\Seen \Flagged)")
        c.store("11:20", "+FLAGS", r"(\Deleted)")
        c.expunge()
    for path in inbox.files():
        if int(Maildir.subject(path).split()[1]) in range(30, 40):
            path.unlink()
    (mail / "INBOX" / "new" / "1.local").write_bytes((MESSAGE % (2001, 2001)).replace("\r\n", "\n").encode())
    sync()
    expected = sorted(f"number {n}" for n in [*range(1, 11), *range(21, 30), *range(40, 61), 2001])
    assert inbox.texts() == expected
    assert sum("S" in p.name.partition(":2,")[2] for p in inbox.files()) >= 10
    with s.imap() as c:
        c.select()
        assert len(c.search(None, "ALL")[1][0].split()) == len(expected)
        assert c.search(None, "SUBJECT", '"number 2001"')[1][0]
    last = sync()
    assert "Copy message" not in last.stdout + last.stderr and "Deleting" not in last.stdout + last.stderr, last.stdout + last.stderr


def fingerprint(server):
    said = run("openssl", "x509", "-in", server.certificate, "-noout", "-fingerprint", "-sha1").stdout
    return said.partition("=")[2].strip().replace(":", "").lower()


# ---- imapfilter ----

@needs("imapfilter")
def test_imapfilter(make_server, tmp_path):
    s = make_server()
    fill(s, 30)
    (tmp_path / ".imapfilter").mkdir()
    shutil.copy(s.certificate, tmp_path / ".imapfilter" / "certificates")  # those it trusts
    (tmp_path / "config.lua").write_text(f"""
options.timeout = 30
options.hostnames = false
options.starttls = false
options.create = true
a = IMAP {{ server = '{s.address}', port = {s.ports["imaps"]}, username = '{ALICE}', password = '{PASSWORD}', ssl = 'auto' }}
assert(#a.INBOX:select_all() == 30)
r = a.INBOX:contain_subject('number 1')
assert(#r == 11)
r:copy_messages(a.Archive)
r = a.INBOX:contain_subject('number 2') * a.INBOX:is_unseen()
assert(#r == 11)
r:mark_seen()
r:move_messages(a['Made/by filter'])
a.INBOX:contain_body('Text 7.'):mark_flagged()
a.INBOX:match_subject('number 8'):delete_messages()
assert(#(a.INBOX:is_older(1) + a.INBOX:is_flagged()) >= 1)
exist, unread, unseen, uidnext = a.INBOX:check_status()
assert(exist == 18)
f, t = a:list_all()
assert(#f > 5)
""")
    done = run("imapfilter", "-c", tmp_path / "config.lua", env={"HOME": str(tmp_path)}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(s) == 18 and count(s, "Archive") == 11 and count(s, '"Made/by filter"') == 11
    with s.imap() as c:
        c.select()
        assert len(c.search(None, "FLAGGED")[1][0].split()) == 1


# ---- Mail::IMAPClient ----

PERL = r"""
use strict; use warnings; use Mail::IMAPClient;
my ($host, $port, $user, $password, $ca) = @ARGV;
my $c = Mail::IMAPClient->new(Server => $host, Port => $port, User => $user, Password => $password, Uid => 1, Timeout => 30,
    Ssl => [SSL_ca_file => $ca, SSL_verifycn_scheme => 'none']) or die "login: $@";
sub n { scalar @_ }
sub ok { my ($what, $is) = @_; die "$what: " . ($c->LastError // '') . "\n" . join('', $c->History) unless $is }
ok 'capability', $c->has_capability('IMAP4REV1');
ok 'folders', scalar(grep { $_ eq 'Trash' } $c->folders) == 1;
ok 'separator', $c->separator eq '/';
ok 'namespace', $c->namespace;
ok 'create', $c->create('perl/one');
ok 'exists', $c->exists('perl/one');
ok 'rename', $c->rename('perl/one', 'perl/two') && !$c->exists('perl/one');
ok 'subscribe', $c->subscribe('perl/two') && scalar(grep { $_ eq 'perl/two' } $c->subscribed);
ok 'select', $c->select('INBOX');
ok 'count', $c->message_count == 12 && $c->unseen_count == 12;
my @all = $c->messages;
ok 'messages', @all == 12;
ok 'search', n($c->search('SUBJECT "number 1"')) == 4;
ok 'since', n($c->since(0)) == 12;
my @sorted;
if ($c->has_capability('SORT')) {
    @sorted = $c->sort('REVERSE SUBJECT', 'UTF-8', 'ALL');
    ok 'sort', @sorted == 12 && $c->subject($sorted[0]) eq 'number 9';
}
if ($c->has_capability('THREAD=REFERENCES')) {
    my $threads = $c->thread('REFERENCES', 'UTF-8', 'ALL');
    ok 'thread', $threads && @$threads == 12;
}
my $uid = $c->append_string('INBOX', "Subject: made by perl\r\nFrom: me <me\@example.net>\r\n\r\ntext\r\n", '\Flagged');
ok 'append', $uid;
ok 'subject', $c->subject($uid) eq 'made by perl';
ok 'body', $c->body_string($uid) eq "text\r\n";
ok 'size', $c->size($uid) == length $c->message_string($uid);
ok 'flags', scalar(grep { $_ eq '\Flagged' } $c->flags($uid));
ok 'headers', $c->parse_headers($uid, 'From', 'Subject')->{Subject}[0] eq 'made by perl';
ok 'date', $c->internaldate($uid);
my $envelope = $c->get_envelope($uid);
ok 'envelope', $envelope && $envelope->{subject} eq 'made by perl' && join(" ", $envelope->from_addresses) =~ /me\@example.net/;
my $structure = $c->get_bodystructure($uid);
ok 'bodystructure', $structure && $structure->bodytype eq 'TEXT' && $structure->bodysubtype eq 'PLAIN';
my $hash = $c->fetch_hash('RFC822.SIZE', 'FLAGS', 'INTERNALDATE');
ok 'fetch_hash', keys %$hash == 13;
ok 'set_flag', $c->set_flag('later', @all[0 .. 4]) && n($c->search('KEYWORD later')) == 5;
ok 'unset_flag', $c->unset_flag('later', $all[0]) && n($c->search('KEYWORD later')) == 4;
ok 'see', $c->see(@all[0, 1]) && $c->unseen_count == 10; # and the one whose body was read
my $copied = $c->copy('perl/two', @all[0 .. 2]);
ok 'copy', $copied && $c->message_count('perl/two') == 3;
ok 'move', $c->move('perl/two', $all[3]) && $c->expunge && $c->message_count == 12;
ok 'delete', $c->delete_message($all[5]) && $c->expunge && $c->message_count == 11;
ok 'status', $c->status('perl/two', 'MESSAGES', 'UIDNEXT') && $c->uidnext('perl/two') == 5 && $c->uidvalidity('perl/two') > 0;
if ($c->has_capability('QUOTA')) {
    ok 'quotaroot', defined $c->getquotaroot('INBOX');
}
my $idle = $c->idle;
ok 'idle', $idle && $c->done($idle);
ok 'noop', $c->noop;
ok 'examine', $c->examine('perl/two') && $c->message_count == 4;
ok 'unselect', $c->close;
ok 'delete folder', $c->delete('perl/two') && !$c->exists('perl/two');
ok 'logout', $c->logout;
print "all done\n";
"""


@needs("perl")
def test_mail_imapclient(make_server, tmp_path):
    if run("perl", "-MMail::IMAPClient", "-MIO::Socket::SSL", "-e", "1", check=False).returncode:
        pytest.skip("libmail-imapclient-perl is not installed")
    s = make_server()
    fill(s, 12)
    script = tmp_path / "client.pl"
    script.write_text(PERL)
    done = run("perl", script, s.address, s.ports["imaps"], ALICE, PASSWORD, s.certificate, check=False)
    assert done.stdout.endswith("all done\n"), done.stdout + done.stderr


# ---- imaplib, wide ----

def test_imaplib_wide(make_server):
    s = make_server()
    fill(s, 20)

    def ok(answer):
        assert answer[0] == "OK", answer
        return answer[1]

    with s.imap() as c:
        assert "IMAP4REV1" in c.capabilities
        ok(c.enable("CONDSTORE"))
        assert b'"/"' in ok(c.namespace())[0]
        ok(c.noop())
        ok(c.xatom("ID", '("name" "imaplib")'))
        names = [line.rpartition(b' "/" ')[2].strip(b'"') for line in ok(c.list())]
        assert {b"INBOX", b"Sent", b"Trash"} <= set(names)
        ok(c.create('"t&APY-pfe/unten"'))
        ok(c.subscribe('"t&APY-pfe/unten"'))
        assert any(b"unten" in line for line in ok(c.lsub()))
        ok(c.rename('"t&APY-pfe"', '"krug"'))
        assert any(line.endswith((b"krug/unten", b'"krug/unten"')) for line in ok(c.list('""', '"krug/*"')))
        assert b"MESSAGES 20" in ok(c.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))[0]
        assert ok(c.select()) == [b"20"]
        assert c.response("UIDVALIDITY")[1][0] and c.response("HIGHESTMODSEQ")[1][0]
        assert len(ok(c.search(None, "NOT", "DELETED"))[0].split()) == 20
        assert len(ok(c.search("UTF-8", "SUBJECT", '"number 1"'))[0].split()) == 11
        c.literal = "Töpfe".encode()
        assert ok(c.uid("SEARCH", "CHARSET", "UTF-8", "TEXT")) == [b""]
        if "SORT" in c.capabilities:
            assert ok(c.sort("(REVERSE ARRIVAL)", "UTF-8", "ALL"))[0].split()[0] == b"20"
            assert len(ok(c.uid("SORT", "(SUBJECT)", "UTF-8", "ALL"))[0].split()) == 20
        if "THREAD=REFERENCES" in c.capabilities:
            assert ok(c.thread("REFERENCES", "UTF-8", "ALL"))[0].count(b"(") == 20
        if "QUOTA" in c.capabilities:
            ok(c.getquotaroot("INBOX"))
        whole = ok(c.fetch("3", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.4>)"))
        assert imaplib.Internaldate2tuple(whole[0][0]) and whole[1][1] == b"Text"
        ok(c.store("1:5", "+FLAGS", r"(\Seen kept)"))
        assert imaplib.ParseFlags(ok(c.fetch("1", "(FLAGS)"))[0])
        ok(c.store("1:5", "-FLAGS.SILENT", r"(kept)"))
        ok(c.copy("1:4", "krug/unten"))
        ok(c.uid("MOVE", "5:6", "krug/unten"))
        ok(c.store("1:2", "FLAGS", r"(\Deleted)"))
        assert ok(c.expunge())[-2:] == [b"2", b"1"]  # behind those of MOVE
        ok(c.append("INBOX", r"(\Flagged)", imaplib.Time2Internaldate(time.time()), (MESSAGE % (99, 99)).encode()))
        assert ok(c.recent())
        ok(c.check())
        ok(c.unselect())
        assert ok(c.select('"krug/unten"', readonly=True)) == [b"6"]
        assert c.store("1", "+FLAGS", r"(\Seen)")[0] == "NO"
        ok(c.close())
        ok(c.unsubscribe('"t&APY-pfe/unten"'))
        ok(c.delete('"krug/unten"'))
        assert c.select('"krug/unten"')[0] == "NO"
