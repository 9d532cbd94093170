"""What is to be rehearsed, and of which site there is a copy: found from what was named, or from what lies about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.errors import UsageError
from ingest.rehearsal.site_copy import CURE
from ingest.runbook.runbook_file import read_runbook
from ingest.stages.drift import source_of
from ingest.stages.run_folder import PLAN, SNAPSHOT, RunFolder

REHEARSALS = "rehearsals"
"""The folder, among the runs, of the folders of rehearsals and drills."""


@dataclass(frozen=True, slots=True)
class Papers:
    """A runbook, a plan, or neither (then a plan is made), and `site`: a snapshot, world file or recording."""

    site: Path
    plan: Path | None = None
    runbook: Path | None = None

    @property
    def endpoint(self) -> str:
        """The CloudStack API the site's snapshot was read from, '' when that is not known. A name: nobody calls it."""
        folder = self.site.parent if self.site.name == SNAPSHOT else self.site
        return source_of(RunFolder(folder)).cloudstack if (folder / SNAPSHOT).is_file() else ""


def find_papers(what: Path | None, site: Path | None, runs: Path) -> Papers:
    """`what` is a run folder, a plan (CSV) or a runbook (YAML); None is the newest plan among the runs, or the site
    alone. `site` None is the snapshot beside the plan. Raises UsageError when either is not there."""
    if what is None:
        if site is not None:
            beside = site / PLAN
            return Papers(site, plan=beside if beside.is_file() and (site / SNAPSHOT).is_file() else None)
        newest = _newest(runs)
        return Papers(newest, plan=newest / PLAN)
    if not what.exists():
        raise UsageError("is not there", place=str(what), cure="give a run folder, a plan (CSV) or a runbook (YAML)")
    if what.is_dir():
        if not (what / PLAN).is_file():
            raise UsageError(f"has no {PLAN}", place=str(what), cure="give the folder `ingest plan` printed")
        return Papers(site or _with_snapshot(what), plan=what / PLAN)
    if what.suffix.lower() in (".yaml", ".yml"):
        book = read_runbook(what)
        stored = book.beside(book.runbook.plan)
        return Papers(site or (stored.parent if (stored.parent / SNAPSHOT).is_file() else _newest(runs)), runbook=what)
    return Papers(site or _with_snapshot(what.parent), plan=what)


def _with_snapshot(folder: Path) -> Path:
    if not (folder / SNAPSHOT).is_file():
        raise UsageError(f"there is no {SNAPSHOT} beside the plan", place=str(folder), cure=f"--snapshot: {CURE}")
    return folder


def _newest(runs: Path) -> Path:
    """The run folder whose snapshot and plan were taken last."""
    found = [
        (source_of(RunFolder(path.parent)).taken_at, path.parent.name, path.parent)
        for path in runs.glob(f"*/{SNAPSHOT}")
        if (path.parent / PLAN).is_file()
    ]
    if not found:
        raise UsageError("no run here has a plan", place=str(runs), cure="ingest plan, or give a plan or a runbook")
    return max(found)[2]
