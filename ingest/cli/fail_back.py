"""`ingest fail-back`: a recovered site given back, the last wave first. Shows first; acts with --yes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.cli.output import Format, show, talk
from ingest.engine.ledger import open_ledger
from ingest.recovery.fail_back import COLUMNS, DONE, FailBackOptions
from ingest.recovery.fail_back import fail_back as give_back
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.run_folder import FAIL_BACK, existing_run_folder


def fail_back(
    run_folder: Path,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative=())] = False,
    unregister: Annotated[bool, Parameter(negative=())] = False,
    hard: Annotated[bool, Parameter(negative=())] = False,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Give back what a recovery did, the last wave first: stop, give back, unregister. Shows only, until --yes.

    The ledger knows what the recovery started, imported and registered; nothing else is touched, nothing is
    destroyed. Running it again changes nothing. Exit codes: 0 all can be or was given back, 3 something stands against
    some, 4 some was not given back, 5 stopped.

    Parameters
    ----------
    run_folder
        Folder of the recovery.
    yes
        Really do it. Without it only what would happen is shown.
    unregister
        Take the VMs it registered out of vCenter's inventory afterwards. Their files stay.
    hard
        Switch off what does not shut down by itself.
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    settings = load_settings(config)
    folder = existing_run_folder(run_folder)
    options = FailBackOptions(hard=hard, unregister=unregister)
    with (
        talk.status("asking both sides") as line,
        open_ledger(settings.run, must_exist=True) as ledger,
        ledger.keep_alive(),
    ):
        rows = give_back(settings, folder, ledger, options, dry_run=not yes, progress=line.update)
    show([record(row) for row in rows], COLUMNS, format)
    counts = Counter(row.status for row in rows)
    talk.print(", ".join(f"{number} {status}" for status, number in counts.items()) or "nothing is left to give back")
    talk.print(f"list: {folder.file(FAIL_BACK)}", markup=False)
    if not yes and rows:
        more = f"{' --unregister' if unregister else ''}{' --hard' if hard else ''}"
        talk.print(f"nothing was changed; to give back: ingest fail-back {run_folder}{more} --yes", markup=False)
    if yes and counts["not-started"]:
        return 5
    if counts.keys() <= DONE:
        return 0
    return 4 if yes else 3
