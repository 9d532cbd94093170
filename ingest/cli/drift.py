"""`ingest drift`: what changed on the site between two snapshots, or since the last one."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.output import DiffFormat, show, talk
from ingest.cli.progress import shown
from ingest.counting import counted
from ingest.drift.changes import COLUMNS, Drift
from ingest.engine.events import StageDone, StageStarted, StageStep, tell
from ingest.report.tables import record
from ingest.settings import load_settings
from ingest.stages.discover_networks import Scope, discover_networks
from ingest.stages.drift import compare_saved, drift_of, power_in_words
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import SNAPSHOT, RunFolder, existing_run_folder, fresh_run_folder

SHORT = ("kind", "name", "what", "detail", "before", "after")


def drift(
    old: Path | None = None,
    new: Path | None = None,
    *,
    config: Path | None = None,
    cluster: list[str] | None = None,
    datacenter: str | None = None,
    format: DiffFormat = "table",
) -> int:
    """Say what changed on the site: VMs, networks, what CloudStack manages. Changes nothing.

    Without NEW both servers are read now. Exit code 0, changes or not.

    Parameters
    ----------
    old
        Run folder (or snapshot.json) to compare with. Without it the last one of the same servers and clusters.
    new
        Run folder to compare instead of the servers; needs no server.
    config
        TOML file with settings.
    cluster
        CloudStack cluster to list, by name or UUID; repeatable. Without it every VMware cluster.
    datacenter
        Only this vCenter datacenter, by name or path.
    format
        Format of the changes on stdout. Power changes are lines in json and csv, and a number otherwise.
    """
    if old and new:
        _tell_about(compare_saved(_folder(old), _folder(new)), format)
        return 0
    settings = load_settings(config)
    vcenter, cloudstack = settings.vcenter, settings.cloudstack
    with fresh_run_folder(settings.run.folder, settings.run.published) as folder, shown(talk):
        tell(StageStarted("discover_networks"))
        found = discover_networks(vcenter, folder, Scope(datacenter))
        tell(StageDone("discover_networks", f"{counted(found.vms, 'VM')} on {counted(found.networks, 'network')}"))
        tell(StageStarted("list_unmanaged"))
        listed = list_unmanaged(
            cloudstack, folder, cluster or (), progress=lambda text: tell(StageStep("list_unmanaged", text))
        )
        tell(StageDone("list_unmanaged", f"{counted(listed.shown, 'VM')} shown by CloudStack, {listed.not_shown} not"))
        drifted = drift_of(folder, _folder(old).path if old else None)
    if drifted.drift is None:
        talk.print(drifted.summary, markup=False)
        talk.print(f"snapshot: {folder.path}", markup=False)
        return 0
    _tell_about(drifted.drift, format)
    talk.print(f"compared with: {drifted.since}", markup=False)
    talk.print(f"files: {drifted.drift_csv} {drifted.drift_html}", markup=False)
    return 0


def _folder(path: Path) -> RunFolder:
    return existing_run_folder(path.parent if path.name == SNAPSHOT else path)


def _tell_about(found: Drift, format_: DiffFormat) -> None:
    people = format_ in ("table", "markdown")
    rows = [record(one) for one in found.changes if not people or one.what != "power"]
    show(rows, SHORT if people else COLUMNS, format_)
    talk.print(f"{found.before} to {found.after}: {found.summary}", markup=False)
    if power := power_in_words(found):
        talk.print(power, markup=False)
