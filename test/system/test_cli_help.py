# SPDX-License-Identifier: ISC
"""--help, the manual pages and the completion: every command, option and setting is in them; errors of usage."""
import json
import pathlib
import re
import subprocess

import pytest

import pombo

MAN = pombo.BUILD / "doc" / "man"
PAGES = [MAN / "pombo.1", MAN / "pombo.conf.5", *sorted((pombo.ROOT / "doc" / "man").glob("*.1"))]


def commands():
    text = pombo.run_pombo("--help").stdout
    return re.findall(r"^  ([a-z]+(?: [a-z-]+)?) {2,}\S", text, re.M)


COMMANDS = commands() if pombo.BINARY.exists() else []


def options(command):
    """As its --help lists them."""
    text = pombo.run_pombo(*command.split(), "--help").stdout
    return re.findall(r"^  (-.*)$", text, re.M)


def text_of(page):
    """Without over-striking."""
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=300", str(page)], capture_output=True, text=True)
    return re.sub(".\b", "", done.stdout)


def test_the_commands_of_the_interface():
    assert {"init", "run", "stop", "reload", "status", "domain add", "domain remove", "domain list", "account add", "account list",
            "account remove", "account show", "account password", "account disable", "account enable", "alias add",
            "alias remove", "alias list", "queue list", "queue show", "queue retry", "queue hold", "queue release",
            "queue remove", "trace", "send", "read", "import", "export", "backup", "restore", "dns"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    done = pombo.run_pombo(*command.split(), "--help")
    assert done.stdout.startswith(f"Usage: pombo {command}") and done.stderr == ""
    assert f"\nExample:\n  " in done.stdout and f"pombo {command}" in done.stdout.split("\nExample:\n")[1]
    assert "  --dir DIR\n" in done.stdout
    assert all(len(line) <= 140 for line in done.stdout.splitlines())
    assert pombo.run_pombo("help", *command.split()).stdout == done.stdout
    assert pombo.run_pombo("--dir", "/x", *command.split(), "-h").stdout == done.stdout
    usage = done.stdout.splitlines()[0]
    for option in re.findall(r"--[a-z-]+", usage):
        assert option == "--json" or any(option in line for line in options(command)), option


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_options_and_words(command):
    done = pombo.run_pombo(*command.split(), "--no-such-option", check=False)
    assert done.returncode == 64 and "there is no option --no-such-option" in done.stderr
    assert f"usage: pombo {command}" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("family", sorted({c.split()[0] for c in COMMANDS if " " in c}))
def test_families(family):
    members = [c for c in COMMANDS if c.startswith(family + " ")]
    for args in ([family, "--help"], ["help", family]):
        done = pombo.run_pombo(*args)
        assert all(f"  pombo {m} " in done.stdout for m in members) and done.stderr == ""
    done = pombo.run_pombo(family, check=False)
    assert done.returncode == 64 and "one of its commands must follow" in done.stderr and f"pombo {members[0]}" in done.stderr
    done = pombo.run_pombo(family, "nonsense", check=False)
    assert done.returncode == 64 and f"there is no '{family} nonsense'" in done.stderr


def test_words_that_are_no_command():
    done = pombo.run_pombo(check=False)
    assert done.returncode == 64 and done.stdout == "" and "Usage: pombo COMMAND" in done.stderr
    done = pombo.run_pombo("acount", check=False)
    assert done.returncode == 64 and "there is no such command; did you mean 'account'?" in done.stderr
    done = pombo.run_pombo("sned", check=False)
    assert done.returncode == 64 and "did you mean 'send'?" in done.stderr
    done = pombo.run_pombo("xyzzy", check=False)
    assert done.returncode == 64 and "see 'pombo --help'" in done.stderr
    done = pombo.run_pombo("--dir", check=False)
    assert done.returncode == 64 and "a folder must follow" in done.stderr
    done = pombo.run_pombo("--no-such", check=False)
    assert done.returncode == 64
    assert re.fullmatch(r"pombo \d+\.\d+\.\d+\n", pombo.run_pombo("--version").stdout)


def test_json_only_where_something_is_shown():
    for command in ("stop", "reload", "domain add", "alias remove", "account quota"):
        for args in ([*command.split(), "--json"], ["--json", *command.split()]):
            done = pombo.run_pombo(*args, check=False)
            assert done.returncode == 64 and "there is no option --json" in done.stderr


def test_common_options_stand_anywhere(make_server):
    server = make_server(start=False)
    d = str(server.dir)
    want = server.cli_json("domain", "list")
    for args in (["--dir", d, "--json", "domain", "list"], ["domain", "--json", f"--dir={d}", "list"],
                 ["domain", "list", "--json", "--dir", d], ["--json", "domain", "--dir", d, "list"]):
        assert json.loads(pombo.run_pombo(*args).stdout) == want
    assert json.loads(pombo.run_pombo("domain", "list", "--json", env={"POMBO_DIR": d}).stdout) == want


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([pombo.BINARY, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "cannot write to standard output: No space left on device" in done.stderr


# Manual pages


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_are_well_formed(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert done.stdout == "" and done.returncode == 0
    assert len(text_of(page)) > 500


def test_every_command_and_option_is_in_the_manual():
    text = text_of(MAN / "pombo.1")
    for command in COMMANDS:
        section = re.search(rf"^   pombo {command}\n(.*?)(?=^   pombo |^\S)", text, re.M | re.S)
        assert section, command
        for line in options(command):
            for option in re.findall(r"--[a-z-]+", line):
                assert option in section[1] or option == "--dir", (command, option)
    for status in (64, 65, 67, 69, 73, 75, 77, 78):
        assert re.search(rf"^     {status} ", text, re.M), status


def test_every_setting_is_in_the_manual_and_in_a_new_pombo_conf(tmp_path):
    defined = re.findall(r'^CONF_[A-Z]+\(\w+, "([a-z-]+)"', (pombo.ROOT / "src" / "conf" / "settings.def").read_text(), re.M)
    assert len(defined) > 40
    of_routes = re.findall(r'^CONF_[A-Z]+\(\w+, "([a-z-]+)"', (pombo.ROOT / "src" / "conf" / "routes.def").read_text(), re.M)
    assert len(of_routes) >= 8
    text = text_of(MAN / "pombo.conf.5")
    for key in of_routes:
        assert re.search(rf"^     {key}\b", text, re.M), key
    pombo.run_pombo("init", "--hostname", "mail.example.test", "--domain", "example.test", "--dir", tmp_path / "d")
    conf = (tmp_path / "d" / "pombo.conf").read_text()
    for key in defined:
        assert re.search(rf"^     {key}\b", text, re.M), key
        assert re.search(rf"^#?{key} = ", conf, re.M), key


def test_every_option_of_sendmail_is_in_its_manual():
    source = (pombo.ROOT / "src" / "cli" / "sendmail.c").read_text()
    letters = set(re.search(r'"\+([A-Za-z:]+)"', source)[1].replace(":", ""))
    page = (pombo.ROOT / "doc" / "man" / "sendmail.1").read_text()
    told = {w for line in re.findall(r"(?:Fl|,) ([A-Za-z ,]+)", page) for w in re.findall(r"\b[A-Za-z]\b", line)}
    assert letters - {"b", "q"} <= told | {"b", "q"}, letters - told


# Completion


def complete(*words):
    script = (f"source {MAN / 'pombo.bash'}; COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _pombo; "
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=True).stdout.split()


def test_completion():
    assert complete("pombo", "acc") == ["account"]
    assert set(complete("pombo", "")) >= {c.split()[0] for c in COMMANDS}
    assert "send-as" in complete("pombo", "account", "")
    assert complete("pombo", "account", "add", "--q") == ["--quota"]
    assert complete("pombo", "--dir", "/x", "domain", "li") == ["list"]
    for command in COMMANDS:
        told = {o for line in options(command) for o in re.findall(r"--[a-z-]+", line)}
        assert told <= set(complete("pombo", *command.split(), "--")), command


def test_installed(tmp_path):
    """Programs, pages and links, where they belong."""
    done = subprocess.run(["meson", "install", "-C", pombo.BUILD, "--no-rebuild", "--destdir", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    prefix = tmp_path / "usr" / "local"
    man = prefix / "share" / "man"
    for path in ("bin/pombo", "libexec/pombo/pombo-send", "libexec/pombo/pombo-stored",
                 "share/bash-completion/completions/pombo.bash"):
        assert (prefix / path).is_file(), path
    for page in PAGES:
        assert (man / f"man{page.suffix[1]}" / page.name).is_file(), page
    for link in ("sbin/sendmail", "bin/mailq", "bin/newaliases"):
        assert (prefix / link).resolve() == (prefix / "bin" / "pombo").resolve()
    data = tmp_path / "d"
    done = subprocess.run([prefix / "bin" / "pombo", "init", "--hostname", "mail.example.test", "--domain", "example.test",
                           "--dir", data], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path(data / "pombo.conf").exists()
