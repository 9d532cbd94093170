"""Settle: what is true now of the rows whose outcome a run did not learn. Writes `settled.csv`, mends the results."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.journal import RunJournal, outcomes_in
from ingest.engine.ledger import Claim, Ledger
from ingest.engine.ledger.records import State
from ingest.engine.proof import before
from ingest.engine.rows import key_of
from ingest.engine.settlement import Settlement, lost_its_result, settle
from ingest.engine.undo import DEFAULT_UNDO_PACE, Managed, UndoPace, undo
from ingest.errors import UsageError
from ingest.model.catalogue import Catalogue, UnmanagedInstance
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.outcome import Outcome, Status
from ingest.model.request import PlannedImport
from ingest.model.snapshot import read_snapshot
from ingest.report.tables import csv_bytes, record
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.ledger_claims import in_hand
from ingest.stages.run_folder import JOURNAL, SETTLED, SNAPSHOT, RunFolder
from ingest.stages.validate import read_calls

SETTLED_COLUMNS = ("row", "vm", "before", "state", "vm_id", "job_id", "error", "cause", "cure")
OPEN = frozenset({"unknown", "incomplete"})
"""Statuses and states that need another look, or a hand."""

_STATUS: dict[str, Status] = {
    "imported": "imported",
    "incomplete": "incomplete",
    "failed": "failed",
    "absent": "not-started",
    "given-back": "not-started",
}
_RUN_AGAIN = "import it again: plan anew, or run the same plan"
_CURES: dict[str, str] = {
    "imported": "",
    "absent": _RUN_AGAIN,
    "running": "wait, then settle again",
    "unknown": "mend what the error says, then settle again",
    "given-back": _RUN_AGAIN,
}


_LEDGER_STATE: dict[str, State] = {
    "imported": "imported",
    "incomplete": "incomplete",
    "failed": "failed",
    "absent": "failed",
    "given-back": "undone",
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


def settle_run(
    endpoint: CloudStackEndpoint,
    folder: RunFolder,
    *,
    cure: bool = False,
    patience_s: float = 20.0,
    stop: threading.Event | None = None,
    pace: UndoPace = DEFAULT_UNDO_PACE,
    ledger: Ledger | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SettledRow]:
    """Look at every row of a run whose outcome is unknown, incomplete, or a failure without a reason.

    What is certain goes into the run's journal, its results and the `ledger`. With `cure` half-imported VMs are given
    back, so that they can be imported again; VMs that are whole but not as planned are left to a person. `patience_s`
    is for each row. Raises UsageError for a folder without a journal.
    """
    stop = stop or threading.Event()
    journal = folder.need(JOURNAL, made_by="import_batch")
    calls = {call.row: call for call in read_calls(folder)}
    waiting = sorted(
        (one for one in outcomes_in(journal) if one.row in calls and _is_open(one)), key=lambda one: one.row
    )
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
                with in_hand(ledger, key_of(call), folder.path.name) as claim:
                    if claim is not None and not claim.held:
                        rows.append(_of_others(outcome, claim))
                        continue
                    found = _settled(client, catalogue, call, outcome, patience_s, stop, jobs - {outcome.job_id})
                    row = _row(outcome, found)
                    if cure and found.state == "incomplete" and not found.others and _is_half(found):
                        row = _cured(client, call, row, stop, pace)
                    state = _LEDGER_STATE.get(row.state)
                    power_before = str(claim.detail.get("power_before", "")) if claim is not None else ""
                    if state == "failed" and power_before:
                        # The ledger keeps what the power was: the next run imports it or switches it on again.
                        state, row = None, replace(row, error=f"{row.error}; its power was {power_before} before")
                    if ledger is not None and state is not None:
                        ledger.note(key_of(call), state, job_id=row.job_id, vm_id=row.vm_id, error=row.error)
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
        Claim(held=True, state="submitted", job_id=outcome.job_id),
        before(listed, call.request),
        call.request,
        patience_s=patience_s,
        stop=stop,
        zone_id=zones.get(call.request.cluster_id, ""),
        known_jobs=known_jobs,
    )


def _of_others(outcome: Outcome, claim: Claim) -> SettledRow:
    error = f"{claim.holder} is at work on it (run {claim.run_id})"
    return SettledRow(
        outcome.row, outcome.vm, outcome.status, "running", job_id=outcome.job_id, error=error, cure=_CURES["running"]
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
    """What is certain becomes the row's outcome."""
    status = _STATUS.get(row.state)
    if status is None:
        return
    notes.note(
        "outcome",
        row=row.row,
        vm=row.vm,
        status=status,
        vm_id=row.vm_id,
        error="" if status == "imported" else row.error,
        duration_s=0.0,
    )
