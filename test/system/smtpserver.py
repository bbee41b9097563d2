# SPDX-License-Identifier: ISC
"""Another server that takes mail, on loopback, as good or as bad as a test wants.

    with SmtpServer() as mx:                                    what came is in mx.messages
    with SmtpServer({"MAIL": b"451 4.7.1 later\\r\\n"}) as mx:    answers by command; bytes, a list of them (one each time), or a function
                                                               (connection, line) -> bytes; HANG_UP, SILENCE

Commands: CONNECT EHLO HELO MAIL RCPT DATA BDAT DOT RSET QUIT STARTTLS. It checks the client: what broke a rule is in mx.complaints.
"""
import contextlib
import os
import re
import socket
import ssl
import threading
import time

from pombo import SLOW

HANG_UP, SILENCE = object(), object()
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES", "SIZE 10000000")


class Message:
    def __init__(self, sender, parameters):
        self.sender, self.parameters, self.recipients, self.data = sender, parameters, [], b""
        self.kept = []  # LMTP: recipients who were answered with 2yz

    def addresses(self):
        return [r for r, _ in self.recipients]


class Connection:
    def __init__(self, server, sock):
        self.server, self.sock, self.buffer = server, sock, b""
        self.message, self.tls, self.mails = None, False, 0
        self.since = time.monotonic()

    def line(self):
        while b"\n" not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            self.server.complaints.append(f"bare LF: {line!r}")
        return line.rstrip(b"\r")

    def exactly(self, n):
        while len(self.buffer) < n:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError
            self.buffer += more
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def say(self, command, line, default, taken=None):
        """`taken` is done before a 2yz leaves: what the client then knows of, the test knows of too."""
        answer = self.server.answers.get(command, default)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else default
        if callable(answer):
            answer = answer(self, line)
        if answer is HANG_UP:
            raise ConnectionError
        if answer is SILENCE:
            time.sleep(600)
            raise ConnectionError
        if self.server.delay:
            time.sleep(self.server.delay)
        if taken and answer[:1] == b"2":
            taken()
        self.sock.sendall(answer)
        return answer[:1]

    def run(self):
        self.say("CONNECT", b"", b"220 mx.far.test ESMTP\r\n")
        while True:
            line = self.line()
            word = line.split(b" ")[0].upper().decode("latin-1")
            self.server.commands.append(line.decode("utf-8", "replace"))
            getattr(self, f"do_{word.lower()}", self.do_unknown)(line)

    def do_unknown(self, line):
        self.server.complaints.append(f"unknown command: {line!r}")
        self.sock.sendall(b"500 what?\r\n")

    def do_ehlo(self, line):
        offers = list(self.server.extensions)
        if self.server.context and not self.tls:
            offers.append("STARTTLS")
        lines = ["mx.far.test", *offers]
        text = "".join(f"250{' ' if i == len(lines) - 1 else '-'}{x}\r\n" for i, x in enumerate(lines))
        self.say("EHLO", line, text.encode())

    do_lhlo = do_ehlo

    def do_helo(self, line):
        self.say("HELO", line, b"250 mx.far.test\r\n")

    def do_starttls(self, line):
        if self.say("STARTTLS", line, b"220 go\r\n") == b"2":
            self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
            self.tls, self.buffer = True, b""

    def do_mail(self, line):
        m = re.fullmatch(rb"MAIL FROM:<([^>]*)>(.*)", line)
        if self.message:
            self.server.complaints.append("nested MAIL")
        if self.say("MAIL", line, b"250 2.1.0 ok\r\n") == b"2":
            self.message = Message(m[1].decode(), m[2].decode().split())
            self.message.tls, self.message.since = self.tls, self.since

    def do_rcpt(self, line):
        m = re.fullmatch(rb"RCPT TO:<([^>]*)>(.*)", line)
        if not self.message:
            self.sock.sendall(b"503 5.5.1 MAIL first\r\n")
        elif self.say("RCPT", line, b"250 2.1.5 ok\r\n") == b"2":
            self.message.recipients.append((m[1].decode(), m[2].decode().split()))

    def end(self, line, data):
        message, self.message = self.message, None
        if not message or not message.recipients:
            self.sock.sendall(b"554 5.5.1 no valid recipients\r\n")
            return
        message.data = data
        if self.server.lmtp:
            self.server.messages.append(message)
            for r, _ in message.recipients:
                self.say("DOT", r.encode(), b"250 2.0.0 kept\r\n", taken=lambda r=r: message.kept.append(r))
            return
        self.server.tried.append(message)
        self.say("DOT", line, b"250 2.0.0 kept as 1\r\n", taken=lambda: self.server.messages.append(message))

    def do_data(self, line):
        if not self.message or not self.message.recipients:
            self.sock.sendall(b"554 5.5.1 no valid recipients\r\n")
            return
        if self.say("DATA", line, b"354 go on\r\n") != b"3":
            return
        data = []
        while (text := self.line()) != b".":
            data.append((text[1:] if text.startswith(b".") else text) + b"\r\n")
        self.end(line, b"".join(data))

    def do_bdat(self, line):
        words = line.split()
        data = self.exactly(int(words[1]))
        if words[2:] != [b"LAST"]:
            self.server.complaints.append("not LAST")
        if "BDAT" in self.server.answers:
            self.message = None
            self.say("BDAT", line, b"")
        else:
            self.end(line, data)

    def do_rset(self, line):
        self.message = None
        self.say("RSET", line, b"250 2.0.0 ok\r\n")

    def do_quit(self, line):
        self.say("QUIT", line, b"221 2.0.0 bye\r\n")
        raise ConnectionError


class SmtpServer:
    """`path`: on that UNIX socket, not on an address."""

    def __init__(self, answers=None, extensions=EXTENSIONS, certificate=None, address="127.0.0.1", port=0, lmtp=False, delay=0,
                 family=socket.AF_INET, path=None):
        self.answers, self.extensions, self.lmtp, self.delay = answers or {}, extensions, lmtp, delay
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.messages, self.tried, self.commands, self.complaints, self.peers = [], [], [], [], []
        self.socks = []
        self.connections, self.open, self.most_open, self.lock = 0, 0, 0, threading.Lock()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(512)
        else:
            self.listener = socket.create_server((address, port), family=family, backlog=512)
            self.address, self.port = self.listener.getsockname()[:2]
        self.path = path
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            if not self.path:
                self.peers.append(peer[0])
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with self.lock:
            self.connections += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            self.socks.append(sock)
        connection = Connection(self, sock)
        try:
            connection.run()
        except (OSError, ConnectionError):
            pass
        finally:
            connection.sock.close()
            with self.lock:
                self.open -= 1

    def hang_up(self):
        """On everybody who is connected."""
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def setting(self):
        return f"relay-host = {self.address}:{self.port}"

    def wait(self, n=1, timeout=20):
        deadline = time.monotonic() + timeout * SLOW
        while len(self.messages) < n and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.messages) >= n, f"{len(self.messages)} of {n} messages came; {self.commands[-20:]}"
        return self.messages

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The thread that waits in accept() ends first: it would take connections of whoever gets the descriptor's number next.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        if self.path:
            os.unlink(self.path)
