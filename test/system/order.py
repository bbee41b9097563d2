# SPDX-License-Identifier: ISC
"""In which order tests go to the processes of xdist: what takes longest first, so that nobody is left alone with it at the end; tests
that share a server of their module stay together, so that it is started once; all others one by one to whoever is free."""
import ast
import pathlib

from xdist.scheduler import LoadScopeScheduling

# By the beginning of their names, the longest first. A file alone: its tests that stay together.
LONGEST = (
    "test_crash.py::",
    "test_programs.py::test_testssl",
    "test_tls_policy.py::test_a_report_by_mail_is_given_up_after_a_day",
    "test_hosts.py",
    "test_backup.py::test_kills_leave_nothing_half",
    "test_silent.py::",
    "test_send.py::test_replies[8]",
    "test_programs.py::test_mutt_sends",
    "test_auth.py::test_guessing_is_slow_and_locks_nobody_out",
    "test_auth.py::test_a_known_address_is_remembered_over_a_restart",
    "test_more_clients.py::test_mbsync_thousands",
    "test_clock.py::",
    "test_cli_init.py::test_interrupted",
    "test_resolver.py",
    "test_tls_policy.py::test_tlsa_records_that_cannot_be_had",
    "test_relay.py::test_a_dead_destination_holds_up_nobody",
    "test_relay.py::test_connections_that_lead_nowhere_give_way",
    "test_relay.py::test_a_smart_host_with_a_password",
)
TESTS = pathlib.Path(__file__).resolve().parent.parent


def sharing(path):
    """The names of a module's tests that use something of the whole module's."""
    functions = [f for f in ast.parse(path.read_text()).body if isinstance(f, ast.FunctionDef)]
    asks = {f.name: {a.arg for a in f.args.args} for f in functions}
    shared = {"shared_server"} | {f.name for f in functions if any("scope='module'" in ast.unparse(d) for d in f.decorator_list)}
    fixtures = [f.name for f in functions if any("fixture" in ast.unparse(d) for d in f.decorator_list)]
    while more := {name for name in fixtures if name not in shared and asks[name] & shared}:
        shared |= more
    return {name for name, wanted in asks.items() if name.startswith("test_") and wanted & shared}


class LongestFirst(LoadScopeScheduling):
    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.sharing = {path.name: sharing(path) for path in TESTS.rglob("test_*.py")}

    def _split_scope(self, nodeid):
        """Tests of which this is the same go to one process, one after the other."""
        path, _, test = nodeid.partition("::")
        file = path.rpartition("/")[2]
        alone = any("::" in beginning and f"{file}::{test}".startswith(beginning) for beginning in LONGEST)
        return file if test.partition("[")[0] in self.sharing[file] and not alone else nodeid

    @staticmethod
    def place(scope):
        """Among the longest; behind them without one there."""
        return next((n for n, beginning in enumerate(LONGEST) if f"/{beginning}" in f"/{scope}"), len(LONGEST))

    def _assign_work_unit(self, node):
        first = min(self.workqueue, key=lambda scope: (self.place(scope), -len(self.workqueue[scope])))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)
