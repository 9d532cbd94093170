"""Entity names: vCenter escapes slash, backslash and percent; people see them decoded, servers get them raw."""

from __future__ import annotations

import re

_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}


def decoded(name: str) -> str:
    """A raw entity name as people wrote it: `web%2f1` -> `web/1`. Anything else after a percent sign stays."""
    return re.sub("%2f|%5c|%25", lambda match: _ESCAPES[match.group().lower()], name, flags=re.IGNORECASE)
