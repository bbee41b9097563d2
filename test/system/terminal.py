# SPDX-License-Identifier: ISC
"""A program in a terminal that is driven by keys and looked at (tmux)."""
import subprocess
import time

from pombo import SLOW


class Terminal:
    """`folder` is the program's home and holds tmux's socket: one terminal a folder."""

    def __init__(self, folder, command):
        self.socket = folder / "tmux"
        settings = [f"HOME={folder}", "TERM=screen", "LC_ALL=C.UTF-8"]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50", "env", *settings, *command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def tmux(self, *args, check=True):
        command = ["tmux", "-S", str(self.socket), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30 * SLOW, check=check).stdout

    def keys(self, *keys):
        """tmux's names for keys ("Enter", "C-u"), or text to type."""
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def wait(self, text, timeout=20 * SLOW, nudge=None):
        """`nudge`: a key for programs that look at the network only when one is pressed."""
        deadline = time.monotonic() + timeout
        while text not in (screen := self.screen()):
            assert time.monotonic() < deadline, f"no {text!r} on\n{screen}"
            if nudge:
                self.keys(nudge)
            time.sleep(0.2 if nudge else 0.05)
        return screen

    def close(self):
        self.tmux("kill-server", check=False)
