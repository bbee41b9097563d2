# SPDX-License-Identifier: ISC
"""Mail for other servers: sent, tried again, refused, as the other side behaves."""
import itertools
import socket
import time

import pytest
from dnsserver import DnsServer
from pombo import ALICE, SLOW, Server
from smtpserver import EXTENSIONS, HANG_UP, SILENCE, SmtpServer

FAR = "bob@far.test"
TEXT = f"From: {ALICE}\r\nSubject: hello\r\n\r\nhello\r\n.dots\r\n..\r\n"
GO = ["hold-outbound = no"]
TIMEOUTS = ("outbound-greeting-timeout", "outbound-command-timeout", "outbound-data-timeout", "outbound-done-timeout")


def submit(server, *to, text=TEXT, options=(), rcpt_options=()):
    with server.submission() as s:
        assert s.sendmail(ALICE, list(to) or [FAR], text, mail_options=options, rcpt_options=rcpt_options) == {}


def wait_empty(server, timeout=20):
    deadline = time.monotonic() + timeout * SLOW
    while (left := server.cli_json("queue", "list")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def wait_queue(server, wanted, timeout=20):
    """Until the queue's recipients fulfil `wanted`."""
    deadline = time.monotonic() + timeout * SLOW
    while not wanted(queue := server.cli_json("queue", "list")):
        assert time.monotonic() < deadline, f"{queue}\n{server.tail()}"
        time.sleep(0.05)
    return queue


def until(wanted, timeout=30):
    deadline = time.monotonic() + timeout * SLOW
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def remove_all(server):
    for key in {q["id"] for q in server.cli_json("queue", "list")}:
        server.cli("queue", "remove", key, check=False)  # it may end by itself meanwhile
    wait_empty(server)


def relaying(make_server, mx, *lines, **kwargs):
    return make_server(config=[mx.setting(), *GO, *lines], **kwargs)


@pytest.fixture(scope="module")
def shared():
    with Server(config=GO) as server:
        yield server


@pytest.fixture
def relay(shared):
    """relay(mx, *lines): the module's server with an empty queue, and `mx` as its smart host."""
    def use(mx, *lines):
        shared.configure([mx.setting(), *lines])
        shared.reload()
        return shared

    shared.seen = len(shared.messages())
    yield use
    remove_all(shared)


@pytest.mark.parametrize("without", [(), ("CHUNKING",), ("PIPELINING",), ("CHUNKING", "PIPELINING"), EXTENSIONS])
@pytest.mark.parametrize("size", [0, 500_000])
def test_a_message_arrives_as_it_was(relay, without, size):
    extensions = [e for e in EXTENSIONS if e not in without]
    body = TEXT + "".join(f"{i} " + "x" * 60 + "\r\n.\r\n" for i in range(size // 70))
    with SmtpServer(extensions=extensions) as mx:
        server = relay(mx)
        submit(server, FAR, "carol@far.test", "dan@other.test", text=body)
        wait_empty(server)
        assert sorted(a for m in mx.messages for a in m.addresses()) == [FAR, "carol@far.test", "dan@other.test"]
        assert sorted(len(m.recipients) for m in mx.messages) == [1, 2]
        for m in mx.messages:
            assert m.sender == ALICE and m.data.startswith(b"Received: from ") and m.data.endswith(body.encode()[-200:])
            assert m.data.split(b"\r\n\r\n", 1)[1].decode() == body.split("\r\n\r\n", 1)[1]
        assert mx.complaints == [] and mx.connections <= 2


BAD = {
    "4xx": b"451 4.7.1 not now\r\n",
    "5xx": b"550 5.7.1 never\r\n",
    "garbage": b"\x00\xff<html>go away\r\n",
    "hang-up": HANG_UP,
    "silence": SILENCE,
    "half": b"250-half",
    "endless": b"250-" + b"x" * 100_000,
    "421": b"421 4.3.2 going down\r\n",
    "reply-before-command": b"250 ok\r\n250 and another\r\n250 and one more\r\n250 more\r\n250 more\r\n250 more\r\n250 more\r\n",
}
PLAIN = ("SIZE 1000000",)
HARD = {("MAIL", "5xx"), ("RCPT", "5xx"), ("DATA", "5xx"), ("DOT", "5xx"), ("BDAT", "5xx")}


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "BDAT"])
@pytest.mark.parametrize("how", BAD)
def test_every_reply_class_at_every_command(relay, command, how):
    answer = BAD[how]
    if command == "EHLO" and how == "5xx":
        answers = {"EHLO": answer, "HELO": answer}
    elif command == "DATA" and how == "reply-before-command":
        answers = {"DATA": b"354 go on\r\n250 2.0.0 kept, whatever it will be\r\n"}
    else:
        answers = {command: answer}
    extensions = ("CHUNKING", "PIPELINING") if command == "BDAT" else PLAIN
    with SmtpServer(answers, extensions=extensions) as mx:
        # Little patience where something is to be waited for in vain, else more than a slow machine needs.
        patience = "2s" if how in ("silence", "half", "endless") else "1m"
        server = relay(mx, *[f"{name} = {patience}" for name in TIMEOUTS])
        mark = len(server.log_lines(event="sent"))
        submit(server)
        if (command, how) in HARD:
            wait_empty(server)
            assert mx.messages == []
            bounce, = server.messages()[server.seen:]
            assert b"never" in bounce and FAR.encode() in bounce
        elif how == "reply-before-command" and command in ("DOT", "BDAT"):  # the first of them is the answer
            wait_empty(server)
            assert len(server.log_lines(event="sent")) == mark + 1 and mx.connections == 1
            assert len(server.messages()) == server.seen
        else:
            q = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
            # Half a yes at the end of the message: the other side has it, and we cannot know.
            assert q[0]["last_reply"] and (mx.messages == [] or (command, how) in (("DOT", "half"), ("DOT", "endless"))), q
            assert how != "reply-before-command" or "spoke before it was asked: 250 " in q[0]["last_reply"]
            assert len(server.messages()) == server.seen and len(server.log_lines(event="sent")) == mark


def test_recipients_part_ways(make_server):
    def rcpt(_, line):
        return b"550 5.1.1 who?\r\n" if b"no@" in line else b"450 4.2.1 later\r\n" if b"late@" in line else b"250 ok\r\n"

    with SmtpServer({"RCPT": rcpt}) as mx:
        server = relaying(make_server, mx)
        submit(server, "yes@far.test", "no@far.test", "late@far.test")
        q = wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1)
        assert q[0]["recipient"] == "late@far.test" and "later" in q[0]["last_reply"]
        assert [m.addresses() for m in mx.messages] == [["yes@far.test"]]
        bounce = server.messages()[-1].decode()
        assert "no@far.test" in bounce and "late@" not in bounce and "yes@" not in bounce


@pytest.mark.parametrize("enough", [b"452 4.5.3 enough\r\n", b"552 too many recipients\r\n"])
def test_too_many_recipients_at_once_go_in_turns(make_server, enough):
    def rcpt(connection, line):
        return enough if len(connection.message.recipients) >= 3 else b"250 ok\r\n"

    with SmtpServer({"RCPT": rcpt}) as mx:
        server = relaying(make_server, mx)
        to = [f"r{i}@far.test" for i in range(8)]
        submit(server, *to)
        wait_empty(server)
        assert sorted(a for m in mx.messages for a in m.addresses()) == to and len(mx.messages) == 3


def test_a_full_mailbox_beside_others_is_refused_for_good(make_server):
    with SmtpServer({"RCPT": lambda _, line: b"552 5.2.2 full\r\n" if b"full@" in line else b"250 ok\r\n"}) as mx:
        server = relaying(make_server, mx)
        submit(server, "yes@far.test", "full@far.test")
        wait_empty(server)
        assert [m.addresses() for m in mx.messages] == [["yes@far.test"]] and "full@far.test" in server.messages()[-1].decode()


def test_limits_of_the_other_side_are_kept(make_server):
    with SmtpServer(extensions=(*EXTENSIONS, "LIMITS RCPTMAX=2 MAILMAX=2")) as mx:
        server = relaying(make_server, mx)
        submit(server, *[f"r{i}@far.test" for i in range(7)])
        wait_empty(server)
        assert [len(m.recipients) for m in mx.messages] == [2, 2, 2, 1] and mx.connections == 2


def test_mailmax_counts_mail_that_is_refused_too(make_server):
    with SmtpServer({"MAIL": [b"550 5.7.1 not this one\r\n"] * 3}, extensions=(*EXTENSIONS, "LIMITS MAILMAX=2")) as mx:
        server = relaying(make_server, mx, "max-connections-per-destination = 1")
        submit(server, *[f"bob@far{i}.test" for i in range(5)])
        wait_empty(server)
        assert len(mx.messages) == 2 and mx.connections == 3


def test_a_session_has_no_more_domains_than_it_may(make_server):
    """RFC 9422, RCPTDOMAINMAX."""
    with SmtpServer(extensions=(*EXTENSIONS, "LIMITS RCPTDOMAINMAX=2"), delay=0.02) as mx:
        server = make_server(config=[mx.setting(), "max-connections-per-destination = 1", "hold-outbound = yes"])
        submit(server, "bob@far1.test", "bob@far2.test", "bob@far3.test")
        submit(server, "dan@far1.test", "dan@far2.test", "dan@far3.test")
        server.configure(["hold-outbound = no"])
        server.reload()
        wait_empty(server)
        assert len(mx.messages) == 6 and mx.connections >= 2
        sessions, domains = [set()], {}
        for command in mx.commands:
            if command.startswith("EHLO"):
                sessions.append(set())
            elif command.startswith("RCPT"):
                sessions[-1].add(command.split("@")[1].split(">")[0])
        assert all(len(s) <= 2 for s in sessions), mx.commands


def test_after_a_failed_bdat_comes_rset(make_server):
    """RFC 3030 §2: what state it leaves is not known."""
    with SmtpServer({"BDAT": [b"451 4.3.0 not now\r\n", b"250 ok\r\n"]}) as mx:
        server = make_server(config=[mx.setting(), "max-connections-per-destination = 1", "hold-outbound = yes"])
        submit(server)
        submit(server, "dan@far.test")
        server.configure(["hold-outbound = no"])
        server.reload()
        wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1)
        words = [c.split()[0] for c in mx.commands]
        assert words[:7] == ["EHLO", "MAIL", "RCPT", "BDAT", "RSET", "MAIL", "RCPT"], mx.commands


@pytest.mark.parametrize("command", ["CONNECT", "EHLO"])
def test_nobody_hangs_up_without_quit(relay, command):
    """RFC 5321 §4.1.1.10: whatever the other side said, but 421."""
    for answer, goodbye in ((b"554 5.7.1 not you\r\n", True), (b"421 4.3.2 going down\r\n", False)):
        with SmtpServer({command: answer, "HELO": answer}) as mx:
            server = relay(mx)
            submit(server)
            wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
            deadline = time.monotonic() + 10 * SLOW
            while mx.open and time.monotonic() < deadline:
                time.sleep(0.01)
            assert ("QUIT" in mx.commands) == goodbye, mx.commands
        remove_all(server)


def test_servers_that_never_take_mail(make_server):
    """521 as a greeting (RFC 7504): the next host, and where all say so the mail comes back at once."""
    with SmtpServer({"CONNECT": b"521 5.3.2 no mail here\r\n"}) as never, SmtpServer(address="127.0.0.3", port=never.port) as mx:
        records = {("never.test", "MX"): ["10 never.far.test."], ("both.test", "MX"): ["10 never.far.test.", "20 mx.far.test."],
                   ("perhaps.test", "MX"): ["10 never.far.test.", "20 dead.far.test."],
                   ("never.far.test", "A"): ["127.0.0.1"], ("mx.far.test", "A"): ["127.0.0.3"], ("dead.far.test", "A"): ["127.0.0.2"]}
        with DnsServer(records) as dns:
            server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}"])
            submit(server, "a@never.test", "b@both.test", "c@perhaps.test")
            q = wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1)
            assert q[0]["recipient"] == "c@perhaps.test"
            assert [m.addresses() for m in mx.messages] == [["b@both.test"]]
            failed, = server.log_lines(event="failed")
            assert failed["to"] == "a@never.test" and failed["code"] == "521" and "no mail here" in failed["reply"]


def test_opportunistic_tls(make_server, tmp_path):
    other = make_server(hostname="mx.far.test", domain="far.test", users=["bob@far.test"])
    server = make_server(config=[f"relay-host = 127.0.0.1:{other.ports['smtp']}", *GO])
    submit(server)
    wait_empty(server)
    message = other.messages("bob@far.test")[0].decode()
    assert "hello" in message and "with ESMTPS" in message or "UTF8SMTPS" in message
    sent = server.wait_log(event="sent")
    assert sent["tls"].startswith("TLSv1.3 ") and "not verified" in sent["tls"]


def test_tls_that_ends_before_it_began_falls_back_to_plaintext(make_server):
    """A close_notify in the handshake: neither TLS nor, behind it, a loop without end."""
    def starttls(connection, line):
        connection.sock.sendall(b"220 go\r\n")
        connection.sock.recv(65536)
        connection.sock.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
        connection.sock.recv(65536)
        return HANG_UP

    with SmtpServer({"STARTTLS": starttls}) as mx:
        mx.context = True
        server = relaying(make_server, mx)
        submit(server)
        assert [m.tls for m in mx.wait(1)] == [False]
        wait_empty(server)


def test_broken_tls_falls_back_to_plaintext(make_server):
    with SmtpServer({"STARTTLS": b"220 go\r\n"}) as mx:
        mx.context = type("Broken", (), {"wrap_socket": lambda self, sock, server_side: (_ for _ in ()).throw(OSError("no"))})()
        server = relaying(make_server, mx)
        submit(server)
        wait_empty(server)
        assert len(mx.messages) == 1 and not mx.messages[0].tls and mx.connections == 2


def test_mx_order_and_a_dead_first_host(make_server):
    with SmtpServer(address="127.0.0.3") as mx:
        records = {("far.test", "MX"): ["10 dead.far.test.", "20 mx.far.test."], ("dead.far.test", "A"): ["127.0.0.2"],
                   ("mx.far.test", "A"): ["127.0.0.3"]}
        with DnsServer(records) as dns:
            server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}"])
            submit(server)
            wait_empty(server)
            assert [m.addresses() for m in mx.messages] == [[FAR]]
            assert server.wait_log(event="sent")["mx"] == "mx.far.test"


def all_in_one(*last):
    """Answers MAIL once the whole transaction, up to one of `last`, has come; never where it does not come ahead."""
    def mail(connection, _line):
        while not any(b"\r\n" + word in b"\r\n" + connection.buffer for word in last):
            connection.buffer += connection.sock.recv(65536)
        return b"250 2.1.0 ok\r\n"

    return {"MAIL": mail}


def alone(connection, _line):
    """Answers MAIL after a while, in which nothing more may come."""
    time.sleep(0.3)
    connection.sock.setblocking(False)
    try:
        connection.buffer += connection.sock.recv(65536)
    except BlockingIOError:
        pass
    connection.sock.setblocking(True)
    connection.server.complaints += [connection.buffer] if connection.buffer else []
    return b"250 2.1.0 ok\r\n"


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("PIPELINING", "CHUNKING"), ("CHUNKING",), (), EXTENSIONS])
def test_what_is_offered_is_used_and_nothing_else(make_server, extensions):
    answers = all_in_one(b"BDAT ", b"DATA\r\n") if "PIPELINING" in extensions else {"MAIL": alone}
    with SmtpServer(answers, extensions=extensions) as mx:
        server = relaying(make_server, mx)
        submit(server, FAR, "carol@far.test", options=["BODY=8BITMIME", "RET=HDRS"], rcpt_options=["NOTIFY=FAILURE"],
               text=f"From: {ALICE}\r\n\r\nGrüße\r\n".encode() if "8BITMIME" in extensions else TEXT)
        wait_empty(server)
        message, = mx.messages
        words = [c.split()[0] for c in mx.commands]
        assert words[:4] == ["EHLO", "MAIL", "RCPT", "RCPT"] and mx.complaints == []
        assert words[4] == ("BDAT" if "CHUNKING" in extensions else "DATA")
        size = int(next((p[5:] for p in message.parameters if p.startswith("SIZE=")), 0))
        assert size == (len(message.data) if "SIZE 10000000" in extensions else 0)
        for name, parameter in (("8BITMIME", "BODY=8BITMIME"), ("DSN", "RET=HDRS")):
            assert (parameter in message.parameters) == (name in extensions)
        assert all(("NOTIFY=FAILURE" in p) == ("DSN" in extensions) for _, p in message.recipients)


@pytest.mark.parametrize("size", [b"SIZE 10000", b"SIZE", b"SIZE 0"])
def test_a_message_that_is_too_big_comes_back_at_once(make_server, size):
    """RFC 1870 §6.1, where a size was said."""
    with SmtpServer(extensions=("PIPELINING", size.decode())) as mx:
        server = relaying(make_server, mx)
        submit(server, text=TEXT + 300 * (60 * "x" + "\r\n"))
        wait_empty(server)
        limited = size == b"SIZE 10000"
        assert len(mx.messages) == (not limited) and ("MAIL" in " ".join(mx.commands)) == (not limited)
        assert [(f["code"], f["to"]) for f in server.log_lines(event="failed")] == [("552", FAR)] * limited
        assert all(b"Status: 5.3.4\r\n" in m for m in server.messages()) and len(server.messages()) == limited


def test_equal_servers_share_the_load(make_server):
    """RFC 5321 §5.1. For each connection anew, while one answer of the DNS holds; the worse server is for when they fail."""
    with SmtpServer() as one, SmtpServer(address="127.0.0.3", port=one.port) as two, SmtpServer(address="127.0.0.4", port=one.port) as worse:
        records = {("far.test", "MX"): ["10 one.far.test.", "20 worse.far.test.", "10 two.far.test."], ("one.far.test", "A"): ["127.0.0.1"],
                   ("two.far.test", "A"): ["127.0.0.3"], ("worse.far.test", "A"): ["127.0.0.4"]}
        with DnsServer(records) as dns:
            settings = [*dns.settings(), f"outbound-port = {one.port}", "max-messages-per-outbound-connection = 1"]
            server = make_server(config=[*settings, "hold-outbound = yes"])
            for _ in range(30):
                submit(server)
            server.configure([*settings, *GO])
            server.reload()
            wait_empty(server)
            assert len(one.messages) + len(two.messages) == 30 and worse.connections == 0
            assert one.messages and two.messages


def test_errors_lower_the_number_of_connections(make_server):
    """It grows while all goes well, and falls to one when connections break."""
    with SmtpServer(delay=0.02) as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes", "max-messages-per-outbound-connection = 2"])
        for i in range(6):
            submit(server, *[f"r{i}@d{n}.test" for n in range(50)])
        server.configure([mx.setting(), *GO, "max-messages-per-outbound-connection = 2"])
        server.reload()
        mx.wait(150, 60)
        grown = mx.most_open
        answers = itertools.cycle([HANG_UP, HANG_UP, b"250 ok\r\n"])  # with no message taken at all it would soon not be asked any more
        mx.answers = {"MAIL": lambda *_: next(answers)}
        until(lambda at=mx.connections: mx.connections >= at + 60)
        with mx.lock:
            mx.most_open = mx.open
        until(lambda at=mx.connections: mx.connections >= at + 20)
        assert grown > 10 and mx.most_open * 2 < grown, (grown, mx.most_open)  # that one has ended is counted a moment late


@pytest.mark.parametrize("answer", [b"421 4.7.0 not so much at once\r\n", HANG_UP], ids=["421", "hang-up"])
def test_who_hangs_up_is_not_asked_with_every_message(make_server, answer):
    with SmtpServer({"MAIL": answer}) as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes"])
        for i in range(40):
            submit(server, f"bob{i}@far.test")
        server.configure([mx.setting(), *GO])
        server.reload()
        wait_queue(server, lambda q: len(q) == 40 and sum(r["attempts"] for r in q) >= 3)
        time.sleep(3)  # time enough to ask with all of them, one after another
        queue = server.cli_json("queue", "list")
        assert mx.connections <= 25, mx.connections  # with three that hung up on each of 40: 120
        assert all(r["last_reply"] for r in queue if r["attempts"])
        mx.answers = {}
        server.cli("queue", "retry", "--all")
        wait_empty(server)
        assert len(mx.messages) == 40


@pytest.mark.parametrize("answer", [b"421 4.7.0 too many messages in this connection\r\n", HANG_UP], ids=["421", "hang-up"])
def test_so_many_messages_a_connection(make_server, answer):
    """All connections have had theirs at about the same time: the rest goes over new ones, at once."""
    def on_mail(connection, line):
        connection.mails += 1
        return answer if connection.mails > 3 else b"250 2.1.0 ok\r\n"

    with SmtpServer({"MAIL": on_mail}) as mx:
        server = make_server(config=[mx.setting(), "hold-outbound = yes"])
        for i in range(40):
            submit(server, f"bob{i}@far.test")
        server.configure([mx.setting(), *GO])
        server.reload()
        wait_empty(server)
        assert len(mx.messages) == 40 and mx.connections >= 40 / 3
        for i in range(40):
            assert "deferred" not in [e["event"] for e in server.cli_json("trace", f"bob{i}@far.test")]


def test_who_insists_on_tls_that_failed_gets_the_message_later(make_server):
    class Broken:
        def wrap_socket(self, sock, **_):
            raise ConnectionError

    with SmtpServer({"MAIL": b"530 5.7.0 Must issue a STARTTLS command first\r\n"}) as mx:
        mx.context = Broken()
        server = relaying(make_server, mx)
        submit(server)
        q, = wait_queue(server, lambda q: q and q[0]["attempts"] == 1)
        assert "STARTTLS" in q["last_reply"] and not server.messages()


def test_what_the_dns_says_without_a_server(make_server):
    records = {("null.test", "MX"): ["0 ."], ("loop.test", "MX"): ["10 mail.example.test."], ("implicit.test", "A"): ["127.0.0.1"],
               ("alias.test", "CNAME"): ["implicit.test."], ("named.test", "MX"): ["10 other.named.test."],
               ("other.named.test", "CNAME"): ["implicit.test."],
               ("zero.test", "A"): ["0.0.0.0"], ("zero.test", "AAAA"): ["::", "::ffff:127.0.0.1"]}
    with SmtpServer() as mx, DnsServer(records) as dns:
        server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}"])
        submit(server, "a@null.test", "b@loop.test", "c@implicit.test", "d@nowhere.test", "e@[127.0.0.1]", "f@zero.test", "g@alias.test", "h@named.test")
        wait_empty(server)
        assert sorted(a for m in mx.messages for a in m.addresses()) == ["c@implicit.test", "e@[127.0.0.1]", "g@alias.test", "h@named.test"]
        failed = {f["to"]: f for f in server.log_lines(event="failed")}
        assert set(failed) == {"a@null.test", "b@loop.test", "d@nowhere.test", "f@zero.test"}
        assert failed["a@null.test"]["code"] == "556" and "loops" in failed["b@loop.test"]["reply"]


def test_a_dead_destination_holds_up_nobody(make_server):
    """Half of 1,000 destinations refuse connections, the others never answer: mail for a live one passes them all."""
    with SmtpServer() as mx, socket.create_server(("127.0.0.8", mx.port), backlog=1):
        records = {("live.test", "MX"): ["10 mx.live.test."], ("mx.live.test", "A"): ["127.0.0.1"]}
        records |= {(f"dead{i}.test", "A"): ["127.0.0.8" if i % 2 else "127.0.0.9"] for i in range(1000)}
        with DnsServer(records) as dns:
            server = make_server(config=[*dns.settings(), *GO, f"outbound-port = {mx.port}", "outbound-connect-timeout = 10m"])
            for at in range(0, 1000, 250):
                submit(server, *[f"x@dead{i}.test" for i in range(at, at + 250)])
            submit(server, "y@live.test")
            mx.wait(1, 30)
            refusing = {f"x@dead{i}.test" for i in range(0, 1000, 2)}  # the others hang, but for those for whom the DNS here is too slow
            wait_queue(server, lambda q: len(q) == 1000 and refusing <= {r["recipient"] for r in q if r["attempts"]}, 40)


def test_connections_that_lead_nowhere_give_way(make_server):
    """All that there may be hang in 8 hosts that say nothing for as long as they may: mail for a ninth gets one."""
    with SmtpServer() as mx, socket.create_server(("127.0.0.8", mx.port), backlog=64):
        server = make_server(config=[*GO, f"outbound-port = {mx.port}", "max-outbound-connections = 4"])
        submit(server, *[f"x{i}@[127.0.0.8]" for i in range(3)], text=TEXT)
        records = {(f"dead{i}.test", "A"): ["127.0.0.8"] for i in range(8)}
        with DnsServer(records) as dns:
            server.configure(dns.settings())
            server.reload()
            submit(server, *[f"x@dead{i}.test" for i in range(8)])
            submit(server, "y@[127.0.0.1]")
            mx.wait(1, 60)
            q = wait_queue(server, lambda q: len(q) == 11 and any(r["attempts"] for r in q))
            assert any("did not answer soon" in r["last_reply"] for r in q)


def test_retry_when_its_time_has_come(make_server):
    with SmtpServer({"MAIL": b"451 4.7.1 greylisted\r\n"}) as mx:
        server = relaying(make_server, mx, "retry-first = 1s")
        submit(server)
        q = wait_queue(server, lambda q: q and q[0]["attempts"] >= 1)
        assert q[0]["last_reply"] == "451 4.7.1 greylisted" and q[0]["mx"] == "[127.0.0.1]"
        assert "    [127.0.0.1]: 451 4.7.1 greylisted\n" in server.cli("queue", "list").stdout
        mx.answers = {}
        mx.wait(1)
        wait_empty(server)


def test_a_smart_host_with_a_password(make_server):
    other = make_server(hostname="mx.far.test", domain="far.test", users=["relay@far.test"], config=["hold-outbound = yes"])
    server = make_server(start=False, config=[f"relay-host = 127.0.0.1:{other.ports['submission']}", *GO])
    path = server.dir / "relay-passwords"
    path.write_text(f"other.test x y\n127.0.0.1 relay@far.test {other.password}\n")
    other.cli("account", "send-as", "relay@far.test", ALICE, check=False)
    server.start()
    submit(server, "x@elsewhere.test")
    assert other.wait_log(event="login", since=0)["account"] == "relay@far.test"


def test_mail_for_our_own_address_does_not_go_round(make_server):
    """A client that may relay, and port 25 of this machine as an address literal says it: found before the first hop."""
    server = make_server(config=["trusted-networks = 127.0.0.1", *GO])
    server.configure([f"outbound-port = {server.ports['smtp']}"])
    server.reload()
    literals = ["[127.0.0.1]", "[0.0.0.0]", "[IPv6:::ffff:127.0.0.1]"]
    submit(server, *[f"x@{literal}" for literal in literals])
    wait_empty(server)
    assert {f["to"].split("@")[1]: f["reply"].split(" loops ")[0] for f in server.log_lines(event="failed")} == {
        literal: f"mail for {literal}" for literal in literals}
    assert server.log_lines(event="sent") == []


def test_a_stop_waits_for_the_reply_to_what_was_sent(make_server):
    """Or it would be sent again. What has not come so far is broken off, and sent after the start."""
    def slowly(connection, line):
        time.sleep(1)
        return b"250 2.0.0 kept\r\n"

    with SmtpServer({"DOT": slowly, "DATA": [b"354 go on\r\n", SILENCE]}, extensions=()) as mx:
        server = relaying(make_server, mx)
        submit(server, FAR)
        deadline = time.monotonic() + 20 * SLOW
        while not mx.tried and time.monotonic() < deadline:
            time.sleep(0.01)
        submit(server, "carol@far.test")
        while mx.commands.count("DATA") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.stop()
        assert [m.addresses() for m in mx.messages] == [[FAR]]
        server.start()
        wait_empty(server)
        assert [m.addresses() for m in mx.tried] == [[FAR], ["carol@far.test"]]
