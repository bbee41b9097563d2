# SPDX-License-Identifier: ISC
"""Sessions in step, against a real server: mailboxes with many gaps, resynchronisation, long commands."""
import re

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
