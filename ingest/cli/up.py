"""`ingest up`: a Prefect server, a worker and the twin on this machine, so that a newcomer can click Run."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from ingest.cli.local_server import API_VARIABLE, prefect_server
from ingest.cli.local_worker import prefect_worker
from ingest.cli.output import talk
from ingest.counting import counted
from ingest.data_files import data_file
from ingest.settings import ENV_PREFIX, variable

SITE = "demo"


def up(
    *,
    port: Annotated[NonNegativeInt, Parameter(name=["--port", "-p"])] = 0,
    world: Path | None = None,
    folder: Path = Path(".ingest/up"),
) -> int:
    """Start a Prefect server, a worker and the twin on this machine, to try everything in the Prefect UI.

    Runs until Ctrl-C, which ends all of it. Settings in the environment are left aside: nothing outside this machine
    is touched. The site is called demo; it is made anew at each start, what Prefect knows of earlier runs is kept.

    Parameters
    ----------
    port
        Port of the UI; 0 chooses a free one.
    world
        Another world file (YAML).
    folder
        Where the server's database, the logs and the folders of runs are kept.
    """
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)] + [API_VARIABLE]:
        os.environ.pop(name, None)
    from ingest.twin.serving import Twin
    from ingest.twin.worldfile import load_world

    made = load_world(world or data_file("demo-world.yaml"))
    # A new site knows nothing of earlier imports, so the ledger is new as well.
    with Twin(made) as twin, tempfile.TemporaryDirectory(prefix="ingest-up-") as own:
        talk.print(f"twin: {counted(len(made.vms), 'VM')}, vCenter and CloudStack on 127.0.0.1")
        site = twin.environment()
        settings = site | {
            variable("run", "folder"): str((folder / "runs").resolve()),
            variable("run", "state"): str(folder.resolve()),
            variable("run", "ledger"): str(Path(own) / "ledger.db"),
            variable("run", "rules"): str(data_file("rules.yaml").resolve()),
        }
        with prefect_server(folder / "prefect", port) as server:
            # A worker takes seconds to start; it does so while the rest is made.
            with prefect_worker(server, folder / "prefect", settings) as worker:
                _set_up(site)
                worker.wait_until_online()
                with contextlib.suppress(KeyboardInterrupt):
                    talk.print(f"\n[bold]Prefect UI: {server.ui_url}[/]")
                    talk.print(
                        f"  Deployments, import-{SITE}, Run, Custom run: switch dry_run off to import, then Resume to "
                        "approve\n"
                        f"  logs: {folder / 'prefect'}; folders of the runs: {folder / 'runs'}\n"
                        "Ctrl-C ends all of it",
                        markup=False,
                    )
                    worker.stay()
            talk.print("worker ended", markup=False)
        talk.print("Prefect server ended", markup=False)
    return 0


def _set_up(site: dict[str, str]) -> None:
    from tasks.blocks import save_credentials
    from tasks.provisioning import provision

    with talk.status("setting up"):
        done = Counter(thing.done for thing in provision())
        save_credentials(SITE, site)
    talk.print("set up: " + ", ".join(f"{number} {what}" for what, number in sorted(done.items())))
