"""Settle: what is true now of the rows whose outcome a run did not learn. Writes `settled.csv`, mends the results."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.journal import RunJournal, outcomes_in
from ingest.engine.proof import before
from ingest.engine.settlement import Settled, Settlement, lost_its_result, settle
from ingest.engine.undo import DEFAULT_UNDO_PACE, Managed, UndoPace, undo
from ingest.errors import UsageError
from ingest.model.catalogue import Catalogue, UnmanagedInstance
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.outcome import Outcome, Status
from ingest.model.request import PlannedImport
from ingest.model.snapshot import read_snapshot
from ingest.report.tables import csv_bytes, record
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.run_folder import JOURNAL, SETTLED, SNAPSHOT, RunFolder
from ingest.stages.validate import read_calls

SETTLED_COLUMNS = ("row", "vm", "before", "state", "vm_id", "job_id", "error", "cause", "cure")
OPEN = frozenset({"unknown", "incomplete"})
"""Statuses and states that need another look, or a hand."""

_STATUS: dict[Settled, Status] = {"imported": "imported", "failed": "failed", "absent": "not-started"}
_RUN_AGAIN = "import it again: plan anew, or run the same plan"
_CURES: dict[str, str] = {
    "imported": "",
    "absent": _RUN_AGAIN,
    "running": "wait, then settle again",
    "unknown": "mend what the error says, then settle again",
    "given-back": _RUN_AGAIN,
}


@dataclass(frozen=True, slots=True)
class SettledRow:
    """A row that was not settled: its status `before`, what is true now (`state`), and what to do about it.

    `state` is that of the settlement, or `given-back` when a half-imported VM was given back.
    """

    row: int
    vm: str
    before: str
    state: str
    vm_id: str = ""
    job_id: str = ""
    error: str = ""
    cause: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class _Claim:
    job_id: str


def settle_run(
    endpoint: CloudStackEndpoint,
    folder: RunFolder,
    *,
    cure: bool = False,
    patience_s: float = 20.0,
    stop: threading.Event | None = None,
    pace: UndoPace = DEFAULT_UNDO_PACE,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SettledRow]:
    """Look at every row of a run whose outcome is unknown, incomplete, or a failure without a reason.

    What is certain goes into the run's journal and results. With `cure` half-imported VMs are given back, so that they
    can be imported again; VMs that are whole but not as planned are left to a person. `patience_s` is for each row.
    Raises UsageError for a folder without a journal.
    """
    stop = stop or threading.Event()
    journal = folder.need(JOURNAL, made_by="import_batch")
    calls = {call.row: call for call in read_calls(folder)}
    waiting = [one for one in outcomes_in(journal) if one.row in calls and _is_open(one)]
    rows: list[SettledRow] = []
    if waiting:
        catalogue = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged")).catalogue
        jobs = frozenset(one.job_id for one in waiting)
        with CloudStackClient(endpoint) as client, RunJournal(journal) as notes:
            for outcome in waiting:
                if stop.is_set():
                    break
                progress(f"CloudStack: {outcome.vm}")
                call = calls[outcome.row]
                found = _settled(client, catalogue, call, outcome, patience_s, stop, jobs - {outcome.job_id})
                row = _row(outcome, found)
                if cure and found.state == "incomplete" and not found.others and _is_half(found):
                    row = _cured(client, call, row, stop, pace)
                _note(notes, row)
                rows.append(row)
        conclude_from_journal(folder)
    folder.write(SETTLED, csv_bytes(SETTLED_COLUMNS, map(record, rows)))
    return rows


def _is_open(outcome: Outcome) -> bool:
    return outcome.status in OPEN or (outcome.status == "failed" and lost_its_result(outcome.error))


def _settled(
    client: CloudStackClient,
    catalogue: Catalogue,
    call: PlannedImport,
    outcome: Outcome,
    patience_s: float,
    stop: threading.Event,
    known_jobs: frozenset[str],
) -> Settlement:
    listed = _as_planned(catalogue, call)
    zones = {cluster.id: cluster.zoneid for cluster in catalogue.clusters}
    return settle(
        client,
        _Claim(outcome.job_id),
        before(listed, call.request),
        call.request,
        patience_s=patience_s,
        stop=stop,
        zone_id=zones.get(call.request.cluster_id, ""),
        known_jobs=known_jobs,
    )


def _as_planned(catalogue: Catalogue, call: PlannedImport) -> UnmanagedInstance:
    """The VM as it was listed when the run was planned."""
    for listed in catalogue.unmanaged:
        if (listed.clusterid, listed.name) == (call.request.cluster_id, call.request.name):
            return listed
    raise UsageError(f"the snapshot does not have the VM {call.vm}", cure="the run's folder was changed: look by hand")


def _is_half(found: Settlement) -> bool:
    """Whether the import was cut off, rather than made by somebody else in another way."""
    return any(one.missing for one in found.differences)


def _row(outcome: Outcome, found: Settlement) -> SettledRow:
    if found.state == "incomplete":
        half = _is_half(found) and not found.others
        cure = "ingest settle RUN_FOLDER --yes gives it back; then import it again" if half else "see it in CloudStack"
    else:
        cure = _CURES.get(found.state, "") or (found.cause.cure if found.cause else "")
    return SettledRow(
        outcome.row,
        outcome.vm,
        outcome.status,
        found.state,
        found.vm_id,
        outcome.job_id,
        found.error,
        found.cause.what if found.cause else "",
        cure,
    )


def _cured(
    client: CloudStackClient, call: PlannedImport, row: SettledRow, stop: threading.Event, pace: UndoPace
) -> SettledRow:
    half = Managed(row.vm_id, call.request.name, (call.request.cluster_id,))
    undone = undo(client, half, stop=stop, pace=pace)
    if undone.status in ("undone", "already", "unlisted"):
        return replace(row, state="given-back", vm_id="", error=undone.error, cure=_CURES["given-back"])
    return replace(row, error=undone.error, cure="see it in CloudStack")


def _note(notes: RunJournal, row: SettledRow) -> None:
    """What is certain becomes the row's outcome. A VM that is there in part stays unknown, with the reason."""
    status = (
        "not-started"
        if row.state == "given-back"
        else next((status for state, status in _STATUS.items() if state == row.state), None)
    )
    if status is None and row.state != "incomplete":
        return
    notes.note(
        "outcome",
        row=row.row,
        vm=row.vm,
        status=status or "unknown",
        vm_id=row.vm_id,
        error="" if status == "imported" else row.error,
        duration_s=0.0,
    )
