"""Case files of the checks (tests/cases/plan/*.yaml): a change of the small site, and the findings to come.

`change` is applied before the plan is made, `sheet` to the plan (`vm/column: text`), `later` to the site before the
check. Paths lead through names, ids or numbers from 1 (`vms/web01/nics/1/mac`, `networks/shop-100/broadcasturi`);
null takes away, `<list>/+` appends a copy of `like` with changes. `vms` are vCenter's: CloudStack's records follow
them. What else vCenter has is under `vcenter` (`vcenter/hosts/esx2/portgroups`). `findings` are all of them, as
`vm column rule level`.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import TypeAdapter

from ingest.model.catalogue import Catalogue
from ingest.model.inventory import Inventory, VirtualMachine
from ingest.model.outcome import Finding
from ingest.model.snapshot import Snapshot
from ingest.plan.frames import frames, verdict_frame
from ingest.plan.predict.rows import verdicts
from ingest.plan.resolve import ResolvedRow, resolve
from ingest.plan.sheet import Row, Sheet
from ingest.plan.validate import blocked_lines, judge
from tests.plan import small_site as site

FOLDER = Path(__file__).parents[1] / "cases" / "plan"
_VMS = TypeAdapter(tuple[VirtualMachine, ...])
_INVENTORY = TypeAdapter(Inventory)


@dataclass(frozen=True)
class Case:
    check: str
    title: str
    change: dict[str, Any] = field(default_factory=dict)
    sheet: dict[str, str] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.check} {self.title}"


def all_cases() -> list[Case]:
    return [
        Case(**entry)
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def changed_site(changes: dict[str, Any]) -> Snapshot:
    """The small site with changes applied: first those of VMs, then those of the catalogue made from them."""
    vms = {"vms": _VMS.dump_python(site.everyone())}
    for path, value in changes.items():
        if path.startswith("vms/"):
            _change(vms, path, value)
    machines = _VMS.validate_python(vms["vms"])
    shown = [vm for vm in machines if vm.cluster_moref == "domain-c1" and not vm.template and vm.name != "legacy01"]
    catalogue = site.catalogue(shown).model_dump()
    for path, value in changes.items():
        if not path.startswith(("vms/", "vcenter/")):
            _change(catalogue, path, value)
    inventory = site.inventory(machines)
    if any(path.startswith("vcenter/") for path in changes):
        vcenter = _INVENTORY.dump_python(inventory)
        for path, value in changes.items():
            if path.startswith("vcenter/"):
                _change(vcenter, path.removeprefix("vcenter/"), value)
        inventory = _INVENTORY.validate_python(vcenter)
    return Snapshot(
        taken_at="2026-01-01T00:00:00+00:00",
        inventory=inventory,
        catalogue=Catalogue.model_validate(catalogue),
    )


def edit(sheet: Sheet, changes: dict[str, str]) -> None:
    """Write cells, `vm/column` by `vm/column`; columns the sheet does not have are added."""
    for path, text in changes.items():
        vm, column = path.split("/")
        sheet.add_columns([column])
        next(row for row in sheet.rows if row["vm"] == vm)[column] = text


def judged_together(sheets: Iterable[tuple[list[Row], Snapshot]]) -> list[list[Finding]]:
    """The findings of each sheet, as `validate` would give them; the lines are moved.

    The tables of all sheets are judged at once, as the rows of one long sheet are: a sheet takes milliseconds then.
    """
    resolved = [(resolve(cells, snapshot), snapshot) for cells, snapshot in sheets]
    alone = _judged([(rows, frames(rows, snapshot)) for rows, snapshot in resolved])
    tables = []
    for (rows, snapshot), findings in zip(resolved, alone, strict=True):
        blocked = {line % APART for line in blocked_lines(findings)}
        said = verdicts(rows, snapshot, left_out=blocked)
        tables.append((rows, {"verdict": verdict_frame(rows, snapshot, said, blocked)}))
    return [first + second for first, second in zip(alone, _judged(tables), strict=True)]


APART = 1000


def _judged(sheets: list[tuple[list[ResolvedRow], dict[str, pd.DataFrame]]]) -> list[list[Finding]]:
    rows: list[ResolvedRow] = []
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, (mine, tables) in enumerate(sheets, start=1):
        for name, table in tables.items():
            for record in table.to_dict("records"):
                moved = {"_index": record["_index"] + len(rows), "row": record["row"] + APART * number}
                records[name].append({str(key): value for key, value in record.items()} | moved)
        rows.extend(mine)
    findings: list[list[Finding]] = [[] for _ in sheets]
    for finding in judge({name: pd.DataFrame(table) for name, table in records.items()}, rows):
        findings[finding.row // APART - 1].append(finding)
    return findings


def _change(root: Any, path: str, value: Any) -> None:
    *parents, last = path.split("/")
    holder, key = None, None
    target = root
    for part in parents:
        holder, key = target, _key(target, part)
        target = target[key]
        if isinstance(target, tuple):
            # Frozen models dump tuples; a list in its place is read back as the same.
            target = holder[key] = list(target)
    if last == "+":
        made = copy.deepcopy(target[_key(target, str(value["like"]))])
        if "moref" in made and "instance_uuid" in made:
            made |= {"moref": f"vm-{90 + len(target)}", "instance_uuid": f"uuid-{90 + len(target)}"}
        target.append(made | {name: cell for name, cell in value.items() if name != "like"})
    elif value is None:
        del target[_key(target, last)]
    else:
        target[_key(target, last)] = value


def _key(target: Any, part: str) -> Any:
    if isinstance(target, dict):
        return part
    for index, item in enumerate(target):
        if isinstance(item, dict) and part in (item.get("id"), item.get("name")):
            return index
    return int(part) - 1
