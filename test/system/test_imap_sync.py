# SPDX-License-Identifier: ISC
"""Sessions in step, against a real server: mailboxes with many gaps, resynchronisation, long commands."""
import contextlib
import re
import zlib

import pytest

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
            w.imap("COPY 1:* INBOX", timeout=120)
        w.imap("NOOP")
        modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", "\n".join(w.imap("STATUS INBOX (HIGHESTMODSEQ)")))[1])
        count = 2 ** 15
        w.imap(f"COPY 1:{48000 - count} INBOX")
        w.imap("NOOP")
        sets = odd_sets(48000)
        for one in sets:
            w.imap(rf"UID STORE {one} +FLAGS.SILENT (\Deleted)", timeout=120)
        # All 24,000 of them changed since: what a conditional STORE passed over is one range each.
        last = w.imap(rf"UID STORE 1:* (UNCHANGEDSINCE {modseq}) -FLAGS.SILENT (\Seen)", r"OK \[MODIFIED", timeout=120)[-1]
        assert last.count(",") > 15000
        answer = w.imap("COPY 1:* Archive", timeout=120)[-1]
        assert re.search(r"COPYUID \d+ 1:48000 1:48000\]", answer)
        gone = [line for line in w.imap("EXPUNGE", timeout=120) if line.endswith("EXPUNGE")]
        assert len(gone) == 24000
        sources = re.search(r"\[COPYUID \d+ (\S+) (\S+)\]", w.imap("COPY 1:* Sent", timeout=120)[-1])
        assert sources[1].count(",") == 23999 and sources[2] == "1:24000"
        moved = w.imap("MOVE 1:* Trash", timeout=120)
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
        assert w.read_line(timeout=5) == "* 3 EXISTS"
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
