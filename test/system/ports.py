# SPDX-License-Identifier: ISC
"""Free blocks of ports for servers that run side by side, in one test run or in several on the same machine."""
import fcntl
import os
import random
import socket
import tempfile

SERVICES = {
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "submission-alt": 2525,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
    "http": 80,
    "https": 443,
}
FIRST, LAST = 2000, 32700  # above the privileged ports, below those the kernel gives to outgoing connections


def offsets():
    """Offsets whose blocks share no port, whichever two are taken."""
    taken = set()
    for offset in range(FIRST, LAST - max(SERVICES.values())):
        block = {offset + port for port in SERVICES.values()}
        if not block & taken:
            taken |= block
            yield offset


OFFSETS = list(offsets())


def is_free(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
        except OSError:
            return False
    return True


class PortBlock:
    """A --port-offset that is this process's own until close(); other test runs see the lock."""

    def __init__(self, addresses=("127.0.0.1",)):
        folder = os.path.join(tempfile.gettempdir(), f"pombo-ports-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for offset in random.sample(OFFSETS, len(OFFSETS)):
            lock = os.open(os.path.join(folder, str(offset)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if all(is_free(a, offset + p) for a in addresses for p in SERVICES.values()):
                self.offset, self.lock = offset, lock
                return
            os.close(lock)
        raise RuntimeError("no free block of ports")

    def __getitem__(self, service):
        return self.offset + SERVICES[service]

    def close(self):
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


class WellKnownPorts:
    """The default ports: of a host that nobody else is on."""
    offset = 0

    def __getitem__(self, service):
        return SERVICES[service]

    def close(self):
        pass
