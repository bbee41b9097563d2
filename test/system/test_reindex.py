# SPDX-License-Identifier: ISC
"""Search indexes: made in the background, lost, damaged, made anew by `pombo reindex`; searches are right all the while."""
import sqlite3
import time

from pombo import ALICE, SLOW
from test_imap import logged_in

MANY = 150


def fill(server):
    """More messages than are worth an index, in one go."""
    w = logged_in(server, None)
    w.imap("CREATE many")
    for n in range(MANY):
        text = f"From: u{n % 7}@x.test\r\nSubject: topic{n}\r\nMessage-ID: <{n}@x>\r\n\r\nneedle{n} straw\r\n".encode()
        w.send(f"f{n} APPEND many {{{len(text)}+}}\r\n".encode() + text + b"\r\n")
    for n in range(MANY):
        assert w.read_tagged(f"f{n}")[-1].startswith(f"f{n} OK")
    w.imap("SELECT many")
    return w


def searches(w):
    return [w.imap(f"SEARCH {q}")[0] for q in ("TEXT needle77", "SUBJECT topic14", "NOT TEXT straw", "FROM u3 BODY needle1", "TEXT nothing")]


def indexed(server):
    """Messages of the account's mailboxes that are in its index; 0 without a file."""
    files = list((server.dir / "store" / "search").glob("*.db"))
    if not files:
        return 0
    try:
        with sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True) as db:
            return sum(n - 1 for n, in db.execute("SELECT uidnext FROM search_box"))
    except sqlite3.Error:  # it is being made, or changed
        return 0


def wait_indexed(server):
    for _ in range(300 * SLOW):
        if indexed(server) >= MANY:
            return
        time.sleep(0.1)
    raise AssertionError(f"only {indexed(server)} messages are in the index")


def test_index_comes_and_goes(make_server):
    server = make_server()
    with fill(server) as w:
        before = searches(w)
        assert [len(x.split()) - 2 for x in before] == [1, 11, 0, 9, 0]
        wait_indexed(server)
        assert searches(w) == before
        report = server.cli_json("reindex", ALICE)
        assert report["accounts"] == 1 and report["messages"] == MANY and report["failed"] == 0
        assert searches(w) == before
        wait_indexed(server)
        assert indexed(server) == MANY
    server.stop()
    # lost while nothing ran; made again by itself
    for f in (server.dir / "store" / "search").iterdir():
        f.unlink()
    server.start()
    with logged_in(server, "many") as w:
        assert searches(w) == before
        wait_indexed(server)
    server.stop()
    # damaged; without a server reindex works too
    file = next((server.dir / "store" / "search").glob("*.db"))
    data = bytearray(file.read_bytes())
    for at in range(100, len(data), 50):
        data[at] ^= 0xFF
    file.write_bytes(data)
    server.start()
    with logged_in(server, "many") as w:
        assert searches(w) == before
        wait_indexed(server)
        assert searches(w) == before
    server.stop()
    assert f"{MANY} messages of 1 account " in server.cli("reindex").stdout


def test_reindex_errors(shared_server):
    r = shared_server.cli("reindex", "nobody@example.test", check=False)
    assert r.returncode == 67 and "there is no such account" in r.stderr
    assert shared_server.cli("reindex", "a", "b", check=False).returncode == 64
