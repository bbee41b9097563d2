# SPDX-License-Identifier: ISC
"""What is published: a new DKIM key signs only when every name server of the zone shows its record; `pombo dns --check` says what is there."""
import base64
import re
import subprocess
import time

from dnsserver import DnsServer
from pombo import DOMAIN, SLOW
from smtpserver import SmtpServer
from test_relay import GO, submit


def published(server):
    """{(name, type): [values]} of what `pombo dns` says is to be published."""
    found = {}
    for r in server.cli_json("dns", DOMAIN)["records"]:
        found.setdefault((r["name"].rstrip("."), r["type"]), []).append(r["value"])
    return found


def dkim_records(server):
    return {key: value for key, value in published(server).items() if "._domainkey." in key[0]}


def selectors(mx):
    return set(re.findall(rb"s=([\w-]+);", mx.messages[-1].data))


def signed_by(server, mx):
    n = len(mx.messages)
    submit(server)
    mx.wait(n + 1, 30 * SLOW)
    return {s.decode() for s in selectors(mx)}


def look(server):
    """The command looks at the name servers too; what it brought about is there a little later."""
    server.cli("domain", "dkim", DOMAIN)


def test_a_new_key_signs_when_every_name_server_shows_it(make_server):
    zone = {(DOMAIN, "NS"): [f"ns1.{DOMAIN}.", f"ns2.{DOMAIN}."], (DOMAIN, "SOA"): [f"ns1.{DOMAIN}. x.{DOMAIN}. 1 3600 600 86400 2"],
            (f"ns1.{DOMAIN}", "A"): ["127.0.5.1"], (f"ns2.{DOMAIN}", "A"): ["127.0.5.2"]}
    with SmtpServer() as mx, DnsServer(zone, address="127.0.5.1") as one, DnsServer(zone, address="127.0.5.2", port=one.port) as two:
        server = make_server(config=[mx.setting(), *GO, *one.settings(), f"dns-port = {one.port}"])
        old = {name[0].split(".")[0] for name in dkim_records(server)}
        assert signed_by(server, mx) == old and len(old) == 2
        server.cli("domain", "dkim", DOMAIN, "--rotate")
        fresh = {name: value for name, value in dkim_records(server).items() if name[0].split(".")[0] not in old}
        new = {name[0].split(".")[0] for name in fresh}
        assert len(new) == 2
        for shown_by in ((), (one,)):  # by nobody, then by one of the two: the old ones go on
            for names in shown_by:
                names.set(fresh)
            asked = len(two.questions(kind="TXT"))
            look(server)
            deadline = time.monotonic() + 20 * SLOW
            while len(two.questions(kind="TXT")) < asked + 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert signed_by(server, mx) == old
        two.set(fresh)
        deadline = time.monotonic() + 30 * SLOW
        while True:
            look(server)
            if signed_by(server, mx) == new:
                break
            assert time.monotonic() < deadline, server.cli("domain", "dkim", DOMAIN).stdout
        assert set(dkim_records(server)) >= set(fresh)


def test_what_is_published_is_checked(make_server):
    with DnsServer({}) as names:
        server = make_server(config=names.settings())
        done = server.cli("dns", DOMAIN, "--check", check=False)
        assert done.returncode == 1 and "missing" in done.stdout and "; right" not in done.stdout
        assert re.fullmatch(r"; 0 of \d+ records are published as they should be: publish or mend the others", done.stdout.splitlines()[-1])
        wanted = published(server)
        names.set(wanted)
        server.restart()  # what was not there is remembered for a moment
        done = server.cli("dns", DOMAIN, "--check", check=False)
        told = [line for line in done.stdout.splitlines() if "wrong" in line or "missing" in line]
        assert done.returncode == 0 and told == [], done.stdout
        assert re.fullmatch(r"; all \d+ records are published as they should be", done.stdout.splitlines()[-1])
        spf = wanted[(DOMAIN, "TXT")]
        names.set({(DOMAIN, "TXT"): [*spf, '"v=spf1 include:elsewhere.test -all"', '"of another purpose"']})
        server.restart()
        done = server.cli("dns", DOMAIN, "--check", check=False)
        told = [line for line in done.stdout.splitlines() if "wrong" in line or "missing" in line]
        assert done.returncode == 1 and len(told) == 1 and "include:elsewhere.test" in told[0], done.stdout
        names.set({(DOMAIN, "TXT"): spf, (DOMAIN, "MX"): ["10 elsewhere.test."], (f"_dmarc.{DOMAIN}", "TXT"): []})
        server.restart()
        done = server.cli("dns", DOMAIN, "--check", check=False)
        told = [line for line in done.stdout.splitlines() if "wrong" in line or "missing" in line]
        assert done.returncode == 1 and len(told) == 2 and "elsewhere.test" in done.stdout, done.stdout


def test_rotations_at_once_make_one_pair_of_keys(make_server):
    """The private halves are those whose public halves are to be published; a file that was edited by hand may lack its last line's end."""
    server = make_server()
    keys = server.dir / "keys" / "dkim"
    keys.write_text(keys.read_text().rstrip("\n"))
    rotate = [str(server.binary), "domain", "dkim", DOMAIN, "--rotate", "--dir", str(server.dir)]
    several = [subprocess.Popen(rotate, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = sorted((p.communicate(timeout=60 * SLOW)[1], p.returncode) for p in several)
    assert [status for _, status in ends] == [0, 73, 73] and all("wait already" in error for error, _ in ends[1:])
    records = server.cli("dns", DOMAIN).stdout.replace('" "', "")
    private = re.findall(r"^key \S+ (rsa\S+)\n(-----BEGIN.*?END PRIVATE KEY-----\n)", keys.read_text(), re.M | re.S)
    assert len(private) == 2
    for selector, pem in private:
        der = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=pem.encode(), capture_output=True, check=True).stdout
        assert selector in records and base64.b64encode(der).decode() in re.sub(r'["\s]', "", records)
