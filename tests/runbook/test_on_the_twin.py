"""A site lost and registered anew, read over both real protocols: each stored row finds its VM, ready to import."""

from __future__ import annotations

from ingest.plan.enrich import enrich
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.plan.sheet import parse_sheet, render_sheet
from ingest.runbook.recovered_waves import recovered_waves
from ingest.runbook.recovery_plan import recovery_plan
from ingest.twin.generator import CLEAN, generate
from ingest.twin.registration import register, unregister_site
from tests.plan.twin_site import running
from tests.runbook.books import book


def test_a_stored_plan_finds_its_vms_after_they_were_registered_anew() -> None:
    world = generate(20, seed=5, shape=CLEAN)
    homes = {vm.instance_uuid: (vm.host, vm.resource_pool) for vm in world.vms.values()}
    folder = next(iter(world.vms.values())).folder
    with running(world) as before:
        stored = parse_sheet(render_sheet(enrich(before.snapshot(), Rules())))
    assert unregister_site(world) == 20
    for lost in list(world.unregistered.values()):
        host, pool = homes[lost.vm.instance_uuid]
        register(world, lost, name=lost.vm.name, folder=folder, host=host, pool=pool)
    with running(world) as after:
        snapshot = after.snapshot()
    runbook = book("waves: [{name: half, select: {vlan: [201, 202, 203]}}, {name: rest, select: {}}]")
    done = recovery_plan(stored, enrich(snapshot, Rules()), runbook.networks, snapshot.catalogue)
    assert {match.how for match in done.matches.pairs} == {"instance UUID"}
    assert (len(done.matches.pairs), done.findings) == (20, ())
    # Ids are given anew: some belong to another VM now.
    assert all(match.stored["moref"] != match.now["moref"] for match in done.matches.pairs)
    assert {row["moref"] for row in stored.rows} & {row["moref"] for row in done.sheet.rows}
    wanted = rows_to_import(stored)
    rows = rows_to_import(parse_sheet(render_sheet(done.sheet)))
    calls = [import_request(one) for one in resolve(rows, snapshot)]
    assert sorted(call.name for call in calls) == sorted(row["vm"] for row in wanted)
    assert all(call.account or call.project_id for call in calls), "what the stored plan said of owners arrives"
    waves = recovered_waves(runbook, stored, done).assignment
    assert sum(len(one.rows) for one in waves.waves) == len(wanted)
    ran = {row["instance_uuid"] for row in wanted if row["power_state"] == "poweredOn"}
    assert {row["instance_uuid"] for one in waves.waves for row in one.rows if one.is_started(row)} == ran
    assert ran
    assert all(row["power_state"] == "poweredOff" for row in done.sheet.rows if row["instance_uuid"] in ran)
