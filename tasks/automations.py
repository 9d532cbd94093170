"""The automations `ingest setup` makes: what is done by itself when a run needs somebody, or has nobody any more.

All but one give a notice, through the deployment `notice`, so that they work without any service outside. Only runs
tagged `ingest` are concerned: other people's flows on the same server are left alone.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from tasks.notice import Happening

TAG = "ingest"
BUDGET_EVENT = "ingest.failure-budget.used-up"

REHEARSAL_ENDINGS = ("prefect.flow-run.Regressed", "prefect.flow-run.NotToItsEnd")
"""Events of the failed states a rehearsal has names of its own for (`flows.rehearse`)."""

HEARTBEAT_S = 30
"""How often a run says that it is alive: PREFECT_FLOWS_HEARTBEAT_FREQUENCY in prefect.yaml and prefect/worker.env."""
DEAD_AFTER_S = 3 * HEARTBEAT_S

_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_TAGGED = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})


def automations(notice: UUID) -> list[AutomationCore]:
    """All of them; `notice` is the id of the deployment that gives notices."""
    return [
        AutomationCore(
            name="ingest: dead worker",
            description=f"A run without a sign for {DEAD_AFTER_S} s is marked Crashed. Retry goes on where it stopped.",
            trigger=EventTrigger(
                match=_RUNS,
                match_related=_TAGGED,
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.*"},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=DEAD_AFTER_S),
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message=f"No sign of life for {DEAD_AFTER_S} s: its worker or host is gone",
                )
            ],
        ),
        _noticed(
            "ingest: run failed",
            "Failed, crashed or timed out.",
            {"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut", *REHEARSAL_ENDINGS},
            "failed",
            notice,
        ),
        _noticed(
            "ingest: run waits for approval",
            "Paused or suspended: a person decides.",
            {"prefect.flow-run.Paused", "prefect.flow-run.Suspended"},
            "waits for approval",
            notice,
        ),
        _noticed(
            "ingest: run late",
            "Scheduled, and no worker took it.",
            {"prefect.flow-run.Late"},
            "late",
            notice,
        ),
        _noticed(
            "ingest: failure budget used up",
            "So many rows failed that nothing more is sent.",
            {BUDGET_EVENT},
            "failure budget used up",
            notice,
        ),
    ]


def _noticed(name: str, description: str, events: set[str], what: Happening, notice: UUID) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=f"{description} Adds to the artifact `attention`; sends it, if there is a block `ingest-notify`.",
        trigger=EventTrigger(
            match=_RUNS,
            match_related=_TAGGED,
            expect=events,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=notice,
                parameters={
                    "what": what,
                    "run": _template("{{ flow_run.name }}"),
                    "run_id": _template("{{ flow_run.id }}"),
                    "message": _template("{{ flow_run.state.message or '' }}"),
                },
            )
        ],
    )


def _template(text: str) -> dict[str, str]:
    return {"__prefect_kind": "jinja", "template": text}
