# SPDX-License-Identifier: ISC
"""SASL over the three protocols, with a SCRAM client of our own: it says whatever header and channel binding a test wants.

    assert authenticate(server, "imaps", "SCRAM-SHA-256-PLUS", scram(USER, PASSWORD, "p=tls-exporter,,", data)) == "ok"
"""
import base64
import hashlib
import hmac
import os

OK, WRONG, MALFORMED, LATER, NO_MECHANISM = "ok", "wrong", "malformed", "later", "no mechanism"
VERDICTS = {
    "smtp": {"235": OK, "535": WRONG, "501": MALFORMED, "454": LATER, "504": NO_MECHANISM, "421": WRONG},
    "imap": {"OK": OK, "NO [AUTHENTICATIONFAILED]": WRONG, "BAD": MALFORMED, "NO [UNAVAILABLE]": LATER, "NO": NO_MECHANISM},
    "pop3": {"+OK": OK, "-ERR [AUTH]": WRONG, "-ERR [SYS/TEMP]": LATER, "-ERR": MALFORMED},
}


def protocol_of(service):
    return {"s": "smtp", "i": "imap", "p": "pop3"}[service[0]]


def plain(user, password, authzid=""):
    yield f"{authzid}\0{user}\0{password}"


def login(user, password):
    yield user
    yield password


class Scram:
    """One exchange. Afterwards .salt and .iterations are what the server said."""

    def __init__(self, user, password, header="n,,", data=b"", hash_iterations=True):
        self.user, self.password, self.header, self.data = user, password, header, data
        self.hash_iterations = hash_iterations  # False: a proof that cannot be right, for nothing
        self.salt = self.iterations = None

    def __call__(self):
        nonce = base64.b64encode(os.urandom(12)).decode()
        name = self.user.replace("=", "=3D").replace(",", "=2C")
        first = f"n={name},r={nonce}"
        server_first = (yield self.header + first).decode()
        said = dict(a.split("=", 1) for a in server_first.split(","))
        self.salt, self.iterations = base64.b64decode(said["s"]), int(said["i"])
        assert said["r"].startswith(nonce) and len(said["r"]) >= len(nonce) + 20 and self.iterations >= 100_000
        rounds = self.iterations if self.hash_iterations else 1
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        binding = base64.b64encode(self.header.encode() + self.data).decode()
        without_proof = f"c={binding},r={said['r']}"
        auth = f"{first},{server_first},{without_proof}".encode()
        proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")))
        server_final = yield f"{without_proof},p={base64.b64encode(proof).decode()}"
        signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        assert server_final == b"v=" + base64.b64encode(signature), "this is not the server that knows the password"
        yield ""


def greet(wire, service):
    """Up to where a login can begin; with STARTTLS where the service has no TLS from the start."""
    protocol = protocol_of(service)
    if protocol == "smtp":
        wire.read_reply()
        wire.line("EHLO client.example.net")
        return "\n".join(wire.read_reply())
    return wire.read_line()


def login_on(wire, service, mechanism, exchange):
    """One attempt on an open connection; its verdict. `exchange` is a generator: takes challenges, gives responses."""
    protocol = protocol_of(service)
    wire.line({"smtp": "AUTH ", "imap": "t AUTHENTICATE ", "pop3": "AUTH "}[protocol] + mechanism)
    started = False
    while True:
        line = wire.read_reply()[-1] if protocol == "smtp" else wire.read_line()
        go_on, _, data = line.partition(" ")
        if go_on in ("+", "334"):
            challenge = base64.b64decode(data)
            text = exchange.send(challenge) if started else next(exchange)
            started = True
            wire.line(base64.b64encode(text.encode()).decode())
            continue
        if line.startswith("* "):
            continue
        line = line.removeprefix("t ")
        for start, verdict in VERDICTS[protocol].items():
            if line.startswith(start):
                return verdict
        raise AssertionError(f"neither yes nor no: {line!r}")


def authenticate(server, service, mechanism, exchange, source=None):
    with server.wire(service, source=source) as w:
        greet(w, service)
        return login_on(w, service, mechanism, exchange)
