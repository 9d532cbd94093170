"""How long the imports of each wave will take, from what earlier imports took. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ingest.engine.schedule.eta import Estimate, eta


def predict_waves(rows: Sequence[int], durations: Sequence[float], *, in_flight: int) -> list[Estimate | None]:
    """An estimate for each wave of so many rows; None where too few durations are known."""
    return [eta(durations, running_s=(), waiting=count, in_flight=in_flight) for count in rows]


def in_a_row(waves: Sequence[Estimate | None]) -> Estimate | None:
    """The estimate for waves that follow each other; None when one is not known. Their doubts add up as variances."""
    known = [one for one in waves if one is not None]
    if len(known) < len(waves):
        return None
    left_s = sum(one.left_s for one in known)
    low_s = left_s - math.hypot(*(one.left_s - one.low_s for one in known))
    high_s = left_s + math.hypot(*(one.high_s - one.left_s for one in known))
    return Estimate(left_s, max(low_s, 0.0), high_s, max((one.rows_per_minute for one in known), default=0.0))
