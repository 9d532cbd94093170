"""`ingest evidence`: a run as one file, and whether such a file is as it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.cli.output import talk
from ingest.counting import counted
from ingest.engine.evidence import examine
from ingest.engine.ledger import ledger_is_there, open_ledger
from ingest.errors import UsageError
from ingest.settings import load_settings
from ingest.stages.evidence import known_secrets, make_evidence
from ingest.stages.run_folder import EVIDENCE, existing_run_folder


def evidence(
    folder: Path | None = None,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    check: Path | None = None,
    config: Path | None = None,
) -> int:
    """Pack a run into one file that shows when it was altered: plan, findings, calls, results, history.

    No keys and passwords get into it. Keep the seal it prints elsewhere: who has it can tell later that the file was
    not made anew. With --check say whether such a file is as it was made; exit code 4 when not.

    Parameters
    ----------
    folder
        Folder of the run.
    output
        File to write. Without it evidence.zip in the run's folder.
    check
        Evidence file to check instead.
    config
        TOML file with settings.
    """
    if (folder is None) == (check is None):
        raise UsageError("name a run's folder, or a file to --check", cure="ingest evidence --help")
    return _check(check) if check else _pack(existing_run_folder(folder or Path()).path, output, config)


def _pack(path: Path, output: Path | None, config: Path | None) -> int:
    settings = load_settings(config)
    folder = existing_run_folder(path)
    out = output or folder.file(EVIDENCE)
    if ledger_is_there(settings.run):
        with open_ledger(settings.run) as ledger:
            made = make_evidence(folder, ledger, known_secrets(settings), out)
    else:
        talk.print("there is no ledger: the evidence is without history", style="yellow")
        made = make_evidence(folder, None, known_secrets(settings), out)
    talk.print(f"evidence: {out} ({counted(len(made.files), 'file')})", markup=False)
    if made.removed:
        talk.print(f"secrets taken out: {made.removed} places", markup=False)
    talk.print(f"seal: {made.seal}", markup=False)
    return 0


def _check(path: Path) -> int:
    seen = examine(path)
    talk.print(
        f"run {seen.run_id}: {counted(seen.files, 'file')}, {counted(seen.lines, 'line')} of history", markup=False
    )
    for problem in seen.problems:
        talk.print(f"altered: {problem}", style="red", markup=False)
    talk.print(f"seal: {seen.seal}", markup=False)
    talk.print("not as it was made" if seen.problems else "as it was made, if this is the seal you kept")
    return 4 if seen.problems else 0
