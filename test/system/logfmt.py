# SPDX-License-Identifier: ISC
"""Reads pombo's log lines back: `time=… level=… role=… event=… key="quoted value"`."""
import json
import re

FIELD = re.compile(r'([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')


def parse(line):
    """A dict of strings, or None for a line that is not logfmt."""
    fields = {}
    at = 0
    line = line.strip()
    while at < len(line):
        m = FIELD.match(line, at)
        if not m:
            return None
        fields[m[1]] = json.loads(m[2], strict=False) if m[2].startswith('"') else m[2]
        at = m.end()
    return fields or None
