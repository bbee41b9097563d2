# SPDX-License-Identifier: ISC
"""The harness of the system tests must notice everything that is not a clean life, and leave nothing behind."""
import pathlib

import pytest

import logfmt
import pombo
import ports
import processes
from scenario import Scenario

HERE = pathlib.Path(__file__).parent


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(pombo, "BINARY", HERE / "fake-pombo")


def server(how):
    return pombo.Server(env={"FAKE": how})


def live(how, tolerate=()):
    with server(how) as s:
        s.tolerate(*tolerate)
        session, top = s.session, s.top
        assert len(s.pids()) == 2 and s.pss_kib() > 100 and s.cpu_s() > 0
        assert s.pids("sleep") == s.pids()[1:] and s.wait_role("sleep")
    assert processes.in_session(session) == [] and not top.exists()


def test_a_clean_life_is_accepted():
    live("")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("ignores TERM", "no end 0.5 s after SIGTERM"),
        ("leaves a child", "processes left after the end: .* sleep 600"),
        ("bad status", "ended with status 4"),
        ("alarm", "alarm in the log: .*AddressSanitizer"),
        ("crash", "alarm in the log: .*exited unexpectedly"),
    ],
)
def test_what_is_not_clean_is_noticed(how, words, monkeypatch):
    if how == "ignores TERM":
        monkeypatch.setattr(pombo, "STOP_TIMEOUT_S", 0.5)
    s = server(how)
    with pytest.raises(AssertionError, match=words), s:
        session = s.session
        s.wait_log(event="all_said")  # the lines that follow ready= are there
    assert processes.in_session(session) == [] and not s.top.exists()


def test_a_tolerated_line_is_no_alarm():
    live("crash", tolerate=["smtpd exited unexpectedly"])


@pytest.mark.parametrize(("how", "timeout", "words"), [("never ready", 0.5, "no log line with"), ("ends early", 60, "ended with status 3")])
def test_a_start_that_fails_is_noticed(how, timeout, words):
    s = server(how)
    with pytest.raises(AssertionError, match=words):
        s.start(timeout=timeout)
    session = s.session
    s.remove()
    assert processes.in_session(session) == []


def test_kill_all_leaves_nobody():
    s = server("ignores TERM").start()
    session = s.session
    s.kill_all()
    assert processes.in_session(session) == [] and not s.running
    s.remove()


def test_settings_are_replaced():
    s = server("")
    s.configure(["max = 3", "other = 4"])
    assert s.setting("max") == "3" and s.setting("other") == "4" and s.setting("none") is None
    assert (s.dir / "pombo.conf").read_text().count("max =") == 2  # one of them a comment
    s.remove()


def test_port_blocks_do_not_meet():
    a, b = ports.PortBlock(), ports.PortBlock()
    assert not {a[s] for s in ports.SERVICES} & {b[s] for s in ports.SERVICES}
    assert len(ports.OFFSETS) > 200
    a.close()
    b.close()


def test_log_lines_are_read_back():
    assert logfmt.parse(r'event=a text="x \"y\" \u000a" n=1') == {"event": "a", "text": 'x "y" \n', "n": "1"}
    assert logfmt.parse("==1==ERROR: AddressSanitizer: x") is None


def test_a_line_that_is_half_written_is_not_read():
    """One write is not seen as one by who reads the file meanwhile."""
    s = server("")
    s.log_file.write_text("event=sent to=a tls=x\nevent=sent to=b t")
    assert [line["to"] for line in s.log_lines(event="sent")] == ["a"]
    s.log_file.write_text("event=sent")
    assert s.log_lines() == []
    s.remove()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("S: 220 ${hostname} *\nC: EHLO x\nR: 250 2.0.0 *\nR+ 250-first\nR- *second\nSILENCE 0.1\nC: QUIT\nS: 221 *\nCLOSED\n", None),
        ("S: 221 *\n", "t.smtp:1: S: 221"),
        ("S: 220 *\nC: EHLO x\nR: 550 *\n", "t.smtp:3: R: 550"),
        ("S: 220 *\nC: EHLO x\nR: 250 *\nR+ *second\n", "no line matches"),
        ("S: 220 *\nC: EHLO x\nR: 250 *\nR- *first\n", "a line matches"),
        ("SILENCE 60\n", "not silent"),
        ("S: 220 *\nB: QUIT\\r\\n\nCLOSED\n", "before the end came"),
        ("S: 220 *\nB: QUIT\\r\\n\nCLOSED 221 *\n", None),
        ("S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *\n", "connection closed after"),
        ("X: 220\n", "not a step"),
    ],
    ids=range(10),
)
def test_scenarios_fail_where_they_should(tmp_path, text, words):
    path = tmp_path / "t.smtp"
    path.write_text(text)
    with server("") as s:
        if words:
            with pytest.raises(AssertionError, match=words):
                Scenario(path).run(s)
        else:
            Scenario(path).run(s)
