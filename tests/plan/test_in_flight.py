"""An import that runs elsewhere shows in the next snapshot of a twin, and so does one that failed."""

from __future__ import annotations

import dataclasses

from ingest.plan.enrich import enrich
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.validate import validate
from ingest.twin.generator import CLEAN, generate
from tests.plan.twin_site import running


def test_a_running_import_a_failed_one_and_one_that_is_done() -> None:
    with running(generate(4, seed=3, shape=CLEAN)) as site:
        snapshot = site.snapshot()
        assert (snapshot.catalogue.import_jobs, snapshot.catalogue.import_events) == ((), ())
        sheet = enrich(snapshot, Rules())
        done, failed, busy, calm = (import_request(row) for row in resolve(rows_to_import(sheet), snapshot))
        assert site.send(done) == ""
        assert "is invalid" in site.send(dataclasses.replace(failed, nic_networks=(("Network adapter 1", "nonsense"),)))
        with site.world.lock:
            site.world.cloud.import_seconds = 600.0
        job_id = site.client.import_unmanaged_instance(busy)
        later = site.snapshot()
        assert [job.jobid for job in later.catalogue.import_jobs] == [job_id]
        assert {event.imported for event in later.catalogue.import_events} == {failed.name, busy.name}
        # A minute later the failed one could not be that job; within a minute nobody can tell.
        apart = [
            event.model_copy(update={"created": "2020-01-01T00:00:00+0000"}) if event.imported == failed.name else event
            for event in later.catalogue.import_events
        ]
        later = later.model_copy(
            update={"catalogue": later.catalogue.model_copy(update={"import_events": tuple(apart)})}
        )
        told = {(one.vm, one.rule, one.level) for one in validate(sheet, later) if one.rule.startswith("FLIGHT")}
        assert told == {(busy.name, "FLIGHT-001", "warning"), (failed.name, "FLIGHT-002", "info")}
        assert calm.name not in {event.imported for event in later.catalogue.import_events}
