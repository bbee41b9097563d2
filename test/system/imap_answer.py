# SPDX-License-Identifier: ISC
"""FETCH answers as data: what ENVELOPE, BODY and BODYSTRUCTURE say, in a form in which answers of different servers can be compared.

A bare-bones client (any server: only sockets) and `facts()`, which turns an answer into {path: value}: case that does not count
(RFC 9051 §7.5.2: types, subtypes, encodings, names of parameters) is folded, everything else is as it was sent.
"""
import re
import socket

FIELDS = "BODY[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)]"
ITEMS = ("ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.SIZE", "RFC822.HEADER", FIELDS)
ENVELOPE = ("date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id")
TOKEN = re.compile(rb'\(|\)| +|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|(BODY\[[^\]]*\]|[^\s()"]+)', re.S)


class Refused(Exception):
    pass


class Client:
    def __init__(self, port, user, password, tls=None, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), 60)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.file, self.number = self.socket.makefile("rb"), 0
        self.file.readline()
        self.command(f'LOGIN "{user}" "{password}"'.encode())

    def response(self):
        """A line with the literals in it."""
        line = rest = self.whole_line()
        while m := re.search(rb"\{(\d+)\}\r\n$", rest):
            line += self.file.read(int(m[1]))
            line += (rest := self.whole_line())
        return line

    def whole_line(self):
        """The server may have ended anywhere, right before a literal too."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise Refused("the server hung up")
        return line

    def command(self, *pieces):
        """Pieces are parted by literals' places: each one after the first is sent as a literal, then the line goes on."""
        self.number += 1
        tag = b"c%d " % self.number
        out = tag + pieces[0]
        for literal in pieces[1:]:
            self.socket.sendall(out + b" {%d}\r\n" % len(literal))
            line = self.response()
            if not line.startswith(b"+"):
                raise Refused(line.decode("utf-8", "replace").strip())
            out = literal
        self.socket.sendall(out + b"\r\n")
        untagged = []
        while not (line := self.response()).startswith(tag):
            untagged.append(line)
        if not line.startswith(tag + b"OK"):
            raise Refused(line.decode("utf-8", "replace").strip())
        return untagged

    def fetch(self, number, items=ITEMS):
        """item → what it holds: lists, bytes, None."""
        wanted = " ".join(items).replace("BODY[", "BODY.PEEK[")
        for line in self.command(b"FETCH %d (%s)" % (number, wanted.encode())):
            if line.startswith(b"* %d FETCH " % number):
                words = parse(line.split(b" ", 3)[3])[0]
                return {words[i].decode().upper().replace('"', ""): words[i + 1] for i in range(0, len(words), 2)}
        raise Refused("no answer to FETCH")

    def close(self):
        self.command(b"LOGOUT")
        self.file.close()
        self.socket.close()


def parse(text):
    """The lists, strings and atoms of an answer; NIL is None."""
    stack, at = [[]], 0
    while at < len(text) and text[at:] != b"\r\n":
        m = TOKEN.match(text, at)
        assert m, f"what is this? {text[at:at + 60]!r}"
        at = m.end()
        if m[0] == b"(":
            stack.append([])
        elif m[0] == b")":
            done = stack.pop()
            stack[-1].append(done)
        elif m[1] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", m[1], flags=re.S))
        elif m[2] is not None:
            stack[-1].append(text[at:at + int(m[2])])
            at += int(m[2])
        elif m[3] is not None:
            stack[-1].append(None if m[3].upper() == b"NIL" else m[3])
    return stack[0]


def lower(value):
    return value.lower() if isinstance(value, bytes) else value


def envelope(out, path, value):
    for name, field in zip(ENVELOPE, value):
        if isinstance(field, list):
            out[f"{path}.{name}.count"] = len(field)
            for n, address in enumerate(field):
                for part, text in zip(("name", "adl", "mailbox", "host"), address):
                    out[f"{path}.{name}.{n}.{part}"] = text
        else:
            out[f"{path}.{name}"] = field


def params(out, path, value):
    if value is None:
        out[path] = None
        return
    for name, text in zip(value[::2], value[1::2]):
        out[f"{path}.{lower(name).decode('utf-8', 'replace')}"] = text


def extension(out, path, value):
    """What both kinds of parts end in: disposition, language, location."""
    names = ("disposition", "language", "location")
    for name, part in zip(names, value):
        if name == "disposition" and part:
            out[f"{path}.disposition"] = lower(part[0])
            params(out, f"{path}.disposition", part[1])
        else:
            out[f"{path}.{name}"] = [part] if name == "language" and isinstance(part, bytes) else part


def structure(out, path, value):
    if isinstance(value[0], list):
        count = next(n for n, part in enumerate(value) if not isinstance(part, list))
        out[f"{path}.parts"] = count
        out[f"{path}.type"] = b"multipart/" + lower(value[count])
        for n, part in enumerate(value[:count], 1):
            structure(out, f"{path}.{n}", part)
        if len(value) > count + 1:
            params(out, f"{path}.params", value[count + 1])
        extension(out, path, value[count + 2:])
        return
    kind = lower(value[0]) + b"/" + lower(value[1])
    out[f"{path}.type"] = kind
    params(out, f"{path}.params", value[2])
    out[f"{path}.id"], out[f"{path}.description"], out[f"{path}.encoding"], out[f"{path}.size"] = value[3], value[4], lower(value[5]), value[6]
    rest = value[7:]
    if kind in (b"message/rfc822", b"message/global") and len(rest) > 1 and isinstance(rest[0], list):
        envelope(out, f"{path}.envelope", rest[0])
        structure(out, f"{path}.1", rest[1])
        out[f"{path}.lines"] = rest[2]
        rest = rest[3:]
    elif kind.startswith(b"text/"):
        out[f"{path}.lines"] = rest[0]
        rest = rest[1:]
    if rest:
        out[f"{path}.md5"] = rest[0]
    extension(out, path, rest[1:])


def facts(item, value):
    """{path: value} of one item's answer."""
    out = {}
    if item == "ENVELOPE":
        envelope(out, "envelope", value)
    elif item in ("BODY", "BODYSTRUCTURE"):
        structure(out, "body", value)
    else:
        out[{"RFC822.SIZE": "size", "RFC822.HEADER": "header", FIELDS: "fields"}[item]] = value
    return out
