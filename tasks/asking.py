"""A question to a person in the Prefect UI: a summary, a form, and a run that waits for the answer.

`pause` keeps the process waiting, for minutes. `suspend` ends it; when somebody has answered, a worker starts the flow
from the top, and the same question is answered at once.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast
from uuid import UUID

from prefect import get_client, pause_flow_run, suspend_flow_run
from prefect.client.schemas.responses import SetStateStatus
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.runtime import deployment, flow_run
from pydantic import Field, create_model

log = logging.getLogger("ingest.flow")

EVERYTHING = "approve everything"
REJECT = "reject"
_POLL_S = 2
_SPARE_S = 600

Mode = Literal["suspend", "pause"]


class Answer(RunInput):
    """What shall be done? Nothing is written before you approve."""

    decision: str = Field(
        title="Decision",
        description="Until then nothing is written, neither to CloudStack nor to vCenter.",
        json_schema_extra={"position": 0},
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


def possible(mode: Literal["suspend", "pause", "auto_approve"]) -> Mode:
    """How this run can wait. Prefect suspends only what something can start again, and no part of another run."""
    if mode == "suspend" and (not deployment.id or flow_run.parent_flow_run_id):
        log.info("this run cannot be suspended: it waits in its process for the approval")
        return "pause"
    return "suspend" if mode == "suspend" else "pause"


def ask(key: str, mode: Mode, *, text: str, choices: Sequence[str], timeout_minutes: float) -> Answer | None:
    """The answer to a question; None when nobody gave one in time. `text` is Markdown, `choices` all that is possible.

    Does not return when the run is suspended: its process ends here. Prefect asks a key once in the life of a flow run.
    """
    form = _form(choices).with_initial_data(description=text)
    patience_s = max(1, round(timeout_minutes * 60))
    if mode == "suspend":
        answer = suspend_flow_run(wait_for_input=form, timeout=patience_s, key=key)
        return Answer(**answer.model_dump())
    with _giving_up_after(patience_s) as given_up:
        answer = pause_flow_run(wait_for_input=form, timeout=patience_s + _SPARE_S, poll_interval=_POLL_S, key=key)
    return None if given_up.is_set() else Answer(**answer.model_dump())


def answer_to(key: str, mode: Mode) -> Answer | None:
    """What was answered to a question this process did not wait for; None when nobody did."""
    state = "suspended" if mode == "suspend" else "paused"
    found = cast("dict[str, Any] | None", read_flow_run_input(f"{state}-{key}-response"))
    return Answer(**found) if found else None


def _form(choices: Sequence[str]) -> type[Answer]:
    """The form with the decisions that are possible, so that the server refuses every other."""
    possible_choices: Any = Literal[tuple(choices)]
    return create_model("Answer", __base__=Answer, decision=(possible_choices, Answer.model_fields["decision"]))


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
