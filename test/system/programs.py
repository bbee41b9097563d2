# SPDX-License-Identifier: ISC
"""Mail programs that none of us wrote, each configured for a server of the tests: TLS, certificate verified.

Every function runs the program once and returns its CompletedProcess (text in .stdout, .stderr); a status that is not
0 fails the test unless check=False. Configuration files go to a folder of the server's, and away with it.
"""
import json
import os
import subprocess
import uuid

import pombo
from terminal import Terminal


def own_certificate(server):
    """Before start(): a certificate that also names localhost, for programs that insist on the name they connect to."""
    names = f"subjectAltName=DNS:{server.hostname},DNS:localhost,IP:127.0.0.1"
    key, certificate = server.dir / (server.setting("tls-key") or "tls/key.pem"), server.certificate
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    command += ["-subj", f"/CN={server.hostname}", "-addext", names, "-keyout", key, "-out", certificate]
    run(server, command)


def work_folder(server):
    folder = server.top / "programs"
    folder.mkdir(exist_ok=True)
    return folder


def write(server, name, text):
    """A private file for a program (some refuse files that others may read)."""
    path = work_folder(server) / f"{uuid.uuid4().hex[:8]}-{name}"
    path.write_text(text)
    path.chmod(0o600)
    return path


def run(server, command, input="", check=True, timeout=60 * pombo.SLOW, env=None):
    """Line ends stay as they are, in and out."""
    home = {"HOME": str(work_folder(server)), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    done = subprocess.run([str(c) for c in command], input=input.encode(), capture_output=True, timeout=timeout,
                          env={**os.environ, **home, **(env or {})}, cwd=work_folder(server))
    done.stdout, done.stderr = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if check and done.returncode:
        raise pombo.CommandFailed(done)
    return done


def curl(server, url, *args, user=pombo.ALICE, **options):
    """`url` names a service as its scheme and no host: "imaps:INBOX;UID=1", "pop3s:1", "submissions:", "submission:".
    Over submission and the other plain services STARTTLS is demanded."""
    service, _, path = url.partition(":")
    scheme = {"submissions": "smtps", "submission": "smtp"}.get(service, service)
    port = server.ports[service]
    command = ["curl", "-sS", "--max-time", 40 * pombo.SLOW, "--cacert", server.certificate, "--ssl-reqd"]
    command += ["--resolve", f"{server.hostname}:{port}:{server.address}"]
    command += ["-u", f"{user}:{server.password}"] if user else []
    return run(server, [*command, f"{scheme}://{server.hostname}:{port}/{path}", *args], **options)


def swaks(server, *args, service="submissions", user=pombo.ALICE, to=pombo.ALICE, sender=None, **options):
    command = ["swaks", "--server", server.address, "--port", server.ports[service], "--helo", "client.example.net"]
    command += ["--to", to, "--from", sender or user or "sender@example.net", "--timeout", 30 * pombo.SLOW]
    if service != "smtp" or "--tls" in args:
        command += ["--tls-on-connect"] if service == "submissions" else ["--tls"] if "--tls" not in args else []
        command += ["--tls-verify", "--tls-ca-path", server.certificate, "--tls-sni", server.hostname]
    if user and service != "smtp":
        command += ["--auth", "--auth-user", user, "--auth-password", server.password]
    return run(server, [*command, *args], **options)


def msmtp(server, message, *recipients, user=pombo.ALICE, starttls=False, auth="on", **options):
    """Hands `message` in on port 465, or 587 with STARTTLS. auth: on, plain, login, scram-sha-256 …"""
    rc = write(server, "msmtprc", f"""
account default
host {server.address}
port {server.ports["submission" if starttls else "submissions"]}
tls on
tls_starttls {"on" if starttls else "off"}
tls_trust_file {server.certificate}
tls_host_override {server.hostname}
auth {auth}
user {user}
password {server.password}
from {user}
""")
    return run(server, ["msmtp", "-C", rc, *recipients], input=message, **options)


def s_nail(server, *args, input="", user=pombo.ALICE, **options):
    """Sends with s-nail over port 465: s_nail(s, "-s", "subject", "bob@example.test", input="text"). It connects to
    localhost: own_certificate()."""
    quoted = [user.replace("@", "%40"), server.password.replace(" ", "%20")]
    settings = ["v15-compat=y", f"mta=smtps://{':'.join(quoted)}@localhost:{server.ports['submissions']}",
                "smtp-auth=plain", f"from={user}", f"tls-ca-file={server.certificate}", "tls-ca-no-defaults",
                "tls-verify=strict", "hostname=client.example.net",
                f"DEAD={work_folder(server)}/dead"]
    command = ["s-nail", "-:/"]
    for setting in settings:
        command += ["-S", setting]
    return run(server, [*command, "-S", "expandaddr", *args], input=input, **options)


def mutt(server, user=pombo.ALICE):
    """mutt in a Terminal, before its compose menu for a message from `user`. It connects to localhost: own_certificate().
    PLAIN is asked for because the SCRAM of its library (Cyrus SASL 2.1.28) refuses more than 65,536 iterations."""
    smtp = f"smtps://{user}@localhost:{server.ports['submissions']}/"
    rc = write(server, "muttrc", f"""
set smtp_url="{smtp}" smtp_pass="{server.password}" smtp_authenticators="plain" from="{user}" realname="Tester"
set ssl_ca_certificates_file="{server.certificate}" ssl_verify_host=yes hostname="client.example.net"
set folder="{work_folder(server)}" record="" copy=no editor="true" abort_unmodified=no sleep_time=0 wait_key=no quit=yes
""")
    return Terminal(work_folder(server), ["mutt", "-n", "-F", rc, "-f", "/dev/null"])


def sslscan(server, service, **options):
    """What sslscan finds on a service; STARTTLS where it has no TLS from the start."""
    starttls = {"smtp": "--starttls-smtp", "submission": "--starttls-smtp", "imap": "--starttls-imap", "pop3": "--starttls-pop3"}
    command = ["sslscan", "--no-colour", f"--sni-name={server.hostname}"]
    command += [starttls[service]] if service in starttls else []
    return run(server, [*command, f"{server.address}:{server.ports[service]}"], timeout=180, **options).stdout


def testssl(server, service, *args, **options):
    """testssl.sh with machine-readable findings: a list of dicts (id, severity, finding)."""
    starttls = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3"}
    report = work_folder(server) / f"testssl-{uuid.uuid4().hex[:8]}.json"
    command = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--jsonfile", report]
    command += ["-t", starttls[service]] if service in starttls else []
    run(server, [*command, *args, f"{server.address}:{server.ports[service]}"], check=False, timeout=300, **options)
    return json.loads(report.read_text())


def gsasl(server, service, mechanism, version, user=pombo.ALICE, **options):
    """Logs in with GNU SASL over STARTTLS on "imap" or "submission", bound to the channel where the mechanism is -PLUS. It
    connects to localhost: own_certificate()."""
    command = ["gsasl", "--imap" if service == "imap" else "--smtp", "--starttls", "--x509-ca-file", server.certificate]
    command += ["--priority", f"NORMAL:-VERS-ALL:+VERS-{version}", "--mechanism", mechanism, "--authentication-id", user]
    command += ["--password", server.password, "--connect", f"localhost:{server.ports[service]}"]
    command += [] if mechanism.endswith("-PLUS") else ["--no-cb"]
    return run(server, command, **options)
