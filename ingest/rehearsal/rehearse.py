"""A plan rehearsed: a copy of its site, the import gone through there, durations, what would fail, what got worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ingest.counting import counted
from ingest.engine.events import StageDone, StageStarted, tell
from ingest.plan.sheet import read_sheet
from ingest.rehearsal.comparing import TOLERANCE, changes
from ingest.rehearsal.plan_run import Imported, PlanPapers, import_plan, prepare
from ingest.rehearsal.prediction import in_a_row, predict_waves
from ingest.rehearsal.report import last_rehearsal, read_rehearsal, write_rehearsal
from ingest.rehearsal.results import Rehearsal, RehearsedWave
from ingest.rehearsal.rows import plan_rows
from ingest.rehearsal.site_copy import SiteCopy, copy_of
from ingest.rehearsal.tempo import Durations, speed_for
from ingest.rehearsal.times import Span, import_seconds, import_span
from ingest.rehearsal.twin_settings import twin_settings
from ingest.settings import Settings
from ingest.stages.import_batch import ImportOptions
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.stages.validate import Validated
from ingest.twin.hurry import Hurry
from ingest.twin.serving import Twin
from ingest.twin.world import World


@dataclass(frozen=True, slots=True)
class Options:
    """How a rehearsal is held. `speed` None: as fast as its durations stay true. `against` is the folder of the
    rehearsal to compare with, None the last of the same subject beside this one; `tolerance` the share by which
    durations may differ."""

    seed: int = 1
    speed: float | None = None
    imports: ImportOptions = field(default_factory=ImportOptions)
    against: Path | None = None
    tolerance: float = TOLERANCE


def rehearse_plan(
    folder: RunFolder, site: Path, papers: PlanPapers, durations: Durations, options: Options
) -> Rehearsal:
    """Rehearse a plan on the copy of `site` (see `site_copy`); everything is written into `folder`, its ledger too.

    Raises the errors of unreadable papers, and UsageError for a plan that is of another site.
    """
    copy = copied(site, durations, options)
    with on_twin(copy, folder, options, durations) as stage:
        checked = prepare(stage.settings, folder, papers)
        with Hurry(copy.world, waves_of(checked), stage.speed, in_flight=options.imports.max_concurrent_imports):
            done = import_plan(stage.settings, folder, options.imports)
        found = _found(folder, copy, papers, durations, options, stage.speed, checked, done)
    return compared(folder, found, options)


def copied(site: Path, durations: Durations, options: Options) -> SiteCopy:
    """The copy, whose imports take as long as real ones."""
    tell(StageStarted("copy_site"))
    copy = copy_of(site, seed=options.seed)
    copy.world.seed = options.seed
    copy.world.cloud.import_seconds_seen = list(durations.known)
    tell(StageDone("copy_site", f"{counted(len(copy.world.vms), 'VM')} from {copy.source}"))
    return copy


@dataclass(frozen=True, slots=True)
class Stage:
    """A running copy: the settings that lead there and nowhere else, and how fast imports are to go by."""

    twin: Twin
    settings: Settings
    speed: float


@contextmanager
def on_twin(copy: SiteCopy, folder: RunFolder, options: Options, durations: Durations) -> Iterator[Stage]:
    """The copy served on loopback."""
    with Twin(copy.world) as twin:
        yield Stage(twin, twin_settings(twin, folder.path), options.speed or speed_for(durations))


def compared(folder: RunFolder, found: Rehearsal, options: Options) -> Rehearsal:
    """The rehearsal with what changed since the last one, written down."""
    last = (
        (options.against, read_rehearsal(options.against))
        if options.against
        else last_rehearsal(folder.path.parent, found.is_like, leave_out=folder.path)
    )
    if last is not None:
        since, earlier = last
        differing = changes(earlier, found, tolerance=options.tolerance)
        found = found.model_copy(update={"since": str(since), "changes": differing})
    write_rehearsal(folder, found)
    return found


def moment() -> str:
    """Now, UTC ISO 8601, fine enough to order rehearsals."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _found(
    folder: RunFolder,
    copy: SiteCopy,
    papers: PlanPapers,
    durations: Durations,
    options: Options,
    speed: float,
    checked: Validated,
    done: Imported,
) -> Rehearsal:
    sheet = read_sheet(folder.need(PLAN, made_by="validate"))
    waves, whole = plan_waves(copy.world, checked, durations, options.imports.max_concurrent_imports)
    return Rehearsal(
        kind="plan",
        site=copy.site,
        of=str(papers.plan or folder.file(PLAN)),
        copied_from=copy.source,
        taken_at=copy.taken_at,
        made=moment(),
        seed=options.seed,
        speed=speed,
        in_flight=options.imports.max_concurrent_imports,
        basis=durations.basis,
        assumed=durations.assumed,
        waves=tuple(waves),
        whole=whole,
        rows=plan_rows(sheet.rows, done.outcomes, checked.findings, import_seconds(copy.world)),
        left_out=copy.left_out,
        stopped=done.systemic,
    )


def waves_of(checked: Validated) -> list[list[str]]:
    """The VMs that are imported, wave by wave."""
    numbers = sorted({call.wave for call in checked.ready})
    return [[call.vm for call in checked.ready if call.wave == number] for number in numbers]


def plan_waves(
    world: World, checked: Validated, durations: Durations, in_flight: int
) -> tuple[list[RehearsedWave], RehearsedWave]:
    """The waves of a plan and the whole, predicted and as they went in this world."""
    numbers = sorted({call.wave for call in checked.ready})
    members = waves_of(checked)
    estimates = predict_waves([len(one) for one in members], durations.known, in_flight=in_flight)
    spans = [import_span(world, one) for one in members]
    waves = [
        RehearsedWave(
            name=str(number),
            rows=len(vms),
            predicted_s=_rounded(estimate.left_s if estimate else None),
            low_s=_rounded(estimate.low_s if estimate else None),
            high_s=_rounded(estimate.high_s if estimate else None),
            rehearsed_s=_rounded(span.seconds if span else None),
        )
        for number, vms, estimate, span in zip(numbers, members, estimates, spans, strict=True)
    ]
    estimate = in_a_row(estimates)
    whole = RehearsedWave(
        name="",
        rows=len(checked.ready),
        predicted_s=_rounded(estimate.left_s if estimate else None),
        low_s=_rounded(estimate.low_s if estimate else None),
        high_s=_rounded(estimate.high_s if estimate else None),
        rehearsed_s=_rounded(_from_first_to_last(spans)),
    )
    return waves, whole


def _from_first_to_last(spans: Sequence[Span | None]) -> float | None:
    known = [span for span in spans if span is not None]
    return max(span.ended for span in known) - min(span.began for span in known) if known else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
