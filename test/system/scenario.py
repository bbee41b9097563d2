# SPDX-License-Identifier: ISC
"""Runs a dialogue that is written down as data (test/system/data/*.smtp, *.imap, *.pop3) against a server.

    # a comment, until the first blank line also settings:
    # port: submissions          where to connect; default: the file's ending. A service that ends in s starts with TLS
    # config: max-recipients = 3 a line for pombo.conf (then the dialogue has a server of its own)

    S: 220 mail.example.test *   the next line; * stands for any characters
    C: EHLO client.example.net   sends the line and CRLF
    R: 250 *                     reads a whole reply; its last line must match. SMTP: through the line without a hyphen
                                 after the code; IMAP: through the line with the tag of the last C:; POP3: one line
    R+ 250?SIZE 52428800         the reply read last has a line that matches; ? is any one character
    R- 250?AUTH*                 ... has none that does
    B: a\\r\\nb\\x00               sends bytes, with Python's escapes, and nothing behind them
    M: *some text*               POP3's multi-line answer, dots taken out: must match as a whole
    TLS                          handshakes
    SILENCE 0.3                  nothing comes for so many seconds
    CLOSED                       the server closes; nothing comes before that
    CLOSED 554 *                 ... only this, CRLF included, may come before that

${hostname}, ${user}, ${password}, ${plain} (base64 of AUTH PLAIN for alice) and ${x*1000} (a thousand x) are replaced.
"""
import base64
import fnmatch
import pathlib
import re

import pombo
from wire import Closed

STEP = re.compile(r"(S:|C:|R:|R\+|R-|B:|M:|TLS|SILENCE|CLOSED)(?: (.*))?$")


class Scenario:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.protocol = self.path.suffix[1:]
        self.port = {"smtp": "smtp", "imap": "imaps", "pop3": "pop3s"}[self.protocol]
        self.config = []
        self.steps = []  # (line number, verb, text)
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            setting = re.match(r"# (port|config): (.*)", line)
            if setting and not self.steps:
                if setting[1] == "port":
                    self.port = setting[2].strip()
                else:
                    self.config.append(setting[2])
            elif line.strip() and not line.startswith("#"):
                m = STEP.match(line)
                assert m, f"{self.path.name}:{number}: not a step: {line}"
                self.steps.append((number, m[1], m[2] or ""))

    def run(self, server):
        wire = server.wire(self.port)
        reply = []
        with wire:
            for number, verb, text in self.steps:
                try:
                    reply = self.step(server, wire, verb, substitute(server, text), reply)
                except (AssertionError, OSError, Closed) as e:
                    raise AssertionError(f"{self.path.name}:{number}: {verb} {text}\n{e}\n{wire.transcript()}") from e

    def step(self, server, wire, verb, text, reply):
        """Does one step; returns the reply that R+ and R- look at."""
        if verb == "C:":
            self.tag = text.split(" ")[0]
            wire.line(text)
        elif verb == "B:":
            wire.send(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
        elif verb == "S:":
            must_match(wire.read_line(), text)
        elif verb == "R:":
            reply = self.read_reply(wire)
            must_match(reply[-1], text)
        elif verb == "M:":
            first, body = wire.read_dotted()
            reply = [first]
            must_match(body.decode("latin-1"), text)
        elif verb == "R+":
            assert any(matches(line, text) for line in reply), f"no line matches in {reply}"
        elif verb == "R-":
            assert not any(matches(line, text) for line in reply), f"a line matches in {reply}"
        elif verb == "TLS":
            wire.start_tls(server.tls())
        elif verb == "SILENCE":
            assert wire.is_silent(float(text)), f"not silent: {wire.held!r}"
        else:
            got = wire.expect_closed().decode("latin-1")
            assert not got or matches(got, text), f"before the end came {got!r}"
        return reply

    def read_reply(self, wire):
        if self.protocol == "smtp":
            return wire.read_reply()
        return wire.read_tagged(self.tag) if self.protocol == "imap" else [wire.read_line()]


def matches(line, pattern):
    return fnmatch.fnmatchcase(line, pattern.replace("[", "[[]"))


def must_match(line, pattern):
    assert matches(line, pattern), f"got    {line}\nwanted {pattern}"


def substitute(server, text):
    plain = base64.b64encode(f"\0{pombo.ALICE}\0{server.password}".encode()).decode()
    values = {"hostname": server.hostname, "user": pombo.ALICE, "password": server.password, "plain": plain}

    def value(m):
        character, _, count = m[1].partition("*")
        return character * int(count) if count else values[m[1]]

    return re.sub(r"\$\{([^}]+)\}", value, text)
