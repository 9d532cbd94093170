"""The approval of a plan: what is shown, what was asked and decided. Writes `approval.json`, and the ledger."""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from ingest.engine.ledger import RunRecord, open_ledger
from ingest.engine.rows import key_of
from ingest.errors import UsageError
from ingest.model.approval import Approvals, Ask, Decision
from ingest.model.request import PlannedImport
from ingest.plan.causes import CAUSES
from ingest.plan.cells import is_yes
from ingest.plan.sheet import read_sheet
from ingest.report.approval import WaveInShort, approval_text
from ingest.report.causes import causes_of
from ingest.report.tables import csv_rows
from ingest.settings import RunSettings
from ingest.stages.run_folder import (
    APPROVAL,
    CALLS_JSON,
    FINDINGS,
    FINDINGS_PAGE,
    PLAN,
    RunFolder,
)
from ingest.stages.validate import read_calls


def plan_digest(folder: RunFolder) -> str:
    """The plan and the calls made of it, in 64 characters."""
    found = hashlib.sha256()
    for name in (PLAN, CALLS_JSON):
        file = folder.file(name)
        if file.exists():
            with file.open("rb") as content:
                while part := content.read(1 << 20):
                    found.update(part)
    return found.hexdigest()


def summary_to_approve(folder: RunFolder, settings: RunSettings) -> str:
    """What a person must know before they approve the folder's calls, as Markdown."""
    calls = read_calls(folder)
    done = _done(calls, settings)
    rows = {row.line: row for row in read_sheet(folder.need(PLAN, made_by="validate")).rows}
    waiting = [call for call in calls if call.row not in done]
    stopped: dict[str, list[str]] = defaultdict(list)
    for call in waiting:
        if call.power != "leave" and rows[call.row]["power_state"] == "poweredOn":
            stopped[call.power].append(call.vm)
    waves = [
        WaveInShort(
            wave,
            waiting=sum(call.wave == wave for call in waiting),
            done=sum(call.wave == wave and call.row in done for call in calls),
        )
        for wave in sorted({call.wave for call in calls})
    ]
    return approval_text(
        folder=str(folder.path),
        digest=plan_digest(folder),
        report=FINDINGS_PAGE,
        waves=waves,
        blocked=sum(is_yes(row["import"]) for row in rows.values()) - len(calls),
        causes=causes_of(csv_rows(folder.need(FINDINGS, made_by="validate").read_bytes()), why=CAUSES),
        stopped=dict(sorted(stopped.items(), reverse=True)),
        started=[call.vm for call in waiting if call.start],
    )


def waves_waiting(folder: RunFolder, settings: RunSettings) -> dict[int, int]:
    """How many rows of each wave are not imported yet; waves without any are left out."""
    counts: dict[int, int] = defaultdict(int)
    calls = read_calls(folder)
    done = _done(calls, settings)
    for call in calls:
        if call.row not in done:
            counts[call.wave] += 1
    return dict(sorted(counts.items()))


def read_approvals(folder: RunFolder) -> Approvals:
    """What was asked and decided in this folder. Raises UsageError when the file was damaged."""
    path = folder.file(APPROVAL)
    if not path.exists():
        return Approvals()
    try:
        return Approvals.model_validate_json(path.read_bytes())
    except ValidationError:
        raise UsageError(
            "does not say what was approved", place=str(path), cure="delete it: the plan is then approved anew"
        ) from None


def standing(folder: RunFolder, settings: RunSettings, asker: str) -> Decision | None:
    """The approval this asker (a flow run) has for this very plan, while there is something left that it allows."""
    own = [one for one in read_approvals(folder).decisions if one.asker == asker]
    if not own or not own[-1].approved or own[-1].digest != plan_digest(folder):
        return None
    left = waves_waiting(folder, settings)
    return own[-1] if any(wave in left for wave in own[-1].waves or left) else None


def note_ask(folder: RunFolder, *, asker: str, mode: Literal["suspend", "pause"]) -> Ask:
    """A new question about the plan as it is now; on disk when this returns. Prefect answers a key it knows at once, so
    none is used twice."""
    known = read_approvals(folder)
    digest = plan_digest(folder)
    ask = Ask(key=f"approve-{digest[:12]}-{secrets.token_hex(4)}", digest=digest, asker=asker, mode=mode)
    _write(folder, known.model_copy(update={"asks": (*known.asks, ask)}))
    return ask


def open_ask(folder: RunFolder, asker: str) -> Ask | None:
    """The last question of this asker, None when it was decided on."""
    known = read_approvals(folder)
    own = [one for one in known.asks if one.asker == asker]
    decided = {one.ask for one in known.decisions}
    return own[-1] if own and own[-1].key not in decided else None


def note_decision(folder: RunFolder, decision: Decision, settings: RunSettings, endpoint: str) -> Decision:
    """Keep a decision in the folder and in the ledger's history; durable when this returns."""
    known = read_approvals(folder)
    _write(folder, known.model_copy(update={"decisions": (*known.decisions, decision)}))
    run_id = folder.path.resolve().name
    note_in_ledger(decision, settings, endpoint, run_id=run_id, folder=str(folder.path))
    return decision


def note_in_ledger(
    decision: Decision, settings: RunSettings, endpoint: str, *, run_id: str, folder: str, what: str = ""
) -> None:
    """Write a decision into the history: what (`undo `) was approved, rejected, or not decided on, by whom."""
    run = RunRecord(
        run_id=run_id,
        actor=decision.by,
        host=socket.gethostname(),
        endpoint=endpoint,
        plan_digest=decision.digest,
        folder=folder,
        started_at=decision.at,
        ended_at="" if decision.approved else decision.at,
        status="" if decision.approved else decision.verdict,
    )
    detail = {"waves": list(decision.waves), "reason": decision.reason, "flow_run": decision.asker}
    with open_ledger(settings) as ledger:
        if not what and not ledger.runs(run_id):
            ledger.open_run(run)
        ledger.note_run(run, f"{what}{decision.verdict}", {key: value for key, value in detail.items() if value})


def now() -> str:
    """This moment, UTC ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _done(calls: Sequence[PlannedImport], settings: RunSettings) -> set[int]:
    """The rows whose VM is imported, by any run, and was not given back since."""
    with open_ledger(settings) as ledger:
        imported = {entry.vm.text for entry in ledger.entries(state="imported")}
    return {call.row for call in calls if key_of(call).text in imported}


def _write(folder: RunFolder, approvals: Approvals) -> None:
    folder.write(APPROVAL, approvals.model_dump_json(indent=1).encode() + b"\n")
