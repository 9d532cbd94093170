"""What a person reads before they approve a plan: Markdown that fits on a screen, whatever the size of the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.report.causes import Cause
from ingest.report.tables import markdown_table

_MOST_CAUSES = 10
_MOST_NAMES = 12


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
        f"**{waiting} VMs would be imported**, {blocked} rows are blocked"
        + (f", {done} are done" if done else "")
        + "."
    ]
    if len(waves) > 1:
        rows = [{"wave": one.wave, "to import": one.waiting, "done": one.done} for one in waves]
        lines += ["", markdown_table(("wave", "to import", "done"), rows).rstrip()]
    words = {"shutdown": "asked to shut down", "off": "shut down, switched off hard if the guest does not"}
    for policy, names in stopped.items():
        lines += [
            "",
            f"**{len(names)} running VMs are {words.get(policy, policy)}** before their import: {_names(names)}.",
        ]
    if not stopped:
        lines += ["", "No running VM is switched off."]
    if started:
        lines += ["", f"{len(started)} VMs are started in CloudStack afterwards: {_names(started)}."]
    if causes:
        shown = [
            {"rows": one.rows, "level": one.level, "rule": one.rule, "what": one.messages[0][0] if one.messages else ""}
            for one in causes[:_MOST_CAUSES]
        ]
        lines += ["", markdown_table(("rows", "level", "rule", "what"), shown).rstrip()]
        if len(causes) > _MOST_CAUSES:
            lines.append(f"\nand {len(causes) - _MOST_CAUSES} more causes.")
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


def _names(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return ", ".join(f"`{name}`" for name in known[:_MOST_NAMES]) + more
