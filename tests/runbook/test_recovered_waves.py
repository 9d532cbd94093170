"""Waves of a recovery: what the stored plan knows decides, the rows of the recovery plan are run."""

from __future__ import annotations

from ingest.plan.enrich import enrich
from ingest.plan.resolve import rows_to_import, wave_of
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row
from ingest.runbook.assignment import with_waves
from ingest.runbook.recovered_waves import recovered_waves
from ingest.runbook.recovery_plan import recovery_plan
from tests.plan import small_site as site
from tests.runbook.books import book, plan
from tests.runbook.test_matching import there

RUNBOOK = """
networks: {subnets: [{old: 10.1.0.0/16, new: 10.9.0.0/16}, {old: 10.9.0.0/16, new: 10.8.0.0/16}]}
waves:
  - name: first
    select: {folder: "*/prod", host: esx2}
    checks: [{kind: tcp, port: 22}]
  - name: second
    select: {}
    critical: {name: "web*"}
    start: {order: [{name: "web*"}]}
    checks: [{kind: tools}]
"""


def test_a_replica_in_another_folder_and_switched_off_runs_in_the_wave_and_starts_as_it_was() -> None:
    stored = plan(site.app02(), site.db_03(nics=(site.nic(1, "03", ipv4=("10.1.0.3",)),)), site.web01())
    own = site.machine(9, "own", nics=(site.nic(1, "99"),), disks=(site.disk(1, 20, 9),))
    vms = [
        own,
        there(site.web01(), path="/DR/vm/Recovered/web01"),
        there(site.app02(), path="/DR/vm/Recovered/app02"),
        there(site.db_03(), path="/DR/vm/Recovered/db_03", host="esx1"),
    ]
    snapshot = site.snapshot(*vms)
    runbook = book(RUNBOOK)
    recovery = recovery_plan(stored, enrich(snapshot, Rules()), runbook.networks, snapshot.catalogue)
    done = recovered_waves(runbook, stored, recovery)
    first, second = done.assignment.waves

    def names(rows: object) -> list[str]:
        return [row["vm"] for row in rows]  # type: ignore[attr-defined]

    assert (names(first.rows), names(second.rows)) == (["db_03"], ["web01", "app02"])
    assert [row["moref"] for row in (*first.rows, *second.rows)] == ["vm-703", "vm-701", "vm-702"]
    assert names(row for row in (*first.rows, *second.rows) if first.is_started(row) or second.is_started(row)) == [
        "db_03",
        "web01",
    ]
    assert names(row for row in second.rows if second.is_critical(row)) == ["web01"]
    assert second.checks == (frozenset({second.rows[0].line}),)
    (db,) = first.rows
    assert done.addresses[db.line, 1] == "10.9.0.3", "moved once, though the new address fits a rule as well"
    sheet = with_waves(recovery.sheet, done.assignment)
    assert {row["vm"]: wave_of(row) for row in rows_to_import(sheet)} == {"db_03": 1, "web01": 2, "app02": 2}


def test_rows_without_a_vm_are_in_no_wave() -> None:
    stored = plan(site.web01(), site.db_03())
    snapshot = site.snapshot(there(site.web01()))
    runbook = book(RUNBOOK)
    recovery = recovery_plan(stored, enrich(snapshot, Rules()), runbook.networks, snapshot.catalogue)
    waves = recovered_waves(runbook, stored, recovery).assignment.waves
    rows: list[list[Row]] = [list(one.rows) for one in waves]
    assert [[row["vm"] for row in members] for members in rows] == [[], ["web01"]]
