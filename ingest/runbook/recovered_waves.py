"""The waves of a recovery: assigned by what the stored plan knows, run with the rows of the recovery plan.

Folders, hosts and power states at the recovery site say nothing of the site that was lost: a replica lies in another
folder and is switched off. So selections, starts and addresses are judged by stored rows, and carried over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.plan.sheet import Row, Sheet
from ingest.runbook.addresses import address_of
from ingest.runbook.assignment import Assignment, assign_waves
from ingest.runbook.model import Runbook
from ingest.runbook.recovery_plan import RecoveryPlan
from ingest.runbook.rows import nic_numbers, wants_import
from ingest.runbook.wave_rows import WaveRows


@dataclass(frozen=True, slots=True)
class RecoveredWaves:
    """`assignment` holds rows of the recovery plan that are to be imported; its findings speak of the stored plan.

    `addresses` by (line of the recovery plan, number of the NIC) are where health checks find a VM: '' is nowhere,
    `auto` is known after the import.
    """

    assignment: Assignment
    addresses: Mapping[tuple[int, int], str]


def recovered_waves(
    runbook: Runbook, stored: Sheet, recovery: RecoveryPlan, *, import_s: float | None = None, in_flight: int = 5
) -> RecoveredWaves:
    """The waves of the stored plan with the rows that stand for its VMs now. Arguments as `assign_waves`."""
    before = assign_waves(runbook, stored, import_s=import_s, in_flight=in_flight)
    # `merged` keeps the order of the stored plan and appends: the rows are the same ones, place by place.
    now = {old.line: new for old, new in zip(stored.rows, recovery.sheet.rows, strict=False)}
    alive = {line: row for line, row in now.items() if wants_import(row)}
    assignment = Assignment(
        waves=tuple(_carried(one, alive) for one in before.waves),
        leftovers=tuple(alive[row.line] for row in before.leftovers if row.line in alive),
        findings=before.findings,
        predictions=before.predictions,
    )
    return RecoveredWaves(assignment, _addresses(runbook, stored, alive))


def _carried(one: WaveRows, alive: Mapping[int, Row]) -> WaveRows:
    def lines(before: frozenset[int]) -> frozenset[int]:
        return frozenset(alive[line].line for line in before if line in alive)

    return WaveRows(
        number=one.number,
        wave=one.wave,
        rows=tuple(alive[row.line] for row in one.rows if row.line in alive),
        critical=lines(one.critical),
        started=lines(one.started),
        checks=tuple(lines(check) for check in one.checks),
    )


def _addresses(runbook: Runbook, stored: Sheet, alive: Mapping[int, Row]) -> dict[tuple[int, int], str]:
    found = {}
    for row in stored.rows:
        if row.line not in alive:
            continue
        now = alive[row.line]
        places = {now[f"nic{number}_label"]: number for number in nic_numbers(now)}
        for number in nic_numbers(row):
            place = places.get(row[f"nic{number}_label"])
            if place is not None:
                found[now.line, place] = address_of(row, number, runbook.networks.subnets)
    return found
