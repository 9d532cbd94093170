"""The worker of a drill, a process of its own that can be killed: `python -m ingest.rehearsal.worker`.

It reads its order (one line of JSON) from stdin, says `ready` when all is imported that takes time to import, waits for
`go`, works, and says how it ended in a line of JSON. When its stdin is closed nobody wants it any more, and it ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from ingest.engine.rows import Pace
from ingest.errors import FindingsBlock, IngestError, Stopped
from ingest.model.endpoints import CloudStackEndpoint, HealthEndpoint, VCenterEndpoint
from ingest.recovery.course import kept_runbook
from ingest.recovery.sequence import recover
from ingest.rehearsal.lent_clock import LentClock
from ingest.rehearsal.plan_run import import_plan
from ingest.rehearsal.runbook_run import recovery_in, recovery_options
from ingest.rehearsal.twin_settings import closed, run_settings
from ingest.rehearsal.twin_time import NobodyReally
from ingest.settings import Settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import RunFolder

READY, GO = "ready", "go"


class RecoveryOrder(BaseModel):
    """What a worker that recovers needs besides: the twin's clock (`lent_clock`), and how fast it goes while people
    are waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock: str
    key: str
    fast: float
    confirm_guesses: bool


class Order(BaseModel):
    """What a worker does, and where: the import of the folder's calls, or with `recovery` that of its runbook.

    Secrets are the twin's own; they come over a pipe all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    cloudstack: dict[str, Any]
    vcenter: dict[str, Any]
    health: dict[str, Any]
    max_concurrent_imports: int
    batch_size: int
    settle_s: float
    recovery: RecoveryOrder | None = None

    @classmethod
    def of(
        cls, settings: Settings, folder: Path, options: ImportOptions, recovery: RecoveryOrder | None = None
    ) -> Order:
        """The order to import what the folder's calls say, or with `recovery` to recover by its runbook."""
        cloudstack, vcenter = settings.cloudstack, settings.vcenter
        return cls(
            folder=folder.resolve(),
            cloudstack=cloudstack.model_dump(mode="json")
            | {
                "api_key": cloudstack.api_key.get_secret_value(),
                "secret_key": cloudstack.secret_key.get_secret_value(),
            },
            vcenter=vcenter.model_dump(mode="json") | {"password": vcenter.password.get_secret_value()},
            health=settings.health.model_dump(mode="json"),
            max_concurrent_imports=options.max_concurrent_imports,
            batch_size=options.batch_size,
            settle_s=options.pace.settle_s,
            recovery=recovery,
        )

    def settings(self) -> Settings:
        """The twin's settings again."""
        return closed(
            {
                "cloudstack": CloudStackEndpoint.model_validate(self.cloudstack),
                "vcenter": VCenterEndpoint.model_validate(self.vcenter),
                "health": HealthEndpoint.model_validate(self.health),
                "run": run_settings(self.folder),
            }
        )

    @property
    def imports(self) -> ImportOptions:
        """How it imports."""
        return ImportOptions(
            max_concurrent_imports=self.max_concurrent_imports,
            batch_size=self.batch_size,
            pace=Pace(settle_s=self.settle_s),
        )


def work(order: Order) -> dict[str, str]:
    """Go on with the folder's import or recovery; how it ended."""
    try:
        if order.recovery:
            return {"stopped": _recover(order, order.recovery)}
        done = import_plan(order.settings(), RunFolder(order.folder), order.imports)
    except FindingsBlock as error:
        return {"stopped": error.message, "hopeless": "yes"}
    except IngestError as error:
        return {"stopped": error.message}
    return {"stopped": done.systemic}


def _recover(order: Order, recovery: RecoveryOrder) -> str:
    folder, stop = RunFolder(order.folder), threading.Event()
    clock = LentClock(recovery.clock, recovery.key)
    people = NobodyReally(kept_runbook(folder).runbook, clock, recovery.fast, stop)
    options = recovery_options(order.imports, recovery.confirm_guesses)
    with recovery_in(folder, order.settings(), clock, people, options, stop) as opened:
        try:
            return recover(opened).why
        except (FindingsBlock, Stopped):
            opened.conclude()
            raise


def main() -> None:
    """Read, wait, work, say."""
    order = Order.model_validate_json(sys.stdin.readline())
    _import_all()
    _say(READY)
    if sys.stdin.readline().strip() != GO:
        return
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    _say(json.dumps(work(order)))


def _import_all() -> None:
    import ingest.engine.power
    import ingest.vsphere.session  # noqa: F401  pyVmomi takes its time


def _end_with(stream: IO[str]) -> None:
    while stream.readline():
        pass
    os._exit(1)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
