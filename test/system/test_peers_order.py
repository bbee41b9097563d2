# SPDX-License-Identifier: ISC
"""SORT and THREAD of real mail put two messages in the order, and in the same thread or not, as Dovecot 2.3 and Cyrus 3.6 do, wherever those two agree.

data/peers_order.json has what both said (places and hashes, no mail), recorded by test/tools/compare-peers. Where pombo differs for a reason, EXPLAINED
says so."""
import itertools
import json
import pathlib

import pytest

from imap_answer import Client, parse
from pombo import ALICE, PASSWORD
from test_peers import appendable, key_of, paths

EXPECTED = pathlib.Path(__file__).parent / "data" / "peers_order.json"
KEYS = ("ARRIVAL", "DATE", "SUBJECT", "FROM", "TO", "CC", "SIZE", "DISPLAYFROM", "DISPLAYTO")
ALGORITHMS = ("REFERENCES", "ORDEREDSUBJECT")

# Bytes in Subject or To that are neither ASCII nor UTF-8 (RFC 5322 §2.2, RFC 6532 §3.1): no RFC says what they mean. pombo reads them as windows-1252, in SEARCH
# and for people too, so that such a subject is the same as the encoded one; for both peers each is a character that is not known.
NO_CHARSET = """4cbab7b24054 04121e20e903 b4581a4faa9b c48fc006172d 24e379786536 ccaef34dbf22 133a20a52fa9 5567362ea46b 3f8f695994f4 2de3b147a98c
    82c108305bd4 373cb883c808 9572dc394cb0 f44aa09efceb af388bdbd2fd 7a1cf190d3e2""".split()
# RFC 5322 §3.4: one word with neither "@" nor "<" is a phrase, so it is a name and sorts as one (RFC 5957 §3.1); both peers make up an address.
PHRASE = ["325a2b399f7e", "d2c15bc0fffd", "a9294ff24d61"]
# key or algorithm → the messages (first digits) whose place is another one for one of these reasons
EXPLAINED = {"SUBJECT": NO_CHARSET, "ORDEREDSUBJECT": NO_CHARSET, "REFERENCES": NO_CHARSET, "DISPLAYTO": NO_CHARSET + PHRASE, "DISPLAYFROM": PHRASE}


def say(client, command, kind):
    for line in client.command(command.encode()):
        if line.startswith(b"* " + kind):
            return line[len(kind) + 3:]
    return b"\r\n"


def members(thread):
    for part in thread:
        yield from members(part) if isinstance(part, list) else (int(part),)


def ask(client, keys):
    """{"sort": {key: places}, "thread": {algorithm: numbers of threads}}, both in the order of `keys`, which are those of the messages in the mailbox."""
    sort, thread = {}, {}
    for key in KEYS:
        order = [int(n) for n in say(client, f"SORT ({key}) UTF-8 ALL", b"SORT").split()]
        assert sorted(order) == list(range(1, len(keys) + 1)), key
        sort[key] = dict(zip((keys[n - 1] for n in order), itertools.count()))
    for algorithm in ALGORITHMS:
        threads = parse(say(client, f"THREAD {algorithm} UTF-8 ALL", b"THREAD"))
        thread[algorithm] = {keys[n - 1]: number for number, t in enumerate(threads) for n in members(t)}
        assert len(thread[algorithm]) == len(keys), algorithm
    return {"sort": sort, "thread": thread}


def relation(what, places, a, b):
    return places[a] < places[b] if what in KEYS else places[a] == places[b]


def differences(what, ours, dovecot, cyrus):
    """Pairs of messages that both put alike, and pombo not."""
    known = sorted(set(ours) & set(dovecot) & set(cyrus))
    excepted = EXPLAINED.get(what, ())
    for a, b in itertools.combinations(known, 2):
        theirs = relation(what, dovecot, a, b)
        if theirs == relation(what, cyrus, a, b) and theirs != relation(what, ours, a, b) and a not in excepted and b not in excepted:
            yield a, b


def fill(client, raws):
    """The keys of those that the server took, in their order."""
    client.command(b"CREATE order")
    keys = []
    for raw in raws:
        try:
            client.command(b"APPEND order", raw)
            keys.append(key_of(raw)[:12])
        except Exception as e:
            if type(e).__name__ != "Refused":
                raise
    client.command(b"SELECT order")
    return keys


@pytest.mark.timeout(300)
def test_order_is_that_of_dovecot_and_cyrus(shared_server):
    if not paths():
        pytest.skip("no mail to test with: neither ../shared/mail nor POMBO_TEST_MAIL")
    expected = json.loads(EXPECTED.read_text())
    client = Client(shared_server.ports["imaps"], ALICE, PASSWORD, shared_server.tls())
    raws = list({key_of(raw): raw for raw in map(appendable, paths())}.values())
    got = ask(client, fill(client, raws))
    client.close()
    for kind, answers in got.items():
        for what, ours in answers.items():
            wrong = list(differences(what, ours, expected["dovecot"][kind][what], expected["cyrus"][kind][what]))
            assert not wrong, f"{kind} {what}: {len(wrong)} pairs, the first: {wrong[:5]}; test/tools/compare-peers --show tells more"


def test_what_is_expected_is_strict_enough():
    """The two agree about most pairs: a record of two that never agree would pass any server."""
    expected = json.loads(EXPECTED.read_text())
    for kind, answers in expected["dovecot"].items():
        for what, dovecot in answers.items():
            cyrus = expected["cyrus"][kind][what]
            pairs = list(itertools.combinations(sorted(set(dovecot) & set(cyrus)), 2))
            agreed = sum(relation(what, dovecot, a, b) == relation(what, cyrus, a, b) for a, b in pairs)
            assert len(pairs) > 10_000 and agreed > 0.75 * len(pairs), what


def test_another_order_is_noticed():
    one, other = {"a": 0, "b": 1, "c": 2}, {"a": 0, "b": 2, "c": 1}
    assert list(differences("DATE", one, one, one)) == [] and list(differences("DATE", one, one, other)) == []
    assert list(differences("DATE", other, one, one)) == [("b", "c")]
    assert list(differences("REFERENCES", {"a": 0, "b": 0}, {"a": 0, "b": 1}, {"a": 3, "b": 2})) == [("a", "b")]
