# SPDX-License-Identifier: ISC
"""`pombo init`: what it makes, what it refuses, and that it leaves nothing behind where it fails."""
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import pytest

import pombo
from ports import PortBlock

HOST = ["--hostname", "mail.example.test", "--domain", "example.test"]
PASSWORD = re.compile(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}")


@pytest.fixture
def place():
    """A folder that every user can reach: pytest's own cannot be."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="pombo-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def init(*args, **kwargs):
    return pombo.run_pombo("init", *args, check=False, **kwargs)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_it_makes(place):
    done = init(*HOST, "--user", "you@example.test", "--dir", place / "d")
    assert done.returncode == 0 and done.stderr == ""
    d = place / "d"
    assert sorted(p.name for p in d.iterdir()) == ["keys", "pombo.conf", "run", "store", "tls"]
    assert (mode(d), mode(d / "pombo.conf"), mode(d / "tls"), mode(d / "store")) == (0o755, 0o644, 0o700, 0o700)
    assert (mode(d / "keys"), mode(d / "keys" / "dkim")) == (0o700, 0o600)
    assert (mode(d / "tls" / "key.pem"), mode(d / "tls" / "cert.pem")) == (0o600, 0o644)
    assert "hostname = mail.example.test\n" in (d / "pombo.conf").read_text()
    assert len(PASSWORD.findall(done.stdout)) == 1
    assert "example.test.                            IN MX   10 mail.example.test.\n" in done.stdout
    assert "_imaps._tcp.example.test." in done.stdout and f"pombo run --dir {d}" in done.stdout
    text = subprocess.run(["openssl", "x509", "-in", d / "tls" / "cert.pem", "-noout", "-text"], capture_output=True,
                          text=True).stdout
    assert "DNS:mail.example.test" in text and "prime256v1" in text
    assert pombo.run_pombo("run", "--check", "--dir", d).stdout == f"{d}: the settings are fine\n"


def test_json(place):
    done = init(*HOST, "--user", "you@example.test", "--dir", place / "d", "--json")
    said = json.loads(done.stdout)
    assert set(said) == {"dir", "account", "password", "dns"}
    assert said["dir"] == str(place / "d") and said["account"] == "you@example.test" and PASSWORD.fullmatch(said["password"])
    assert said["dns"]["records"][0] == {"name": "example.test.", "type": "MX", "value": "10 mail.example.test."}
    done = init(*HOST, "--user", "you@example.test", "--password-stdin", "--dir", place / "e", "--json", input="secret\n")
    assert json.loads(done.stdout)["password"] is None and "secret" not in done.stdout + done.stderr
    done = init(*HOST, "--dir", place / "f", "--json")
    assert json.loads(done.stdout)["account"] is None


def test_the_password_works(make_server):
    server = make_server(users=[], start=False)
    password = server.cli_json("account", "add", pombo.ALICE)["password"]
    server.start()
    assert server.imap(pombo.ALICE, password).state == "AUTH"


def test_settings_are_written(place):
    args = ["--listen", "127.0.0.1", "--listen", "::1", "--port-offset", "12345"]
    assert init(*HOST, *args, "--dir", place / "d").returncode == 0
    conf = (place / "d" / "pombo.conf").read_text()
    assert "\nlisten = 127.0.0.1 ::1\n" in conf and "\nport-offset = 12345\n" in conf


@pytest.mark.parametrize("spelled", ["d", "./d", "d/", "d//", "../{here}/d"])
def test_a_relative_folder(place, spelled):
    """Also with slashes at its end; and the store opens from elsewhere."""
    before = os.getcwd()
    os.chdir(place)
    try:
        assert init(*HOST, "--dir", spelled.format(here=place.name)).returncode == 0
    finally:
        os.chdir(before)
    assert "example.test" in pombo.run_pombo("domain", "list", "--dir", place / "d").stdout


def test_the_folder_of_the_environment(place):
    assert init(*HOST, env={"POMBO_DIR": str(place / "d")}).returncode == 0
    assert (place / "d" / "pombo.conf").exists()


def test_an_empty_folder_is_taken(place):
    (place / "d").mkdir()
    (place / "d" / "lost+found").mkdir()
    assert init(*HOST, "--dir", place / "d").returncode == 0
    assert (place / "d" / "lost+found").exists()


REFUSED = [
    # words, standard input, status, what the error says
    ([], "", 64, "--hostname and --domain are needed; usage: pombo init --hostname"),
    (["--hostname", "mail.example.test"], "", 64, "--hostname and --domain are needed"),
    ([*HOST, "--listen"], "", 64, "--listen needs a value"),
    ([*HOST, "extra"], "", 64, "too many words"),
    ([*HOST, "--password-stdin"], "", 64, "--password-stdin needs --user"),
    ([*HOST, "--hostnmae", "x"], "", 64, "there is no option --hostnmae (did you mean --hostname?)"),
    (["--hostname", "a_b", "--domain", "example.test"], "", 65, 'hostname: "a_b" is not a host name'),
    (["--hostname", "", "--domain", "example.test"], "", 65, "a server needs a name"),
    (["--hostname", "mail.example.test\nlisten = x", "--domain", "example.test"], "", 65,
     "--hostname: it holds a control character"),
    ([*HOST, "--listen", "::\nhostname = x"], "", 65, "--listen: it holds a control character"),
    (["--hostname", "mail.example.test", "--domain", "exa mple"], "", 65, "exa mple: this is not a domain"),
    (["--hostname", "mail.example.test", "--domain", ""], "", 65, "this is not a domain"),
    (["--hostname", "mail.example.test", "--domain", "[192.0.2.1]"], "", 65, "this is not a domain"),
    ([*HOST, "--port-offset", "65000"], "", 65, "port-offset"),
    ([*HOST, "--listen", "nowhere"], "", 65, "listen"),
    ([*HOST, "--user", "you"], "", 65, "you: this is not an address"),
    ([*HOST, "--user", "@example.test"], "", 65, "this is not an address"),
    ([*HOST, "--user", "you@other.test"], "", 65, "the first account must be in the domain of --domain"),
    ([*HOST, "--user", "a b@example.test"], "", 65, "a b@example.test: is not valid"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], "", 65, "the first line of standard input is empty"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], "\nsecond\n", 65, "the first line of standard input is empty"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], "x" * 1025, 65, "it is longer than 1024 bytes"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], "bell\a\n", 65, "this cannot be a password"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], b"\xff\xfe\n", 65, "this cannot be a password"),
    ([*HOST, "--user", "you@example.test", "--password-stdin"], b"nul\0nul\n", 65, "this cannot be a password"),
]


@pytest.mark.parametrize("words, text, status, says", REFUSED, ids=range(len(REFUSED)))
def test_refused_and_nothing_left(place, words, text, status, says):
    done = init(*words, input=text, env={"POMBO_DIR": str(place / "d")})
    stderr = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
    assert done.returncode == status and stderr.startswith("pombo: ") and says in stderr and stderr.count("\n") == 1, stderr
    assert list(place.iterdir()) == []


def test_odd_passwords_work(make_server):
    for password in ("x" * 1024, "pass word with  blanks ", "päßwörd", '"\\\'$`', "-"):
        server = make_server(users=[], start=False)
        server.add_account(pombo.ALICE, password)
        server.start()
        with server.imap(None) as c:
            assert c.authenticate("PLAIN", lambda _: f"\0{pombo.ALICE}\0{password}".encode())[0] == "OK"
        server.stop()


def test_a_second_time(place):
    assert init(*HOST, "--dir", place / "d").returncode == 0
    before = (place / "d" / "pombo.conf").read_bytes()
    done = init(*HOST, "--dir", place / "d")
    assert done.returncode == 73 and "there is a pombo here already; choose another folder with --dir" in done.stderr
    assert (place / "d" / "pombo.conf").read_bytes() == before


def test_a_folder_that_holds_something(place):
    (place / "d").mkdir()
    (place / "d" / "mine").write_text("keep this")
    done = init(*HOST, "--dir", place / "d")
    assert done.returncode == 73 and "the folder is not empty" in done.stderr
    assert [p.name for p in (place / "d").iterdir()] == ["mine"]


def test_no_parent_folder(place):
    done = init(*HOST, "--dir", place / "no" / "d")
    assert done.returncode == 73 and "the folder that it would be in does not exist; make that first" in done.stderr


def test_a_file_in_the_way(place):
    (place / "d").write_text("")
    done = init(*HOST, "--dir", place / "d")
    assert done.returncode == 73 and "Not a directory" in done.stderr


@pytest.mark.parametrize("exists", [False, True])
def test_a_store_that_does_not_open(place, exists):
    """Without its program stored, init fails late: everything it made goes again, the folder too unless it was there before."""
    alone = place / "bin"
    alone.mkdir()
    (alone / "pombo").write_bytes(pombo.BINARY.read_bytes())
    (alone / "pombo").chmod(0o755)
    if exists:
        (place / "d").mkdir()
    done = subprocess.run([alone / "pombo", "init", *HOST, "--dir", place / "d"], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot find the program pombo-stored" in done.stderr
    assert (place / "d").exists() == exists and (not exists or list((place / "d").iterdir()) == [])


def test_interrupted(place):
    """Whenever the signal comes: all of it is there, or nothing."""
    for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3):
        d = place / f"d{delay}"
        p = subprocess.Popen([pombo.BINARY, "init", *HOST, "--user", "you@example.test", "--dir", d],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        time.sleep(delay * pombo.LONGER)
        try:
            os.killpg(p.pid, signal.SIGINT)
        except ProcessLookupError:
            pass
        p.communicate(timeout=30 * pombo.SLOW)
        if p.returncode == 0:
            assert "you@example.test" in pombo.run_pombo("account", "list", "--dir", d).stdout
        else:
            assert not d.exists(), f"left after {delay} s: {list(d.iterdir())}"


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests do this without root")
def test_without_root(place):
    """A user sets up, runs and asks a server of their own; root may not open its store while it does not run."""
    ports = PortBlock()
    place.chmod(0o777)
    d = place / "d"
    me = {"user": 65534, "group": 65534, "extra_groups": []}

    def run(*args, text="", **who):
        return subprocess.run([pombo.BINARY, *map(str, args), "--dir", d], input=text, capture_output=True, text=True, **who)

    args = [*HOST, "--user", "you@example.test", "--password-stdin", "--listen", "127.0.0.1", "--port-offset", ports.offset]
    done = run("init", *args, text="secret\n", **me)
    assert done.returncode == 0, done.stderr
    assert {p.stat().st_uid for p in d.rglob("*")} == {65534}
    assert "you@example.test" in run("account", "list", **me).stdout
    done = run("account", "list")
    assert done.returncode == 77 and "the folder is another user's and no server runs on it; run this as that user" in done.stderr
    with open(place / "log", "w") as log:
        server = subprocess.Popen([pombo.BINARY, "run", "--dir", d], stdout=log, stderr=log, stdin=subprocess.DEVNULL, **me)
    try:
        deadline = time.monotonic() + pombo.READY_TIMEOUT_S
        while "event=ready" not in (place / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        for who in (me, {}):
            assert run("status", **who).returncode == 0
            assert "you@example.test" in run("account", "list", **who).stdout
        someone = {"user": 65533, "group": 65533, "extra_groups": []}
        for command in (["status"], ["account", "list"], ["reload"]):
            done = run(*command, **someone)
            assert done.returncode == 77 and "its control socket is not yours" in done.stderr, done.stderr
        assert run("stop", **someone).returncode == 77
        assert run("stop", **me).stdout == "stopped\n"
        assert server.wait(10 * pombo.SLOW) == 0
    finally:
        server.kill()
        ports.close()
