# SPDX-License-Identifier: ISC
"""Fixtures for tests against a real server. The server itself is test/system/pombo.py."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "system"))

import pombo  # noqa: E402  (its folder is on the path only now)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from order import LongestFirst  # xdist is there, since it asks

    return LongestFirst(config, log)


def pytest_report_header():
    return f"build under test: {pombo.BUILD}" + (" (with sanitizers)" if pombo.SANITIZED else "")


def pytest_collection_modifyitems(items):
    for item in items:
        if pombo.SANITIZED and item.get_closest_marker("release_only"):
            item.add_marker(pytest.mark.skip(reason="not with sanitizers"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets a fixture see whether its test failed: request.node.failed."""
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed


@pytest.fixture
def tell(request):
    """tell("what was counted"): stands at the end of the run, also where everything passed."""
    return lambda text: request.node.user_properties.append(("told", text))


def pytest_terminal_summary(terminalreporter):
    told = [(r.nodeid.split("::")[-1], text) for r in terminalreporter.getreports("passed") for key, text in r.user_properties if key == "told"]
    if told:
        terminalreporter.section("told")
    for name, text in told:
        terminalreporter.write_line(f"{name}: {text}")


@pytest.fixture
def make_server(request):
    """make_server(config=[...], users=[...], start=True): as many servers as a test wants, ended with it."""
    servers = []

    def make(*args, start=True, **kwargs):
        server = pombo.Server(*args, **kwargs)
        servers.append(server)
        return server.start() if start else server

    yield make
    errors = []
    for server in servers:
        try:
            server.finish(failed=getattr(request.node, "failed", False))
        except AssertionError as e:
            errors.append(e)
    if errors:
        raise errors[0]


@pytest.fixture
def server(make_server):
    """A running server of the test's own, with the account alice@example.test."""
    return make_server()


@pytest.fixture(scope="module")
def shared_server():
    """A running server for all tests of a module that leave no trace others would trip over."""
    with pombo.Server() as s:
        yield s
