# SPDX-License-Identifier: ISC
"""What a bad reply to STARTTLS, AUTH, RSET and QUIT does to mail; to all other commands: test_relay.py. One server, a host for each case."""
import contextlib
import time

import pytest
import smtpserver
from authority import Authority
from dnsserver import DnsServer
from smtpserver import SmtpServer
from pombo import SLOW
from test_relay import BAD, GO, PLAIN, TIMEOUTS, submit, wait_queue

NO = b"550 5.1.1 no such user\r\n"
# Who is silent is waited for in vain; who is just slow must not be given up, however busy this machine is with all the hosts at once.
QUICK = [f"{name} = {3 * SLOW}s" for name in TIMEOUTS]


class BrokenTls:
    """Offered, and never there."""

    def wrap_socket(self, *_, **__):
        raise OSError("no")


def do_auth(connection, line):
    connection.say("AUTH", line, b"235 2.7.0 welcome\r\n")


def refuse_no(_, line):
    return NO if b"no@" in line else b"250 ok\r\n"


def make(command, how, address, port, ca):
    if command == "RSET":
        return SmtpServer({"RSET": BAD[how], "RCPT": refuse_no}, extensions=PLAIN, address=address, port=port)
    if command == "AUTH":
        mx = SmtpServer({"AUTH": BAD[how]}, extensions=(*PLAIN, "AUTH PLAIN"), address=address, port=port)
        mx.context = ca.server(f"smtp-{how}.test")
        return mx
    mx = SmtpServer({command: BAD[how]}, extensions=PLAIN, address=address, port=port)
    if command == "STARTTLS":
        mx.context = BrokenTls()
    return mx


CASES = [(command, how) for command in ("STARTTLS", "AUTH", "RSET", "QUIT") for how in BAD]


@pytest.fixture
def stack():
    with contextlib.ExitStack() as s:
        yield s


def test_bad_replies_beside_the_transaction(make_server, tmp_path, monkeypatch, stack):
    monkeypatch.setattr(smtpserver.Connection, "do_auth", do_auth, raising=False)
    ca, hosts, names, routes, passwords, port = Authority(tmp_path), {}, {}, [], "", 0
    for i, case in enumerate(CASES, 1):
        hosts[case] = stack.enter_context(make(*case, f"127.0.3.{i}", port, ca))
        port = hosts[case].port
        if case[0] == "AUTH":
            names[(f"smtp-{case[1]}.test", "A")] = [f"127.0.3.{i}"]
            routes += [f"[route r{i}]", f"to = auth-{case[1]}.test", f"host = smtp-{case[1]}.test:{port}", "user = me"]
            passwords += f"smtp-{case[1]}.test me secret\n"

    def address(case, who):
        return f"{who}@auth-{case[1]}.test" if case[0] == "AUTH" else f"{who}@[{hosts[case].address}]"

    with DnsServer(names) as dns:
        server = make_server(start=False, config=[*GO, *QUICK, *dns.settings(), f"outbound-ca = {ca.file}", f"outbound-port = {port}",
                                                  "outbound-reuse-time = 3s"])
        with open(server.dir / "pombo.conf", "a") as conf:
            conf.write("\n".join(routes) + "\n")
        (server.dir / "relay-passwords").write_text(passwords)
        server.start()
        submit(server, *[address(case, "no") for case in hosts if case[0] == "RSET"])
        for case in hosts:
            if case[0] == "RSET":
                server.wait_log(event="failed", to=address(case, "no"))
        submit(server, *[address(case, "yes") for case in hosts])
        waiting = {address(case, "yes"): case for case in hosts
                   if case[0] == "AUTH" or case[0] == "STARTTLS" and case[1] not in ("4xx", "5xx")}
        queue = wait_queue(server, lambda q: len(q) == len(waiting) and all(r["attempts"] == 1 for r in q), timeout=40)
        assert {r["recipient"] for r in queue} == set(waiting)
        for r in queue:
            assert r["last_reply"], waiting[r["recipient"]]
        for case, mx in hosts.items():
            assert len(mx.messages) == (address(case, "yes") not in waiting), (case, mx.commands)
            if case[0] == "RSET":
                assert "RSET" in mx.commands, case
        for case in hosts:
            if case[0] == "QUIT":
                server_says_goodbye(hosts[case])
        assert sorted(r["recipient"] for r in server.cli_json("queue", "list")) == sorted(waiting)
        assert len(server.log_lines(event="sent")) == len(hosts) - len(waiting)


def server_says_goodbye(mx):
    deadline = time.monotonic() + 60 * SLOW
    while "QUIT" not in mx.commands:
        assert time.monotonic() < deadline, mx.commands
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["CONNECT", "MAIL", "DOT"])
def test_a_reply_that_comes_byte_by_byte(make_server, command):
    """It must be whole within the time that it may take, or one connection, and then all, would be had for as long as somebody likes."""
    def drip(connection, _):
        connection.sock.sendall(b"250-")
        while True:
            connection.sock.sendall(b"x")
            time.sleep(0.2)

    with SmtpServer({command: drip}) as mx:
        server = make_server(config=[*GO, mx.setting(), *[f"{name} = 2s" for name in TIMEOUTS]])
        submit(server, "bob@far.test")
        waiting, = wait_queue(server, lambda q: len(q) == 1 and q[0]["attempts"] == 1, timeout=40)
        assert "did not answer in time" in waiting["last_reply"] and not mx.messages
