# SPDX-License-Identifier: ISC
"""The operator's commands, each with the server running and without one: the same answers by either way."""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import pombo
import processes
from typed import at_terminal

ALICE, BOB = "alice@example.test", "bob@example.test"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ID = re.compile(r"[0-9a-hjkmnp-tv-z]{13}")


@pytest.fixture(params=["running", "not running"])
def server(request, make_server):
    """Both ways to the store."""
    return make_server(start=request.param == "running")


def fails(server, status, says, *args, input=None):
    done = server.cli(*args, input=input, check=False)
    assert done.returncode == status and done.stderr.startswith("pombo: ") and says in done.stderr, (done.returncode, done.stderr)
    assert done.stdout == ""
    return done


# Domains


def test_domains(server):
    assert server.cli("domain", "add", "Example.NET").stdout == "Example.NET: added\n"
    assert server.cli("domain", "add", "münchen.example").stdout == "münchen.example: added\n"
    assert server.cli("domain", "alias", "example.com", "example.net").stdout == "example.com: added as an alias domain\n"
    server.add_account("a@example.net")
    listed = server.cli_json("domain", "list")
    assert [set(d) for d in listed] == [{"domain", "alias_of", "accounts", "created"}] * 4
    assert all(TIME.fullmatch(d.pop("created")) for d in listed)
    assert listed == [
        {"domain": "example.com", "alias_of": "example.net", "accounts": 0},
        {"domain": "example.net", "alias_of": None, "accounts": 1},
        {"domain": "example.test", "alias_of": None, "accounts": 1},
        {"domain": "xn--mnchen-3ya.example", "alias_of": None, "accounts": 0},
    ]
    text = server.cli("domain", "list").stdout.splitlines()
    assert text[0].split() == ["DOMAIN", "ACCOUNTS", "SINCE"] and text[1].endswith("  alias of example.net")
    assert text[4].startswith("münchen.example ") and len(text[4]) == len(text[3])
    fails(server, 73, "example.net: exists already", "domain", "add", "example.net")
    fails(server, 73, "exists already", "domain", "add", "XN--mnchen-3ya.example")
    fails(server, 65, "x..y: is not valid", "domain", "add", "x..y")
    fails(server, 65, "this is too long", "domain", "add", "x" * 300)
    fails(server, 67, "there is no such domain", "domain", "alias", "a.example", "nowhere.example")
    fails(server, 77, "is an alias domain", "domain", "alias", "b.example", "example.com")
    fails(server, 77, "still has accounts", "domain", "remove", "example.net")
    assert server.cli("domain", "remove", "example.com").stdout == "example.com: removed\n"
    fails(server, 67, "there is no such domain: see 'pombo domain list'", "domain", "remove", "example.com")
    assert len(server.cli_json("domain", "list")) == 3


# Accounts


def test_accounts(server):
    assert server.cli("account", "add", BOB, "--password-stdin", "--quota", "2G", input="x\n").stdout == f"{BOB}: added\n"
    made = server.cli("account", "add", "carol@example.test").stdout.splitlines()
    assert made[0] == "carol@example.test: added"
    assert re.fullmatch(r"password of carol@example\.test \(shown this once\): ([a-z2-9]{5}-){3}[a-z2-9]{5}", made[1])
    said = server.cli_json("account", "add", "dave@example.test")
    assert set(said) == {"address", "password"} and len(said["password"]) == 23
    listed = server.cli_json("account", "list")
    keys = {"address", "disabled", "quota", "quota_messages", "used", "messages", "created", "last_login"}
    assert [set(a) for a in listed] == [keys] * 4
    assert [a["address"] for a in listed] == [ALICE, BOB, "carol@example.test", "dave@example.test"]
    assert all(TIME.fullmatch(a["created"]) and a["last_login"] is None for a in listed)
    assert [a["quota"] for a in listed] == [None, 2 << 30, None, None]
    text = server.cli("account", "list").stdout.splitlines()
    assert text[0].split()[:4] == ["ACCOUNT", "MESSAGES", "USED", "QUOTA"] and len(text) == 5
    assert text[2].split() == [BOB, "0", "0", "B", "2.0", "GiB", "never"]


def test_one_account(server):
    server.add_alias("info@example.test", ALICE)
    server.cli("account", "send-as", ALICE, "sales@example.test")
    server.cli("account", "quota", ALICE, "500M")
    shown = server.cli_json("account", "show", ALICE)
    assert set(shown) == {"address", "disabled", "quota", "quota_messages", "used", "messages", "created", "last_login", "folders",
                          "aliases", "send_as", "confirm"}
    assert shown["quota"] == 500 << 20 and shown["aliases"] == ["info@example.test"] and shown["send_as"] == ["sales@example.test"]
    assert [f["name"] for f in shown["folders"]] == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    assert all(set(f) == {"name", "messages", "unseen", "size"} for f in shown["folders"])
    text = server.cli("account", "show", ALICE.upper()).stdout
    assert text.startswith(f"{ALICE}\n  0 messages, 0 B; quota 500 MiB\n")
    assert "  alias info@example.test\n  may send as sales@example.test\n" in text
    server.cli("account", "send-as", ALICE, "sales@example.test", "--remove")
    server.cli("account", "quota", ALICE, "none")
    shown = server.cli_json("account", "show", ALICE)
    assert shown["send_as"] == [] and shown["quota"] is None and shown["quota_messages"] is None
    server.cli("account", "quota", ALICE, "--messages", "1000")
    assert server.cli_json("account", "show", ALICE)["quota_messages"] == 1000
    assert "; quota 1000 messages\n" in server.cli("account", "show", ALICE).stdout
    server.cli("account", "quota", ALICE, "500M")
    assert "; quota 500 MiB, 1000 messages\n" in server.cli("account", "show", ALICE).stdout
    server.cli("account", "add", "small@example.test", "--quota", "1M", "--messages", "10")
    assert server.cli_json("account", "show", "small@example.test")["quota_messages"] == 10


def test_an_account_comes_and_goes(server):
    assert server.cli("account", "disable", ALICE).stdout.startswith(f"{ALICE}: disabled")
    assert server.cli_json("account", "show", ALICE)["disabled"] is True
    assert server.cli("account", "list").stdout.splitlines()[1].endswith("  disabled")
    assert "(disabled)" in server.cli("account", "show", ALICE).stdout
    assert server.cli("account", "enable", ALICE).stdout == f"{ALICE}: enabled\n"
    assert server.cli_json("account", "show", ALICE)["disabled"] is False
    assert server.cli("account", "password", ALICE, "--password-stdin", input="new\n").stdout.startswith(f"{ALICE}: password changed")
    made = server.cli_json("account", "password", ALICE, "--generate")
    assert made["address"] == ALICE and len(made["password"]) == 23
    assert server.cli("account", "remove", ALICE).stdout.startswith(f"{ALICE}: removed")
    assert server.cli("account", "list").stdout == "There are no accounts.\n"
    assert server.cli_json("account", "list") == []


ACCOUNT_ERRORS = [
    (["account", "add"], 64, "one address is needed; usage: pombo account add ADDRESS"),
    (["account", "add", "a@example.test", "b@example.test"], 64, "one address is needed"),
    (["account", "add", "a@example.test", "--quota", "much"], 64, "--quota takes a size"),
    (["account", "add", ALICE], 73, f"{ALICE}: exists already"),
    (["account", "add", "a@other.test"], 67, "a@other.test: there is no such domain: see 'pombo domain list'"),
    (["account", "add", "nobody"], 65, "nobody: is not valid: write user@example.org"),
    (["account", "add", "a" * 400 + "@example.test"], 65, "this is too long"),
    (["account", "add", "a\x1b[2J@example.test"], 65, "a?[2J@example.test: is not valid"),
    (["account", "password", BOB, "--generate"], 67, f"{BOB}: there is no such account: see 'pombo account list'"),
    (["account", "password", ALICE, "--generate", "--password-stdin"], 64, "exclude each other"),
    (["account", "remove", BOB], 67, "there is no such account"),
    (["account", "enable", BOB], 67, "there is no such account"),
    (["account", "disable", BOB], 67, "there is no such account"),
    (["account", "quota", BOB, "1G"], 67, "there is no such account"),
    (["account", "quota", ALICE, "lots"], 64, "a size is a number"),
    (["account", "quota", ALICE, "--messages", "0"], 64, "--messages takes a number"),
    (["account", "quota", ALICE], 64, "an address and a size are needed"),
    (["account", "show", BOB], 67, "there is no such account"),
    (["account", "show", "a b"], 65, "a b: is not valid"),
    (["account", "send-as", BOB, "x@example.test"], 67, "there is no such account"),
    (["account", "send-as", ALICE, "x@@"], 65, "x@@: this is not an address; write user@example.org"),
    (["account", "list", "extra"], 64, "it takes no words"),
    (["account", "list", "--jsno"], 64, "there is no option --jsno (did you mean --json?)"),
    (["alias", "add", "x@example.test"], 64, "an address and from 1 to 1000 targets are needed"),
    (["alias", "add", "x@other.test", ALICE], 67, "x@other.test: there is no such domain"),
    (["alias", "add", "x@example.test", "not an address"], 65, "not an address: this is not an address; write"),
    (["alias", "add", "not an address", ALICE], 65, "not an address: this is not an address; write"),
    (["alias", "remove", "x@example.test"], 67, "there is no such alias: see 'pombo alias list'"),
    (["queue", "show"], 64, "one message id is needed"),
    (["queue", "show", "not-an-id"], 65, "this is not a message id; see 'pombo queue list'"),
    (["queue", "show", "0000000000001"], 67, "nothing of this message waits in the queue"),
    (["dns"], 64, "one domain is needed"),
    (["dns", "x..y"], 65, "this is not a domain"),
    (["dns", "other.test"], 67, "this is not one of our domains; see 'pombo domain list', or add it with 'pombo domain add'"),
]


def test_errors(server):
    """All of them on one server: none changes anything."""
    before = server.cli("account", "show", ALICE).stdout, server.cli("alias", "list").stdout
    for args, status, says in ACCOUNT_ERRORS:
        fails(server, status, says, *args)
    assert before == (server.cli("account", "show", ALICE).stdout, server.cli("alias", "list").stdout)


# Aliases


def test_aliases(server):
    assert server.cli("alias", "list").stdout == "There are no aliases.\n"
    assert server.cli_json("alias", "list") == []
    server.cli("alias", "add", "info@example.test", ALICE, "far@far.example")
    server.cli("alias", "add", "@example.test", ALICE)
    server.cli("alias", "add", '"a b"@example.test', '"c d"@far.example', "e@far.example")
    assert server.cli_json("alias", "list") == [
        {"address": "@example.test", "targets": [ALICE]},
        {"address": "a b@example.test", "targets": ["c d@far.example", "e@far.example"]},
        {"address": "info@example.test", "targets": [ALICE, "far@far.example"]},
    ]
    assert server.cli("alias", "list").stdout.splitlines()[3].split() == ["info@example.test", ALICE, "far@far.example"]
    assert server.cli("alias", "add", "info@example.test", ALICE).stdout == "info@example.test: alias set\n"  # replaced
    assert server.cli_json("alias", "list")[2]["targets"] == [ALICE]
    assert server.cli("alias", "remove", "@example.test").stdout == "@example.test: alias removed\n"
    assert len(server.cli_json("alias", "list")) == 2


def test_words_that_are_wrong_change_nothing(server):
    """The word that is wrong is named, with what to write."""
    fails(server, 65, "a: this is not an address; write user@example.org", "alias", "add", "a", "b", "c")
    fails(server, 65, "c d: this is not an address", "alias", "add", "new@example.test", ALICE, "c d")
    fails(server, 65, "bob: this is not an address", "alias", "remove", "bob")
    fails(server, 65, "bob: this is not an address", "account", "send-as", ALICE, "bob")
    fails(server, 65, "x..y: this is not a domain; write one such as example.org", "domain", "alias", "x..y", "example.test")
    fails(server, 67, "gone.test: there is no such domain", "domain", "alias", "new.test", "gone.test")
    if server.running:
        fails(server, 65, "-a names a file", "send", "-a", "/nonexistent", ALICE)
    assert "new@example.test" not in server.cli("alias", "list").stdout and "new.test" not in server.cli("domain", "list").stdout


def test_an_alias_to_nobody_is_told_of(server):
    """It may come later, but until then its mail is refused."""
    def warned(*args):
        done = server.cli("alias", "add", *args)
        assert done.stdout == f"{args[0]}: alias set\n"
        return [line.split(": ")[1] for line in done.stderr.splitlines() if "nobody here has this address" in line]

    assert warned("team@example.test", "nobody@example.test", ALICE.upper(), "x@far.example", "alice+tag@example.test") == ["nobody@example.test"]
    assert warned("all@example.test", "team@example.test", "postmaster@example.test", "team+x@example.test") == []
    assert warned("self@example.test", "self@example.test") == ["self@example.test"]
    assert warned("@example.test", ALICE) == [] and warned("late@example.test", "nobody@example.test") == []


def test_long_lists_come_in_pages(server):
    """More than one page, and aliases so large that a frame holds few."""
    targets = [f"{'t' * 60}{n}@{'d' * 60}.example" for n in range(1000)]
    for n in range(12):
        server.cli("alias", "add", f"big{n:02}@example.test", *targets)
    listed = server.cli_json("alias", "list")
    assert [a["address"] for a in listed] == [f"big{n:02}@example.test" for n in range(12)]
    assert all(sorted(a["targets"]) == sorted(targets) for a in listed)


@pytest.mark.release_only  # 600 commands
def test_more_domains_than_a_page(make_server):
    server = make_server()  # by the running server alone: 600 commands that open the store themselves take long
    names = [f"d{n:03}.example" for n in range(600)]
    for name in names:
        server.cli("domain", "add", name, "--no-dkim")
    assert [d["domain"] for d in server.cli_json("domain", "list")][:600] == names
    assert "d599.example. " in server.cli("dns", "d599.example").stdout


# DNS


def test_dns(server):
    server.cli("domain", "add", "münchen.example")
    said = server.cli_json("dns", "münchen.example")
    assert set(said) == {"domain", "hostname", "records", "notes"} and said["domain"] == "xn--mnchen-3ya.example"
    assert all(set(r) == {"name", "type", "value"} for r in said["records"])
    assert said["records"][0] == {"name": "xn--mnchen-3ya.example.", "type": "MX", "value": "10 mail.example.test."}
    assert {r["type"] for r in said["records"]} == {"MX", "TXT", "SRV", "TLSA", "CAA"} | ({"A", "AAAA"} & {r["type"] for r in said["records"]})
    assert any("port-offset is set" in note for note in said["notes"])
    text = server.cli("dns", "example.test").stdout
    port = server.ports["imaps"]
    assert f"_imaps._tcp.example.test.                IN SRV  0 1 {port} mail.example.test.\n" in text
    assert "\n; " in text and text.count("v=DKIM1; k=") == 2
    for name, kind, value in (("example.test.", "TXT", '"v=spf1 mx '), ("_dmarc.example.test.", "TXT", '"v=DMARC1; p='),
                              ("_mta-sts.example.test.", "TXT", '"v=STSv1; id='), ("_smtp._tls.example.test.", "TXT", '"v=TLSRPTv1; rua=mailto:'),
                              ("_25._tcp.mail.example.test.", "TLSA", "3 1 1 "), ("mail.example.test.", "CAA", '0 issue "'),
                              *((f"_{s}._tcp.example.test.", "SRV", "") for s in ("submission", "submissions", "imap", "imaps", "pop3", "pop3s"))):
        assert re.search(rf"^{re.escape(name)} +IN {kind:<4} {re.escape(value)}", text, re.M), (name, kind, text)


def test_dkim_of_no_domain(server):
    for option in ([], ["--rotate"], ["--json"]):
        done = server.cli("domain", "dkim", "other.example", *option, check=False)
        assert done.returncode == 67 and done.stdout == "" and "this is not one of our domains; see 'pombo domain list'" in done.stderr
        done = server.cli("domain", "dkim", "nonsense..", *option, check=False)
        assert done.returncode == 65 and done.stderr == "pombo: nonsense..: this is not a domain; write one such as example.org\n"
    server.cli("domain", "add", "plain.example", "--no-dkim")
    assert server.cli("domain", "dkim", "plain.example").stdout.startswith("There are no keys")


# Queue


def test_queue(make_server):
    server = make_server()
    assert server.cli("queue", "list").stdout == "Mail queue is empty\n" and server.cli_json("queue", "list") == []
    with server.submission() as s:
        s.sendmail(ALICE, ["a@far.example", "b@far.example", ALICE], f"From: {ALICE}\r\nSubject: x\r\n\r\nhi\r\n")
        s.sendmail(ALICE, ["c@far.example"], f"From: {ALICE}\r\nSubject: y\r\n\r\nhi\r\n")
    for _ in range(2):  # with the server, and without
        listed = server.cli_json("queue", "list")
        keys = {"id", "sender", "recipient", "size", "queued", "next", "attempts", "last_reply", "mx", "held", "route", "state", "closed"}
        assert [set(q) for q in listed] == [keys] * 3
        assert [q["recipient"] for q in listed] == ["a@far.example", "b@far.example", "c@far.example"]
        assert all(ID.fullmatch(q["id"]) and q["sender"] == ALICE and q["attempts"] == 0 for q in listed)
        assert listed[0]["id"] == listed[1]["id"] != listed[2]["id"]
        text = server.cli("queue", "list").stdout.splitlines()
        assert len(text) == 6 and text[1].startswith(listed[0]["id"]) and text[1].endswith(f"{ALICE} -> a@far.example")
        assert text[-2] == "3 recipients of 2 messages"
        assert text[-1].startswith("(nothing is sent, as " + ("pombo.conf says hold-outbound" if server.running else "no server runs"))
        assert server.cli_json("queue", "show", listed[0]["id"]) == listed[:2]
        assert server.cli_json("queue", "show", listed[2]["id"].upper()) == listed[2:]
        text = server.cli("queue", "show", listed[0]["id"]).stdout
        assert text.startswith(f"{listed[0]['id']} from {ALICE}, ") and "\n  b@far.example\n    waits: not tried yet; " in text
        server.stop()


def test_what_others_wrote_does_not_reach_the_terminal(make_server):
    server = make_server()
    with server.submission() as s:
        s.ehlo()
        assert s.docmd("MAIL", f"FROM:<{ALICE}> SMTPUTF8")[0] == 250
        s.sock.sendall("RCPT TO:<a\u009b31mb@far.example>\r\n".encode())
        code = s.getreply()[0]
        s.docmd("RCPT", "TO:<c@far.example>")
        s.data(f"From: {ALICE}\r\nSubject: x\r\n\r\nhi\r\n")
    out = server.cli("queue", "list").stdout
    assert "\u009b" not in out and "c@far.example" in out
    assert code >= 500 or "a?31mb" in out


# Status, reload, stop


def test_status(make_server):
    server = make_server(addresses=("127.0.0.1", "127.0.0.2"))
    said = server.cli_json("status")
    assert set(said) == {"version", "state", "pid", "dir", "hostname", "since", "processes", "listeners", "disk", "queue"}
    assert said["state"] == "running" and said["pid"] == server.process.pid and said["dir"] == str(server.dir)
    assert set(said["disk"]) == {"free", "size", "reserve"} and 0 < said["disk"]["free"] <= said["disk"]["size"]
    assert said["disk"]["reserve"] == 256 << 20
    keys = {"kind", "index", "state", "pid", "restarts", "since", "sessions", "accepted", "messages", "bytes_in_flight",
            "longest_turn_us", "longest_write_us"}
    assert all(set(p) == keys and p["state"] == "ready" for p in said["processes"])
    assert {p["pid"] for p in said["processes"]} | {said["pid"]} == set(server.pids())
    assert all(set(li) == {"service", "address", "port", "tls"} for li in said["listeners"])
    assert {li["address"] for li in said["listeners"]} == {"127.0.0.1", "127.0.0.2"}
    assert all(p["longest_turn_us"] > 0 for p in said["processes"] if p["kind"] == "store")
    assert all((p["longest_write_us"] > 0) == (p["kind"] == "store") for p in said["processes"])
    text = server.cli("status").stdout
    assert text.startswith("pombo ") and f" on {server.hostname}: running for " in text
    assert re.search(rf"^imaps +{server.ports['imaps']}  127\.0\.0\.1 127\.0\.0\.2$", text, re.M)
    assert re.search(rf"^store 0 +{server.pids('stored')[0]} ready ", text, re.M)
    assert re.search(r"^disk: \d+.* free of .*; new mail is refused below 256 MiB$", text, re.M)


def test_status_in_a_folder_with_an_odd_name(make_server):
    """What the server says of itself reaches the terminal as text, in JSON as it is."""
    server = make_server(start=False)
    odd = server.top / "da\x1b[2Jta\u202e"
    server.dir.rename(odd)
    server.dir = odd
    server.start()
    text = server.cli("status").stdout
    assert f"data in {server.top}/da?[2Jta?" in text and "\x1b" not in text and "\u202e" not in text
    assert server.cli_json("status")["dir"] == str(odd)
    done = server.cli("domain", "remove", "example.\x1b[2J", check=False)
    assert done.returncode and "\x1b" not in done.stderr


def test_status_counts(make_server):
    server = make_server()

    def count(what):
        return sum(p[what] for p in server.cli_json("status")["processes"] if p["kind"] in ("mx", "imap"))

    server.deliver(ALICE, "From: <a@example.net>\r\n\r\nhi\r\n")
    with server.imap():
        deadline = time.monotonic() + 10 * pombo.SLOW
        while count("sessions") != 1:  # the end of the first connection may not have been seen yet
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert count("accepted") == 2
    assert count("messages") == 1


def test_status_of_a_process_that_came_again(make_server):
    server = make_server()
    server.tolerate("popd.*", "event=.*pop")
    old = server.kill("popd")
    server.wait_role("popd", not_pid=old)
    deadline = time.monotonic() + 10 * pombo.SLOW
    while True:
        pop = next(p for p in server.cli_json("status")["processes"] if p["kind"] == "pop")
        if pop["state"] == "ready":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert pop["restarts"] == 1 and pop["pid"] != old


def test_without_a_server(make_server):
    server = make_server(start=False)
    done = server.cli("status", "--json", check=False)
    assert done.returncode == 69 and json.loads(done.stdout) == {"state": "stopped", "dir": str(server.dir)}
    for command in ("status", "reload", "stop"):
        done = server.cli(command, check=False)
        assert done.returncode == 69 and "no server runs on this data folder" in done.stderr, done.stderr
    assert "start it with 'pombo run'" in server.cli("status", check=False).stderr


def test_a_folder_that_is_half_made(make_server, tmp_path):
    """Nothing is made in it."""
    server = make_server(start=False)
    shutil.rmtree(server.dir / "store")
    for command in (["domain", "list"], ["queue", "retry", "--all"], ["account", "add", "new@example.test"]):
        done = server.cli(*command, check=False)
        assert done.returncode == 78 and "there is no mail store in this folder; put back" in done.stderr and done.stdout == ""
    assert not (server.dir / "store").exists()
    for command in (["run"], ["domain", "list"], ["stop"], ["status"]):
        done = pombo.run_pombo(*command, "--dir", tmp_path, check=False)
        assert done.returncode in (69, 78) and "--dir" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_server_and_with_sections_in_pombo_conf(make_server):
    server = make_server(config=["[route far]", "to = far.test", "host = mx.far.test"], start=False)
    assert server.cli_json("account", "list")[0]["address"] == ALICE
    server.cli("domain", "add", "example.net")


def test_without_a_data_folder(tmp_path):
    for command in (["account", "list"], ["domain", "add", "x.example"], ["queue", "list"], ["dns", "x.example"]):
        done = pombo.run_pombo(*command, "--dir", tmp_path / "none", check=False)
        assert done.returncode == 78 and "`pombo init` makes it" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_wrong_settings(make_server):
    server = make_server(start=False)
    server.configure("hostnmae = x")
    done = server.cli("account", "list", check=False)
    assert done.returncode == 78 and 'unknown key "hostnmae"' in done.stderr


def test_reload_and_stop(make_server):
    server = make_server()
    assert server.cli("reload").stdout == "reloaded\n"
    server.tolerate("event=reload_failed")
    server.configure("max-recipients = lots")
    done = server.cli("reload", check=False)
    assert done.returncode == 78 and "max-recipients" in done.stderr
    server.configure("max-recipients = 5")
    server.cli("reload")
    assert server.cli("stop").stdout == "stopped\n"
    assert server.process.wait(10 * pombo.SLOW) == 0
    server.stop()
    assert server.cli("stop", check=False).returncode == 69


def test_a_server_that_does_not_answer(make_server):
    """stored hangs: the command says so instead of waiting for ever; when it goes on, so does the command."""
    server = make_server()
    stored = server.pids("stored")[0]
    os.kill(stored, 19)
    try:
        p = subprocess.Popen([pombo.BINARY, "domain", "list", "--dir", server.dir], stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        assert p.poll() is None
    finally:
        os.kill(stored, 18)
    assert "example.test" in p.communicate(timeout=20 * pombo.SLOW)[0]


# Side by side


def test_commands_side_by_side(server):
    """Without a server each opens the store itself: they take turns."""
    names = [f"u{n}@example.test" for n in range(8)]
    done = {}

    def add(name):
        done[name] = server.cli("account", "add", name, check=False)

    threads = [threading.Thread(target=add, args=[name]) for name in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [d.stderr for d in done.values() if d.returncode] == []
    assert {a["address"] for a in server.cli_json("account", "list")} == {ALICE, *names}


def test_stop_ends_no_other_command(make_server):
    """A command that works on the store has the same lock as a server."""
    server = make_server(start=False)
    done = []
    for n in range(6):
        t = threading.Thread(target=lambda: done.append(server.cli("domain", "add", f"s{n}.example", check=False).returncode))
        t.start()
        time.sleep(0.02 * n)
        assert server.cli("stop", check=False).returncode == 69
        t.join()
    assert done == [0] * 6


def test_closed_standard_files(server):
    """As a daemon may start it: what it opens must not land where its output goes."""
    def close():
        for fd in (0, 1, 2):
            os.close(fd)

    done = subprocess.run([pombo.BINARY, "domain", "add", "closed.example", "--dir", server.dir], preexec_fn=close)
    assert done.returncode == 0 and "closed.example" in server.cli("domain", "list").stdout


def test_a_very_long_word(server):
    done = server.cli("domain", "add", "x" * 100_000, check=False)
    assert done.returncode == 65 and done.stderr.endswith(": this is too long\n") and len(done.stderr) < 3000


def test_the_same_change_twice_at_once(server):
    results = []

    def add():
        results.append(server.cli("domain", "add", "race.example", check=False).returncode)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(results) == [0, 73, 73, 73]


def test_while_the_server_starts(make_server):
    """Whichever of the two has the store first, both come to their end."""
    server = make_server(start=False)
    for n in range(3):
        server.start(wait=False)
        assert server.cli("domain", "add", f"d{n}.example", check=False).returncode == 0
        server.wait_ready()
        assert f"d{n}.example" in server.cli("domain", "list").stdout
        server.stop()


def test_nothing_is_left_running(make_server):
    server = make_server(start=False)
    p = subprocess.Popen([pombo.BINARY, "account", "list", "--dir", server.dir], stdout=subprocess.DEVNULL, start_new_session=True)
    assert p.wait(20 * pombo.SLOW) == 0
    assert processes.in_session(p.pid) == []


# At a terminal


def test_passwords_at_the_terminal(make_server):
    server = make_server()
    change = ["account", "password", ALICE, "--dir", server.dir]
    status, shown = at_terminal(change, [(b"Password: ", b"from the terminal\n"), (b"Once more: ", b"from the terminal\n")])
    assert status == 0 and "password changed" in shown and "from the terminal" not in shown
    assert server.imap(ALICE, "from the terminal").state == "AUTH"
    status, shown = at_terminal(change, [(b"Password: ", b"one\n"), (b"Once more: ", b"other\n")])
    assert status == 65 and "the two were not the same; try again" in shown
    status, shown = at_terminal(change, [(b"Password: ", b"\n")])
    assert status == 65 and "nothing was typed" in shown
    status, shown = at_terminal(change, [(b"Password: ", b"\x03")])
    assert status == -2  # SIGINT, and the terminal as before
    assert server.imap(ALICE, "from the terminal").state == "AUTH"


def test_no_terminal(make_server):
    server = make_server(start=False)
    done = subprocess.run([pombo.BINARY, "account", "password", ALICE, "--dir", server.dir], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, start_new_session=True)
    assert done.returncode == 64 and "there is no terminal to ask at; use --password-stdin" in done.stderr
