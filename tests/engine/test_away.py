"""A server that is away for a while holds a run up; it does not end it."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.away import Away
from ingest.engine.rows import Pace
from ingest.errors import InMaintenance, Transient
from ingest.model.catalogue import UnmanagedInstance
from ingest.stages.validate import validate
from ingest.twin import truth
from ingest.twin.faults.script import Script
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from tests.engine.fake_cloudstack import FAST, FakeCloudStack, Trial, trial_in
from tests.plan.twin_site import import_calls
from tests.rehearsal.site import planned_site

# As in the fault matrix: a connection reset before its handshake begins leaves a socket that Python did not close.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <ssl\.SSLSocket fd=.* laddr=[^,]*, \d+.>:pytest.PytestUnraisableExceptionWarning"
)

AWAY = Transient("cannot connect", place="fake", cure="wait")
PATIENT = Pace(timeout_s=1.0, settle_s=0.1, resubmit_s=(0.001, 0.001), away_s=30.0)
VMS = 12


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with trial_in(tmp_path) as made:
        made.pace = PATIENT
        yield made


def test_it_is_waited_for_until_patience_is_over() -> None:
    stop = threading.Event()
    away = Away(0.4, stop)
    began = time.monotonic()
    assert away.waited(AWAY)
    assert time.monotonic() - began >= 0.3, "no longer than patience lasts, and hardly shorter"
    assert not away.waited(AWAY)
    away.answered()
    assert away.waited(AWAY), "it was back, and is away anew"


def test_nobody_waits_once_the_run_is_told_to_stop() -> None:
    stop = threading.Event()
    away = Away(60.0, stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert not away.waited(AWAY)
    assert not away.waited(AWAY)
    assert time.monotonic() - began < 30


def test_without_patience_the_line_stops_at_once() -> None:
    assert not Away(0.0, threading.Event()).waited(AWAY)


def test_a_row_that_could_not_be_sent_is_looked_at_again_and_sent(trial: Trial) -> None:
    # Two pauses inside a submission, so three refused connections end it.
    trial.fake = FakeCloudStack(sending={"b": [AWAY, AWAY, AWAY, None]})
    result = trial.run("a", "b", "c")
    assert [one.status for one in result.outcomes] == ["imported"] * 3
    assert result.systemic == ""
    assert trial.fake.sent_names() == ["a", "b", "b", "b", "b", "c"]
    log = [what for what, name in trial.fake.log if name == "b" and what in ("list", "send")]
    assert log[-2:] == ["list", "send"], "what was seen before the server was away is old"
    assert trial.entry("b").state == "imported"


def test_a_server_in_maintenance_is_not_away(trial: Trial) -> None:
    trial.fake = FakeCloudStack(sending={"a": [InMaintenance("Maintenance or Shutdown has been initiated")]})
    began = time.monotonic()
    result = trial.run("a", "b")
    assert [one.status for one in result.outcomes] == ["not-started", "not-started"]
    assert result.systemic == "Maintenance or Shutdown has been initiated"
    assert time.monotonic() - began < PATIENT.away_s / 2


def test_a_row_that_could_not_be_looked_at_is_looked_at_again(trial: Trial) -> None:
    listed = trial.fake.list_unmanaged_instances
    failures = iter([AWAY, AWAY])

    def list_unmanaged_instances(cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        for failure in failures:
            raise failure
        return listed(cluster_id, name)

    trial.fake.list_unmanaged_instances = list_unmanaged_instances  # type: ignore[method-assign]
    result = trial.run("a", "b")
    assert [one.status for one in result.outcomes] == ["imported", "imported"]
    assert trial.fake.sent_names() == ["a", "b"]


def test_a_server_that_answers_everything_but_calls_does_not_hold_the_run_for_ever(trial: Trial) -> None:
    trial.pace = Pace(timeout_s=1.0, settle_s=0.1, resubmit_s=(0.001,), away_s=1.5)
    trial.fake = FakeCloudStack(sending={"a": [AWAY]})
    result = trial.run("a", "b")
    assert [one.status for one in result.outcomes] == ["not-started", "not-started"]
    assert result.systemic == AWAY.message
    assert trial.stop.is_set()


def test_a_management_server_that_is_restarted_ends_no_run(tmp_path: Path) -> None:
    site = planned_site(generate(VMS, seed=5), tmp_path / "real")
    validate(site)
    world = generate(VMS, seed=5)
    world.cloud.import_seconds = 0.3
    restart = {"kind": "cloudstack-restart", "command": "importUnmanagedInstance", "nth": 6, "seconds": 6}
    with Twin(world) as twin:
        twin.faults.set(Script.model_validate({"faults": [restart]}))
        results = import_calls(twin, site, pace=Pace(settle_s=20.0, resubmit_s=FAST.resubmit_s, away_s=60.0))
    statuses = Counter(outcome.status for result in results for outcome in result.outcomes)
    assert [result.systemic for result in results if result.systemic] == []
    assert truth.duplicates(twin.world) == {}
    assert set(statuses) <= {"imported", "failed", "incomplete"}, "what ran when it went away is lost, the rest is not"
    assert statuses["imported"] >= VMS - 5
    gc.collect()  # the sockets that were left go in this test, which expects them
