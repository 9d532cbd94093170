"""Runs, kills, resumed runs, settlements, give-backs, edits, other people and faults, in any order, keep the promises.

Each example is a world of its own with real servers, a real ledger file and processes that are killed. The suite takes
a few, the same ones each time; `INGEST_ORDERS=300 INGEST_ORDERS_SEED=7 pytest tests/engine/test_any_order.py` takes
more, and others with another seed.
"""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import get_state_machine_test

from tests.engine.any_order import AnyOrder
from tests.engine.killing import plan

FEW, STEPS = 6, 12
ORDERS = int(os.environ.get("INGEST_ORDERS", str(FEW)))
SEED = os.environ.get("INGEST_ORDERS_SEED", "")
VMS = 4


@pytest.mark.timeout(300 + 30 * ORDERS)
def test_the_promises_hold_in_any_order(tmp_path: Path) -> None:
    planned_ = plan(tmp_path / "planned", vms=VMS, import_seconds=0.05, batch_size=2)

    class Machine(AnyOrder):
        planned, parent = planned_, tmp_path

    chosen = settings(
        max_examples=ORDERS,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not SEED,
        database=None,
        # An example is minutes of shrinking; its story is told as it was instead.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    test = get_state_machine_test(Machine, settings=chosen)
    (hypothesis.seed(int(SEED))(test) if SEED else test)()
