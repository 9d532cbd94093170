"""`ingest why`: why a VM is in CloudStack's list, or is not, from both sides."""

from __future__ import annotations

import sys
from pathlib import Path

from ingest.cli.output import Format, show, talk
from ingest.cli.progress import shown
from ingest.model.snapshot import Snapshot, read_snapshot
from ingest.plan.why import Answer
from ingest.plan.why import why as reasons_of
from ingest.settings import load_settings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import SNAPSHOT, existing_run_folder, fresh_run_folder

COLUMNS = ("vm", "moref", "path", "listed", "side", "fact", "cure")


def why(name: str, *, snapshot: Path | None = None, config: Path | None = None, format: Format = "table") -> int:
    """Say why a VM is in CloudStack's list of unmanaged instances, or is not. Reads both sides, changes nothing.

    Exit code 0 when CloudStack lists it, 3 when it does not.

    Parameters
    ----------
    name
        Name of the VM in vCenter, or its managed object id.
    snapshot
        Run folder or snapshot.json to look into instead of the servers.
    config
        TOML file with settings.
    format
        Format on stdout.
    """
    seen = _saved(snapshot) if snapshot else _fresh(config)
    answers = reasons_of(name, seen)
    if format == "table":
        sys.stdout.write("\n".join(_text(answer) for answer in answers))
    else:
        show([row for answer in answers for row in _rows(answer)], COLUMNS, format)
    return 0 if any(answer.listed for answer in answers) else 3


def _saved(snapshot: Path) -> Snapshot:
    source = snapshot.parent if snapshot.name == SNAPSHOT else snapshot
    return read_snapshot(existing_run_folder(source).need(SNAPSHOT, made_by="list_unmanaged"))


def _fresh(config: Path | None) -> Snapshot:
    settings = load_settings(config)
    vcenter, cloudstack = settings.vcenter, settings.cloudstack
    with fresh_run_folder(settings.run.folder, settings.run.published) as folder, shown(talk):
        discover_networks(vcenter, folder)
        list_unmanaged(cloudstack, folder)
        talk.print(f"snapshot: {folder.path / SNAPSHOT}", markup=False)
        return read_snapshot(folder.path / SNAPSHOT)


def _text(answer: Answer) -> str:
    head = f"{answer.name}  {answer.moref}  {answer.path}".rstrip()
    verdict = "CloudStack lists it" if answer.listed else "CloudStack does not list it"
    lines = [f"{head}\n  {verdict}"]
    for reason in answer.reasons:
        lines.append(f"  {reason.side}: {reason.fact}")
        if reason.cure:
            lines.append(f"    -> {reason.cure}")
    return "\n".join(lines) + "\n"


def _rows(answer: Answer) -> list[dict[str, str]]:
    vm = {"vm": answer.name, "moref": answer.moref, "path": answer.path, "listed": "yes" if answer.listed else "no"}
    return [vm | {"side": one.side, "fact": one.fact, "cure": one.cure} for one in answer.reasons]
