"""Chance that can be repeated: it depends on what is drawn for, not on when."""

from __future__ import annotations

import hashlib

_RANGE = 1 << 64


def drawn(seed: int, fault: str, command: str, vm: str, number: int) -> float:
    """A number from 0 up to 1 for the `number`-th call of this command for this VM; always the same one."""
    text = "\x00".join((str(seed), fault, command, vm, str(number)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / _RANGE
