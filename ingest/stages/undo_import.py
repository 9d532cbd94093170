"""Undo: the imported VMs of a run, or one VM, given back; then the networks the run made. Writes `undo.csv`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.journal import outcomes_in
from ingest.engine.ledger import Ledger, VmKey
from ingest.engine.rows import key_of
from ingest.engine.undo import (
    DEFAULT_UNDO_PACE,
    Managed,
    Objection,
    Undone,
    UndoPace,
    preview,
    remove_network,
    undo,
)
from ingest.engine.verification import by_id
from ingest.errors import Transient, UsageError
from ingest.model.catalogue import VirtualMachine
from ingest.model.endpoints import CloudStackEndpoint
from ingest.plan.sheet import read_sheet
from ingest.report.tables import csv_bytes, record
from ingest.stages.ledger_claims import in_hand
from ingest.stages.run_folder import CALLS_JSON, JOURNAL, NETWORKS_CREATED, RESULTS, UNDO, RunFolder
from ingest.stages.validate import read_calls

UNDO_COLUMNS = ("kind", "row", "vm", "vm_id", "status", "error", "objections")


@dataclass(frozen=True, slots=True)
class UndoRow:
    """What became, or would become, of a VM or a network (`kind`).

    `status` is what the engine says (undone, already, refused, unlisted, unknown; deleted, in-use), in a preview also
    to-undo and to-delete; not-started when the undo was stopped before. `objections` do not block where the status is
    to-undo or undone.
    """

    kind: str
    row: int
    vm: str
    vm_id: str
    status: str
    error: str = ""
    objections: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    row: int
    vm: Managed
    key: VmKey | None = None


def undo_import(
    endpoint: CloudStackEndpoint,
    folder: RunFolder | None = None,
    *,
    vm: str = "",
    dry_run: bool = True,
    stop: threading.Event | None = None,
    pace: UndoPace = DEFAULT_UNDO_PACE,
    ledger: Ledger | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[UndoRow]:
    """Give back what the folder's run imported, only the VM called `vm` if one is named, or that VM without a folder.

    With `dry_run` only says what would happen. Running it again changes nothing. A VM that is refused stops no other.
    Networks are deleted last, and only when no VM is named. What is given back is noted in the `ledger`. Raises
    UsageError when there is nothing of that name, and the client's errors when the server cannot be asked at all.
    """
    stop = stop or threading.Event()
    rows: list[UndoRow] = []
    with CloudStackClient(endpoint) as client:
        targets = _targets(client, folder, vm, ledger)
        try:
            for target in targets:
                progress(f"CloudStack: {target.vm.name}")
                if dry_run:
                    rows.append(_previewed(client, target))
                elif stop.is_set():
                    rows.append(_row(target, Undone("not-started")))
                else:
                    rows.append(_undone(client, target, stop, pace, ledger, folder.path.name if folder else "undo"))
            if folder is not None and not vm:
                rows += _networks(client, folder, dry_run=dry_run, stop=stop, pace=pace)
        finally:
            if folder is not None and not dry_run:
                folder.write(UNDO, csv_bytes(UNDO_COLUMNS, map(record, rows)))
    return rows


def _undone(
    client: CloudStackClient,
    target: _Target,
    stop: threading.Event,
    pace: UndoPace,
    ledger: Ledger | None,
    run_id: str,
) -> UndoRow:
    with in_hand(ledger, target.key, run_id) as claim:
        if claim is not None and not claim.held:
            return _row(target, Undone("refused", f"{claim.holder} is at work on it: wait for that run"))
        try:
            undone = undo(client, target.vm, stop=stop, pace=pace, ledger=ledger if claim else None, key=target.key)
        except Transient as away:
            undone = Undone("not-started", away.message)
    return _row(target, undone)


def _previewed(client: CloudStackClient, target: _Target) -> UndoRow:
    if not by_id(client, target.vm.vm_id):
        return _row(target, Undone("already"))
    objections = preview(client, target.vm.vm_id)
    blocking = [one for one in objections if one.blocks]
    status = "refused" if blocking else "to-undo"
    error = "; ".join(f"{one.text} -> {one.cure}" for one in blocking)
    return UndoRow("vm", target.row, target.vm.name, target.vm.vm_id, status, error, _in_words(objections))


def _row(target: _Target, undone: Undone) -> UndoRow:
    return UndoRow(
        "vm", target.row, target.vm.name, target.vm.vm_id, undone.status, undone.error, _in_words(undone.objections)
    )


def _in_words(objections: Iterable[Objection]) -> str:
    return "; ".join(one.text for one in objections if not one.blocks)


def _targets(client: CloudStackClient, folder: RunFolder | None, name: str, ledger: Ledger | None) -> list[_Target]:
    if folder is None:
        return [_by_name(client, name, ledger)]
    found = [one for one in imported_of(folder) if name in ("", one.vm.name)]
    if name and not found:
        raise UsageError(
            f"this run imported no VM called {name}", place=str(folder.path), cure=f"ingest undo --vm {name}"
        )
    return found


def imported_of(folder: RunFolder) -> list[_Target]:
    """The VMs a run imported, after its results, or its journal when it did not come to its end."""
    if not folder.file(CALLS_JSON).exists():
        folder.need(NETWORKS_CREATED, made_by="import_batch or create_networks")
        return []
    calls = {call.row: call for call in read_calls(folder)}
    return [
        _Target(
            row,
            Managed(vm_id, calls[row].request.name, (calls[row].request.cluster_id,)),
            key_of(calls[row]),
        )
        for row, vm_id in sorted(_imported(folder).items())
        if row in calls and vm_id
    ]


def _imported(folder: RunFolder) -> dict[int, str]:
    """VM ids by row. Both files are read: the journal has what a settled run learnt later."""
    found: dict[int, str] = {}
    results, journal = folder.file(RESULTS), folder.file(JOURNAL)
    if results.exists():
        found |= {row.line: row["vm_id"] for row in read_sheet(results).rows if row["status"] == "imported"}
    if journal.exists():
        found |= {one.row: one.vm_id for one in outcomes_in(journal) if one.status == "imported"}
    return found


def _by_name(client: CloudStackClient, name: str, ledger: Ledger | None) -> _Target:
    """A VM by instance, host or display name."""
    machines = client.list_virtual_machines()
    found = [one for one in machines if one.instancename == name]
    found = found or [one for one in machines if name in (one.name, one.displayname)]
    if not found:
        raise UsageError(f"CloudStack manages no VM called {name}", cure="`ingest why` says where it is")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise UsageError(f"{len(found)} VMs are called {name}: {ids}", cure="give the run's folder as well")
    machine = found[0]
    known = ledger.entries(name=machine.instancename) if ledger else []
    key = next((entry.vm for entry in known if entry.vm_id == machine.id), None)
    return _Target(0, Managed(machine.id, machine.instancename, _clusters(client, machine)), key)


def _clusters(client: CloudStackClient, machine: VirtualMachine) -> tuple[str, ...]:
    """The cluster the VM is in; every VMware cluster of its zone when it is on no host."""
    own = tuple(host.clusterid for host in client.list_hosts() if host.id == machine.hostid)
    return own or tuple(one.id for one in client.list_clusters() if one.zoneid == machine.zoneid)


def _networks(
    client: CloudStackClient, folder: RunFolder, *, dry_run: bool, stop: threading.Event, pace: UndoPace
) -> list[UndoRow]:
    """The networks the folder's run made, newest first."""
    rows = []
    for one in reversed(networks_made(folder)):
        network_id, name = one["id"], one["name"]
        if dry_run:
            there = any(network.id == network_id for network in client.list_networks())
            users = client.list_virtual_machines(network_id=network_id) if there else []
            error = f"in use by {len(users)} VMs; it is deleted if they are gone by then" if users else ""
            rows.append(UndoRow("network", 0, name, network_id, "to-delete" if there else "already", error))
        elif stop.is_set():
            rows.append(UndoRow("network", 0, name, network_id, "not-started"))
        else:
            rows.append(
                UndoRow("network", 0, name, network_id, *remove_network(client, network_id, stop=stop, pace=pace))
            )
    return rows


def networks_made(folder: RunFolder) -> Sequence[dict[str, str]]:
    """The networks of `networks_created.json`, () when the run made none."""
    path = folder.file(NETWORKS_CREATED)
    return json.loads(path.read_bytes()) if path.exists() else ()
