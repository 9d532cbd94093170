"""A person decides before the first write: the run waits in the Prefect UI with a summary and a form.

`pause` keeps the process waiting, for minutes. `suspend` ends it; when somebody decides, a worker starts the flow from
the top, and it finds its folder again. What was decided is never taken from Prefect's state alone: it is kept in the
folder and the ledger, with the digest of the plan that was shown.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast
from uuid import UUID

from prefect import get_client, pause_flow_run, suspend_flow_run
from prefect.client.schemas.responses import SetStateStatus
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.runtime import deployment, flow_run
from pydantic import BaseModel, ConfigDict, Field, create_model

from ingest.model.approval import Ask, Decision, Verdict
from ingest.stages.approval import (
    note_ask,
    note_decision,
    now,
    open_ask,
    plan_digest,
    standing,
    summary_to_approve,
    waves_waiting,
)
from ingest.stages.ledger_claims import somebody
from ingest.stages.run_folder import RunFolder
from tasks.artifacts import markdown
from tasks.site import site_settings

log = logging.getLogger("ingest.flow")

EVERYTHING = "approve everything"
REJECT = "reject"
_ONLY = "approve only wave "
_POLL_S = 2
_SPARE_S = 600
STATE_NAMES: dict[Verdict, str] = {
    "approved": "Completed",
    "rejected": "Rejected",
    "unanswered": "NotApproved",
    "plan changed": "PlanChanged",
}
"""Names of the Cancelled state a run ends in that was not approved."""


class Approval(BaseModel):
    """Who decides before anything is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["suspend", "pause", "auto_approve"] = Field(
        "suspend",
        title="How the run waits",
        description="suspend ends its process until somebody decides, for hours and days; pause keeps it waiting, for "
        "minutes; auto_approve asks nobody, for schedules.",
        json_schema_extra={"position": 0},
    )
    timeout_minutes: float = Field(
        1440,
        gt=0,
        le=43_200,
        title="Patience (minutes)",
        description="Nothing is imported when nobody decides within this time.",
        json_schema_extra={"position": 1},
    )


class ImportDecision(RunInput):
    """What shall be done with this plan?"""

    decision: str = Field(
        title="Decision", description="Nothing is written before you approve.", json_schema_extra={"position": 0}
    )
    name: str = Field(
        "", max_length=100, title="Your name", description="Kept with the decision.", json_schema_extra={"position": 1}
    )
    reason: str = Field(
        "",
        max_length=1000,
        title="Reason or ticket",
        description="Kept with the decision; say why when you reject.",
        json_schema_extra={"position": 2},
    )


def approve_import(folder: RunFolder, approval: Approval) -> Decision:
    """What was decided about the folder's plan. Asks a person unless that was done, or the run approves itself.

    Does not return when the run is suspended: its process ends here, and the flow runs from the top when somebody has
    decided. Nothing may be written unless the decision is `approved`; then only what has its digest.
    """
    asker = str(flow_run.id)
    known = standing(folder, asker, plan_digest(folder))
    if known:
        return known  # a retried run goes on with what it was allowed
    if approval.mode == "auto_approve":
        return _noted(
            folder, Decision(verdict="approved", digest=plan_digest(folder), at=now(), by=somebody(), asker=asker)
        )
    ask = open_ask(folder, asker)
    answer = _answer(ask) if ask else None
    if ask is None or answer is None:
        if ask:  # its time ran out while nothing of ours was running
            _noted(folder, _decision(folder, ask, None, approval))
        ask = note_ask(folder, asker=asker, mode=_possible(approval.mode))
        answer = _wait(folder, ask, approval)
    return _noted(folder, _decision(folder, ask, answer, approval))


def _noted(folder: RunFolder, decision: Decision) -> Decision:
    settings = site_settings()
    return note_decision(folder, decision, settings.run, settings.cloudstack.url)


def _possible(mode: str) -> str:
    """Prefect can suspend a run only where something can start it again, and no run that is part of another."""
    if mode == "suspend" and (not deployment.id or flow_run.parent_flow_run_id):
        log.info("this run cannot be suspended: it waits in its process for the approval")
        return "pause"
    return mode


def _wait(folder: RunFolder, ask: Ask, approval: Approval) -> ImportDecision | None:
    """Show the summary and the form, and wait; None when nobody answered in time."""
    text = summary_to_approve(folder)
    markdown("approval", text)
    form = _form(waves_waiting(folder)).with_initial_data(description=text)
    patience_s = max(1, round(approval.timeout_minutes * 60))
    if ask.mode == "suspend":
        answer = suspend_flow_run(wait_for_input=form, timeout=patience_s, key=ask.key)
    else:
        with _giving_up_after(patience_s) as given_up:
            answer = pause_flow_run(
                wait_for_input=form, timeout=patience_s + _SPARE_S, poll_interval=_POLL_S, key=ask.key
            )
        if given_up.is_set():
            return None
    return ImportDecision(**answer.model_dump())


@contextmanager
def _giving_up_after(patience_s: float) -> Iterator[threading.Event]:
    """Resume this run when nobody did in time; the event says so.

    A pause that runs out on the server makes the run Failed, whatever the flow says then; so it never runs out there.
    """
    given_up = threading.Event()

    def give_up(run_id: UUID) -> None:
        with get_client(sync_client=True) as client:
            answered = client.resume_flow_run(run_id, run_input={"decision": REJECT})
        if answered.status == SetStateStatus.ACCEPT:
            given_up.set()

    # A thread starts with an empty context; Prefect keeps which server to ask in it.
    context = contextvars.copy_context()
    timer = threading.Timer(patience_s, context.run, args=(give_up, UUID(str(flow_run.id))))
    timer.daemon = True
    timer.start()
    try:
        yield given_up
    finally:
        timer.cancel()
        timer.join()


def _form(waves: dict[int, int]) -> type[ImportDecision]:
    """The form with the decisions that are possible, so that the server refuses every other."""
    some = [f"{_ONLY}{wave}" for wave in waves] if len(waves) > 1 else []
    choices: Any = Literal[(EVERYTHING, *some, REJECT)]
    field = ImportDecision.model_fields["decision"]
    return create_model("ImportDecision", __base__=ImportDecision, decision=(choices, field))


def _answer(ask: Ask) -> ImportDecision | None:
    """What was answered to a question this run no longer waits for in its process."""
    state = "suspended" if ask.mode == "suspend" else "paused"
    found = cast("dict[str, Any] | None", read_flow_run_input(f"{state}-{ask.key}-response"))
    return ImportDecision(**found) if found else None


def _decision(folder: RunFolder, ask: Ask, answer: ImportDecision | None, approval: Approval) -> Decision:
    verdict: Verdict = "approved"
    reason, waves = "", cast("tuple[int, ...]", ())
    if answer is None:
        verdict, reason = "unanswered", f"nobody decided within {approval.timeout_minutes:g} minutes"
    elif answer.decision == REJECT:
        verdict, reason = "rejected", answer.reason or "no reason given"
    elif plan_digest(folder) != ask.digest:
        verdict, reason = "plan changed", "it was edited after it was shown; have it approved anew"
    else:
        reason = answer.reason
        chosen = answer.decision.removeprefix(_ONLY)
        waves = (int(chosen),) if chosen != answer.decision else ()
    return Decision(
        verdict=verdict,
        digest=ask.digest,
        at=now(),
        by=answer.name if answer else "",
        asker=ask.asker,
        ask=ask.key,
        waves=waves,
        reason=reason,
    )
