"""What a recovery would do, without doing any of it: preconditions, waves, and what lies on the datastores."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ingest.doctor import Diagnosis
from ingest.engine.ledger import open_ledger
from ingest.recovery.course import kept_runbook, read_course
from ingest.recovery.doing import OnThreads
from ingest.recovery.people import known_keys
from ingest.recovery.planning import preview_course
from ingest.recovery.preconditions import examine, missing
from ingest.recovery.registration import register_sites
from ingest.recovery.sequence import RecoveryOptions, stored_plan
from ingest.runbook.spans import in_words
from ingest.settings import Settings
from ingest.stages.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything that was looked at, a row for each wave, and what else is worth knowing, a line each."""

    found: tuple[Diagnosis, ...]
    waves: tuple[dict[str, Any], ...]
    texts: tuple[str, ...]

    @property
    def missing(self) -> list[Diagnosis]:
        """What must be mended first."""
        return missing(self.found)


def preview(settings: Settings, folder: RunFolder, options: RecoveryOptions) -> Preview:
    """Look at both sides and the papers in the folder; writes `registered.csv` of what would be registered."""
    runbook, stored = kept_runbook(folder).runbook, stored_plan(folder)
    found = examine(settings, runbook, stored, now=time.time())
    course = read_course(folder)
    texts = []
    if not missing(found) and course is None:
        with open_ledger(settings.run) as ledger:
            rows = register_sites(
                settings, folder, runbook, ledger, OnThreads(), threading.Event(),
                at_once=options.register_at_once, dry_run=True,
            )  # fmt: skip
        counts = ", ".join(f"{number} {status}" for status, number in Counter(row.status for row in rows).items())
        texts.append(f"on the datastores: {counts or 'no VM was found'}")
    course = course or preview_course(runbook, stored.sheet)
    if course.leftovers:
        texts.append(f"{len(course.leftovers)} VMs are in no wave and are not recovered")
    keys = known_keys(runbook)
    if keys:
        texts.append(f"people sign: {', '.join(keys)}")
    waves = [
        {
            "wave": wave.number,
            "name": wave.name,
            "vms": len(wave.vms),
            "started": sum(vm.start for vm in wave.vms),
            "critical": sum(vm.critical for vm in wave.vms),
            "target": in_words(rto) if (rto := runbook.wave(wave.name).rto) else "",
        }
        for wave in course.waves
    ]
    return Preview(tuple(found), tuple(waves), tuple(texts))
