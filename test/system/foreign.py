# SPDX-License-Identifier: ISC
"""Mail servers that none of us wrote, each in a private folder on free loopback addresses, ended with the test.

    with Postfix(port, {"127.0.2.1": certificate or None}, domains, relay=("127.0.0.1", 2525, "ca.pem")) as mta:
        mta.inbox()                      # what came for `domains`, as bytes
        mta.send("a@x.test", "b@y.test") # handed to it as by its own users: it relays to `relay`, under verified TLS

A certificate is a PEM file with key and chain. Where a server is not installed the test is skipped. Packages that exclude each other may be
unpacked (tools/unpack-servers) into the folder that POMBO_TEST_SERVERS names.
"""
import os
import pathlib
import shutil
import smtplib
import subprocess
import tempfile
import time

import pytest
from pombo import SLOW

UNPACKED = pathlib.Path(os.environ.get("POMBO_TEST_SERVERS") or "/nonexistent")


def find(*paths):
    for path in paths:
        for top in (pathlib.Path("/"), UNPACKED):
            if (top / path).exists():
                return top / path
    pytest.skip(f"not installed: {' or '.join(paths)}")


class Server:
    def __init__(self, port, certificates, domains, relay):
        if os.geteuid() != 0:
            pytest.skip("another mail server wants root")
        self.port, self.certificates, self.domains, self.relay = port, certificates, domains, relay
        self.find()
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-foreign-"))
        self.top.chmod(0o755)
        self.box = self.top / "box"
        self.box.mkdir()
        os.chown(self.box, 65534, 65534)
        self.process = None

    def __enter__(self):
        try:
            self.relay = (*self.relay[:2], shutil.copy(self.relay[2], self.top / "relay.pem"), *self.relay[3:])
            (self.top / "relay.pem").chmod(0o644)
            self.configure()
            with open(self.top / "out", "wb") as out:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def smtp(self):
        return smtplib.SMTP(next(iter(self.certificates)), self.port, timeout=30 * SLOW)

    def wait(self):
        deadline = time.monotonic() + 30 * SLOW
        while True:
            try:
                self.smtp().quit()
                return
            except (OSError, smtplib.SMTPException):
                assert time.monotonic() < deadline and self.process.poll() is None, self.log()
                time.sleep(0.05)

    def send(self, sender, to, text="Subject: from afar\r\n\r\nhello\r\n"):
        with self.smtp() as s:
            assert s.sendmail(sender, [to], text) == {}

    def inbox(self):
        return [p.read_bytes() for p in sorted(self.box.rglob("new/*")) if p.is_file()]

    def wait_inbox(self, n):
        deadline = time.monotonic() + 30 * SLOW
        while len(found := self.inbox()) < n:
            assert time.monotonic() < deadline, f"{len(found)} of {n}\n{self.log()}"
            time.sleep(0.05)
        return found

    def log(self):
        return "\n".join(p.read_text(errors="replace") for p in (self.top / "out", self.top / "log") if p.exists())


POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/lib
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.foreign.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = {top}/log
maillog_file_prefixes = {top}
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {top}/box
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
disable_dns_lookups = yes
default_transport = smtp:[{relay[0]}]:{relay[1]}
smtp_tls_security_level = secure
smtp_tls_CAfile = {relay[2]}
smtp_tls_secure_cert_match = {relay[3]}
smtp_tls_loglevel = 1
"""
POSTFIX_SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    def find(self):
        self.postfix = find("usr/sbin/postfix")

    def configure(self):
        for name in ("queue", "lib", "etc"):
            (self.top / name).mkdir()
        shutil.chown(self.top / "lib", "postfix")
        (self.top / "etc/main.cf").write_text(POSTFIX_MAIN.format(
            top=self.top, relay=self.relay, domains=" ".join(self.domains)))
        services = POSTFIX_SERVICES
        for address, certificate in self.certificates.items():
            services += f"{address}:{self.port} inet n - n - - smtpd\n"
            if certificate:
                services += f"  -o smtpd_tls_security_level=may -o smtpd_tls_chain_files={certificate}\n"
        (self.top / "etc/master.cf").write_text(services)
        (self.top / "queue/pid").mkdir()
        for name in "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace".split():
            (self.top / "queue" / name).mkdir()
            shutil.chown(self.top / "queue" / name, "postfix")

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-c", self.top / "etc", "-d"]


EXIM = """
exim_user = nobody
exim_group = nogroup
trusted_users = root
exim_path = {exim}
spool_directory = {top}/spool
log_file_path = {top}/log-%s
pid_file_path = {top}/pid
primary_hostname = mx.foreign.test
local_interfaces = <; {interfaces}
host_lookup =
rfc1413_hosts =
keep_environment =
tls_advertise_hosts = ${{if exists{{{top}/${{received_ip_address}}.pem}}{{*}}}}
tls_certificate = {top}/${{received_ip_address}}.pem
domainlist ours = {domains}
acl_smtp_rcpt = all
begin acl
all:
  accept
begin routers
ours:
  driver = accept
  domains = +ours
  transport = box
others:
  driver = manualroute
  route_list = * {relay[0]}
  self = send
  transport = out
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {top}/box/all
  user = nobody
  group = nogroup
out:
  driver = smtp
  port = {relay[1]}
  hosts_require_tls = *
  tls_verify_certificates = {relay[2]}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
"""


class Exim(Server):
    def find(self):
        self.exim = find("usr/sbin/exim4")
        if "not found" in subprocess.run(["ldd", str(self.exim)], capture_output=True, text=True).stdout:
            pytest.skip("Exim lacks libraries")
        if subprocess.run(["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"], capture_output=True).returncode:
            pytest.skip("no mount namespaces here")

    def configure(self):
        (self.top / "spool").mkdir()
        shutil.chown(self.top / "spool", "nobody", "nogroup")
        for address, certificate in self.certificates.items():
            if certificate:
                shutil.copy(certificate, self.top / f"{address}.pem")
                shutil.chown(self.top / f"{address}.pem", "nobody")
        shutil.chown(self.top, "nobody")
        (self.top / "conf").write_text(EXIM.format(
            top=self.top, exim=self.exim, relay=self.relay, domains=" : ".join(self.domains),
            interfaces=" ; ".join(f"{address}.{self.port}" for address in self.certificates)))

    def command(self):
        """In a mount namespace of its own: unpacked, it misses its user."""
        for file, line in (("passwd", "Debian-exim:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"), ("group", "Debian-exim:x:65534:\n")):
            (self.top / file).write_text(pathlib.Path("/etc", file).read_text() + line)
        binds = "".join(f"mount --bind {self.top}/{file} /etc/{file} && " for file in ("passwd", "group"))
        return ["unshare", "-m", "sh", "-c", f"{binds}exec {self.exim} -C {self.top}/conf -bdf -q10s"]

    def log(self):
        return "\n".join(p.read_text(errors="replace") for p in [self.top / "out", *self.top.glob("log-*")])
