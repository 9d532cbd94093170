"""Many sites at once: one import run for each, on the worker of the site; started, watched and joined here."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from ingest.errors import RemoteError
from tasks.artifacts import LivePage
from tasks.endings import cancelled
from tasks.fleet import Fleet, orders
from tasks.fleet_page import NOT_STARTED, ShareLine, fleet_page, fleet_sums
from tasks.parameters import Approval, Shares
from tasks.run_names import stamped
from tasks.stop_signal import stop_signal

_FAILED = ("failed", "crashed", NOT_STARTED)


@flow(name="import-fleet", flow_run_name=stamped("fleet"))
def import_fleet(
    sites: Shares,
    dry_run: bool = True,
    tag: bool = False,
    approval: Approval = Approval(),
    pick_up: Annotated[int, Field(ge=0, le=10)] = 1,
) -> State[list[ShareLine]]:
    """Import the VMs of many sites: one run of import-vms for each site, all at once, on the sites' own workers.

    Args:
        sites: The sites, and how the VMs of each are imported.
        dry_run: Stop before the first write and show what would be sent, on every site.
        tag: Give imported VMs the tag ingest-run with the name of their run's folder.
        approval: Who decides before anything is written. Each site's run asks for itself.
        pick_up: How often the run of a site begins again, where it stopped, after its worker or host died.
    """
    fleet = Fleet(orders(sites, str(flow_run.id), dry_run=dry_run, tag=tag, approval=approval), pick_up)
    page = LivePage("fleet")
    with stop_signal() as stop:
        fleet.start()
        fleet.watch(stop, lambda lines: page.show(fleet_page(lines)))
    lines = fleet.lines
    page.show(fleet_page(lines))
    message = fleet_sums(lines)
    if stop.is_set():
        return cancelled(f"stopped: {message}", lines)
    failed = [one for one in lines if one.kind in _FAILED]
    if failed:
        raise RemoteError(
            f"{len(failed)} of {len(lines)} runs failed: {message}",
            place=", ".join(one.share for one in failed),
            cure="mend what their messages say (artifact fleet), then Retry this run: these go on where they stopped",
        )
    if all(one.kind == "cancelled" for one in lines):
        return cancelled(message, lines)
    return Completed(message=message, data=lines)
