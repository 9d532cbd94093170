"""How long each wave will take, from numbers of earlier runs: arithmetic only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.runbook.model import Runbook, Step


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds of one wave: people before it, imports, starts that follow the last import because of the delays between
    them, people after it; and when it ends.

    `end_s` counts from the start of the recovery. `complete` is False when nobody knows how long imports up to
    here take: the numbers are then lower bounds.
    """

    wave: str
    before_s: float
    imports_s: float
    starts_s: float
    after_s: float
    end_s: float
    complete: bool

    @property
    def duration_s(self) -> float:
        """The whole wave."""
        return self.before_s + self.imports_s + self.starts_s + self.after_s


def predict(
    runbook: Runbook, counts: Sequence[tuple[int, int]], *, import_s: float | None = None, in_flight: int = 5
) -> tuple[Prediction, ...]:
    """One prediction per wave. `counts` are (rows imported, VMs started) by wave, `import_s` the mean of one import.

    Health checks are not counted: a VM that answers at once takes none, and nobody knows the others beforehand.
    """
    if in_flight < 1:
        raise ValueError(f"at least one row in flight, not {in_flight}")
    at_s = _people(runbook.steps, "before")
    complete = True
    found = []
    for wave, (rows, started) in zip(runbook.waves, counts, strict=True):
        complete = complete and (import_s is not None or not rows)
        one = Prediction(
            wave=wave.name,
            before_s=_people(wave.steps, "before"),
            # The last rows do not fill all slots: rounds are whole.
            imports_s=(import_s or 0.0) * -(-rows // in_flight),
            starts_s=_starts(rows, started, import_s or 0.0, in_flight, wave.start.delay.total_seconds()),
            after_s=_people(wave.steps, "after"),
            end_s=0.0,
            complete=complete,
        )
        at_s += one.duration_s
        found.append(replace(one, end_s=at_s))
    return tuple(found)


def _starts(rows: int, started: int, import_s: float, in_flight: int, delay_s: float) -> float:
    """What the starts take beyond the imports. VMs that are started are imported first, in the order of their starts,
    and each is started as soon as it is imported and the delay after the one before is over."""
    if not started:
        return 0.0
    # The last start waits for the delays after the first VM of some round of imports: the first round, or the last.
    rounds, imports_s = -(-started // in_flight), import_s * -(-rows // in_flight)
    after_first_s = import_s + (started - 1) * delay_s
    after_last_s = rounds * import_s + (started - (rounds - 1) * in_flight - 1) * delay_s
    return max(after_first_s, after_last_s, imports_s) - imports_s


def _people(steps: Sequence[Step], when: str) -> float:
    return sum(step.takes.total_seconds() for step in steps if step.when == when and step.takes)
