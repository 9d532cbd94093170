"""`ingest twin journal|fault|calm|clock`: thin commands over the control endpoint of a running twin."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.cli.output import Format, show, talk
from ingest.errors import UsageError

if TYPE_CHECKING:
    from ingest.twin.control_client import ControlClient


def journal(*, format: Format = "table") -> int:
    """Show what truly happened in the running twin, and what follows from it.

    Parameters
    ----------
    format
        table: one line per entry, and the conclusions on stderr; json: the whole journal; csv: the entries.
    """
    control = _control()
    found = control.call("GET", "/journal")
    if format == "json":
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return 0
    rows = [
        {
            "at": datetime.fromtimestamp(entry["at"], UTC).isoformat(timespec="milliseconds"),
            "what": entry["kind"],
            "facts": " ".join(f"{name}={value}" for name, value in entry["facts"].items()),
        }
        for entry in found["entries"]
    ]
    show(rows, ("at", "what", "facts"), format)
    imports = control.call("GET")["imports"]
    talk.print(
        f"imports: {imports['accepted']} accepted, {imports['committed']} committed, {imports['imported_once']} VMs "
        f"imported once, {len(imports['duplicates'])} more than once, {len(imports['half_imported'])} half imported"
    )
    return 0


def fault(kind: str, /, *settings: str) -> int:
    """Set a fault in the running twin: ingest twin fault reset when=after command=importUnmanagedInstance.

    Parameters
    ----------
    kind
        One of docs/how-to/faults.md.
    settings
        KEY=VALUE, the keys of a script.
    """
    body: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError("expected KEY=VALUE", place=setting, cure="ingest twin fault --help")
        body[key] = _plain(value)
    (name,) = _control().call("POST", "/faults", body)["names"]
    talk.print(f"set: {name}", markup=False)
    return 0


def calm() -> int:
    """Take every fault of the running twin back, with what still lasts of it."""
    removed = _control().call("DELETE", "/faults")["removed"]
    talk.print(f"taken back: {removed}")
    return 0


def clock(*, jump: float = 0.0, speed: float | None = None) -> int:
    """Show the clock of the running twin, after a jump or with another speed when told so.

    Parameters
    ----------
    jump
        Set the wall clock forward by so many seconds, or back when negative.
    speed
        Twin seconds per real one, from now on.
    """
    order = {"jump": jump} | ({} if speed is None else {"speed": speed})
    shown = _control().call("POST", "/clock", order) if jump or speed is not None else _control().call("GET")["clock"]
    sys.stdout.write(f"{shown['now']} speed {shown['speed']:g}\n")
    return 0


def _plain(value: str) -> Any:
    """A number or truth value as such, anything else as text."""
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return parsed if isinstance(parsed, int | float | bool) else value


def _control() -> ControlClient:
    from ingest.twin.control_client import ControlClient

    return ControlClient.of_environment(os.environ)
