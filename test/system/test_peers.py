# SPDX-License-Identifier: ISC
"""ENVELOPE, BODY, BODYSTRUCTURE, RFC822.SIZE and header fields of real mail are what Dovecot 2.3 and Cyrus 3.6 answer, wherever those two agree.

What they agree on is recorded in data/peers.json (hashes, no mail) by test/tools/compare-peers, which needs both installed; the test itself needs
neither. Where pombo differs for a reason, EXPLAINED gives it."""
import hashlib
import json
import pathlib

import pytest

from imap_answer import Client, ITEMS, facts
from pombo import ALICE, PASSWORD
from test_real_mail import crlf, is_refused, messages

EXPECTED = pathlib.Path(__file__).parent / "data" / "peers.json"

# Why pombo says something else than both. A message's key (first digits) → the facts, and the reason.
BOUNDARY_CRLF = """RFC 2046 §5.1.1, delimiter := CRLF "--" boundary: the line end before a boundary is the boundary's, also where another
multipart's close-delimiter stands before it. Both count it to the part."""
EXPLAINED = {
    "6c5eed53a632": (["body"], """RFC 2046 §5.1.1 allows boundaries of 70 characters; these have 80, 81 and 82 and each is the start of the next. A line that starts
with several belongs to the longest; both take the innermost part's, though its line goes on."""),
    "2097083bf57e": (["body.3.size", "body.3.lines"], BOUNDARY_CRLF),
    "4bbc233af832": (["body.3.size", "body.3.lines", "body.4.2.size", "body.4.2.lines"], BOUNDARY_CRLF),
    "cc067c58f9ba": (["envelope.to.2.name"], """RFC 5322 §3.4: words with neither "@" nor "<" are a phrase and no address, so they are given as a name. Both
make up an address, each another one."""),
}


def paths():
    return [path for path in messages() if not is_refused(appendable(path))]


def appendable(path):
    return crlf(path.read_bytes())


def key_of(raw):
    return hashlib.sha256(raw).hexdigest()


def facts_of(item, value):
    try:
        return facts(item, value)
    except (IndexError, TypeError, StopIteration):
        return {"broken": repr(value)}


def shortest(found):
    """Paths without those that lie below others."""
    kept = []
    for path in sorted(found):
        if not any(path.startswith(k + ".") for k in kept):
            kept.append(path)
    return kept


def below(path, tops):
    return any(path == top or path.startswith(top + ".") for top in tops)


def counts(key, path, left_out):
    return not below(path, left_out) and not below(path, EXPLAINED.get(key[:12], ((), ""))[0])


def digest(key, found, left_out):
    kept = {p: repr(v) for p, v in found.items() if counts(key, p, left_out)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def test_answers_are_those_of_dovecot_and_cyrus(shared_server):
    if not paths():
        pytest.skip("no mail to test with: neither ../shared/mail nor POMBO_TEST_MAIL")
    expected = json.loads(EXPECTED.read_text())
    client = Client(shared_server.ports["imaps"], ALICE, PASSWORD, shared_server.tls())
    client.command(b"CREATE compare")
    client.command(b"SELECT compare")
    wrong, count, compared = [], 0, 0
    for path in paths():
        raw = appendable(path)
        client.command(b"APPEND compare", raw)
        client.command(b"NOOP")
        count += 1
        answer, entry = client.fetch(count), expected.get(key_of(raw))
        assert answer["RFC822.SIZE"] == b"%d" % len(raw), path
        if not entry:  # not known to compare-peers, or one of the two would not have it
            continue
        compared += 1
        for item in ITEMS:
            if digest(key_of(raw), facts_of(item, answer[item]), entry[item]["except"]) != entry[item]["hash"]:
                wrong.append(f"{path} {item}: {answer[item]!r:.400}")
    client.close()
    assert not wrong, "not what Dovecot and Cyrus say; test/tools/compare-peers --show tells more:\n" + "\n".join(wrong)
    assert compared


def test_what_is_expected_is_strict_enough():
    """Most facts of most messages are agreed on: a record that excepts everything would pass any server."""
    entries = json.loads(EXPECTED.read_text()).values()
    assert len(entries) > 150
    for item in ITEMS:
        assert sum(not e[item]["except"] for e in entries) > len(entries) / 2, item


def test_a_different_answer_is_noticed():
    one = facts("ENVELOPE", [b"date", b"subject", None, None, None, [[None, None, b"a", b"b"]], None, None, None, b"<id>"])
    other = facts("ENVELOPE", [b"date", b"subject", None, None, None, [[None, None, b"a", b"B"]], None, None, None, b"<id>"])
    assert digest("", one, []) != digest("", other, [])
    assert digest("", one, ["envelope.to"]) == digest("", other, ["envelope.to"])
