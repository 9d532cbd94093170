"""The files shipped with the program: demo world and example rules."""

from __future__ import annotations

from pathlib import Path

_PLACES = (Path(__file__).parent.parent / "data", Path(__file__).parent / "data")


def data_file(name: str) -> Path:
    """The path of a shipped file: `data/` of a checkout, or inside the installed package."""
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} is not part of this installation (looked in {_PLACES[0]} and {_PLACES[1]})")
