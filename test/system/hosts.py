# SPDX-License-Identifier: ISC
"""Hosts of a network that is nobody else's: each a network, process and mount namespace of its own, with real addresses and real ports.

    with Network() as net:
        a = net.host("192.0.2.1", "2001:db8::1", resolver="192.0.2.53")
        s = Server(host=a, …)                   pombo on it, with its default ports
        a.popen(["exim4", …])                   any program
        with a.inside():                        sockets that this thread opens are opened there, and those of threads it starts
            smtplib.SMTP("192.0.2.2")
        net.cut("192.0.2.1")                    what is sent to it or by it vanishes, as with a wire pulled out; net.mend(…) plugs it in
        net.refuse("192.0.2.1")                 the router says that there is no way there (ICMP)
        a.crash(); a.boot()                     power off: all its processes are gone at once, and not one packet tells of it

A router joins them, each host by a wire of its own; addresses of which nobody is are unreachable. Nothing leads out of the network and nothing of it
is seen outside. Every host's first process ends when the test run does, however that ends, and all that runs there, and the wires, with it.
Where the kernel refuses namespaces the tests are skipped.
"""
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

CLONE_NEWNET, CLONE_NEWPID = 0x40000000, 0x20000000
LIBC = ctypes.CDLL(None, use_errno=True)
ROUTER4, ROUTER6 = "192.0.2.254", "fe80::1"
# The first process of a namespace: waits for the end of its input, and reaps whatever is left to it.
FIRST = """set -e
mount -t proc proc /proc
if [ -e /etc/resolv.conf ]; then mount --bind "$1" "$(readlink -f /etc/resolv.conf)"; fi
trap '' CHLD
echo up
exec cat
"""


def setns(fd, kind):
    if LIBC.setns(fd, kind):
        raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def entered(fd, kind, name):
    """This thread, in another namespace."""
    back = os.open(f"/proc/thread-self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, kind)
        try:
            yield
        finally:
            setns(back, kind)
    finally:
        os.close(back)


class Namespace:
    """A network, process and mount namespace, and the process that keeps it."""

    def __init__(self, folder, resolver=None):
        self.resolv_conf = folder / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {resolver}\n" if resolver else "# nobody\n")
        self.first = self.net = self.pid = None
        self.started = []

    def open(self):
        self.first = subprocess.Popen(["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", FIRST, "sh", self.resolv_conf],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.first.stdout.readline() != "up\n":
            pytest.skip(f"no namespaces here: {self.first.stderr.read().strip()}")
        self.net, self.pid = (os.open(f"/proc/{self.first.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("net", "pid_for_children"))

    def close(self):
        """Kills all that runs there; returns when it is gone."""
        if self.first:
            self.first.stdin.close()
            for process in self.started:  # the kernel waits with the end of the first for us to hear of theirs
                process.wait()
            self.first.wait()
            self.first.stdout.close()
            self.first.stderr.close()
        for fd in (self.net, self.pid):
            if fd is not None:
                os.close(fd)
        self.first = self.net = self.pid = None
        self.started.clear()

    def inside(self):
        """This thread's network is the namespace's."""
        return entered(self.net, CLONE_NEWNET, "net")

    def popen(self, command, **kwargs):
        """subprocess.Popen, of a program there. Its pid is the one outside."""
        at = f"/proc/{self.first.pid}/ns"
        with entered(self.pid, CLONE_NEWPID, "pid"):  # for its children
            self.started.append(subprocess.Popen(["nsenter", f"--net={at}/net", f"--mount={at}/mnt", *map(str, command)], **kwargs))
        return self.started[-1]

    def run(self, *command):
        """What a program says, on its network."""
        with self.inside():
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def ip(self, *lines, options=()):
        """Commands of ip(8)."""
        with self.inside():
            done = subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True)
        assert done.returncode == 0, (lines, done.stderr)


class Host(Namespace):
    def __init__(self, net, folder, number, addresses, resolver, mtu):
        super().__init__(folder, resolver)
        self.network, self.number, self.addresses, self.mtu = net, number, addresses, mtu
        self.boots = 0

    def boot(self):
        self.open()
        self.boots += 1
        self.port = f"p{self.number}.{self.boots}"
        router = self.network.router
        router.ip(f"link add {self.port} type veth peer name eth0 netns {self.first.pid}",
                  f"link set {self.port} mtu {self.mtu} up",
                  f"addr add {ROUTER4}/32 dev {self.port}",
                  f"addr add {ROUTER6}/64 dev {self.port} nodad",
                  *[f"route add {a} dev {self.port}" for a in self.addresses])
        here = ["link set lo up", "link set eth0 up"]
        for a in self.addresses:
            here.append(f"addr add {a} dev eth0{' nodad' if ':' in a else ''}")
        mtu = f" mtu {self.mtu} advmss 1440" if self.mtu < 1500 else ""
        if first := self.address():
            here += [f"route add {ROUTER4} dev eth0", f"route add default via {ROUTER4} dev eth0 src {first}{mtu}"]
        if first := self.address(v6=True):
            here.append(f"route add default via {ROUTER6} dev eth0 src {first}{mtu}")
        self.ip(*here)
        return self

    def crash(self):
        self.network.cut(*self.addresses)
        self.network.router.ip(f"link del {self.port}")
        self.close()
        self.network.mend(*self.addresses)  # now the router says that nobody is there

    def address(self, v6=False):
        """The first of a family: what it sends comes from there."""
        return next((a for a in self.addresses if (":" in a) == v6), None)


class Network:
    def __init__(self):
        if os.geteuid() != 0:
            pytest.skip("hosts of one's own want root")
        if not shutil.which("ip"):
            pytest.skip("no ip (iproute2)")
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pombo-net-"))
        self.top.chmod(0o755)
        self.hosts = []
        self.router = Namespace(self.top)

    def __enter__(self):
        try:
            self.router.open()
            self.forward()
        except BaseException:
            self.__exit__()
            raise
        return self

    def forward(self):
        """Makes a router of the router; what this kernel lacks is found here."""
        switches = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv6/conf/default/accept_dad": 0,
                    "ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0}  # every refusal is told, not one a second
        command = "set -e\n" + "".join(f"echo {value} >/proc/sys/net/{switch}\n" for switch, value in switches.items())
        command += "ip link set lo up\nip link add one type veth peer name other\nip link del one\n"
        for v in ("-4", "-6"):
            command += f"ip {v} rule add priority 100 blackhole\nip {v} rule del priority 100 blackhole\n"
        done = self.router.popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if said := done.communicate()[0]:
            pytest.skip(f"no network of one's own here: {said.strip()}")

    def __exit__(self, *_):
        for host in self.hosts:
            host.close()
        self.router.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def host(self, *addresses, resolver=None, mtu=1500):
        """A host of these addresses, running. `resolver` stands in its /etc/resolv.conf; `mtu` is that of its wire: others learn it from the
        router."""
        for a in addresses:
            assert not ipaddress.ip_address(a).is_loopback
        folder = self.top / str(len(self.hosts))
        folder.mkdir()
        self.hosts.append(Host(self, folder, len(self.hosts), addresses, resolver, mtu))
        return self.hosts[-1].boot()

    def rules(self, verb, action, addresses):
        for a in addresses:
            self.router.ip(*[f"rule {verb} {way} {a} priority 100 {action}" for way in ("to", "from")], options=["-6" if ":" in a else "-4"])

    def cut(self, *addresses):
        self.rules("add", "blackhole", addresses)

    def mend(self, *addresses):
        self.rules("del", "blackhole", addresses)

    def refuse(self, *addresses):
        self.rules("add", "unreachable", addresses)

    def admit(self, *addresses):
        self.rules("del", "unreachable", addresses)
