"""What needs a person, said where it is seen: in the artifact `attention`, and over a notification block, if any."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.notice import Happening, give_notice


@flow(name="notice", flow_run_name="{what}: {run}")
def notice(what: Happening = "failed", run: str = "", run_id: str = "", message: str = "") -> State[str]:
    """Tell people that something happened to a run. Started by automations.

    Args:
        what: What happened.
        run: Name of the run.
        run_id: Its id in Prefect, for the link.
        message: The message of its state.
    """
    told = give_notice(what, run, run_id, message)
    return Completed(message=told, data=told)
