# SPDX-License-Identifier: ISC
"""`make demo` shows what it promises, fails when a step does, and leaves nothing behind."""
import contextlib
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
def offsets():
    """Of the server and of the one that it sends to."""
    with contextlib.closing(PortBlock()) as ports, contextlib.closing(PortBlock()) as far_ports:
        yield {"OFFSET": str(ports.offset), "FAR_OFFSET": str(far_ports.offset)}


def run_demo(offsets, **env):
    """(status, output, its folder, its session)"""
    demo = subprocess.Popen([pombo.ROOT / "tools" / "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            stdin=subprocess.DEVNULL, start_new_session=True,
                            env={**os.environ, "POMBO_BUILD": str(pombo.BUILD), **offsets, **env})
    output, _ = demo.communicate(timeout=90 * pombo.SLOW)
    folder = re.search(r"--dir (/tmp/pombo-demo\.\w+)/data", output)
    return demo.returncode, output, folder and folder[1], demo.pid


def test_demo(offsets):
    status, output, folder, session = run_demo(offsets)
    assert status == 0, output
    for text in ("hello from pombo", "hello from curl", "All of it worked"):
        assert text in output
    # What became of the message that left: its whole life, on a line each.
    life = output.partition("$ pombo trace ")[2].partition("$ pombo queue list")[0]
    for text in (r"received from alice@example\.test ", r"queued for carol@far\.test$", r"notice to alice@example\.test: ",
                 r"sent carol@far\.test to localhost \(.*, route partner\), TLSv1\.3 .* \(certificate verified\), which said: 250 ",
                 r"failed nobody@far\.test by localhost .*: 550 5\.1\.1 "):
        assert re.search(rf"^      20\S+ \S+ {text}", life, re.M), life
    assert not os.path.exists(folder) and not processes.in_session(session)


def test_demo_keeps_the_server_when_asked(offsets):
    status, output, folder, session = run_demo(offsets, KEEP="1")
    try:
        assert status == 0, output
        pid, far, rest = re.search(r"end it +kill (\d+) (\d+) && (.*)", output).groups()
        for supervisor in (int(pid), int(far)):
            assert supervisor in processes.in_session(session)
            os.kill(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + pombo.STOP_TIMEOUT_S
        while processes.in_session(session) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not processes.in_session(session)
        subprocess.run(rest, shell=True, check=True)
        assert not os.path.exists(folder)
    finally:
        processes.kill(processes.in_session(session))


def test_demo_fails_when_mail_does_not_arrive(offsets, tmp_path):
    """With a curl that only pretends, the demo must notice."""
    (tmp_path / "curl").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "curl").chmod(0o755)
    status, output, folder, session = run_demo(offsets, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert status == 1 and "demo: FAILED: INBOX does not hold two messages" in output
    assert not os.path.exists(folder) and not processes.in_session(session)
