"""How long a wave takes, against the same wave played through VM by VM."""

from __future__ import annotations

import itertools

import pytest

from ingest.runbook.prediction import predict
from tests.runbook.books import book


def played(rows: int, started: int, import_s: float, in_flight: int, delay_s: float) -> float:
    """When the last import is over, and the last VM has been started."""
    imported = [(1 + number // in_flight) * import_s for number in range(rows)]
    last = None
    for at_s in imported[:started]:
        last = at_s if last is None else max(at_s, last + delay_s)
    return max([0.0, last or 0.0, *imported])


@pytest.mark.parametrize(
    ("rows", "import_s", "in_flight", "delay_s"),
    list(itertools.product((0, 1, 7, 20), (0.0, 10.0, 60.0), (1, 3, 30), (0, 4, 30))),
)
def test_starts_go_on_beside_imports(rows: int, import_s: float, in_flight: int, delay_s: int) -> None:
    runbook = book(f"waves: [{{name: a, select: {{}}, start: {{delay: {delay_s}s}}}}]")
    for started in {0, rows // 2, rows}:
        (one,) = predict(runbook, [(rows, started)], import_s=import_s, in_flight=in_flight)
        assert one.end_s == played(rows, started, import_s, in_flight, delay_s), started
        assert one.imports_s + one.starts_s == one.end_s
