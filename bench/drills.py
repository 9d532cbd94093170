"""How well durations are predicted: 20 seeded drills, each an import with trouble, against what was predicted for it.

Every seed has its own durations, trouble and order. The prediction knows the durations of earlier imports, as a ledger
would, and what the script says of the trouble: which server is away for how long, how many imports fail. It knows
nothing of how a drill went. Beside it the same without trouble, and with trouble the prediction does not know of.
Durations are those of the twin's time, in which only waiting is shortened; they hardly depend on this machine.
"""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.measuring import median
from bench.table import ratio, show
from ingest.rehearsal.drill import drill_plan
from ingest.rehearsal.plan_run import PlanPapers
from ingest.rehearsal.rehearse import Options, rehearse_plan
from ingest.rehearsal.results import RehearsedWave
from ingest.rehearsal.tempo import Durations, durations_of
from ingest.rehearsal.twin_settings import twin_settings
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import PLAN, RunFolder
from ingest.twin.generator import generate
from ingest.twin.serving import Twin

SEEDS = 20
TARGET = 0.10
KINDS = ("without trouble", "with foreseen trouble", "with unforeseen trouble")
_HISTORY, _MEDIAN_S, _SPREAD = 200, 60.0, 0.35


def main(repeat: int = SEEDS, sizes: Sequence[int] = (300,)) -> None:
    """`repeat` is the number of seeds here; 1, which the other benchmarks take for one measurement, means 20."""
    seeds = SEEDS if repeat == 1 else repeat
    logging.disable(logging.WARNING)
    try:
        for vms in sizes:
            _of_size(vms, seeds)
    finally:
        logging.disable(logging.NOTSET)


def _of_size(vms: int, seeds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as name:
        home = Path(name)
        site = _planned(vms, home)
        rows = []
        errors: dict[str, list[float]] = {kind: [] for kind in KINDS}
        pairs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        for seed in range(1, seeds + 1):
            durations, options = _durations(seed), Options(seed=seed)
            papers = PlanPapers(site.file(PLAN))
            calm = rehearse_plan(_folder(home, f"calm-{seed}"), site.path, papers, durations, options)
            drill = drill_plan(_folder(home, f"drill-{seed}"), site.path, papers, durations, options)
            for kind, whole, trouble_s in zip(
                KINDS, (calm.whole, drill.whole, drill.whole), (0.0, drill.trouble_s, 0.0), strict=True
            ):
                predicted_s, actual_s = _both(whole, trouble_s)
                errors[kind].append(abs(actual_s - predicted_s) / actual_s)
                pairs[kind].append((predicted_s, actual_s))
            rows.append(
                (
                    str(seed),
                    f"{drill.whole.predicted_s:.0f}",
                    f"{drill.predicted_s:.0f}",
                    f"{calm.whole.rehearsed_s:.0f}",
                    f"{drill.whole.rehearsed_s:.0f}",
                    f"{errors['without trouble'][-1]:.1%}",
                    f"{errors['with foreseen trouble'][-1]:.1%}",
                    str(len(drill.grade.people)),
                    drill.grade.words,
                )
            )
            print(f"  seed {seed}: {', '.join(rows[-1][1:])}; {'; '.join(drill.troubles)}", flush=True)
    columns = (
        "seed",
        "calm predicted s",
        "predicted s",
        "calm s",
        "drill s",
        "calm error",
        "error",
        "by people",
        "grade",
    )
    show(f"drills: {vms} VMs, 5 at once, imports of {_MEDIAN_S:g} s", columns, rows)
    print()
    for kind, found in errors.items():
        predicted_s, actual_s = (median(pair[number] for pair in pairs[kind]) for number in (0, 1))
        ratio(f"{kind}: median actual / median predicted", actual_s, predicted_s, " s")
        ratio(f"{kind}: median error / target", median(found), TARGET, "", f"of {seeds} seeds")


def _planned(vms: int, home: Path) -> RunFolder:
    folder = _folder(home, "planned")
    with Twin(generate(vms, seed=1)) as twin:
        settings = twin_settings(twin, folder.path)
        discover_networks(settings.vcenter, folder)
        list_unmanaged(settings.cloudstack, folder)
    enrich_csv(folder)
    return folder


def _folder(home: Path, name: str) -> RunFolder:
    (home / name).mkdir()
    return RunFolder(home / name)


def _durations(seed: int) -> Durations:
    """What a ledger knows of a site: a median of a minute, and the long tail real imports have."""
    chance = random.Random(f"durations {seed}")
    return durations_of([_MEDIAN_S * chance.lognormvariate(0.0, _SPREAD) for _ in range(_HISTORY)])


def _both(whole: RehearsedWave, trouble_s: float) -> tuple[float, float]:
    if whole.predicted_s is None or whole.rehearsed_s is None:
        raise AssertionError(f"nothing was timed: {whole}")
    return whole.predicted_s + trouble_s, whole.rehearsed_s
