# SPDX-License-Identifier: ISC
"""`make demo` shows what it promises, fails when a step does, and leaves nothing behind."""
import os
import re
import signal
import subprocess
import time

import pytest

import pombo
import processes
from ports import PortBlock


@pytest.fixture
def offset():
    ports = PortBlock()
    yield str(ports.offset)
    ports.close()


def run_demo(offset, **env):
    """(status, output, its folder, its session)"""
    demo = subprocess.Popen([pombo.ROOT / "tools" / "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL, start_new_session=True,
                            env={**os.environ, "POMBO_BUILD": str(pombo.BUILD), "OFFSET": offset, **env})
    output, _ = demo.communicate(timeout=60 * pombo.SLOW)
    folder = re.search(r"--dir (/tmp/pombo-demo\.\w+)/data", output)
    return demo.returncode, output, folder and folder[1], demo.pid


def test_demo(offset):
    status, output, folder, session = run_demo(offset)
    assert status == 0, output
    for text in ("hello from pombo", "hello from curl", "All of it worked"):
        assert text in output
    assert not os.path.exists(folder) and not processes.in_session(session)


def test_demo_keeps_the_server_when_asked(offset):
    status, output, folder, session = run_demo(offset, KEEP="1")
    try:
        assert status == 0, output
        pid, rest = re.search(r"end it +kill (\d+) && (.*)", output).groups()
        assert int(pid) in processes.in_session(session)
        os.kill(int(pid), signal.SIGTERM)
        deadline = time.monotonic() + pombo.STOP_TIMEOUT_S
        while processes.in_session(session) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not processes.in_session(session)
        subprocess.run(rest, shell=True, check=True)
        assert not os.path.exists(folder)
    finally:
        processes.kill(processes.in_session(session))


def test_demo_fails_when_mail_does_not_arrive(offset, tmp_path):
    """With a curl that only pretends, the demo must notice."""
    (tmp_path / "curl").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "curl").chmod(0o755)
    status, output, folder, session = run_demo(offset, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert status == 1 and "demo: FAILED: INBOX does not hold two messages" in output
    assert not os.path.exists(folder) and not processes.in_session(session)
