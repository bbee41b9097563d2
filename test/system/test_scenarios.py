# SPDX-License-Identifier: ISC
"""Every dialogue of test/system/data, against a real server. What a dialogue can say: scenario.py."""
import pathlib

import pytest

from scenario import Scenario

FILES = sorted(p for p in (pathlib.Path(__file__).parent / "data").rglob("*") if p.suffix in (".smtp", ".imap", ".pop3"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_scenario(path, request):
    scenario = Scenario(path)
    if scenario.config:
        server = request.getfixturevalue("make_server")(config=scenario.config)
    else:
        server = request.getfixturevalue("shared_server")
    scenario.run(server)
