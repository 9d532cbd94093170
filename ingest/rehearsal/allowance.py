"""How much longer an import takes for the trouble of a drill, as far as it can be said beforehand. Pure.

What is said follows from what stands in the script and from how long imports take, never from how a drill went:

- While a server is away nothing is begun: it costs its seconds.
- A killed worker is noticed after `NOTICED_S`. What it had sent is imported meanwhile; its slots stand idle afterwards.
- What fails, and what a restarted CloudStack was working at, is imported by another attempt when everything else is
  done. How long that takes is played through like the rest of an import.

What delays single calls (polls that time out, a lost session) costs nothing that counts in minutes.
"""

from __future__ import annotations

import statistics

from ingest.engine.schedule.eta import eta
from ingest.rehearsal.drilling import NOTICED_S
from ingest.rehearsal.scenario import Scenario
from ingest.rehearsal.tempo import Durations
from ingest.twin.faults import kinds

_FAILS = (kinds.Capacity, kinds.JobFails, kinds.HostDown)


def allowance_s(scenario: Scenario, durations: Durations, *, in_flight: int) -> float:
    """Seconds an import takes longer because of this trouble."""
    away_s, again = 0.0, 0
    for fault in scenario.script.faults:
        times = max(fault.times, 1)
        if isinstance(fault, kinds.CloudStackRestart | kinds.VCenterRestart | kinds.Silence):
            away_s += times * fault.seconds
        if isinstance(fault, kinds.CloudStackRestart) and not fault.finishes_later:
            again += times * in_flight
        elif isinstance(fault, _FAILS):
            again += times
    idle_s = max(NOTICED_S - _left_s(durations), 0.0) * len(scenario.kills)
    last = eta(durations.known, running_s=(), waiting=again, in_flight=in_flight)
    return away_s + idle_s + (last.left_s if last else 0.0)


def _left_s(durations: Durations) -> float:
    """How long an import still takes that is met at a random moment: long ones are met more often."""
    mean_s = statistics.fmean(durations.known)
    return statistics.fmean(one * one for one in durations.known) / (2 * mean_s) if mean_s else 0.0
