"""Settle: what is true now of the rows whose outcome a run did not learn. Writes `settled.csv`, mends the results."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.journal import RunJournal, outcomes_in
from ingest.engine.ledger import Claim, Ledger
from ingest.engine.ledger.records import UNSETTLED, State
from ingest.engine.proof import before
from ingest.engine.rows import PowerSwitch, key_of
from ingest.engine.settlement import Settlement, lost_its_result, settle
from ingest.engine.undo import DEFAULT_UNDO_PACE, Managed, UndoPace, undo
from ingest.errors import IngestError, UsageError
from ingest.model.catalogue import Catalogue, UnmanagedInstance
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.outcome import Outcome, Status
from ingest.model.request import PlannedImport
from ingest.model.snapshot import read_snapshot
from ingest.report.tables import csv_bytes, record
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.ledger_claims import in_hand
from ingest.stages.run_folder import CALLS_JSON, JOURNAL, SETTLED, SNAPSHOT, RunFolder
from ingest.stages.validate import read_calls, read_taken_out

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
    "given-back": "undone",
}
_GONE = frozenset({"failed", "absent", "given-back"})
_GIVE_BACK = "ingest settle RUN_FOLDER --yes gives it back"


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
    power: PowerSwitch | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SettledRow]:
    """Look at every row of a run whose outcome is unknown, incomplete, or a failure without a reason.

    What is certain goes into the run's journal, its results and the `ledger`. With `cure` half-imported VMs are given
    back, so that they can be imported again, and VMs that were switched off for an import that failed are switched on
    by `power`; VMs that are whole but not as planned are left to a person. `patience_s` is for all rows together.
    Raises UsageError for a folder without a journal.
    """
    stop = stop or threading.Event()
    journal = folder.need(JOURNAL, made_by="import_batch")
    calls = {call.row: call for call in (*read_taken_out(folder), *read_calls(folder))}
    still_open = sorted((one for one in outcomes_in(journal) if _is_open(one)), key=lambda one: one.row)
    waiting = [one for one in still_open if one.row in calls]
    rows = [_without_call(one) for one in still_open if one.row not in calls]
    if waiting:
        catalogue = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged")).catalogue
        with CloudStackClient(endpoint) as client, RunJournal(journal) as notes:
            looks = _Looks(client, catalogue, calls, waiting, stop)
            settling = _Settling(client, ledger, power if cure else None, cure, stop, pace)
            looks.begin(patience_s, progress)
            for outcome in waiting:
                if stop.is_set():
                    break
                progress(f"CloudStack: {outcome.vm}")
                call = calls[outcome.row]
                with in_hand(ledger, key_of(call), folder.path.name) as claim:
                    if claim is not None and not claim.held:
                        rows.append(_of_others(outcome, claim))
                        continue
                    known = outcome if outcome.job_id or claim is None else replace(outcome, job_id=claim.job_id)
                    row = settling.row(call, known, looks.at(known), claim)
                _note(notes, row)
                rows.append(row)
        conclude_from_journal(folder)
    folder.write(SETTLED, csv_bytes(SETTLED_COLUMNS, map(record, rows)))
    return rows


def _is_open(outcome: Outcome) -> bool:
    return outcome.status in OPEN or (outcome.status == "failed" and lost_its_result(outcome.error))


class _Looks:
    """What is true of the rows now, by one patience for all of them."""

    def __init__(
        self,
        client: CloudStackClient,
        catalogue: Catalogue,
        calls: Mapping[int, PlannedImport],
        waiting: Sequence[Outcome],
        stop: threading.Event,
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._zones = {cluster.id: cluster.zoneid for cluster in catalogue.clusters}
        self._calls = calls
        self._waiting = waiting
        self._jobs = frozenset(one.job_id for one in waiting)
        self._stop = stop
        self._until = 0.0

    def begin(self, patience_s: float, progress: Callable[[str], None]) -> None:
        """Look once at every row. Whose job is lost by now has been lost since before the patience begins, so the rows
        need not be waited for one after another; jobs that still run have an answer at any time."""
        for outcome in self._waiting:
            if self._stop.is_set():
                return
            progress(f"CloudStack: {outcome.vm}")
            self._look(outcome, 0.0)
        self._until = time.monotonic() + patience_s

    def at(self, outcome: Outcome) -> Settlement:
        """What is certain of a row, or what is seen of it when the patience is over."""
        return self._look(outcome, max(self._until - time.monotonic(), 0.0))

    def _look(self, outcome: Outcome, patience_s: float) -> Settlement:
        call = self._calls[outcome.row]
        return settle(
            self._client,
            Claim(held=True, state="submitted", job_id=outcome.job_id),
            before(_as_planned(self._catalogue, call), call.request),
            call.request,
            patience_s=patience_s,
            stop=self._stop,
            zone_id=self._zones.get(call.request.cluster_id, ""),
            known_jobs=self._jobs - {outcome.job_id},
        )


@dataclass(frozen=True, slots=True)
class _Settling:
    """Carries out what follows from a settlement, for one row at a time. Without `power` nothing is switched on."""

    client: CloudStackClient
    ledger: Ledger | None
    power: PowerSwitch | None
    cure: bool
    stop: threading.Event
    pace: UndoPace

    def row(self, call: PlannedImport, outcome: Outcome, found: Settlement, claim: Claim | None) -> SettledRow:
        """The row, settled and noted in the ledger."""
        row = _row(outcome, found)
        if self.cure and found.state == "incomplete" and not found.others and _is_half(found):
            row = _cured(self.client, call, row, self.stop, self.pace)
        is_off = claim is not None and _was_switched_off(claim)
        if is_off and row.state in _GONE:
            row, is_off = self._switched_on(call, row)
        elif is_off and row.cure.startswith(_GIVE_BACK):
            row = replace(row, cure=row.cure.replace("gives it back", "gives it back and switches it on again"))
        if self.ledger is not None and claim is not None:
            state = _ledger_state(row, claim, is_off=is_off)
            if state is not None:
                detail = {} if is_off else {"power_before": ""}
                self.ledger.note(
                    key_of(call), state, job_id=row.job_id, vm_id=row.vm_id, error=row.error, detail=detail
                )
        return row

    def _switched_on(self, call: PlannedImport, row: SettledRow) -> tuple[SettledRow, bool]:
        """The power a VM had before the import that did not come about; whether it is still off."""
        if not self.cure:
            cure = f"ingest settle RUN_FOLDER --yes switches it on again; {row.cure}".removesuffix("; ")
            return replace(row, error=_and(row.error, "it ran before and was switched off"), cure=cure), True
        if self.power is None:
            problem = "no vCenter is set to switch it on again"
        else:
            try:
                self.power.back(call, "poweredOn")
            except IngestError as error:
                problem = f"it was not switched on again: {error.message}"
            else:
                return replace(row, error=_and(row.error, "switched on again")), False
        return replace(row, error=_and(row.error, f"it ran before; {problem}")), True


def _was_switched_off(claim: Claim) -> bool:
    """Whether a run switched the VM off for an import, and nobody has switched it on again for that."""
    return claim.state not in ("undone", "imported") and claim.detail.get("power_before") == "poweredOn"


def _ledger_state(row: SettledRow, claim: Claim, *, is_off: bool) -> State | None:
    """What the ledger notes of a settled row, None when what it says is still right."""
    if row.state == "absent":
        # The call may yet arrive: who imports the VM next must send it under the same job id, which is refused twice.
        return None
    state = _LEDGER_STATE.get(row.state)
    if is_off and row.state in _GONE:
        # From these states a VM begins anew, and what its power was would be forgotten.
        return None if claim.state in UNSETTLED else "unknown"
    return state


def _and(*texts: str) -> str:
    return "; ".join(filter(None, texts))


def _without_call(outcome: Outcome) -> SettledRow:
    """Somebody changed the folder's files by hand."""
    return SettledRow(
        outcome.row,
        outcome.vm,
        outcome.status,
        "unknown",
        job_id=outcome.job_id,
        error=f"{CALLS_JSON} has no call for this row any more",
        cure=f"put its call back; or look for the VM in CloudStack: ingest history {shlex.quote(outcome.vm)}",
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
        cure = f"{_GIVE_BACK}; then import it again" if half else "see it in CloudStack"
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
