"""A person decides before the first write. What was decided is kept in the run's folder and the ledger, not in
Prefect's state alone, with the digest of what was shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from prefect.runtime import flow_run

from ingest.counting import counted
from ingest.model.approval import Ask, Decision, Verdict
from ingest.report.approval import undo_text
from ingest.settings import RunSettings
from ingest.stages.approval import (
    note_ask,
    note_decision,
    note_in_ledger,
    now,
    open_ask,
    plan_digest,
    standing,
    summary_to_approve,
    waves_waiting,
)
from ingest.stages.ledger_claims import somebody
from ingest.stages.run_folder import RunFolder
from ingest.stages.undo_import import UndoRow
from ingest.stages.validate import read_calls
from tasks.artifacts import markdown
from tasks.asking import EVERYTHING, REJECT, Answer, answer_to, ask, possible
from tasks.parameters import Approval
from tasks.site import site_settings

_ONLY = "approve only wave "
STATE_NAMES: dict[Verdict, str] = {
    "approved": "Completed",
    "rejected": "Rejected",
    "unanswered": "NotApproved",
    "plan changed": "PlanChanged",
}
"""Names of the Cancelled state a run ends in that was not approved."""


def approve_import(folder: RunFolder, approval: Approval, site: str = "") -> Decision:
    """What was decided about the folder's plan. Asks a person unless that was done, or the run approves itself.

    Does not return when the run is suspended: the flow runs from the top when somebody has decided. Nothing may be
    written unless the decision is `approved`; then only what has its digest.
    """
    asker, settings = str(flow_run.id), site_settings(site)

    def noted(decision: Decision) -> Decision:
        return note_decision(folder, decision, settings.run, settings.cloudstack.url)

    known = standing(folder, settings.run, asker)
    if known:
        return known  # a retried run goes on with what it was allowed
    if approval.mode == "auto_approve" or not read_calls(folder):
        digest = plan_digest(folder)
        return noted(Decision(verdict="approved", digest=digest, at=now(), by=somebody(), asker=asker))
    question = open_ask(folder, asker)
    answer = answer_to(question.key, question.mode) if question else None
    if question is None or answer is None:
        if question:  # its time ran out while nothing of ours was running
            noted(_decision(folder, question, None, approval))
        question = note_ask(folder, asker=asker, mode=possible(approval.mode))
        answer = _ask(folder, question, approval, settings.run)
    return noted(_decision(folder, question, answer, approval))


def approve_undo(rows: Sequence[UndoRow], run_folder: str, approval: Approval, site: str = "") -> Decision:
    """What was decided about a preview of giving back. A suspended run looks again, and asks again when it differs."""
    shown = "\n".join(f"{row.kind} {row.vm_id} {row.status}" for row in rows)
    digest = hashlib.sha256(shown.encode()).hexdigest()
    text = undo_text([(row.kind, row.vm, row.status, row.error or row.objections) for row in rows])
    markdown("approval", text, "what would be given back")
    # Retry counts as another attempt, and asks anew; coming back from a suspension does not.
    key = f"undo-{digest[:12]}-{flow_run.run_count}"
    mode = possible(approval.mode)
    answer = ask(key, mode, text=text, choices=(EVERYTHING, REJECT), timeout_minutes=approval.timeout_minutes)
    verdict, reason = _verdict(answer, approval)
    by = answer.name if answer else ""
    decision = Decision(verdict=verdict, digest=digest, at=now(), by=by, asker=str(flow_run.id), ask=key, reason=reason)
    settings = site_settings(site)
    run_id = Path(run_folder).resolve().name if run_folder else "undo"
    note_in_ledger(decision, settings.run, settings.cloudstack.url, run_id=run_id, folder=run_folder, what="undo ")
    return decision


def _ask(folder: RunFolder, question: Ask, approval: Approval, settings: RunSettings) -> Answer | None:
    """Show the plan and wait."""
    text = summary_to_approve(folder, settings)
    waves = waves_waiting(folder, settings)
    markdown("approval", text, f"{counted(sum(waves.values()), 'VM')} to import")
    some = [f"{_ONLY}{wave}" for wave in waves] if len(waves) > 1 else []
    choices = [EVERYTHING, *some, REJECT]
    return ask(question.key, question.mode, text=text, choices=choices, timeout_minutes=approval.timeout_minutes)


def _verdict(answer: Answer | None, approval: Approval) -> tuple[Verdict, str]:
    if answer is None:
        return "unanswered", f"nobody decided within {approval.timeout_minutes:g} minutes"
    if answer.decision == REJECT:
        return "rejected", answer.reason or "no reason given"
    return "approved", answer.reason


def _decision(folder: RunFolder, question: Ask, answer: Answer | None, approval: Approval) -> Decision:
    verdict, reason = _verdict(answer, approval)
    if verdict == "approved" and plan_digest(folder) != question.digest:
        verdict, reason = "plan changed", "it was edited after it was shown; have it approved anew"
    decided = answer.decision if answer else ""
    return Decision(
        verdict=verdict,
        digest=question.digest,
        at=now(),
        by=answer.name if answer else "",
        asker=question.asker,
        ask=question.key,
        waves=(int(decided.removeprefix(_ONLY)),) if decided.startswith(_ONLY) else (),
        reason=reason,
    )
