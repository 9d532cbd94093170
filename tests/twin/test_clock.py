"""The twin's clock: fast, set forward and back, and real for durations."""

from __future__ import annotations

import threading
import time

import pytest

from ingest.twin.clock import Clock
from ingest.twin.generator import generate
from ingest.twin.worldfile import load_world, save_world


def test_a_fast_clock_shortens_waits_and_stretches_time() -> None:
    clock, began = Clock(speed=100), time.monotonic()
    before = clock.monotonic()
    assert clock.wait(threading.Event(), 20) is False
    assert time.monotonic() - began < 5
    assert clock.monotonic() - before >= 19.9


def test_a_jump_moves_the_wall_clock_only() -> None:
    clock = Clock()
    wall, running = clock.now(), clock.monotonic()
    clock.jump(-3600)
    assert clock.now() == pytest.approx(wall - 3600, abs=5)
    assert clock.monotonic() == pytest.approx(running, abs=5)


def test_a_change_of_speed_does_not_jump() -> None:
    clock = Clock(speed=1)
    before = clock.now()
    clock.run_at(1000)
    assert clock.now() == pytest.approx(before, abs=60)


def test_what_clients_sign_is_judged_by_a_clock_that_nobody_hurries() -> None:
    clock = Clock()
    clock.run_at(1e6)
    time.sleep(0.01)
    assert (clock.moment() - clock.moment_of_clients()).total_seconds() > 5000
    before = clock.moment_of_clients()
    clock.jump(3600)  # set wrong, it refuses what is in time
    assert (clock.moment_of_clients() - before).total_seconds() == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("speed", [0, -1])
def test_a_clock_runs_forward(speed: float) -> None:
    with pytest.raises(ValueError, match="runs forward"):
        Clock(speed)
    with pytest.raises(ValueError, match="runs forward"):
        Clock().run_at(speed)


def test_the_clock_is_no_part_of_a_saved_world(tmp_path) -> None:
    world = generate(2, seed=1)
    world.clock.jump(1e6)
    save_world(world, tmp_path / "world.json")
    assert load_world(tmp_path / "world.json").clock.now() < world.clock.now() - 9e5
