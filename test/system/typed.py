# SPDX-License-Identifier: ISC
"""pombo at a terminal: its prompts are waited for and answered, as somebody at a keyboard does."""
import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pombo


def _in_its_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background was born ignoring it


class Typed:
    """The command's end of the terminal stays open here as well: of one that nobody has open any more the last lines can be lost."""

    def __init__(self, *args, timeout=30 * pombo.SLOW, **env):
        self.seen, self.timeout = b"", timeout
        self.ours, self.its = pty.openpty()
        os.set_blocking(self.ours, False)
        self.command = subprocess.Popen([pombo.BINARY, *args], stdin=self.its, stdout=self.its, stderr=self.its, env={**os.environ, **env},
                                        start_new_session=True, preexec_fn=_in_its_terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.command.kill()
        self.command.wait()
        os.close(self.ours)
        os.close(self.its)

    def _read(self):
        select.select([self.ours], [], [], 0.05)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.seen += os.read(self.ours, 65536)

    def until(self, what):
        """Waits for it to be shown, and forgets all up to its end."""
        deadline = time.monotonic() + self.timeout
        while what not in self.seen:
            assert time.monotonic() < deadline, self.seen
            self._read()
        self.seen = self.seen[self.seen.index(what) + len(what):]

    def type(self, keys):
        os.write(self.ours, keys)

    def end(self):
        """Waits for the command's end; (status, what was shown since the last until())."""
        deadline = time.monotonic() + self.timeout
        while self.command.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self._read()
        self._read()
        return self.command.returncode, self.seen.decode()


def at_terminal(args, answers):
    """Runs pombo with a terminal; types each answer when its prompt has come. (status, what was shown after the last prompt)"""
    with Typed(*args) as t:
        for prompt, answer in answers:
            t.until(prompt)
            t.type(answer)
        return t.end()
