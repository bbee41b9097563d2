# SPDX-License-Identifier: ISC
"""The servers that are measured: where they listen, how they start and stop, what they cost."""
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
B = os.environ.setdefault("B", os.path.join(os.environ.get("TMPDIR", "/tmp"), "mailbench"))
BIN, RUN, DISK = (os.path.join(B, d) for d in ("bin", "run", "disk"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
POMBO = os.environ.setdefault("POMBO", os.path.join(HERE, "..", "build", "src", "cli", "pombo"))
CPUACCT = "/sys/fs/cgroup/cpuacct"
G, SHIFT = os.environ.get("G", ""), int(os.environ.get("SHIFT", "0"))  # as in env.sh
PEERS = {
    "pombo": dict(script="pombo", port=10025, tls=10465, rcpt="u%03d@bench.test", groups=["pombo"], imap=10143, imaps=10993,
                  user="u%03d@bench.test", wait=None),
    "postfix+dovecot": dict(script="postfix_dovecot", port=2525, tls=2465, rcpt="u%03d@mdbox.test",
                            groups=["postfix", "dovecot-mdbox"], imap=2144, imaps=3003, user="u%03d",
                            submit_rcpt="u%03d@mdbox.test", wait=f"-l {RUN}/dovecot-mdbox/log -s 'saved mail to'"),
    "postfix": dict(script="postfix_dovecot", env={"PARTS": "postfix"}, port=2526, groups=["postfix"]),
    "dovecot": dict(script="postfix_dovecot", env={"PARTS": "dovecot"}, groups=["dovecot-mdbox"], imap=2144, imaps=3003,
                    user="u%03d"),
    "cyrus": dict(script="cyrus", groups=["cyrus"], imap=8143, imaps=8993, user="u%03d"),
}
for peer in PEERS.values():
    peer["groups"] = [g + G for g in peer["groups"]]
    peer.update({key: peer[key] + SHIFT for key in ("port", "tls", "imap", "imaps") if key in peer})
CLIENTS = ("smtpload", "smtpsink", "mail_wait", "idle_hold", "imap_time", "imap_mix", "imap_watch")


def sh(cmd, **kw):
    return subprocess.run(["bash", "-c", f". {HERE}/env.sh; {cmd}"], text=True, **kw)


def build():
    for d in (BIN, RUN, DISK):
        os.makedirs(d, exist_ok=True)
    for name in CLIENTS:
        subprocess.run(f"gcc -O2 -Wall -Wno-unused-function -o {BIN}/{name} {HERE}/src/{name}.c -lssl -lcrypto -lpthread",
                       shell=True, check=True)
    sh("[ -f $CERT ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=bench.test "
       "-keyout $KEY -out $CERT 2>/dev/null; chmod 644 $CERT $KEY; ensure_vmail", check=True)


def start(name):
    peer = PEERS[name]
    subprocess.run([f"{HERE}/peers/{peer['script']}/start"], env={**os.environ, "FORMATS": "mdbox", **peer.get("env", {})}, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(name):
    subprocess.run([f"{HERE}/peers/{PEERS[name]['script']}/stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpu_ns(groups):
    total = 0
    for g in groups:
        with open(f"{CPUACCT}/pb_{g}/cpuacct.usage") as f:
            total += int(f.read())
    return total


def pss_by_process(groups):
    """[(name of the process, its PSS in KiB)]"""
    found = []
    for g in groups:
        with open(f"{CPUACCT}/pb_{g}/cgroup.procs") as f:
            for pid in f.read().split():
                try:
                    with open(f"/proc/{pid}/smaps_rollup") as s, open(f"/proc/{pid}/cmdline") as c, open(f"/proc/{pid}/comm") as n:
                        words = c.read().replace("\0", " ").split()
                        kib = int(re.search(r"^Pss:\s+(\d+)", s.read(), re.M).group(1))
                        kind = words[0] + " " + words[1] if words and words[0].startswith("pombo-") else n.read().strip()
                        found.append((kind, kib))
                except (OSError, AttributeError):
                    pass
    return found


def pss_kb(groups):
    return sum(kib for _, kib in pss_by_process(groups))
