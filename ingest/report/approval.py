"""What a person reads before they approve a plan: Markdown that fits on a screen, whatever the size of the plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.counting import counted
from ingest.report.causes import Cause
from ingest.report.tables import markdown_table

_MOST_CAUSES = 10
_MOST_NAMES = 12
_MARKUP = re.compile(r"[\\`*_\[\]<>~]")


@dataclass(frozen=True, slots=True)
class WaveInShort:
    """A wave of the plan: rows that would be imported now, and rows an earlier run imported."""

    wave: int
    waiting: int
    done: int


def approval_text(
    *,
    folder: str,
    digest: str,
    report: str,
    waves: Sequence[WaveInShort],
    blocked: int,
    causes: Sequence[Cause],
    stopped: Mapping[str, Sequence[str]],
    started: Sequence[str],
) -> str:
    """The summary. `stopped` are the VMs that run now and would be switched off, by what may be done to them."""
    waiting = sum(one.waiting for one in waves)
    done = sum(one.done for one in waves)
    lines = [
        f"**{counted(waiting, 'VM')} would be imported**, {counted(blocked, 'row')} blocked"
        + (f", {done} done" if done else "")
        + "."
    ]
    if len(waves) > 1:
        rows = [{"wave": one.wave, "to import": one.waiting, "done": one.done} for one in waves]
        lines += ["", markdown_table(("wave", "to import", "done"), rows).rstrip()]
    words = {"shutdown": "asked to shut down", "off": "shut down, switched off hard if the guest does not"}
    for policy, names in stopped.items():
        what = f"{counted(len(names), 'running VM')} to be {words.get(policy, policy)}"
        lines += ["", f"**{what}** before the import: {_names(names)}."]
    if not stopped:
        lines += ["", "No running VM is switched off."]
    if started:
        lines += ["", f"{counted(len(started), 'VM')} to be started in CloudStack afterwards: {_names(started)}."]
    if causes:
        # A list, because the form is narrow and does not break the lines of a table.
        lines += ["", "Found by the checks; critical ones block their rows:", ""]
        lines += [f"- {_cause(one)}" for one in causes[:_MOST_CAUSES]]
        if len(causes) > _MOST_CAUSES:
            lines.append(f"- and {len(causes) - _MOST_CAUSES} more causes")
    lines += ["", f"Plan `{digest[:12]}` in `{folder}` on the worker; findings: `{report}`, calls: `calls.csv` there."]
    return "\n".join(lines)


def undo_text(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """What giving back would do, as Markdown. Rows are (VM or network, name, status of the preview, what is said)."""
    counts = Counter((kind, status) for kind, _, status, _ in rows)
    names: dict[str, list[str]] = {}
    for kind, name, status, _ in rows:
        if status in ("to-undo", "to-delete"):
            names.setdefault(kind, []).append(name)
    lines = [
        "**"
        + (", ".join(f"{number} {kind}s {status}" for (kind, status), number in counts.items()) or "nothing")
        + "**"
    ]
    for kind, known in names.items():
        what = "CloudStack forgets, vCenter keeps" if kind == "vm" else "Deleted if empty by then"
        lines += ["", f"{what}: {_names(known)}."]
    said = [{"name": name, "status": status, "why": why} for _, name, status, why in rows if why]
    if said:
        lines += ["", markdown_table(("name", "status", "why"), said[:_MOST_CAUSES]).rstrip()]
    return "\n".join(lines)


def _cause(cause: Cause) -> str:
    """One line, without markup of its own: names and messages are not ours."""
    said = " ".join(cause.messages[0][0].split()) if cause.messages else ""
    return f"**{cause.level}**, {counted(cause.rows, 'row')}, `{cause.rule}`: {_MARKUP.sub(_escaped, said)}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found.group()}"


def _names(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return ", ".join(f"`{name}`" for name in known[:_MOST_NAMES]) + more
