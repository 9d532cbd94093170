"""VMs found on datastores and registered in vCenter, each once. Writes `registered.csv` and `registered.json`.

Nothing is registered that vCenter has already, under whatever name, and nothing out of hidden folders: arrays show
their own snapshots there. What is registered is in the ledger, so that it can be taken back and nothing else.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingest.engine.ledger import Ledger
from ingest.errors import RemoteError
from ingest.model.endpoints import VCenterEndpoint
from ingest.report.tables import csv_bytes, json_bytes, record
from ingest.stages.ledger_claims import somebody
from ingest.stages.run_folder import REGISTERED_CSV, REGISTERED_JSON, RunFolder

if TYPE_CHECKING:
    from ingest.engine.registering import Registering, RegisterPace
    from ingest.vsphere.browsing import VmxFile
    from ingest.vsphere.placement import Placement
    from ingest.vsphere.registering import Registered
    from ingest.vsphere.session import VCenter
    from ingest.vsphere.stores import Store

COLUMNS = ("status", "vm", "path", "datastore", "host", "moref", "instance_uuid", "error", "cure")
DONE = frozenset({"registered", "already", "hidden", "to-register", "to-settle"})
"""Statuses that leave nothing to do but, in a preview, the registering."""

BROWSED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class RegisterOptions:
    """Which datastores (names, patterns, ids) are looked into, only `below` one folder of each if given, and where
    their VMs go: a cluster, with its own pool, any of its hosts and the datacenter's VM folder unless named.

    `at_once` calls at most are in flight.
    """

    datastores: tuple[str, ...]
    cluster: str
    datacenter: str = ""
    folder: str = ""
    pool: str = ""
    host: str = ""
    below: str = ""
    at_once: int = 8
    browse_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One .vmx, or a datastore that could not be used (then `path` is its name).

    `status`: registered by this run (now or before it was interrupted); already registered; hidden; failed, with the
    server's words and what to do; unknown, when what is true could not be found out; in-hand, another run is at it;
    unusable; not-started when the run was stopped. In a preview to-register, or to-settle: a run that died has
    registered it and not noted so.
    """

    status: str
    path: str
    datastore: str
    vm: str = ""
    host: str = ""
    moref: str = ""
    instance_uuid: str = ""
    error: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there: files with the host each would go to, and VMs registered already, by path. `ours` are subjects
    this run registered, `unsettled` those that some run meant to register before it died."""

    placement: Placement
    files: tuple[tuple[VmxFile, str, str], ...]
    registered: dict[str, Registered]
    unusable: tuple[RegisterRow, ...]
    ours: frozenset[str]
    unsettled: frozenset[str]


def register_vms(
    endpoint: VCenterEndpoint,
    folder: RunFolder,
    options: RegisterOptions,
    ledger: Ledger,
    *,
    dry_run: bool = True,
    stop: threading.Event | None = None,
    pace: RegisterPace | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[RegisterRow]:
    """Register every VM found on the chosen datastores that vCenter does not have; a row for each file.

    With `dry_run` only says what would happen. Running it again registers nothing twice, and says `registered` of what
    this run, known by its folder's name, registered before. Raises UsageError for places that do not exist, and the
    client's errors when vCenter cannot be asked at all; what was done by then is in the folder.
    """
    from ingest.vsphere.session import connect, require_vcenter

    stop = stop or threading.Event()
    run_id = folder.path.name
    with connect(endpoint) as vcenter:
        require_vcenter(vcenter)
        progress("vCenter: looking for VMs in datastores")
        found = _look(vcenter, options, ledger, run_id, stop)
        rows = list(_decided(found))
        if not dry_run:
            try:
                _act(vcenter, ledger, found, rows, run_id, options.at_once, stop, pace, progress)
            finally:
                write_registered(folder, rows, dry_run=False)
    write_registered(folder, rows, dry_run=dry_run)
    return rows


def _look(vcenter: VCenter, options: RegisterOptions, ledger: Ledger, run_id: str, stop: threading.Event) -> _Found:
    from ingest.engine.registering import vcenter_id
    from ingest.vsphere.browsing import find_vmx
    from ingest.vsphere.placement import choose_placement, read_places
    from ingest.vsphere.registering import read_registered
    from ingest.vsphere.stores import read_stores

    places = read_places(vcenter)
    placement = choose_placement(
        vcenter,
        places,
        cluster=options.cluster,
        datacenter=options.datacenter,
        folder=options.folder,
        pool=options.pool,
        host=options.host,
    )
    stores = read_stores(vcenter, places, options.datastores, datacenter=placement.datacenter)
    unusable: list[RegisterRow] = []

    def search(store: Store) -> list[VmxFile]:
        problem = store.problem
        if problem is not None:
            error, _, cure = problem.detail.partition(" -> ")
            unusable.append(RegisterRow("unusable", store.name, store.name, error=error, cure=cure))
            return []
        try:
            return find_vmx(vcenter, store, below=options.below, timeout_s=options.browse_s, stop=stop)
        except RemoteError as error:  # the others can still be looked into
            unusable.append(RegisterRow("unusable", store.name, store.name, error=error.message, cure=error.cure))
            return []

    with ThreadPoolExecutor(BROWSED_AT_ONCE) as pool:
        files = [file for files in pool.map(search, stores) for file in files]
    files.sort(key=lambda file: (file.store.name, file.below))
    deeds = ledger.deeds.find(endpoint=vcenter_id(vcenter), kind="registered", states=["done", "intended"])
    registered = read_registered(vcenter, placement.datacenter)
    turns = itertools.count()
    # Only what goes onto a host counts, so that the hosts get equally many.
    new = {file.path: next(turns) for file in files if not file.hidden and file.path not in registered}
    return _Found(
        placement,
        tuple((file, *placement.host_for(file.store, new.get(file.path, 0))) for file in files),
        registered,
        tuple(sorted(unusable, key=lambda row: row.path)),
        frozenset(deed.key.subject for deed in deeds if deed.state == "done" and deed.run_id == run_id),
        frozenset(deed.key.subject for deed in deeds if deed.state == "intended"),
    )


def _decided(found: _Found) -> Iterable[RegisterRow]:
    """What is to become of every file; nothing is asked of a server for it."""
    for file, host, host_name in found.files:
        name = file.file.rpartition(".")[0]
        row = RegisterRow("to-register", file.path, file.store.name, name, host_name)
        vm = found.registered.get(file.path)
        read_only = file.store.read_only
        if file.hidden:
            yield replace(row, status="hidden", host="", error="in a hidden folder, such as an array's own snapshots")
        elif vm is not None and file.subject in found.unsettled:
            yield _with_vm(row, "to-settle", vm)
        elif vm is not None:
            yield _with_vm(replace(row, host=""), "registered" if file.subject in found.ours else "already", vm)
        elif read_only is not None:
            error, _, cure = read_only.detail.partition(" -> ")
            yield replace(row, status="failed", error=error, cure=cure)
        elif not host:
            yield replace(
                row,
                status="failed",
                error="no chosen host has its datastore mounted for writing",
                cure=f"mount {file.store.name} on a host of the cluster, or choose another cluster or host",
            )
        else:
            yield row
    yield from found.unusable


def _act(
    vcenter: VCenter,
    ledger: Ledger,
    found: _Found,
    rows: list[RegisterRow],
    run_id: str,
    at_once: int,
    stop: threading.Event,
    pace: RegisterPace | None,
    progress: Callable[[str], None],
) -> None:
    """Register what is to be registered; `rows` says of each what came of it as soon as it is known."""
    from ingest.engine.registering import Registration, register

    place, actor = found.placement, somebody()
    todo = [number for number, row in enumerate(rows) if row.status in ("to-register", "to-settle")]
    for number in todo:
        rows[number] = replace(rows[number], status="not-started")

    def one(number: int) -> None:
        if stop.is_set():
            return
        file, host, _ = found.files[number]
        order = Registration(file, place.datacenter, place.folder, place.pool, host)
        became = register(vcenter, ledger, order, run_id=run_id, actor=actor, pace=pace, stop=stop)
        rows[number] = _became(rows[number], became)
        progress(f"vCenter: {file.path} {became.status}")

    with ThreadPoolExecutor(max(1, at_once)) as pool:
        try:
            for future in [pool.submit(one, number) for number in todo]:
                future.result()
        except BaseException:
            stop.set()  # whatever is in flight ends its step, nothing more is begun
            raise


def _became(row: RegisterRow, became: Registering) -> RegisterRow:
    row = replace(row, status=became.status, error=became.error, cure=became.cure)
    return _with_vm(row, became.status, became.vm) if became.vm else row


def _with_vm(row: RegisterRow, status: str, vm: Registered) -> RegisterRow:
    return replace(row, status=status, vm=vm.name or row.vm, moref=vm.moref, instance_uuid=vm.instance_uuid)


def write_registered(folder: RunFolder, rows: Sequence[RegisterRow], *, dry_run: bool) -> None:
    """The lists of a run: what was, or would be, registered."""
    records: list[dict[str, Any]] = [record(row) for row in rows]
    counts = dict(sorted(Counter(row.status for row in rows).items()))
    folder.write(REGISTERED_CSV, csv_bytes(COLUMNS, records))
    folder.write(REGISTERED_JSON, json_bytes({"dry_run": dry_run, "counts": counts, "rows": records}))
