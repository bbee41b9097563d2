# SPDX-License-Identifier: ISC
"""Mail servers that none of us wrote, each in a private folder on free loopback addresses, ended with the test.

    with Postfix(port, {"127.0.2.1": certificate or None}, domains, relay=("127.0.0.1", 2525, "ca.pem")) as mta:
        mta.inbox()                      # what came for `domains`, as bytes
        mta.send("a@x.test", "b@y.test") # handed to it as by its own users: it relays to `relay`, under verified TLS

On a `host` (hosts.py) of its own, without a relay, it sends as MX records say, by IPv4 and IPv6.

A certificate is a PEM file with key and chain. Where a server is not installed the test is skipped. Packages that exclude each other may be
unpacked (tools/unpack-servers) into the folder that POMBO_TEST_SERVERS names.
"""
import contextlib
import os
import pathlib
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time

import processes
import pytest
from pombo import SLOW

UNPACKED = pathlib.Path(os.environ.get("POMBO_TEST_SERVERS") or "/nonexistent")


def find(*paths):
    for path in paths:
        for top in (pathlib.Path("/"), UNPACKED):
            if (top / path).exists():
                return top / path
    pytest.skip(f"not installed: {' or '.join(paths)}")


def await_banner(address, port):
    """Until a server there greets."""
    deadline = time.monotonic() + 20 * SLOW
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 5 * SLOW) as s:
            if s.recv(4) == b"220 ":
                return
        assert time.monotonic() < deadline, address
        time.sleep(0.02)


class Server:
    def __init__(self, port, certificates, domains, relay=None, host=None):
        if os.geteuid() != 0:
            pytest.skip("another mail server wants root")
        self.port, self.certificates, self.domains, self.relay, self.host = port, certificates, domains, relay, host
        self.find()
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-foreign-"))
        self.top.chmod(0o755)
        self.box = self.top / "box"
        self.box.mkdir()
        os.chown(self.box, 65534, 65534)
        self.process = None

    def __enter__(self):
        try:
            if self.relay:
                self.relay = (*self.relay[:2], shutil.copy(self.relay[2], self.top / "relay.pem"), *self.relay[3:])
                (self.top / "relay.pem").chmod(0o644)
            self.configure()
            popen = self.host.popen if self.host else subprocess.Popen
            with open(self.top / "out", "wb") as out:
                self.process = popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            processes.end(self.process, 20 * SLOW)
        shutil.rmtree(self.top, ignore_errors=True)

    def smtp(self):
        with self.host.inside() if self.host else contextlib.nullcontext():
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
alias_maps =
alias_database =
maillog_file = {top}/log
maillog_file_prefixes = {top}
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {top}/box
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtp_tls_loglevel = 1
"""
POSTFIX_RELAY = """
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
disable_dns_lookups = yes
default_transport = smtp:[{relay[0]}]:{relay[1]}
smtp_tls_security_level = secure
smtp_tls_CAfile = {relay[2]}
smtp_tls_secure_cert_match = {relay[3]}
"""
POSTFIX_MX = """
mynetworks = {networks}
inet_interfaces = all
inet_protocols = all
smtp_tls_security_level = may
"""


def bracketed(addresses):
    return [f"[{a}]" if ":" in a else a for a in addresses]


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
        (self.top / "etc/main.cf").write_text((POSTFIX_MAIN + (POSTFIX_RELAY if self.relay else POSTFIX_MX)).format(
            top=self.top, relay=self.relay, domains=" ".join(self.domains), networks=" ".join(bracketed(self.certificates))))
        services = POSTFIX_SERVICES
        for address, certificate in self.certificates.items():
            services += f"{bracketed([address])[0]}:{self.port} inet n - n - - smtpd\n"
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
tls_advertise_hosts = ${{if exists{{{top}/${{sg{{$received_ip_address}}{{:}}{{.}}}}.pem}}{{*}}}}
tls_certificate = {top}/${{sg{{$received_ip_address}}{{:}}{{.}}}}.pem
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
  {router}
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
{transport}
"""
EXIM_ROUTER = """driver = manualroute
  route_list = * {relay[0]}
  self = send"""
EXIM_TRANSPORT = """  port = {relay[1]}
  hosts_require_tls = *
  tls_verify_certificates = {relay[2]}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
"""


class Unpacked(Server):
    """Runs in a mount namespace of its own: not installed, it misses its users and folders."""
    users = ()

    def need(self, program):
        found = find(program)
        if "not found" in subprocess.run(["ldd", str(found)], capture_output=True, text=True).stdout:
            pytest.skip(f"{found} lacks libraries")
        if subprocess.run(["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"], capture_output=True).returncode:
            pytest.skip("no mount namespaces here")
        return found

    def within(self, command, files=(), prepare=""):
        """`files`: others in place of what the machine has, by path; `prepare`: more to be done in the namespace."""
        made = dict(files)
        for n, user in enumerate(self.users):
            for path, line in (("/etc/passwd", f"{user}:x:{65534 - n}:{65534 - n}::/nonexistent:/usr/sbin/nologin\n"),
                               ("/etc/group", f"{user}:x:{65534 - n}:\n")):
                made[path] = made.get(path, pathlib.Path(path).read_text()) + line
        steps = ["set -e"]
        for path, text in made.items():
            own = self.top / path.strip("/").replace("/", "-")
            own.write_text(text)
            steps.append(f"mount --bind {own} {path}")
        return ["unshare", "-m", "sh", "-c", "\n".join([*steps, prepare, f"exec {command}"])]


class Exim(Unpacked):
    users = ("Debian-exim",)

    def find(self):
        self.exim = self.need("usr/sbin/exim4")

    def configure(self):
        (self.top / "spool").mkdir()
        shutil.chown(self.top / "spool", "nobody", "nogroup")
        for address, certificate in self.certificates.items():
            if certificate:
                own = shutil.copy(certificate, self.top / f"{address.replace(':', '.')}.pem")
                shutil.chown(own, "nobody")
        shutil.chown(self.top, "nobody")
        (self.top / "conf").write_text(EXIM.format(
            top=self.top, exim=self.exim, domains=" : ".join(self.domains),
            router=EXIM_ROUTER.format(relay=self.relay) if self.relay else "driver = dnslookup",
            transport=EXIM_TRANSPORT.format(relay=self.relay) if self.relay else "",
            interfaces=" ; ".join(f"{a}.{self.port}" for a in self.certificates)))

    def command(self):
        return self.within(f"{self.exim} -C {self.top}/conf -bdf -q10s")

    def log(self):
        return "\n".join(p.read_text(errors="replace") for p in [self.top / "out", *self.top.glob("log-*")])


OPENSMTPD = """
queue ttl 1h
table domains {{ {domains} }}
table users {{ "@" = "nobody" }}
{listeners}
action "box" maildir "{top}/box/all" virtual <users>
action "out" relay host "smtp+tls://{relay[3]}:{relay[1]}" tls
match from any for domain <domains> action "box"
match from local for any action "out"
"""
# Its folders are compiled in.
OPENSMTPD_FOLDERS = """
for folder in /var/spool /var/lib /usr/libexec /run; do mount -t tmpfs none $folder; done
mkdir -p /usr/libexec/opensmtpd /var/lib/opensmtpd/empty /var/spool/smtpd
mount --bind {unpacked}/usr/libexec/opensmtpd /usr/libexec/opensmtpd
chmod 711 /var/spool/smtpd
for folder in corrupt incoming purge queue temporary; do mkdir -m 700 /var/spool/smtpd/$folder; chown opensmtpq /var/spool/smtpd/$folder; done
mkdir -m 770 /var/spool/smtpd/offline; chgrp opensmtpq /var/spool/smtpd/offline
"""


class OpenSmtpd(Unpacked):
    users = ("opensmtpd", "opensmtpq")

    def find(self):
        self.smtpd = self.need("usr/sbin/smtpd")

    def configure(self):
        listeners = []
        for n, (address, certificate) in enumerate(self.certificates.items()):
            tls = ""
            if certificate:
                pem = shutil.copy(certificate, self.top / f"{address}.pem")
                pem.chmod(0o600)
                listeners.append(f'pki p{n} cert "{pem}"\npki p{n} key "{pem}"')
                tls = f" tls pki p{n}"
            listeners.append(f"listen on {address} port {self.port}{tls} hostname mx.foreign.test")
        shutil.chown(self.top / "box", "nobody")
        (self.top / "conf").write_text(OPENSMTPD.format(top=self.top, relay=self.relay, listeners="\n".join(listeners),
                                                        domains=", ".join(f'"{d}"' for d in self.domains)))
        (self.top / "conf").chmod(0o600)
        self.own_key = self.top / "own-key.so"
        subprocess.run(["cc", "-w", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self.own_key, pathlib.Path(__file__).with_name("opensmtpd_key.c")], check=True)

    def command(self):
        unpacked = self.smtpd.parent.parent.parent
        hosts = pathlib.Path("/etc/hosts").read_text() + f"\n{self.relay[0]} {self.relay[3]}\n"
        files = {"/etc/hosts": hosts, "/etc/ssl/certs/ca-certificates.crt": pathlib.Path(self.relay[2]).read_text()}
        return self.within(f"env LD_PRELOAD={self.own_key} {self.smtpd} -d -f {self.top}/conf", files, OPENSMTPD_FOLDERS.format(unpacked=unpacked))
