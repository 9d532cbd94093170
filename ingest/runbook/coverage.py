"""What a runbook's selections take hold of in a plan, and what they miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.model.outcome import Finding
from ingest.plan.sheet import Row
from ingest.runbook.addresses import address_of
from ingest.runbook.catalogue import found
from ingest.runbook.model import HealthCheck, HttpCheck, Runbook, TcpCheck
from ingest.runbook.selection import Selection
from ingest.runbook.wave_rows import WaveRows

_MOST_NAMES = 5


def selection_findings(one: WaveRows, fitting: Sequence[Row], taken: set[int]) -> Iterator[Finding]:
    """Waves without rows, and parts of them that select nothing. `fitting` are the rows its select fits."""
    key = f"waves[{one.number - 1}]"
    name = one.wave.name
    if not fitting:
        yield found("WAVE-003", f"wave {name}: no row to import fits its select", column=f"{key}.select")
        return
    if not taken:
        yield found(
            "WAVE-003", f"wave {name}: earlier waves have all of its {len(fitting)} rows", column=f"{key}.select"
        )
        return
    if one.wave.critical is not None and not one.critical:
        yield found("WAVE-004", f"wave {name}: critical selects none of its rows", column=f"{key}.critical")
    for index, selection in enumerate(one.wave.start.order):
        if not any(selection.selects(row) for row in one.rows):
            yield found(
                "WAVE-004", f"wave {name}: this part of the start order selects none of its rows",
                column=f"{key}.start.order[{index}]",
            )  # fmt: skip
    for index, check in enumerate(one.wave.checks):
        if not any(check.select.selects(row) for row in one.rows):
            text = f"wave {name}: the {check.kind} check selects none of its rows"
            yield found("WAVE-004", text, column=f"{key}.checks[{index}]")


def several_waves(runbook: Runbook, rows: Sequence[Row]) -> Iterator[Finding]:
    """Rows that a later wave would take too. A wave that selects everything means the rest."""
    choosy = [wave for wave in runbook.waves if wave.select != Selection()]
    for row in rows:
        names = [wave.name for wave in choosy if wave.select.selects(row)]
        if len(names) > 1:
            others = ", ".join(names[1:])
            yield found(
                "WAVE-002", f"runs in {names[0]}, though {others} would take it too", row=row.line, vm=row["vm"],
                column="vm",
            )  # fmt: skip


def check_findings(runbook: Runbook, one: WaveRows) -> Iterator[Finding]:
    """Checks that could only fail, or check nothing: of VMs that stay off, or without an address to ask."""
    for index, check in enumerate(one.wave.checks):
        concerned = [row for row in one.rows if row.line in one.checks[index]]
        off = [row for row in one.rows if check.select.selects(row)]
        if off and not concerned:
            text = f"wave {one.wave.name}: the {check.kind} check is of VMs that stay off: {_names(off)}"
            yield found("CHECK-002", text, column=f"waves[{one.number - 1}].checks[{index}]")
        nic = _asked_nic(check)
        for row in concerned if nic else ():
            if not address_of(row, nic, runbook.networks.subnets):
                text = f"{check.kind} check of {one.wave.name}: nic{nic}_ip and nic{nic}_guest_ip have no address"
                yield found("CHECK-001", text, row=row.line, vm=row["vm"], column=f"nic{nic}_ip")


def _asked_nic(check: HealthCheck) -> int:
    """The number of the NIC whose address the check asks; 0 when it needs none."""
    if isinstance(check, TcpCheck) or (isinstance(check, HttpCheck) and "{ip}" in check.url):
        return check.nic
    return 0


def _names(rows: Sequence[Row]) -> str:
    shown = ", ".join(row["vm"] for row in rows[:_MOST_NAMES])
    return f"{shown} and {len(rows) - _MOST_NAMES} more" if len(rows) > _MOST_NAMES else shown
