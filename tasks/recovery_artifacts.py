"""A recovery in the Prefect UI while it works: a progress bar, and a page with the RTO clock. For people only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.runtime import flow_run

from ingest.counting import counted
from ingest.engine.events import ClockRead, Event, PersonAnswered, PersonAsked, TargetAtRisk, WaveOver, listening
from tasks.live_artifacts import Shown, kept_up
from tasks.pages import clock_page

PROGRESS, PAGE = "recovery-progress", "recovery-now"


@contextmanager
def recovery_artifacts(folder: str, every_s: float = 5.0) -> Iterator[None]:
    """Keep the artifacts `recovery-progress` and `recovery-now` of this flow run up to date while the block runs."""
    shown, heard = Shown(flow_run.id), _Heard()

    def update() -> None:
        clock = heard.clock
        if clock is None:
            return
        percent = 100 * clock.done / clock.total if clock.total else 0.0
        overall = clock.clock.overall
        shown.show(
            PROGRESS,
            "progress",
            round(percent, 1),
            f"{clock.done} of {counted(clock.total, 'VM')}; RTO: {overall.text}",
        )
        shown.show(PAGE, "markdown", clock_page(clock, tuple(heard.notes), folder=folder), f"RTO: {overall.text}")

    with listening(heard), kept_up(update, every_s):
        yield


class _Heard:
    """The newest clock, and what people should know."""

    def __init__(self) -> None:
        self.clock: ClockRead | None = None
        self.notes: deque[str] = deque(maxlen=30)

    def __call__(self, event: Event) -> None:
        match event:
            case ClockRead():
                self.clock = event
            case TargetAtRisk(_, text):
                self.notes.append(f"warning: {text}")
            case PersonAsked(key, say, who):
                self.notes.append(f"{who or 'somebody'} has to sign {key}: {say}")
            case PersonAnswered(key, name, decision):
                self.notes.append(f"{key}: {decision}, signed by {name}")
            case WaveOver(_, name, verdict, why):
                self.notes.append(f"wave {name}: {verdict}{f', {why}' if why else ''}")
