"""Networks and addresses of the stored plan as they are at the recovery site. MACs are kept, always.

The table decides first; what no line of it fits keeps its name where the site has such a network. Addresses follow the
subnet rules; `auto` and empty cells stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model.catalogue import Catalogue
from ingest.model.outcome import Finding
from ingest.plan.lookup import nearest
from ingest.plan.patterns import fits
from ingest.plan.sheet import Row
from ingest.runbook.addresses import DECIDED_LATER, arrived, moved_address
from ingest.runbook.catalogue import found
from ingest.runbook.model import NetworkMap, Networks
from ingest.runbook.rows import nic_numbers, read_vlan, wants_import


@dataclass(frozen=True, slots=True)
class Change:
    """One cell of one row, before and after; `why` names the line of the runbook."""

    row: int
    vm: str
    column: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class Remapped:
    """The rows, changed copies; `decided` are the (line, column) cells the runbook or the site itself speaks for."""

    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    decided: frozenset[tuple[int, str]]
    findings: tuple[Finding, ...]


def remap(rows: Sequence[Row], networks: Networks, catalogue: Catalogue | None = None) -> Remapped:
    """Rows of the stored plan with networks and addresses of the recovery site. The rows given are not changed.

    Without the site's catalogue nobody can say which networks exist there: names are then taken on trust.
    """
    known = None if catalogue is None else {one.id: one.name for one in catalogue.networks}
    changes: list[Change] = []
    findings: list[Finding] = []
    decided: set[tuple[int, str]] = set()
    moved = []
    for row in rows:
        copy = Row(dict(row.cells), row.line)
        if wants_import(row):
            for number in nic_numbers(row):
                for column, after, why in (
                    _network(row, number, networks, known, findings),
                    _address(row, number, networks, findings),
                ):
                    if not why:
                        continue
                    decided.add((row.line, column))
                    if after != row[column]:
                        changes.append(Change(row.line, row["vm"], column, row[column], after, why))
                        copy[column] = after
        moved.append(copy)
    findings += _missing_networks(networks, known)
    findings += _twice(moved)
    return Remapped(tuple(moved), tuple(changes), frozenset(decided), tuple(findings))


def _network(
    row: Row, number: int, networks: Networks, known: dict[str, str] | None, findings: list[Finding]
) -> tuple[str, str, str]:
    """(column, network, why); an empty why leaves the choice to planning at the recovery site."""
    column = f"nic{number}_network"
    for index, line in enumerate(networks.table):
        if _fits(line, row, number):
            return column, line.new, f"networks.table[{index}]"
    wanted = row[column]
    if wanted and _is_known(wanted, known):
        return column, wanted, "the site has a network of that name"
    if wanted:
        near = nearest(wanted, (known or {}).values())
        text = f"no line of the table fits {row[f'nic{number}_label']}, and the site has no network '{wanted}'{near}"
        findings.append(found("NET-001", text, row=row.line, vm=row["vm"], column=column, value=wanted))
    return column, wanted, ""


def _is_known(text: str, known: dict[str, str] | None) -> bool:
    """Whether a name or UUID is one of the site's; `known` are names by UUID."""
    return known is None or text in known or text in known.values()


def _fits(line: NetworkMap, row: Row, number: int) -> bool:
    vlan = read_vlan(row[f"nic{number}_vlan"])
    id_ = {"none": 0, "id": vlan.id, "pvlan": vlan.primary, "trunk": None}[vlan.kind] if vlan else None
    return (
        (line.network is None or fits(line.network, [row[f"nic{number}_network"]]))
        and (line.portgroup is None or fits(line.portgroup, [row[f"nic{number}_portgroup"]]))
        and (line.vlan is None or line.vlan == id_)
    )


def _address(row: Row, number: int, networks: Networks, findings: list[Finding]) -> tuple[str, str, str]:
    """(column, address, why); as `_network`."""
    column = f"nic{number}_ip"
    wanted = row[column].strip()
    if not wanted:
        return column, wanted, ""
    if wanted.lower() == DECIDED_LATER:
        return column, wanted, "CloudStack picks the address"
    if not networks.subnets:
        return column, wanted, "the runbook has no subnet rules: addresses stay"
    moved, rule = moved_address(wanted, networks.subnets)
    if rule is not None:
        return column, moved, f"{rule.old} -> {rule.new}"
    if arrived(wanted, networks.subnets):
        return column, wanted, "it is an address of the recovery site"
    findings.append(
        found("NET-003", f"no subnet rule fits {wanted}", row=row.line, vm=row["vm"], column=column, value=wanted)
    )
    return column, wanted, ""


def _missing_networks(networks: Networks, known: dict[str, str] | None) -> list[Finding]:
    if known is None:
        return []
    return [
        found(
            "NET-002", f"network '{line.new}' does not exist at the recovery site{nearest(line.new, known.values())}",
            column=f"networks.table[{index}].new", value=line.new,
        )
        for index, line in enumerate(networks.table)
        if not _is_known(line.new, known)
    ]  # fmt: skip


def _twice(rows: Sequence[Row]) -> list[Finding]:
    """Two NICs of one network with one address. Equal addresses in different networks are fine."""
    users: dict[tuple[str, str], list[tuple[Row, str]]] = defaultdict(list)
    for row in rows:
        for number in nic_numbers(row) if wants_import(row) else ():
            address = row[f"nic{number}_ip"].strip()
            if address and address.lower() != DECIDED_LATER:
                users[row[f"nic{number}_network"], address].append((row, f"nic{number}_ip"))
    return [
        found(
            "NET-004", f"{address} in {network} goes to {members[0][0]['vm']} (line {members[0][0].line}) already",
            row=row.line, vm=row["vm"], column=column, value=address,
        )
        for (network, address), members in users.items()
        for row, column in members[1:]
    ]  # fmt: skip
