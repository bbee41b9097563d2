# SPDX-License-Identifier: ISC
"""Aliases that lead to other servers: under which sender mail is forwarded, where bounces go, how loops end, what senders hear."""
import contextlib
import email
import subprocess
import time

import pombo
import pytest
from flufl.bounce import scan_message
from pombo import ALICE, DOMAIN
from smtpserver import EXTENSIONS, SmtpServer
from test_queue import fields, notices
from test_relay import FAR, GO, TEXT, relaying, wait_empty

ALIAS = f"away@{DOMAIN}"
STRANGER = "stranger@elsewhere.test"
MAIL = f"From: {STRANGER}\r\nTo: {ALIAS}\r\nSubject: hello\r\n\r\nhello\r\n"


def hand_in(server, sender=STRANGER, to=ALIAS, text=MAIL, rcpt_options=()):
    """As a stranger; {} or what was refused."""
    with server.smtp() as s:
        return s.sendmail(sender, to, text, rcpt_options=rcpt_options)


def refusal(server, sender, to):
    with server.smtp() as s:
        s.ehlo()
        assert s.mail(sender)[0] == 250
        code, text = s.rcpt(to)
        return code, text.decode()


def forwarding(make_server, mx, *lines, target=FAR, **kwargs):
    server = relaying(make_server, mx, *lines, **kwargs)
    server.add_alias(ALIAS, target)
    return server


def mail_srs(expression):
    """What Mail::SRS, which others run, makes of an address."""
    script = f"use Mail::SRS; my $s = Mail::SRS->new(Secret => 'theirs', MaxAge => 21, HashLength => 4, HashMin => 4); print {expression};"
    return subprocess.run(["perl", "-e", script], capture_output=True, text=True, check=True).stdout


def test_there_and_back(make_server):
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        assert hand_in(server) == {}
        sent = mx.wait(1)[0]
        assert sent.addresses() == [FAR] and sent.sender.startswith("SRS0=") and sent.sender.endswith(f"=elsewhere.test=stranger@{DOMAIN}")
        assert sent.data.startswith(f"Delivered-To: {ALIAS}\r\nReceived: from ".encode()) and sent.data.endswith(MAIL.encode())
        # A bounce from there comes back here, and goes on to who sent it first.
        assert hand_in(server, "", sent.sender, "Subject: bounce\r\n\r\nno\r\n") == {}
        bounce = mx.wait(2)[1]
        assert bounce.sender == "" and bounce.addresses() == [STRANGER]
        # Also with letters that somebody changed on the way.
        assert hand_in(server, "", sent.sender.upper(), "Subject: bounce\r\n\r\nno\r\n") == {}
        assert mx.wait(3)[2].addresses()[0].lower() == STRANGER
        # Whoever else writes there is forwarded like by an alias.
        assert hand_in(server, "other@third.test", sent.sender) == {}
        assert mx.wait(4)[3].sender.startswith("SRS0=") and mx.messages[3].addresses() == [STRANGER]
        assert mx.complaints == []


def test_nobody_relays_by_it(make_server):
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        hand_in(server)
        address = mx.wait(1)[0].sender
        code, text = refusal(server, "", address.replace("=stranger@", "=victim@"))
        assert code == 550 and text.startswith("5.1.1") and "SRS" in text
        code, text = refusal(server, "", "SRS0=ABCDEFGH=" + address.split("=", 2)[2])
        assert code == 550 and text.startswith("5.1.1")
        assert refusal(server, "", f"SRS1=ABCDEFGH=victim.test==AAAA=BB=victim.test=victim@{DOMAIN}")[0] == 550
        assert refusal(server, "", f"SRS0=x@{DOMAIN}")[0] == 550
        assert refusal(server, "", FAR)[1].startswith("5.7.1")
        server.stop()
        server.env["POMBO_CLOCK_SHIFT"] = str(20 * 86400)
        server.start()
        assert refusal(server, "", address)[0] == 250
        server.stop()
        server.env["POMBO_CLOCK_SHIFT"] = str(23 * 86400)
        server.start()
        code, text = refusal(server, "", address)
        assert code == 550 and text.startswith("5.1.1") and "expired" in text


def test_whose_sender_stays(make_server):
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT)
        assert mx.wait(1)[0].sender == ALICE
        assert hand_in(server, "") == {}
        assert mx.wait(2)[1].sender == ""
        server.add_domain("second.test")
        assert hand_in(server, "nobody@second.test") == {}  # ours, whoever that is
        assert mx.wait(3)[2].sender == "nobody@second.test"


def test_settings(make_server):
    with SmtpServer() as mx:
        server = forwarding(make_server, mx, "srs = no")
        hand_in(server)
        assert mx.wait(1)[0].sender == STRANGER
        server.add_domain("bounces.test")
        server.configure(["srs = yes", "srs-domain = bounces.test"])
        server.reload()
        hand_in(server)
        address = mx.wait(2)[1].sender
        assert address.startswith("SRS0=") and address.endswith("=stranger@bounces.test")
        assert hand_in(server, "", address) == {}
        assert mx.wait(3)[2].addresses() == [STRANGER]


def test_others_who_rewrite(make_server):
    """A chain: Mail::SRS before us, and after us."""
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        first = mail_srs("$s->forward('alice@example.com', 'first.test')")
        hand_in(server, first)
        ours = mx.wait(1)[0].sender
        assert ours.startswith("SRS1=") and "=first.test==" in ours and ours.endswith(f"@{DOMAIN}")
        hand_in(server, "", ours)
        assert mx.wait(2)[1].addresses() == [first]  # at once to the first forwarder, who knows its hash
        assert mail_srs(f"$s->reverse('{first}')") == "alice@example.com"
        hand_in(server)
        ours = mx.wait(3)[2].sender
        theirs = mail_srs(f"$s->forward('{ours}', 'second.test')")
        assert theirs.startswith("SRS1=") and mail_srs(f"$s->reverse('{theirs}')") == ours


def test_a_forwarded_and_a_local_recipient(make_server):
    """One message, two ways, two senders; a list whose members live here and there."""
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        server.add_alias(f"list@{DOMAIN}", ALICE, "carol@far.test")
        assert hand_in(server, to=[ALICE, ALIAS, f"list@{DOMAIN}"]) == {}
        mx.wait(2)
        assert sorted(m.addresses() for m in mx.messages) == [[FAR], ["carol@far.test"]]
        marks = {m.addresses()[0]: m.data.split(b"\r\n")[0] for m in mx.messages}
        assert marks == {FAR: f"Delivered-To: {ALIAS}".encode(), "carol@far.test": f"Delivered-To: list@{DOMAIN}".encode()}
        assert len(server.messages()) == 1


# ---- loops ----

def test_what_was_forwarded_before_is_not_forwarded_again(make_server):
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        with pytest.raises(Exception) as e:
            hand_in(server, text=f"Delivered-To: {ALIAS.upper()}\r\n" + MAIL)
        assert "5.4.6" in str(e.value) and "554" in str(e.value)
        assert hand_in(server, text="Delivered-To: somebody@else.test\r\n" + MAIL) == {}
        mx.wait(1)


def test_who_keeps_a_copy_keeps_it(make_server):
    """An alias that names its own account and another server, which sends it back."""
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALICE, ALICE, FAR)
        assert hand_in(server, to=ALICE, text=f"Delivered-To: {ALICE}\r\n" + MAIL) == {}
        notice = mx.wait(1)[0]
        assert notice.sender == "" and notice.addresses() == [STRANGER] and b"5.4.6" in notice.data
        assert len(server.messages()) == 1
        wait_empty(server)
        assert len(mx.messages) == 1


@pytest.mark.parametrize("sender, options", [(STRANGER, ["NOTIFY=NEVER"]), ("", [])])
def test_a_loop_that_nobody_hears_of_is_in_the_trace(make_server, sender, options):
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALICE, ALICE, FAR, "carol@far.test")
        assert hand_in(server, sender, ALICE, f"Delivered-To: {ALICE}\r\n" + MAIL, options) == {}
        wait_empty(server)
        assert len(server.messages()) == 1 and mx.messages == []
        events = server.cli_json("trace", ALICE)
        assert [e["event"] for e in events] == ["received", "delivered", "failed"]
        assert events[2]["address"] == ALICE and "loops" in events[2]["text"]


UTF8_ALIAS = f"grüße+büro@{DOMAIN}"
UTF8_MARK = rf"Delivered-To: gr\x{{FC}}\x{{DF}}e\x{{2B}}b\x{{FC}}ro@{DOMAIN}".encode()


def hand_in_utf8(server, to, text=MAIL.encode(), sender=STRANGER):
    """As a stranger; the reply to the message."""
    with server.smtp() as s:
        s.ehlo()
        s.command_encoding = "utf-8"
        for command in (f"MAIL FROM:<{sender}> SMTPUTF8", f"RCPT TO:<{to}>"):
            code, reply = s.docmd(command)
            assert code == 250, reply
        code, reply = s.data(text)
        return f"{code} {reply.decode()}"


def test_an_alias_beyond_ascii_leaves_a_mark_that_is_ascii(make_server):
    """So it goes where SMTPUTF8 is not offered; and what comes back is known, whoever wrote the mark how."""
    with SmtpServer(extensions=[e for e in EXTENSIONS if e != "SMTPUTF8"]) as mx:
        server = relaying(make_server, mx, "srs = no")
        server.add_alias(UTF8_ALIAS, FAR)
        assert hand_in_utf8(server, UTF8_ALIAS).startswith("250 ")
        sent = mx.wait(1)[0].data
        assert sent.startswith(UTF8_MARK + b"\r\nReceived: ")
        for mark in (UTF8_MARK, f"Delivered-To: {UTF8_ALIAS}".encode(), f"Delivered-To: {UTF8_ALIAS.upper()}".encode()):
            assert hand_in_utf8(server, UTF8_ALIAS, mark + b"\r\n" + MAIL.encode()).startswith("554 5.4.6"), mark
        assert hand_in_utf8(server, UTF8_ALIAS, UTF8_MARK.replace(b"FC", b"FD") + b"\r\n" + MAIL.encode()).startswith("250 ")
        mx.wait(2)


@contextlib.contextmanager
def two_servers():
    """Each sends all that is not its own to the other."""
    with pombo.Server(config=GO) as one, pombo.Server(config=GO, users=("zoe@second.test",), hostname="mail.second.test", domain="second.test") as two:
        for server, other in ((one, two), (two, one)):
            server.configure([f"relay-host = {other.address}:{other.ports['smtp']}"])
            server.reload()
        yield one, two


def test_an_alias_beyond_ascii_with_a_blank_is_an_orcpt_that_can_be_sent(make_server):
    """RFC 6533 §3: what may not stand in a parameter is encoded; the sender reads it as he wrote it."""
    alias = f'"jö rg+x"@{DOMAIN}'
    with SmtpServer({"RCPT": b"550 5.1.1 nobody\r\n"}) as mx:
        server = relaying(make_server, mx)
        server.add_alias(alias, FAR)
        with server.submission() as s:
            s.ehlo()
            assert s.docmd("MAIL", f"FROM:<{ALICE}> SMTPUTF8")[0] == 250
            s.sock.sendall(f"RCPT TO:<{alias}>\r\n".encode())
            assert s.getreply()[0] == 250
            assert s.data(f"From: {ALICE}\r\nSubject: x\r\n\r\nhello\r\n")[0] == 250
        notice = notices(server, 1)[0]
        assert 'ORCPT=utf-8;"jö\\x{20}rg\\x{2B}x"' in [c for c in mx.commands if c.startswith("RCPT")][0]
        assert f"{alias}, forwarded to {FAR}" in notice.get_payload()[0].get_payload(decode=True).decode()


def test_two_servers_and_an_alias_beyond_ascii():
    with two_servers() as (one, two):
        one.add_alias(UTF8_ALIAS, "zurück@second.test")
        two.add_alias("zurück@second.test", UTF8_ALIAS)
        assert hand_in_utf8(one, UTF8_ALIAS, sender=ALICE).startswith("250 ")
        notice = notices(one, 1, timeout=30)[0]
        assert b"this message loops" in notice.get_payload()[0].get_payload(decode=True)
        wait_empty(one)
        wait_empty(two)
        # Once through each: what came back was not forwarded again.
        assert [e["event"] for e in two.cli_json("trace", "zurück@second.test")][:3] == ["received", "queued", "failed"]
        assert len(two.log_lines(event="kept", to="zurück@second.test")) == 1


def test_two_servers_that_forward_to_each_other():
    """The loop ends, and the sender hears of it once."""
    with two_servers() as (one, two):
        one.add_alias(ALIAS, "back@second.test")
        two.add_alias("back@second.test", ALIAS)
        with one.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT)
        notice = notices(one, 1, timeout=30)[0]
        assert fields(notice)[1][0]["Status"] == "5.4.6" and scan_message(notice) == {ALIAS.encode()}
        wait_empty(one)
        wait_empty(two)
        time.sleep(1)
        assert len(one.messages()) == 1


# ---- what senders hear (RFC 3461 §5.2.7) ----

WANTED = ["NOTIFY=SUCCESS,FAILURE"]


def test_one_target_is_the_alias_itself(make_server):
    """Everything asked for goes on to it; nothing is said here."""
    with SmtpServer() as mx:
        server = forwarding(make_server, mx)
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT, mail_options=["ENVID=x1", "RET=HDRS"], rcpt_options=WANTED)
        (_, options), = mx.wait(1)[0].recipients
        assert "NOTIFY=SUCCESS,FAILURE" in options and f"ORCPT=rfc822;{ALIAS}" in options
        assert "ENVID=x1" in mx.messages[0].parameters and "RET=HDRS" in mx.messages[0].parameters
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT, rcpt_options=[*WANTED, "ORCPT=rfc822;first+40one@else.test"])
        (_, options), = mx.wait(2)[1].recipients
        assert "ORCPT=rfc822;first@one@else.test" in options or "ORCPT=rfc822;first+40one@else.test" in options
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT)
        (_, options), = mx.wait(3)[2].recipients
        assert not any(o.startswith("NOTIFY") for o in options)
        wait_empty(server)
        assert server.messages() == []


def test_relayed_where_the_target_says_nothing(make_server):
    with SmtpServer(extensions=[e for e in EXTENSIONS if e != "DSN"]) as mx:
        server = forwarding(make_server, mx)
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT, rcpt_options=WANTED)
        told = fields(notices(server, 1)[0])[1]
        assert [(r["Action"], r["Original-Recipient"], r["Final-Recipient"]) for r in told] == [("relayed", f"rfc822;{ALIAS}", f"rfc822;{FAR}")]


@pytest.mark.parametrize("targets", [(ALICE, FAR), (FAR, "carol@far.test")])
def test_several_targets_are_told_of_as_expanded(make_server, targets):
    with SmtpServer() as mx:
        server = relaying(make_server, mx, users=[ALICE, f"bob@{DOMAIN}"])
        server.add_alias(ALIAS, *targets)
        with server.submission(f"bob@{DOMAIN}") as s:
            s.sendmail(f"bob@{DOMAIN}", ALIAS, TEXT.replace(ALICE, f"bob@{DOMAIN}"), rcpt_options=WANTED)
        sent = [r for m in mx.wait(1) for r in m.recipients]
        wait_empty(server)
        assert {a for a, _ in sent} == {t for t in targets if t != ALICE}
        assert all("NOTIFY=FAILURE" in o and f"ORCPT=rfc822;{ALIAS}" in o for _, o in sent)
        (notice,), = [[email.message_from_bytes(m) for m in server.messages(f"bob@{DOMAIN}")]]
        assert [(r["Action"], r["Final-Recipient"]) for r in fields(notice)[1]] == [("expanded", f"rfc822;{ALIAS}")]


def test_only_success_leaves_nothing_to_ask_for(make_server):
    with SmtpServer() as mx:
        server = relaying(make_server, mx)
        server.add_alias(ALIAS, FAR, "carol@far.test")
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT, rcpt_options=["NOTIFY=SUCCESS"])
        assert all("NOTIFY=NEVER" in o for m in mx.wait(1) for _, o in m.recipients)


def test_an_alias_of_one_mailbox_is_delivered(make_server):
    with SmtpServer() as mx:
        server = relaying(make_server, mx, users=[ALICE, f"bob@{DOMAIN}"])
        server.add_alias(ALIAS, f"bob@{DOMAIN}")
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT, rcpt_options=WANTED)
        told = fields(notices(server, 1)[0])[1]
        assert [(r["Action"], r["Final-Recipient"]) for r in told] == [("delivered", f"rfc822;{ALIAS}")]


def test_a_failure_is_told_of_the_alias(make_server):
    """The sender never heard of the target: flufl.bounce finds whom he wrote to, and the text names both."""
    with SmtpServer({"RCPT": b"550 5.1.1 who?\r\n"}) as mx:
        server = forwarding(make_server, mx)
        with server.submission() as s:
            s.sendmail(ALICE, ALIAS, TEXT)
        notice = notices(server, 1)[0]
        assert scan_message(notice) == {ALIAS.encode()}
        assert f"{ALIAS}, forwarded to {FAR}" in notice.get_payload()[0].get_payload()
        wait_empty(server)
