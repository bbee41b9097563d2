# SPDX-License-Identifier: ISC
"""Sessions in step, against a real server: mailboxes with many gaps, resynchronisation, long commands."""
import contextlib
import re
import time
import zlib

import pombo
import processes
from pombo import SLOW
from test_imap import MESSAGE, logged_in, wire_append


def odd_sets(count):
    """1,3,5…, in pieces that fit a command line."""
    odd = [str(n) for n in range(1, count + 1, 2)]
    return [",".join(odd[i:i + 9000]) for i in range(0, len(odd), 9000)]


def test_twenty_thousand_gaps(make_server):
    """Answers about more ranges than one frame between the processes holds (8,192)."""
    with logged_in(make_server()) as w:
        wire_append(w, (MESSAGE % (1, 1)).encode())
        for _ in range(15):
            w.imap("COPY 1:* INBOX", timeout=120 * SLOW)
        w.imap("NOOP")
        modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", "\n".join(w.imap("STATUS INBOX (HIGHESTMODSEQ)")))[1])
        count = 2 ** 15
        w.imap(f"COPY 1:{48000 - count} INBOX")
        w.imap("NOOP")
        sets = odd_sets(48000)
        for one in sets:
            w.imap(rf"UID STORE {one} +FLAGS.SILENT (\Deleted)", timeout=120 * SLOW)
        # All 24,000 of them changed since: what a conditional STORE passed over is one range each.
        last = w.imap(rf"UID STORE 1:* (UNCHANGEDSINCE {modseq}) -FLAGS.SILENT (\Seen)", r"OK \[MODIFIED", timeout=120 * SLOW)[-1]
        assert last.count(",") > 15000
        answer = w.imap("COPY 1:* Archive", timeout=120 * SLOW)[-1]
        assert re.search(r"COPYUID \d+ 1:48000 1:48000\]", answer)
        gone = [line for line in w.imap("EXPUNGE", timeout=120 * SLOW) if line.endswith("EXPUNGE")]
        assert len(gone) == 24000
        sources = re.search(r"\[COPYUID \d+ (\S+) (\S+)\]", w.imap("COPY 1:* Sent", timeout=120 * SLOW)[-1])
        assert sources[1].count(",") == 23999 and sources[2] == "1:24000"
        moved = w.imap("MOVE 1:* Trash", timeout=120 * SLOW)
        assert re.search(r"\[COPYUID \d+ (\S+) 1:24000\]", moved[0])[1].count(",") == 23999
        assert sum(line.endswith("EXPUNGE") for line in moved) == 24000
        assert w.imap("STATUS INBOX (MESSAGES)")[0] == "* STATUS INBOX (MESSAGES 0)"


class Packed:
    """The two directions of a connection behind COMPRESS DEFLATE, in the place of a wire's socket."""

    def __init__(self, sock):
        self.sock = sock
        self.packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.unpacker = zlib.decompressobj(-15)

    def sendall(self, data):
        self.sock.sendall(self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, n):
        while True:
            got = self.sock.recv(n)
            plain = self.unpacker.decompress(got)
            if plain or not got:
                return plain

    def __getattr__(self, name):
        return getattr(self.sock, name)


def compress(w):
    w.imap("COMPRESS DEFLATE")
    w.sock = Packed(w.sock)
    return w


def test_compress(make_server):
    """RFC 4978, over TLS: commands, literals both ways, IDLE, a large message."""
    s = make_server()
    with logged_in(s) as w, logged_in(s) as plain:
        w.imap("COMPRESS", "BAD")
        w.imap("COMPRESS LZMA", "BAD")
        compress(w)
        w.imap("COMPRESS DEFLATE", r"BAD \[COMPRESSIONACTIVE\]")
        wire_append(w, (MESSAGE % (1, 1)).encode())
        big = b"Subject: big\r\n\r\n" + b"".join(b"%d\r\n" % (n * n * 7919) for n in range(300000))
        wire_append(w, big)
        assert big.decode() in "".join(w.imap("FETCH 2 BODY.PEEK[]"))
        w.line("i IDLE")
        assert w.read_line().startswith("+")
        wire_append(plain, (MESSAGE % (2, 2)).encode())
        assert w.read_line(timeout=5 * SLOW) == "* 3 EXISTS"
        w.line("DONE")
        w.read_tagged("i")
        w.imap("LOGOUT")


def test_compressed_rubbish_ends_the_connection(make_server):
    s = make_server()
    with logged_in(s) as w:
        compress(w)
        w.sock.sock.sendall(b"\xff" * 100)
        w.sock = w.sock.sock
        w.expect_closed()
    with logged_in(s) as w:  # 256 MiB in 256 KiB: refused as too long a line, not held
        compress(w)
        with contextlib.suppress(OSError):
            w.send(b"x" * (256 << 20))
            w.expect_closed()
    with logged_in(s) as w:
        w.imap("NOOP")


# ---- QRESYNC (RFC 7162) ----

def expand(text):
    """"1:3,5" as a set."""
    uids = set()
    for part in text.split(","):
        first, _, last = part.partition(":")
        uids |= set(range(int(first), int(last or first) + 1))
    return uids


def test_resynchronisation(make_server):
    """A client comes back after expunges, flag changes, arrivals, and what came and went."""
    s = make_server()
    with logged_in(s) as other:
        for n in range(1, 21):
            wire_append(other, (MESSAGE % (n, n)).encode())
        with logged_in(s, None) as w:
            w.imap("ENABLE QRESYNC")
            lines = "\n".join(w.imap("SELECT INBOX"))
            validity = re.search(r"UIDVALIDITY (\d+)", lines)[1]
            modseq = re.search(r"HIGHESTMODSEQ (\d+)", lines)[1]
        other.imap(r"STORE 3,5,19 +FLAGS.SILENT (\Deleted)")
        other.imap("EXPUNGE")
        other.imap(r"UID STORE 7 +FLAGS.SILENT (\Flagged $Work)")
        for n in (21, 22):
            wire_append(other, (MESSAGE % (n, n)).encode())
        other.imap(r"UID STORE 21 +FLAGS.SILENT (\Deleted)")
        other.imap("UID EXPUNGE 21")
        with logged_in(s, None) as w:
            w.imap("ENABLE QRESYNC")
            lines = w.imap(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:20 (1,2 1,2)))")
            assert "* 18 EXISTS" in lines
            assert [line for line in lines if "VANISHED" in line] == ["* VANISHED (EARLIER) 3,5,19"]
            assert [line[:20] for line in lines if "FETCH" in line] == ["* 5 FETCH (UID 7 FLA"]
            lines = w.imap(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
            vanished = [line for line in lines if "VANISHED" in line]
            assert expand(vanished[0].split()[-1]) == {3, 5, 19, 21}
            assert re.findall(r"FETCH \(UID (\d+)", "\n".join(lines)) == ["7", "22"]
            other.imap(r"UID STORE 1:2 +FLAGS.SILENT (\Deleted)")
            other.imap("UID EXPUNGE 1:2")
            lines = w.imap(f"UID FETCH 1:6 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
            assert "* VANISHED (EARLIER) 3,5" in lines and "* VANISHED 1:2" in lines


def test_rev2_session(make_server):
    """IMAP4rev2 beside IMAP4rev1: the same mailbox, told differently."""
    s = make_server()
    with logged_in(s) as old, logged_in(s, None) as new:
        assert "IMAP4rev2" in new.imap("CAPABILITY")[0]
        wire_append(old, (MESSAGE % (1, 1)).encode())
        assert new.imap("ENABLE IMAP4rev2")[0] == "* ENABLED IMAP4rev2"
        new.imap('CREATE "Entwürfe"')
        assert any("Entw&APw-rfe" in line for line in old.imap('LIST "" "*"'))
        lines = new.imap("SELECT INBOX")
        assert '* LIST () "/" INBOX' in lines and not any("RECENT" in line for line in lines)
        new.line("s UID SEARCH ALL")
        assert new.read_tagged("s")[0] == '* ESEARCH (TAG "s") UID ALL 1'
        assert old.imap("UID SEARCH ALL")[0] == "* SEARCH 1"


# ---- long commands ----

def fill(w, doublings):
    wire_append(w, (MESSAGE % (1, 1)).encode())
    for _ in range(doublings):
        w.imap("COPY 1:* INBOX", timeout=120 * SLOW)
    w.imap("NOOP")


def test_long_commands(make_server):
    """65,536 messages: what a slow client asked for is not held for it, others get their turn, and all ends when it goes."""
    s = make_server(config=["processes = 1"])
    pid = s.pids("imapd")[0]
    with logged_in(s) as w:
        fill(w, 16)
        count = 2 ** 16
        begun = processes.pss_kib(pid)
        with logged_in(s) as slow:
            for n in range(5):
                slow.line(f"s{n} FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
            slow.line("t SEARCH TEXT nowhere-to-be-found")
            for _ in range(50):
                start = time.monotonic()
                w.imap("FETCH 1:10 (FLAGS)")
                assert time.monotonic() - start < 1 * SLOW
            if not pombo.SANITIZED:
                assert processes.pss_kib(pid) - begun < 12_000
            # Reading it all, the client gets it all.
            lines = slow.read_tagged("s0", timeout=120 * SLOW)
            assert len(lines) == count + 1 and lines[-2].startswith(f"* {count} FETCH (UID {count} ")
            slow.reset()
        # The other four went with it.
        deadline = time.monotonic() + 20 * SLOW
        while True:
            before = processes.cpu_s(pid)
            time.sleep(0.5)
            if processes.cpu_s(pid) - before < 0.1:
                break
            assert time.monotonic() < deadline
        with logged_in(s) as watcher:
            watcher.line("i IDLE")
            assert watcher.read_line().startswith("+")
            w.imap(r"STORE 1:* +FLAGS.SILENT (\Deleted)", timeout=120 * SLOW)
            told = [watcher.read_line(timeout=60 * SLOW) for _ in range(count)]
            assert told[0] == r"* 1 FETCH (FLAGS (\Deleted))" and told[-1] == rf"* {count} FETCH (FLAGS (\Deleted))"
            w.line("x EXPUNGE")
            start = time.monotonic()
            watcher.line("DONE")
            watcher.read_tagged("i", timeout=60 * SLOW)
            assert time.monotonic() - start < 10 * SLOW
            w.read_tagged("x", timeout=120 * SLOW)
            assert "* 0 EXISTS" in watcher.imap("SELECT INBOX", timeout=60 * SLOW)


def test_pages_come_whole_and_in_order(make_server):
    """Several pages of rows and of marks: each message once, with its number, its UID and its own size."""
    with logged_in(make_server()) as w:
        wire_append(w, (MESSAGE % (1, 1)).encode())
        for _ in range(14):
            w.imap("COPY 1:* INBOX", timeout=120 * SLOW)
        count = 2 ** 14
        w.imap("NOOP")
        w.imap(rf"STORE {count // 2}:* +FLAGS.SILENT (\Seen $Half)", timeout=120 * SLOW)
        size = len(MESSAGE % (1, 1))
        marks = [line for line in w.imap("FETCH 1:* (UID FLAGS)", timeout=120 * SLOW) if " FETCH (UID" in line]
        late = " ".join(sorted(["$Half", r"\Seen"]))
        assert [re.sub(r"FLAGS \((.*)\)\)", lambda m: " ".join(sorted(m[1].split())), line) for line in marks] == [
            f"* {n} FETCH (UID {n} {late if n >= count // 2 else ''}" for n in range(1, count + 1)]
        rows = [line for line in w.imap("FETCH 1:* (UID RFC822.SIZE)", timeout=120 * SLOW) if " FETCH (UID" in line]
        assert len(rows) == count
        for n, line in enumerate(rows, 1):
            assert int(re.fullmatch(rf"\* {n} FETCH \(UID {n} RFC822.SIZE (\d+)\)", line)[1]) >= size


def test_what_changes_while_pages_are_read(make_server):
    """Pages are read ahead: what another session does meanwhile is told with them, or right after them."""
    server = make_server()
    count, filler = 60, "x" * 70 + "\r\n"
    with logged_in(server) as w, logged_in(server) as other:
        for n in range(1, count + 1):
            wire_append(w, ((MESSAGE % (n, n)) + filler * 400).encode())
        other.imap("NOOP")
        w.line("f FETCH 1:* (FLAGS BODY.PEEK[])")
        first = w.read_line()  # it is under way
        other.imap(rf"STORE {count} +FLAGS (\Flagged)")
        lines = [first] + w.read_tagged("f", timeout=120 * SLOW)
        whole = "\r\n".join(lines)
        for n in range(1, count + 1):
            assert whole.count(f"Text {n}.\r\n") == 1
        told = re.findall(rf"\* {count} FETCH \((?:UID \d+ )?FLAGS \(([^)]*)\)", whole + "\r\n".join(w.imap("NOOP")))
        assert told and r"\Flagged" in told[-1]
        # A client that goes in the middle takes with it what was read for it.
        with logged_in(server) as gone:
            gone.line("g FETCH 1:* (FLAGS BODY.PEEK[])")
            gone.read_line()
        # Its own write between two FETCHes is in the second one.
        w.imap("FETCH 1:* (FLAGS BODY.PEEK[])", timeout=120 * SLOW)
        w.imap(r"STORE 1:* +FLAGS.SILENT (\Answered)")
        again = w.imap("FETCH 1:* (FLAGS)")
        assert sum(r"\Answered" in line for line in again) == count
