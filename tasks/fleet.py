"""The runs of a fleet: each started once, watched, picked up after its worker died, stopped when the fleet is.

They are runs of their own, not what Prefect calls subflows: those cannot be suspended for an approval, and count as a
part of the fleet's run, whose state `stop_signal` would then watch instead of theirs. The idempotency key is what ties
them to the fleet: made of its run's id and the share, so a fleet that is retried finds the runs it has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import OrchestrationResult
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.runtime import flow_run
from prefect.settings import PREFECT_UI_URL
from prefect.states import AwaitingRetry

from ingest.errors import UsageError
from tasks.fleet_page import NOT_STARTED, ShareLine, counts_in
from tasks.parameters import Approval, Share
from tasks.server_traffic import SERVER_AWAY

log = logging.getLogger("ingest.flow")

_GROUPS = ("selection", "planning", "limits", "safety")
_EVERY_S = 3.0
_PAGE = 200  # what the server gives at most
# A worker tells the end of a run that was cancelled or crashed once more, some seconds later, which would end the run
# that goes on; and a run that lives although it was taken for dead needs its time to notice, and to let go of its rows.
_REST = timedelta(seconds=30)
_LAST_WORDS_S = 20.0  # Prefect kills the process of a cancelled run after 30 s


@dataclass(frozen=True, slots=True)
class Order:
    """A run to start: whose share it does, by which deployment, and what differs from the deployment's parameters."""

    share: str
    deployment: str
    key: str
    parameters: dict[str, Any]


def orders(shares: Sequence[Share], fleet: str, *, dry_run: bool, tag: bool, approval: Approval) -> list[Order]:
    """The runs of the fleet with this id. Raises UsageError when two would do the same, or a run per cluster names
    none."""
    common = {"dry_run": dry_run, "tag": tag, "approval": approval.model_dump(mode="json")}
    found = []
    for share in shares:
        clusters = share.selection.clusters
        if share.run_per_cluster and not clusters:
            raise UsageError(
                "a run for each cluster, but no cluster is named", place=f"site {share.site}", cure="fill in selection"
            )
        own = {name: _filled_in(getattr(share, name)) for name in _GROUPS}
        for cluster in clusters if share.run_per_cluster else [""]:
            name = f"{share.site}/{cluster}" if cluster else share.site
            groups = own | ({"selection": own["selection"] | {"clusters": [cluster]}} if cluster else {})
            parameters = common | {"site": share.site} | {name: group for name, group in groups.items() if group}
            deployment = share.deployment or f"import-{share.site}"
            found.append(Order(name, f"import-vms/{deployment}", f"{fleet}:{name}", parameters))
    names = [one.share for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"named twice: {', '.join(twice)}", place="sites", cure="one entry for each site or cluster")
    return found


def _filled_in(group: Any) -> dict[str, Any]:
    """The fields of a group that differ from what the empty form has."""
    empty = type(group)().model_dump(mode="json")
    return {name: value for name, value in group.model_dump(mode="json").items() if value != empty[name]}


@dataclass(slots=True)
class _Child:
    order: Order
    run: FlowRun | None = None
    problem: str = ""
    picked_up: int = 0
    again: bool = False
    said: str = ""

    def seen(self, run: FlowRun) -> None:
        """Where it is now. The worker of a cancelled run says so last, in place of what the run said of its rows."""
        message = run.state.message if run.state else ""
        self.run, self.said = run, message if message and counts_in(message) else self.said

    @property
    def ended(self) -> bool:
        """Whether its run is over, or there is none."""
        return self.line.over

    @property
    def line(self) -> ShareLine:
        run, share = self.run, self.order.share
        if run is None or run.state is None:
            return ShareLine(share, NOT_STARTED, NOT_STARTED, self.problem)
        message = (self.said or run.state.message or "").strip()
        return ShareLine(
            share,
            kind=run.state.type.value.lower(),
            state=run.state.name or run.state.type.value.capitalize(),
            message=message,
            run=run.name,
            link=f"{PREFECT_UI_URL.value() or ''}/runs/flow-run/{run.id}",
            picked_up=self.picked_up,
            counts=counts_in(message),
        )


@dataclass(slots=True)
class Fleet:
    """The runs of these orders. `pick_up` is how often each is begun again when its worker died."""

    orders: Sequence[Order]
    pick_up: int = 0
    _children: list[_Child] = field(default_factory=list)

    @property
    def lines(self) -> list[ShareLine]:
        """Where each share stands, as last seen."""
        return [child.line for child in self._children]

    def start(self) -> None:
        """Start what was not started by an earlier attempt; what ended badly then begins again where it stopped.

        A run that cannot be started does not keep the others from it. Raises UsageError, and starts nothing, when a
        deployment is missing.
        """
        with get_client(sync_client=True) as client:
            bases = _parameters_of(client, {one.deployment for one in self.orders})
            keys = [one.key for one in self.orders]
            known = {
                run.idempotency_key: run
                for some in _in_pages(keys)
                for run in client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=some)), limit=_PAGE
                )
            }
        for order in self.orders:
            child = _Child(order, known.get(order.key))
            self._children.append(child)
            if child.run is None:
                self._begin(child, bases[order.deployment])
            else:
                child.again = child.ended and child.line.kind != "completed"

    def _begin(self, child: _Child, base: dict[str, Any]) -> None:
        order = child.order
        merged = {
            name: base.get(name, {}) | value if name in _GROUPS else value for name, value in order.parameters.items()
        }
        try:
            child.run = run_deployment(  # type: ignore[assignment]  # declared as also awaitable
                order.deployment,
                parameters=merged,
                timeout=0,
                as_subflow=False,
                idempotency_key=order.key,
                tags=[str(flow_run.name)],
            )
        except SERVER_AWAY as error:
            child.problem = str(error)
            log.error("%s was not started: %s", order.share, error)

    def watch(self, stop: threading.Event, seen: Callable[[list[ShareLine]], None]) -> None:
        """Return when every run is over. When `stop` is set they are cancelled, and waited for a little while.

        Prefect does not cancel these runs with the fleet's by itself. A fleet whose own worker is shut down, or that
        was taken for dead, leaves them to go on: Retry finds them again.
        """
        cancelled_at = 0.0
        while True:
            try:
                self._look(stopping=bool(cancelled_at))
                seen(self.lines)
                if not any(self._left()):
                    return
                if cancelled_at and time.monotonic() - cancelled_at > _LAST_WORDS_S:
                    return
                if not stop.is_set():
                    stop.wait(_EVERY_S)
                    continue
                own = None if cancelled_at else _own_state()
                if own and own.is_crashed():
                    return
                if own:
                    cancelled_at = time.monotonic()
                    self._cancel()
                time.sleep(1.0)
            except TerminationSignal:
                own = _own_state()
                if own is None or not (own.is_cancelling() or own.is_cancelled()):
                    raise
                stop.set()

    def _left(self) -> Iterator[_Child]:
        return (child for child in self._children if not child.ended or self._goes_on(child))

    def _goes_on(self, child: _Child) -> bool:
        """Whether a run that is over begins again."""
        return child.again or (child.line.kind == "crashed" and child.picked_up < self.pick_up)

    def _look(self, *, stopping: bool) -> None:
        by_id = {child.run.id: child for child in self._children if child.run}
        try:
            with get_client(sync_client=True) as client:
                for some in _in_pages([child.run.id for child in self._left() if child.run]):
                    wanted = FlowRunFilter(id=FlowRunFilterId(any_=some))
                    for run in client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE):
                        by_id[run.id].seen(run)
                for child in [] if stopping else list(self._left()):
                    self._pick_up(client, child)
        except SERVER_AWAY as error:
            log.debug("the Prefect server does not answer: %s", error)  # the runs go on, and so does this one

    def _pick_up(self, client: SyncPrefectClient, child: _Child) -> None:
        state = child.run.state if child.run else None
        if child.run is None or state is None or not child.ended or datetime.now(UTC) - state.timestamp < _REST:
            return
        why = f"{state.name}: goes on where it stopped"
        # As the button Retry: the same run, which finds its folder, its approval and its rows in the ledger.
        done: OrchestrationResult[Any] = client.set_flow_run_state(child.run.id, AwaitingRetry(message=why), force=True)
        log.warning("%s begins again (%s)", child.order.share, why)
        child.run = child.run.model_copy(update={"state": done.state})
        child.picked_up += not child.again
        child.again, child.said = False, ""

    def _cancel(self) -> None:
        for child in self._children:
            if child.run is None or child.ended:
                continue
            try:
                with get_client(sync_client=True) as client:
                    client.set_flow_run_state(child.run.id, State(type=StateType.CANCELLING))
            except SERVER_AWAY as error:
                log.error("%s could not be cancelled, do it in the UI: %s", child.order.share, error)


def _own_state() -> State[Any] | None:
    """The state of this run: whether it was cancelled, as its process is sent the same signal when its worker is shut
    down. None while the server does not answer."""
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(UUID(str(flow_run.id))).state
    except SERVER_AWAY:
        return None


def _parameters_of(client: SyncPrefectClient, deployments: set[str]) -> dict[str, dict[str, Any]]:
    """The parameters each deployment has of its own."""
    found, missing = {}, []
    for name in sorted(deployments):
        try:
            found[name] = client.read_deployment_by_name(name).parameters
        except ObjectNotFound:
            missing.append(name)
    if missing:
        raise UsageError(
            f"there is no deployment {', '.join(missing)}; nothing was started",
            place="sites",
            cure="add one for the site to prefect.yaml and run `ingest setup`, or name another (deployment)",
        )
    return found


def _in_pages(values: list[Any]) -> Iterator[list[Any]]:
    return (values[start : start + _PAGE] for start in range(0, len(values), _PAGE))
