# SPDX-License-Identifier: ISC
"""A client that does exactly what it is told, byte by byte, for tests that are about the wire."""
import re
import socket
import ssl
import time

TIMEOUT_S = 20.0


class TlsContext(ssl.SSLContext):
    """Trusts one certificate and asks for one name, whatever address the connection goes to."""

    def __new__(cls, name, ca_file):
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.name = name
        context.load_verify_locations(ca_file)
        return context

    def __init__(self, name, ca_file):
        pass

    def wrap_socket(self, sock, **arguments):
        return super().wrap_socket(sock, **{**arguments, "server_hostname": self.name})


class Closed(Exception):
    """The server closed the connection where more was expected; .got is what had come."""

    def __init__(self, got):
        super().__init__(f"connection closed after {got!r}")
        self.got = got


class Wire:
    """One connection. Lines are str without CRLF (latin-1, so that any byte survives); send() takes str or bytes."""

    def __init__(self, address, port, tls=None, source=None, timeout=TIMEOUT_S):
        self.sock = socket.create_connection((address, port), timeout=timeout, source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.timeout = timeout
        self.log = []  # what went over the wire, for the message when a test fails
        if tls:
            self.start_tls(tls)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start_tls(self, context):
        self.sock.settimeout(self.timeout)
        self.sock = context.wrap_socket(self.sock)
        self.log.append(f"TLS {self.sock.version()}")

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    # Sending

    def send(self, data):
        data = data.encode("utf-8") if isinstance(data, str) else data
        self.log.append(f"C: {data[:2000]!r}")
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)

    def line(self, text):
        self.send((text.encode("utf-8") if isinstance(text, str) else text) + b"\r\n")

    # Receiving

    def _fill(self, deadline):
        """Takes in what comes next: at least one byte, or Closed, or TimeoutError."""
        self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            got = self.sock.recv(65536)
        except TimeoutError:
            raise TimeoutError(f"nothing more came; held {self.held!r}\n{self.transcript()}") from None
        except (ConnectionError, ssl.SSLError) as e:
            self.log.append(f"S: {e!r}")
            got = b""
        if not got:
            raise Closed(self.held)
        self.held += got

    def _take(self, n):
        got, self.held = self.held[:n], self.held[n:]
        return got

    def read_until(self, mark, timeout=None):
        """All bytes through `mark`."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while mark not in self.held:
            self._fill(deadline)
        return self._take(self.held.index(mark) + len(mark))

    def read(self, n, timeout=None):
        """Exactly `n` bytes."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while len(self.held) < n:
            self._fill(deadline)
        return self._take(n)

    def read_line(self, timeout=None):
        text = self.read_until(b"\r\n", timeout)[:-2].decode("latin-1")
        self.log.append(f"S: {text[:2000]}")
        return text

    def read_reply(self, timeout=None):
        """An SMTP reply: its lines, through the one with a space after the code."""
        lines = [self.read_line(timeout)]
        while re.match(r"\d\d\d-", lines[-1]):
            lines.append(self.read_line(timeout))
        return lines

    def read_dotted(self, timeout=None):
        """POP3's multi-line answer: the bytes between the first line and the lone dot, dots taken out."""
        first = self.read_line(timeout)
        lines = []
        while first.startswith("+OK"):
            line = self.read_until(b"\r\n", timeout)
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return first, b"".join(lines)

    def read_tagged(self, tag, timeout=None):
        """An IMAP answer: its lines with their literals, through the one that starts with the tag."""
        lines = []
        while True:
            text = rest = self.read_line(timeout)
            while literal := re.search(r"\{(\d+)\}$", rest):
                text += "\r\n" + self.read(int(literal[1]), timeout).decode("latin-1")
                rest = self.read_line(timeout)
                text += rest
            lines.append(text)
            if text.startswith(tag + " "):
                return lines

    def is_silent(self, seconds):
        """True when neither a byte nor the end of the connection comes within `seconds`."""
        if self.held:
            return False
        try:
            self._fill(time.monotonic() + seconds)
        except TimeoutError:
            return True
        except Closed:
            return False
        return False

    def expect_closed(self, timeout=None):
        """Whatever still comes before the server closes."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            try:
                self._fill(deadline)
            except Closed as e:
                self.held = b""
                return e.got

    # Dialogues

    def expect(self, pattern, timeout=None):
        """Wants an SMTP reply whose last line matches the regular expression; returns all its lines."""
        lines = self.read_reply(timeout)
        assert re.match(pattern, lines[-1]), f"{lines} does not match {pattern!r}\n{self.transcript()}"
        return lines

    def smtp(self, command, pattern, timeout=None):
        """Sends an SMTP command and wants a reply that matches."""
        self.line(command)
        return self.expect(pattern, timeout)

    def imap(self, command, pattern=r"OK\b", timeout=None):
        """Sends an IMAP command under a tag of its own; wants a tagged answer that matches; returns all lines."""
        self.tag = f"t{int(getattr(self, 'tag', 't0')[1:]) + 1}"
        self.line(f"{self.tag} {command}")
        lines = self.read_tagged(self.tag, timeout)
        got = lines[-1].partition(" ")[2]
        assert re.match(pattern, got), f"{lines} does not match {pattern!r}\n{self.transcript()}"
        return lines

    def transcript(self):
        return "\n".join(self.log[-40:])
