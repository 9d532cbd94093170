"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """`1 row`, `3 rows`: a number and its noun, whose plural has an s."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
