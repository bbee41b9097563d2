# SPDX-License-Identifier: ISC
"""A resolver that none of us wrote between the server and its name servers: Debian's unbound, on loopback.

    with Unbound({"signed.test": knot.port, "test": parent.port}, anchors=parent.anchors()) as resolver:
        Server(config=resolver.settings(anchor))       lines for pombo.conf
        resolver.ask("signed.test", "MX")              what it says, as a dns.message
        resolver.silent()                              it takes questions and answers none, until resolver.speak()
        resolver.stop(); resolver.start()              nobody is there, and then it is again, on the same port

It resolves by itself, and asks the name servers of each zone where the test says that they are; nobody else. With anchors it
validates; `validates=False`: it hands on what it hears, signatures and all. `lines` go into the server section of its settings.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import dns.flags
import dns.message
import dns.query
import pytest
from pombo import SLOW
from ports import PortBlock

CONF = """server:
	directory: "{top}"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	verbosity: 1
	log-servfail: yes
	do-daemonize: no
	do-ip6: no
	num-threads: 1
	interface: 127.0.0.1@{port}
	access-control: 127.0.0.0/8 allow
	do-not-query-localhost: no
	local-zone: "test." nodefault
	module-config: "{modules}"
"""


class Unbound:
    def __init__(self, zones, anchors=(), validates=True, lines=()):
        found = shutil.which("unbound", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not found:
            pytest.skip("no unbound")
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-unbound-"))
        # A copy: where AppArmor is, Debian's profile for the installed one lets it read its settings in /etc alone.
        self.binary = shutil.copy(found, self.top / "resolver")
        self.ports = PortBlock()
        self.port = self.ports["https"]
        text = CONF.format(top=self.top, port=self.port, modules="validator iterator" if validates else "iterator")
        text += "".join(f'\ttrust-anchor: "{a}"\n' for a in anchors) + "".join(f"\t{line}\n" for line in lines)
        for name, port in {".": next(iter(zones.values())), **zones}.items():
            text += f'stub-zone:\n\tname: "{name}"\n\tstub-addr: 127.0.0.1@{port}\n'
        (self.top / "conf").write_text(text)
        self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.stop()
        self.ports.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def start(self):
        with open(self.top / "log", "ab") as log:
            self.process = subprocess.Popen([self.binary, "-d", "-c", self.top / "conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30 * SLOW
        while True:
            try:
                self.ask("version.server", "TXT", "CH", timeout=1)
                return self
            except (OSError, dns.exception.DNSException):
                assert time.monotonic() < deadline and self.process.poll() is None, self.log()
                time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.kill()  # one that was made silent hears nothing else
            self.process.wait()
        self.process = None

    def silent(self):
        self.process.send_signal(signal.SIGSTOP)

    def speak(self):
        self.process.send_signal(signal.SIGCONT)

    def ask(self, name, kind, family="IN", check=True, timeout=10 * SLOW):
        """As one who wants signatures, and whatever is wrong with them where `check` is False."""
        query = dns.message.make_query(name, kind, family, want_dnssec=True)
        if not check:
            query.flags |= dns.flags.CD
        return dns.query.udp(query, "127.0.0.1", timeout, self.port)

    def settings(self, anchor="none"):
        return [f"dns-server = 127.0.0.1@{self.port}", f"trust-anchor = {anchor}"]

    def log(self):
        return (self.top / "log").read_text(errors="replace")
