# SPDX-License-Identifier: ISC
"""Name servers for the tests, on loopback.

    with DnsServer({("example.net", "MX"): ["10 mx.example.net."], ("mx.example.net", "A"): ["192.0.2.1"]}) as dns:
        with Server(config=dns.settings()) as s: …

DnsServer answers from a dictionary, out of a thread, by UDP and TCP; what it was asked is in dns.asked. A value may also be a function
(query, transport) -> bytes or None: that is sent as it is, or nothing. Knot (SignedZones) serves signed zones.
"""
import contextlib
import os
import pathlib
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from pombo import SLOW
from ports import PortBlock

SOA = "ns.example.test. hostmaster.example.test. 1 3600 600 86400 2"
TTL = 300


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        packet, sock = self.request
        answer = self.server.owner.answer(packet, "udp")
        if answer is not None:
            sock.sendto(answer, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            answer = self.server.owner.answer(self.rfile.read(int.from_bytes(head, "big")), "tcp")
            if answer is None:
                time.sleep(60)
            else:
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)


class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 65535


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class DnsServer:
    def __init__(self, records=None, address="127.0.0.1", port=0, soa=SOA):
        self.address, self.soa = address, soa
        self.records = {}
        self.asked = []
        self.delay = {}  # name -> seconds
        self.set(records or {})
        for _ in range(20):
            self.udp = UdpServer((address, port), Udp)
            self.port = self.udp.server_address[1]
            try:
                self.tcp = TcpServer((address, self.port), Tcp)
                break
            except OSError:
                self.udp.server_close()
        self.udp.owner = self.tcp.owner = self
        self.threads = [threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True) for s in (self.udp, self.tcp)]
        for t in self.threads:
            t.start()

    def set(self, records):
        """Adds or replaces; an empty value takes a record away."""
        for (name, kind), value in records.items():
            self.records[(name.lower().rstrip("."), kind)] = value

    def settings(self, anchor="none"):
        """Lines for pombo.conf."""
        return [f"dns-server = {self.address}@{self.port}", f"trust-anchor = {anchor}"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in (self.udp, self.tcp):
            s.shutdown()
            s.server_close()

    def questions(self, name=None, kind=None):
        return [a for a in self.asked if name in (None, a[0]) and kind in (None, a[1])]

    def answer(self, packet, transport):
        try:
            query = dns.message.from_wire(packet)
        except Exception:
            return None
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, transport))
        time.sleep(self.delay.get(name, 0))
        found = self.records.get((name, kind))
        if callable(found):
            return found(query, transport)
        return self.respond(query, name, kind, transport).to_wire(max_size=65535)

    def respond(self, query, name, kind, transport):
        r = dns.message.make_response(query)
        r.flags |= dns.flags.AA | dns.flags.RA
        for _ in range(20):
            values = self.records.get((name, kind))
            if values:
                r.answer.append(dns.rrset.from_text_list(name + ".", TTL, "IN", kind, values))
                break
            alias = self.records.get((name, "CNAME"))
            if not alias:
                self.deny(r, name)
                break
            r.answer.append(dns.rrset.from_text_list(name + ".", TTL, "IN", "CNAME", alias))
            name = alias[0].lower().rstrip(".")
        if transport == "udp" and len(r.to_wire(max_size=65535)) > (query.payload if query.edns >= 0 else 512):
            r.answer.clear()
            r.flags |= dns.flags.TC
        return r

    def deny(self, r, name):
        if not any(n == name or n.endswith("." + name) for n, _ in self.records):
            r.set_rcode(dns.rcode.NXDOMAIN)
        r.authority.append(dns.rrset.from_text("test.", TTL, "IN", "SOA", self.soa))


class SignedZones:
    """Knot, signing every zone it is given: {"signed.test": "zone file text"}; .anchors() are its DS records. On loopback, or on port 53 of a
    host (hosts.py)."""

    def __init__(self, zones, host=None):
        if not shutil.which("knotd") and not os.path.exists("/usr/sbin/knotd"):
            import pytest
            pytest.skip("no knotd")
        self.zones, self.host = zones, host
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-knot-"))
        self.ports = None if host else PortBlock()  # its own until close(): what was free a moment ago could be anybody's
        self.port = 53 if host else self.ports["https"]
        self.addresses = host.addresses if host else ["127.0.0.1"]
        text = [f"server:\n  rundir: {self.top}\n", "  user: root\n" if os.geteuid() == 0 else "",
                *[f"  listen: {a}@{self.port}\n" for a in self.addresses], "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n",
                "log:\n  - target: stderr\n    any: info\n",
                f"database:\n  storage: {self.top}\n  journal-db-max-size: 16M\n  kasp-db-max-size: 16M\n  timer-db-max-size: 8M\n  catalog-db-max-size: 8M\n",
                f"template:\n  - id: default\n    storage: {self.top}\n    dnssec-signing: on\n    zonefile-sync: -1\n    journal-content: all\n",
                "zone:\n"]
        for name, zone in zones.items():
            (self.top / f"{name}.zone").write_text(zone)
            text.append(f"  - domain: {name}\n    file: {name}.zone\n")
        self.conf = self.top / "knot.conf"
        self.conf.write_text("".join(text))
        self.log = open(self.top / "log", "wb")
        popen = host.popen if host else subprocess.Popen
        self.process = popen(["/usr/sbin/knotd", "-c", str(self.conf)], stdout=self.log, stderr=self.log)
        with host.inside() if host else contextlib.nullcontext():
            self.wait()

    def wait(self):
        """Until every zone is signed."""
        deadline = time.monotonic() + 30 * SLOW
        for name in self.zones:
            while True:
                try:
                    q = dns.message.make_query(name, "SOA", want_dnssec=True)
                    if any(r.rdtype == dns.rdatatype.RRSIG for r in dns.query.udp(q, self.addresses[0], 1, self.port).answer):
                        break
                except Exception:
                    pass
                assert time.monotonic() < deadline and self.process.poll() is None, (self.top / "log").read_text()
                time.sleep(0.1)

    def anchors(self):
        found = []
        for name in self.zones:
            done = subprocess.run(["keymgr", "-c", str(self.conf), name, "ds"], capture_output=True, text=True)
            line = next(line for line in done.stdout.splitlines() if " 2 " in line)
            found.append(line.replace(" DS ", " IN DS ") if " IN " not in line else line)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        if self.ports:
            self.ports.close()
        self.log.close()
        shutil.rmtree(self.top, ignore_errors=True)
