"""What can be found wrong with a runbook: one rule id each, how bad it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.model.outcome import Finding, Level


@dataclass(frozen=True, slots=True)
class Rule:
    """`why` says what would go wrong in the recovery."""

    id: str
    level: Level
    title: str
    why: str
    fix: str


RULES: tuple[Rule, ...] = (
    Rule(
        "WAVE-001", "warning", "a row to import is in no wave",
        "No wave would bring the VM back.", "add it to a wave's select, or write no into its column import",
    ),
    Rule(
        "WAVE-002", "info", "a row is selected by several waves",
        "The first wave takes it, which may not be the one that was meant.",
        "make the selections exclude each other, or accept it",
    ),
    Rule(
        "WAVE-003", "warning", "a wave has no row",
        "Its steps and its gate would run for nothing.", "correct its select, or drop the wave",
    ),
    Rule(
        "WAVE-004", "warning", "a selection matches nothing",
        "What it was written for (a check, critical rows, an order) does not take place.",
        "correct the pattern: ingest runbook check shows how many rows each wave has",
    ),
    Rule(
        "PRE-001", "critical", "a prerequisite does not exist",
        "The wave could never begin.", "name a wave or a step that has that name",
    ),
    Rule(
        "PRE-002", "critical", "a prerequisite comes later, or waits for its own wave",
        "Each would wait for the other for ever.", "change the order of the waves, or drop the prerequisite",
    ),
    Rule(
        "RTO-001", "warning", "a target is earlier than predicted",
        "The target would be missed even if nothing goes wrong.",
        "raise the target, shorten steps or delays, import more at once, or move rows to a later wave",
    ),
    Rule(
        "RTO-002", "warning", "targets or time-outs contradict each other",
        "One of the two can never be kept.", "targets count from the start of the recovery and rise from wave to wave",
    ),
    Rule(
        "CHECK-001", "warning", "a health check has no address to ask",
        "The check could only fail.",
        "write nic#_ip into the row, or choose another nic, or a check of the kind tools",
    ),
    Rule(
        "CHECK-002", "warning", "a health check is of VMs that are not started",
        "Only started VMs are checked: nothing would be.", "start it (start: {vms: all}), or exclude it from the check",
    ),
    Rule(
        "PEOPLE-001", "warning", "nobody under people has the role a step or gate names",
        "In the night nobody would know whom to call.", "add the role to people, or correct the name",
    ),
    Rule(
        "SITE-001", "warning", "registration gives VMs a new identity",
        "VMs are then recognised by name or disks only, and guests see new network cards.",
        "write identity: moved, unless the originals still run",
    ),
    Rule(
        "NET-001", "warning", "a network of the plan is not in the table of networks",
        "The NIC gets what planning at the recovery site proposes, which may be nothing.",
        "add a line for it under networks.table",
    ),
    Rule(
        "NET-002", "critical", "a network of the table does not exist at the recovery site",
        "Every row that needs it would be refused.", "create it, or correct the name in networks.table",
    ),
    Rule(
        "NET-003", "warning", "an address fits no subnet rule",
        "The old address would be asked for in another network.", "add a line for it under networks.subnets",
    ),
    Rule(
        "NET-004", "critical", "two NICs would get one address",
        "The second import is refused.", "correct networks.subnets or the cells nic#_ip",
    ),
    Rule(
        "MATCH-001", "critical", "a row of the stored plan has no VM at the recovery site",
        "The VM would not come back.", "register its files, or write no into its column import",
    ),
    Rule(
        "MATCH-002", "warning", "a VM was not recognised by its instance UUID",
        "It may be another VM, or a copy that has a new identity.", "compare disks and MACs before it is imported",
    ),
    Rule(
        "MATCH-003", "critical", "several VMs could be the one of a row",
        "Importing the wrong one would bring an old state back.", "unregister the ones that are not meant",
    ),
    Rule(
        "MATCH-004", "warning", "a VM differs from its row",
        "What was replicated may be older or newer than the plan.", "make the nightly plan again, or accept it",
    ),
    Rule(
        "MATCH-005", "info", "a VM at the recovery site is in no row",
        "It is left alone: a recovery imports what the stored plan names.", "add it to the plan if it has to come back",
    ),
    Rule(
        "CARRY-001", "warning", "something the plan names does not exist at the recovery site",
        "What planning there proposes is taken instead.", "create it there under the same name, or edit the row",
    ),
)  # fmt: skip

_BY_ID = {rule.id: rule for rule in RULES}


def found(
    rule: str,
    message: str,
    *,
    row: int = 0,
    vm: str = "",
    column: str = "",
    value: str = "",
    level: Level | None = None,
) -> Finding:
    """A finding of that rule. `row` is a line of the plan or 0; `column` a column, or the key in the runbook."""
    known = _BY_ID[rule]
    return Finding(row, vm, column, rule, level or known.level, value, message, known.fix)
