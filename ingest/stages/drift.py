"""What changed on a site since an earlier snapshot of it. Writes `drift.csv`, `drift.json` and `drift.html`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ingest.counting import counted
from ingest.drift.changes import COLUMNS, WORDS, Drift
from ingest.drift.compare import drift as compare
from ingest.errors import UsageError
from ingest.model.snapshot import Source, read_snapshot
from ingest.report.html import render_drift
from ingest.report.tables import csv_bytes, json_bytes, record
from ingest.stages.run_folder import DRIFT_CSV, DRIFT_JSON, DRIFT_PAGE, SNAPSHOT, SOURCE, RunFolder, existing_run_folder


@dataclass(frozen=True, slots=True)
class Drifted:
    """A comparison and its files. Without an earlier snapshot of the same view `drift` and the files are None."""

    drift: Drift | None = None
    since: Path | None = None
    drift_csv: Path | None = None
    drift_html: Path | None = None

    @property
    def summary(self) -> str:
        """What changed, in a line."""
        return self.drift.summary if self.drift else "the first snapshot of this site: nothing to compare with"


def drift_of(folder: RunFolder, against: Path | None = None) -> Drifted:
    """Compare the folder's snapshot with an earlier one: `against` (a run folder), else the last of the same view
    beside it. Writes the result into the folder. Raises UsageError when `against` is of other servers."""
    new = folder.need(SNAPSHOT, made_by="list_unmanaged")
    source = source_of(folder)
    since = existing_run_folder(against) if against else last_like(folder, source)
    if since is None:
        return Drifted()
    found = compare_saved(since, folder)
    name = folder.path.resolve().name
    document = {
        "before": {"folder": str(since.path), "taken_at": found.before, "vms": found.vms_before},
        "after": {"folder": str(new.parent), "taken_at": found.after, "vms": found.vms_after},
        "counts": [
            {"kind": kind, "what": what, "objects": number} for (kind, what), number in sorted(found.objects.items())
        ],
        "changes": [record(one) for one in found.changes],
    }
    folder.write(DRIFT_JSON, json_bytes(document))
    page = render_drift(
        title=f"What changed until {name}",
        since=f"From {found.before} ({since.path}, {counted(found.vms_before, 'VM')}) "
        f"to {found.after} ({counted(found.vms_after, 'VM')})",
        sums=[
            (number, f"{kind}s {WORDS[what]}")
            for (kind, what), number in sorted(
                found.objects.items(), key=lambda one: (one[0][0], list(WORDS).index(one[0][1]))
            )
        ],
        switched=power_in_words(found),
        rows=[record(one) for one in found.changes if one.what != "power"],
        whole=str(folder.file(DRIFT_CSV)),
    )
    return Drifted(
        drift=found,
        since=since.path,
        drift_csv=folder.write(DRIFT_CSV, csv_bytes(COLUMNS, map(record, found.changes))),
        drift_html=folder.write(DRIFT_PAGE, page),
    )


def compare_saved(old: RunFolder, new: RunFolder) -> Drift:
    """What changed between two saved snapshots. Raises UsageError when they are not of one vCenter."""
    before, after = (read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged")) for folder in (old, new))
    servers = [one.inventory.instance_uuid or one.inventory.server for one in (before, after)]
    views = [source_of(folder) for folder in (old, new)]
    if servers[0] != servers[1] or (views[0].cloudstack and views[1].cloudstack and not views[0].same_view(views[1])):
        raise UsageError(
            "the two snapshots are not of the same servers, asked for the same: everything would look changed",
            place=f"{old.path}, {new.path}",
            cure=f"compare runs whose {SOURCE} name the same servers and clusters",
        )
    return compare(before, after)


def power_in_words(found: Drift) -> str:
    """Power changes as numbers: `12 are switched on now, 3 off`."""
    switched = found.switched
    words = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended", "unknown": "unknown"}
    parts = [f"{switched[state]} {word}" for state, word in words.items() if switched[state]]
    return f"Power: {', '.join(parts)} now." if parts else ""


def source_of(folder: RunFolder) -> Source:
    """What the folder's snapshot is of; all '' when nobody wrote it down."""
    try:
        return Source.model_validate_json(folder.file(SOURCE).read_bytes())
    except (OSError, ValidationError):
        return Source()


def last_like(folder: RunFolder, source: Source) -> RunFolder | None:
    """The newest run folder beside this one with a whole, earlier snapshot of the same view, None without one."""
    own = folder.path.resolve()
    candidates = [
        (other.taken_at, path)
        for path, other in _sources(own.parent)
        if path != own and other.taken_at and other.taken_at <= source.taken_at and other.same_view(source)
    ]
    return RunFolder(max(candidates)[1]) if candidates else None


def _sources(runs: Path) -> Iterator[tuple[Path, Source]]:
    for written in runs.glob(f"*/{SOURCE}"):
        if (written.parent / SNAPSHOT).exists():
            yield written.parent, source_of(RunFolder(written.parent))
