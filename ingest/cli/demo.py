"""`ingest demo`: the whole job on the embedded twin. No server, account or key needed."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ingest.cli.local_server import API_VARIABLE, prefect_server
from ingest.cli.output import talk
from ingest.cli.progress import shown
from ingest.cli.run import exit_code, show_result
from ingest.counting import counted
from ingest.data_files import data_file
from ingest.settings import ENV_PREFIX, variable


def demo(
    *,
    keep: Annotated[bool, Parameter(negative=())] = False,
    max_concurrent_imports: PositiveInt = 10,
    world: Path | None = None,
    folder: Path = Path("runs/demo"),
) -> int:
    """Import a demo site of about 60 VMs from an embedded vCenter into an embedded CloudStack.

    Settings in the environment are left aside: nothing outside this machine is touched.

    Parameters
    ----------
    keep
        Leave the Prefect server up afterwards, until Ctrl-C, to look at the run in its UI.
    max_concurrent_imports
        Imports in flight at any moment.
    world
        Another world file (YAML).
    folder
        Where the run's folder is made.
    """
    # A demo never reaches for a real site, whatever the environment says.
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)] + [API_VARIABLE]:
        os.environ.pop(name, None)
    from ingest.twin.serving import Twin
    from ingest.twin.worldfile import load_world

    made = load_world(world or data_file("demo-world.yaml"))
    with Twin(made) as twin, tempfile.TemporaryDirectory(prefix="ingest-demo-") as own:
        talk.print(f"twin: {counted(len(made.vms), 'VM')}, vCenter and CloudStack on 127.0.0.1")
        os.environ |= twin.environment() | {variable("run", "ledger"): str(Path(own) / "ledger.db")}
        with prefect_server(Path(".ingest/demo")) as server:
            talk.print(f"Prefect server: {server.ui_url}", markup=False)
            with shown(talk):
                from flows.import_vms import run_import
                from tasks.parameters import Limits, Planning

                result = run_import(
                    dry_run=False,
                    planning=Planning(rules=str(data_file("rules.yaml"))),
                    limits=Limits(max_concurrent_imports=max_concurrent_imports, batch_size=3),
                    runs_folder=str(folder),
                )
            show_result(result, "table")
            imports = [moref for moref, _ in twin.world.cloud.journal.imports]
            talk.print(
                f"the twin's own journal: {counted(len(imports), 'import')} of {counted(len(set(imports)), 'VM')}"
            )
            talk.print("next: ingest twin serve   (a site to try every other command on; it prints how)")
            if keep:
                talk.print(f"the Prefect UI stays up until Ctrl-C: {server.ui_url}", markup=False)
                with contextlib.suppress(KeyboardInterrupt):
                    threading.Event().wait()
    code = exit_code(result)
    return 0 if code == 3 else code  # the demo world has rows that must be refused: that is the demo working
