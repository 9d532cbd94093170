"""The plan of a recovery: the stored plan carried over to what the recovery site shows today.

Three sheets meet. The stored plan says what is wanted, a plan made from the recovery site's snapshot says what is there
and what would be proposed, and the runbook says how networks and addresses move. The result is an ordinary plan: it is
merged as `ingest plan --update` merges, so everything that reads plans can read it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from ingest.model.catalogue import Catalogue
from ingest.model.outcome import Finding
from ingest.plan.guesses import CONFIRM, GUESSES, PROPOSED, open_guesses, write_proposed
from ingest.plan.lookup import Lookup
from ingest.plan.merging import merged
from ingest.plan.sheet import Row, Sheet
from ingest.runbook.catalogue import found
from ingest.runbook.matching import Match, Matches, match_rows
from ingest.runbook.model import Networks
from ingest.runbook.remapping import Change, remap
from ingest.runbook.rows import disk_numbers, wants_import

_NIC_CELL = re.compile(r"nic\d+_(network|ip)\Z")
NOT_PLANNED = "not in the stored plan: a recovery leaves it alone"


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """`sheet` is the plan to check and to import; `changes` are the cells the runbook moved."""

    sheet: Sheet
    matches: Matches
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


def recovery_plan(stored: Sheet, now: Sheet, networks: Networks, catalogue: Catalogue) -> RecoveryPlan:
    """The stored plan for the VMs of `now`, a plan just made from the recovery site's snapshot. Neither is changed.

    What the stored plan wants is kept where the site knows it; otherwise what `now` proposes is taken, and said. Rows
    without a VM stay and are not imported; VMs without a row come last and are not imported.
    """
    matches = match_rows(stored.rows, now.rows)
    remapped = remap(stored.rows, networks, catalogue)
    findings = [*matches.findings, *remapped.findings]
    by_line = {match.stored.line: match for match in matches.pairs}
    decided: dict[int, set[str]] = defaultdict(set)
    for line, column in remapped.decided:
        decided[line].add(column)
    lookup = Lookup(catalogue)
    rows = []
    for row in remapped.rows:
        match = by_line.get(row.line)
        rows.append(_adopted(row, match, decided[row.line], lookup, findings) if match else row)
    adopted = Sheet(list(stored.columns), rows, list(stored.comments), stored.delimiter, stored.bom, stored.newline)
    sheet = merged(adopted, now)
    _leave_strangers(sheet, matches)
    _settle_guesses(sheet, adopted)
    _say_why(sheet, matches, remapped.changes)
    return RecoveryPlan(sheet, matches, remapped.changes, tuple(findings))


def _adopted(row: Row, match: Match, decided: set[str], lookup: Lookup, findings: list[Finding]) -> Row:
    """The stored row with the identity of its VM here, and as proposals only those cells that are to be made new.

    `merged` keeps a cell that differs from what was proposed: that is how everything else is kept.
    """
    cells = dict(row.cells)
    now = match.now
    cells |= {"instance_uuid": now["instance_uuid"], "moref": now["moref"], "vm": now["vm"]}
    ids = {now[f"disk{n}_label"]: now[f"disk{n}_id"] for n in disk_numbers(now)}
    for number in disk_numbers(row):
        old = row[f"disk{number}_id"]
        new = ids.get(row[f"disk{number}_label"], old)
        cells[f"disk{number}_id"] = new
        # A disk's id begins with its VM's: registered anew, the VM has another one, and so has the disk.
        if row["root_disk"] == old:
            cells["root_disk"] = new
    unknown = _unknown_here(row, match, lookup)
    findings += [
        found("CARRY-001", problem, row=row.line, vm=row["vm"], column=name, value=row[name])
        for name, problem in unknown.items()
        if wants_import(row)
    ]
    open_cells = {name for name in cells if _NIC_CELL.match(name)} - decided
    given_up = {name: cells[name] for name in (*unknown, *sorted(open_cells)) if cells[name]}
    cells[PROPOSED] = write_proposed(given_up)
    # A guess that was confirmed or changed in the stored plan is none any more; what is guessed today, nobody has seen.
    cells[CONFIRM] = ""
    cells[GUESSES] = " ".join(dict.fromkeys((*open_guesses(row), *given_up)))
    return Row(cells, row.line)


def _unknown_here(row: Row, match: Match, lookup: Lookup) -> dict[str, str]:
    """Wanted cells that name what the recovery site does not have, and why: in words of `Lookup`."""
    zone_id = lookup.zone_of(match.now["cluster_id"])
    problems: dict[str, str] = {}
    _, owner_problem = lookup.owner(row["account"], row["domain"], row["project"])
    if owner_problem:
        problems |= {name: owner_problem for name in ("account", "domain", "project") if row[name]}
    if row["service_offering"]:
        problems["service_offering"] = lookup.service_offering(row["service_offering"]).problem
    if row["template"]:
        problems["template"] = lookup.template(row["template"], zone_id).problem
    for column in (f"disk{number}_offering" for number in disk_numbers(row)):
        if row[column]:
            problems[column] = lookup.disk_offering(row[column]).problem
    return {name: problem for name, problem in problems.items() if problem}


def _leave_strangers(sheet: Sheet, matches: Matches) -> None:
    strangers = {(row["instance_uuid"], row["moref"]) for row in matches.strangers}
    for row in sheet.rows:
        if (row["instance_uuid"], row["moref"]) in strangers and wants_import(row):
            row["import"] = "no"
            row["reason"] = NOT_PLANNED


def _settle_guesses(sheet: Sheet, adopted: Sheet) -> None:
    """Of today's guesses, those stay that fill a cell anew, and those that were open in the stored plan."""
    before = {(row["instance_uuid"], row["moref"]): row for row in adopted.rows}
    for row in sheet.rows:
        was = before.get((row["instance_uuid"], row["moref"]))
        if was is not None:
            still_open = was[GUESSES].split()
            row[GUESSES] = " ".join(name for name in row[GUESSES].split() if name in still_open or not was[name])


def _say_why(sheet: Sheet, matches: Matches, changes: tuple[Change, ...]) -> None:
    """The reason of a moved cell is a line of the runbook, and that of a doubtful match is how it was made."""
    identity = {match.stored.line: (match.now["instance_uuid"], match.now["moref"]) for match in matches.pairs}
    rows = {(row["instance_uuid"], row["moref"]): row for row in sheet.rows}
    for change in changes:
        row = rows.get(identity.get(change.row, ("", "")))
        if row is not None:
            row["reason"] += f"; {change.column}={change.after}: was {change.before}, by the runbook ({change.why})"
    for match in matches.pairs:
        row = rows.get((match.now["instance_uuid"], match.now["moref"]))
        if row is not None and match.how != "instance UUID":
            row["reason"] += f"; recognised by its {match.how}"
