"""The verdict on every row of a plan, in the order the plan would run."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ingest.model.snapshot import Snapshot
from ingest.plan.predict.predictor import Predictor
from ingest.plan.predict.verdict import Verdict
from ingest.plan.resolve import ResolvedRow, attempted_request, wave_of


def in_order(rows: Iterable[ResolvedRow]) -> list[ResolvedRow]:
    """Rows as they run: by wave, then by line."""
    return sorted(rows, key=lambda row: (wave_of(row.row), row.row.line))


def verdicts(rows: Iterable[ResolvedRow], snapshot: Snapshot, left_out: Collection[int] = ()) -> dict[int, Verdict]:
    """Verdict by line. Rows of the lines `left_out` are judged where they stand, but are not sent: they take nothing.

    A row that names what does not exist, or contradicts itself, makes no call; it is unknown, and says why.
    """
    predictor = Predictor(snapshot)
    found: dict[int, Verdict] = {}
    for row in in_order(rows):
        problem = _problem(row)
        if problem:
            found[row.row.line] = Verdict("unknown", doubts=(f"no call can be made: {problem}",))
        else:
            found[row.row.line] = predictor.judge(attempted_request(row), sent=row.row.line not in left_out)
    return found


def _problem(row: ResolvedRow) -> str:
    if row.pair is None:
        return "the VM is no longer in vCenter"
    if not row.pair.cluster_id:
        return row.pair.absent or "CloudStack does not know the VM's cluster"
    problems = [row.owner_problem, row.offering_problem, row.template_problem, row.number_problem]
    problems.append(row.contradiction)
    problems += [nic.problem for nic in row.nics if nic.wanted]
    problems += [disk.problem for disk in row.disks if disk.wanted]
    return "; ".join(filter(None, problems))
