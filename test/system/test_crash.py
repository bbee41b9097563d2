# SPDX-License-Identifier: ISC
"""kill -9 at random under load: what was acknowledged is there, exactly once (test/crash/crash.py, relay_crash.py, imap_crash.py, tool_crash.py; `make crash` does it 10,000 times)."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
import crash  # noqa: E402
import imap_crash  # noqa: E402
import relay_crash  # noqa: E402
import tool_crash  # noqa: E402
from pombo import SANITIZED  # noqa: E402


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost(seed):
    done, _, acknowledged, _ = crash.run(kills=40 if SANITIZED else 120, seed=seed)
    assert done and acknowledged


@pytest.mark.timeout(600)
def test_who_is_written_to_elsewhere_gets_it_and_twice_only_where_nobody_could_know(tell):
    tell(relay_crash.run(kills=15 if SANITIZED else 50, seed=1))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_change_of_mailboxes_is_lost_or_half_done(seed):
    kinds = ("APPEND", "MULTIAPPEND", "REPLACE", "COPY", "MOVE", "STORE", "EXPUNGE", "RENAME")
    done, lost = imap_crash.run(kills=15 if SANITIZED else 40, seed=seed, kinds=kinds)
    assert all(done[kind] for kind in kinds)
    assert lost, "no command was under way when something was killed: this proves nothing"


@pytest.mark.timeout(600)
def test_an_import_from_a_server_that_is_killed_brings_everything_once():
    done = tool_crash.run_import(kills=4 if SANITIZED else 8, seed=1)
    assert done["imapd"] + done["stored"] + done["everything"]


@pytest.mark.timeout(600)
def test_backups_under_kills_are_whole_and_hold_what_was_acknowledged():
    done, states = tool_crash.run_backup(kills=3 if SANITIZED else 6, seed=1)
    assert done and states > 1
