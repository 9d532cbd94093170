"""Which VM at the recovery site is the one of which row of the stored plan.

By instance UUID, then by name (with a MAC or the disks alike), then by the files of its disks, then by their sizes;
each only where exactly one row and one VM have it. What is certain comes first, so that a doubtful trait never takes a
VM from the row it belongs to.
Managed object ids mean nothing here: another vCenter gives others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.counting import counted
from ingest.model.outcome import Finding
from ingest.plan.sheet import Row
from ingest.runbook.catalogue import found
from ingest.runbook.rows import GIB, disk_numbers, nic_numbers, size_bytes, wants_import

How = Literal["instance UUID", "name", "disk files", "disk sizes"]


@dataclass(frozen=True, slots=True)
class Match:
    """A stored row and the row of the VM that was found for it."""

    stored: Row
    now: Row
    how: How


@dataclass(frozen=True, slots=True)
class Matches:
    """`missing` are stored rows without a VM, `strangers` VMs without a stored row, each in the order of its sheet."""

    pairs: tuple[Match, ...]
    missing: tuple[Row, ...]
    strangers: tuple[Row, ...]
    findings: tuple[Finding, ...]


def match_rows(stored: Sequence[Row], now: Sequence[Row]) -> Matches:
    """Rows of the stored plan to rows of a plan made at the recovery site, with what does not fit as findings.

    Findings carry the line and name of the stored row; strangers those of their own.
    """
    pairs: dict[int, Match] = {}
    doubts: dict[int, str] = {}
    for how, trait in _TRAITS:
        taken = {id(match.now) for match in pairs.values()}
        theirs = _by_trait([row for row in now if id(row) not in taken], trait)
        mine = _by_trait([row for index, row in enumerate(stored) if index not in pairs], trait)
        for index, row in enumerate(stored):
            value = trait(row)
            # Whoever shares an identity may be a copy: a weaker trait would only hide that.
            if index in pairs or not value or value not in theirs or doubts.get(index, "").endswith("instance UUID"):
                continue
            if len(theirs[value]) > 1 or len(mine[value]) > 1:
                both = f"{counted(len(theirs[value]), 'VM')} and {counted(len(mine[value]), 'row')}"
                doubts[index] = f"{both} have its {how}"
            elif how == "name" and not _akin(row, theirs[value][0]):
                doubts[index] = "a VM of that name is there, but neither a MAC nor the disks are the same"
            else:
                pairs[index] = Match(row, theirs[value][0], how)
    missing = [row for index, row in enumerate(stored) if index not in pairs]
    used = {id(match.now) for match in pairs.values()}
    strangers = [row for row in now if id(row) not in used]
    findings: list[Finding] = []
    for index, row in enumerate(stored):
        if not wants_import(row):
            continue
        if index in pairs:
            findings += _differences(pairs[index])
        else:
            findings.append(_lost(row, doubts.get(index, "")))
    findings += [
        found("MATCH-005", "no row of the stored plan is this VM", row=row.line, vm=row["vm"], column="vm")
        for row in strangers
    ]
    return Matches(tuple(pairs[index] for index in sorted(pairs)), tuple(missing), tuple(strangers), tuple(findings))


def _by_trait(rows: Sequence[Row], trait: Callable[[Row], Hashable]) -> dict[Hashable, list[Row]]:
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        value = trait(row)
        if value:
            groups[value].append(row)
    return groups


def _instance_uuid(row: Row) -> str:
    return row["instance_uuid"].lower()


def _files(row: Row) -> tuple[str, ...]:
    """Replication keeps folders and names of files; nothing when one of them is not known."""
    files = [row[f"disk{number}_file"] for number in disk_numbers(row)]
    return tuple(sorted(files)) if all(files) else ()


def _sizes(row: Row) -> tuple[int, ...]:
    """The sizes of a VM with one disk tell nothing: whole families have the same one."""
    sizes = sorted(size_bytes(row, number) for number in disk_numbers(row))
    return tuple(sizes) if len(sizes) > 1 and all(sizes) else ()


def _akin(stored: Row, now: Row) -> bool:
    """Whether a VM of the same name can be the same VM: other sites have a dns01 of their own."""
    return bool(_macs(stored) & _macs(now)) or (bool(_files(stored)) and _files(stored) == _files(now))


_TRAITS: tuple[tuple[How, Callable[[Row], Hashable]], ...] = (
    ("instance UUID", _instance_uuid),
    ("name", lambda row: row["vm"].casefold()),
    ("disk files", _files),
    ("disk sizes", _sizes),
)


def _lost(row: Row, why: str) -> Finding:
    if why:
        text = f"which VM it is cannot be told: {why}"
        return found("MATCH-003", text, row=row.line, vm=row["vm"], column="instance_uuid")
    text = "no VM has its instance UUID, its name or its disks"
    return found("MATCH-001", text, row=row.line, vm=row["vm"], column="instance_uuid", value=row["instance_uuid"])


def _differences(match: Match) -> list[Finding]:
    """What speaks against a match, and what changed since the plan was made."""
    stored, now = match.stored, match.now

    def one(rule: str, text: str, column: str) -> Finding:
        return found(rule, text, row=stored.line, vm=stored["vm"], column=column, value=stored[column])

    findings = []
    if match.how != "instance UUID":
        seen = now["instance_uuid"] or "none"
        findings.append(
            one("MATCH-002", f"recognised by its {match.how}; its instance UUID is {seen}", "instance_uuid")
        )
    if stored["vm"] != now["vm"]:
        findings.append(one("MATCH-004", f"is called {now['vm']} at the recovery site", "vm"))
    for column, noun in (("cpus", "CPUs"), ("memory_mib", "MiB of memory")):
        if stored[column] != now[column]:
            findings.append(one("MATCH-004", f"had {stored[column]} {noun}, has {now[column]}", column))
    macs, others = _macs(stored), _macs(now)
    if macs != others:
        changed = ", ".join(sorted(others ^ macs)) or "none"
        findings.append(one("MATCH-004", f"MACs differ: {changed}", "nic1_mac"))
    were, are = _disks(stored), _disks(now)
    for label in sorted(were.keys() | are.keys()):
        if were.get(label) != are.get(label):
            text = f"{label} was {_size_words(were, label)}, is {_size_words(are, label)}"
            findings.append(one("MATCH-004", text, "disk1_size_gib"))
    return findings


def _macs(row: Row) -> frozenset[str]:
    return frozenset(row[f"nic{number}_mac"].lower() for number in nic_numbers(row))


def _disks(row: Row) -> dict[str, int]:
    return {row[f"disk{number}_label"]: size_bytes(row, number) for number in disk_numbers(row)}


def _size_words(sizes: dict[str, int], label: str) -> str:
    return f"{sizes[label] / GIB:.10g} GiB" if label in sizes else "absent"
