"""Is everything there to recover with: both servers, the runbook, its plan, the datastores, the hosts. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.counting import counted
from ingest.doctor import Diagnosis, Verdict
from ingest.doctor import examine as examine_servers
from ingest.errors import IngestError
from ingest.plan.sheet import Sheet
from ingest.runbook.assignment import assign_waves
from ingest.runbook.model import Runbook, Site
from ingest.runbook.spans import in_words
from ingest.settings import Settings

PLAN_GETS_OLD_S = 36 * 3600.0
"""A nightly plan that failed once is told."""
_MOST = 5


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The plan a recovery stands on, and when its file was written (seconds of the epoch)."""

    path: Path
    sheet: Sheet
    written_at: float


def examine(settings: Settings, runbook: Runbook, stored: StoredPlan, *, now: float) -> list[Diagnosis]:
    """Every test of both sides and of the papers, in one list. Never raises for a bad site."""
    found = [*_papers(runbook, stored, now), *examine_servers(settings)]
    if not any(one.side == "vCenter" and one.verdict == "fail" for one in found):
        for site in runbook.sites:
            found += _site(settings, site)
    if not runbook.sites:
        found.append(
            Diagnosis("vCenter", "sites", "warn", "the runbook names none: nothing is registered", "add `sites`")
        )
    return found


def missing(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """What must be mended first."""
    return [one for one in found if one.verdict == "fail"]


def _papers(runbook: Runbook, stored: StoredPlan, now: float) -> Iterator[Diagnosis]:
    assignment = assign_waves(runbook, stored.sheet)
    levels = Counter(one.level for one in assignment.findings)
    worst = [one.message for one in assignment.findings if one.level == "critical"]
    checks = [one for one in assignment.findings if one.rule.startswith("CHECK")]
    seen = f"{counted(len(assignment.waves), 'wave')}, {counted(sum(len(one.rows) for one in assignment.waves), 'VM')}"
    if worst:
        yield Diagnosis(
            "papers", "runbook", "fail", "; ".join(worst[:_MOST]), "ingest runbook check says where", exit_code=3
        )
    elif levels["warning"]:
        yield Diagnosis(
            "papers",
            "runbook",
            "warn",
            f"{seen}; {counted(levels['warning'], 'warning')}",
            "ingest runbook check lists them",
        )
    else:
        yield Diagnosis("papers", "runbook", "ok", seen)
    age_s = max(now - stored.written_at, 0.0)
    written = datetime.fromtimestamp(stored.written_at, UTC).isoformat(timespec="minutes")
    seen = f"{counted(len(stored.sheet.rows), 'row')}, written {written}, {in_words(age_s)} ago"
    old = age_s > PLAN_GETS_OLD_S
    cure = "VMs made since are not in it; the nightly plan keeps it fresh" if old else ""
    yield Diagnosis("papers", "stored plan", "warn" if old else "ok", seen, cure)
    if checks:
        names = ", ".join(one.vm or one.column for one in checks[:_MOST])
        cure = "ingest runbook check says which and why"
        yield Diagnosis("papers", "health checks", "warn", f"{len(checks)} cannot be made as planned: {names}", cure)
    else:
        yield Diagnosis("papers", "health checks", "ok", "every address is known, or CloudStack picks it")


def _site(settings: Settings, site: Site) -> Iterator[Diagnosis]:
    """Where replicas lie and where they go: cluster, folder, pool, hosts, datastores."""
    from ingest.vsphere.placement import choose_placement, read_places
    from ingest.vsphere.session import connect
    from ingest.vsphere.stores import read_stores

    test = f"site {site.name}"
    try:
        with connect(settings.vcenter) as vcenter:
            places = read_places(vcenter)
            placement = choose_placement(
                vcenter,
                places,
                cluster=site.cluster,
                datacenter=site.datacenter,
                folder=site.folder,
                pool=site.pool,
                host=site.host,
            )
            stores = read_stores(vcenter, places, patterns(site), datacenter=placement.datacenter)
    except IngestError as error:
        yield Diagnosis("vCenter", test, "fail", error.message, error.cure, error.exit_code)
        return
    hosts = ", ".join(name for _, name in placement.hosts[:_MOST])
    yield Diagnosis("vCenter", f"{test}: hosts connected", "ok", f"{len(placement.hosts)} in {site.cluster}: {hosts}")
    problems = [problem for store in stores if (problem := store.problem or store.read_only) is not None]
    usable = len(stores) - len(problems)
    seen = f"{usable} of {counted(len(stores), 'datastore')} can be browsed and written"
    if problems:
        words, _, cure = problems[0].detail.partition(" -> ")
        names = ", ".join(problem.object for problem in problems[:_MOST])
        verdict: Verdict = "warn" if usable else "fail"
        yield Diagnosis(
            "vCenter", f"{test}: datastores", verdict, f"{seen}; {names}: {words}", cure, 0 if usable else 2
        )
    else:
        yield Diagnosis("vCenter", f"{test}: datastores", "ok", seen)


def patterns(site: Site) -> tuple[str, ...]:
    """The datastores of a site, as names and patterns."""
    return (site.datastores,) if isinstance(site.datastores, str) else tuple(site.datastores)
