"""A run on the twin, cut off in the middle: settled, cured, imported again and given back; each step twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.journal import outcomes_in
from ingest.engine.undo import UndoPace
from ingest.errors import UsageError
from ingest.model.request import NetworkRequest
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.report.tables import csv_rows
from ingest.stages.conclude import conclude_from_journal
from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import CALLS_JSON, JOURNAL, NETWORKS_CREATED, PLAN, RESULTS, SETTLED, UNDO, RunFolder
from ingest.stages.settle import settle_run
from ingest.stages.undo_import import undo_import
from ingest.stages.validate import read_calls, read_taken_out, validate
from ingest.twin.cloudstack.jobs import JobLost
from ingest.twin.generator import CLEAN, generate
from ingest.twin.truth import half_imported
from ingest.twin.world import World
from tests.plan.twin_site import Site, cloudstack_of, import_calls, running, vcenter_of

PACE = UndoPace(every_s=0.01, timeout_s=5, listing_s=0.05)


@pytest.fixture
def site() -> Iterator[Site]:
    world = generate(5, seed=3, shape=CLEAN)
    with running(world) as one:
        yield one


def imported(site: Site, path: Path, *, cut_off: bool = False) -> RunFolder:
    """A run of the whole site; with `cut_off` its first two jobs are lost, before and after the VM row."""
    path.mkdir()
    folder = RunFolder(path)
    discover_networks(vcenter_of(site.twin), folder)
    list_unmanaged(cloudstack_of(site.twin), folder)
    enrich_csv(folder)
    ready = validate(folder).ready
    ends = []
    if cut_off:
        steps = site.twin.cloudstack.service.steps
        for step, name in (("checked", ready[0].request.name), ("volumes", ready[1].request.name)):

            def lose(_step: str, _job: str, vm: str, name: str = name) -> None:
                if vm == name:
                    raise JobLost

            ends.append(steps.on(step, lose))  # type: ignore[arg-type]
    import_calls(site.twin, folder)
    for end in ends:
        end()
    conclude_from_journal(folder)
    return folder


def statuses(folder: RunFolder) -> list[str]:
    return [row["status"] for row in csv_rows(folder.file(RESULTS).read_bytes())]


def live(world: World) -> list[str]:
    return [one.instancename for one in world.cloud.instances.values() if not one.removed]


def test_a_run_that_was_cut_off_is_settled_cured_and_done_again(site: Site, tmp_path: Path) -> None:
    endpoint, world = cloudstack_of(site.twin), site.world
    folder = imported(site, tmp_path / "first", cut_off=True)
    assert statuses(folder) == ["failed", "incomplete", "imported", "imported", "imported"]
    assert len(half_imported(world)) == 1
    rows = settle_run(endpoint, folder, patience_s=0.05, pace=PACE)
    assert [(row.before, row.state) for row in rows] == [("failed", "failed"), ("incomplete", "incomplete")]
    assert rows[1].vm_id == half_imported(world)[0]
    assert "Network adapter 1" in rows[1].error
    assert statuses(folder) == ["failed", "incomplete", "imported", "imported", "imported"]
    assert len(csv_rows(folder.file(SETTLED).read_bytes())) == 2
    cured = settle_run(endpoint, folder, cure=True, patience_s=0.05, pace=PACE)
    assert [row.state for row in cured] == ["failed", "given-back"]
    assert half_imported(world) == []
    assert statuses(folder) == ["failed", "not-started", "imported", "imported", "imported"]
    assert [row.state for row in settle_run(endpoint, folder, patience_s=0.05, pace=PACE)] == ["failed"]
    second = imported(site, tmp_path / "second")
    assert {one.status for one in outcomes_in(second.file(JOURNAL))} == {"imported"}
    assert sorted(live(world)) == sorted(vm.name for vm in world.vms.values())


def test_a_row_taken_out_of_the_plan_after_its_call_was_sent_is_settled_all_the_same(
    site: Site, tmp_path: Path
) -> None:
    endpoint, world = cloudstack_of(site.twin), site.world
    folder = imported(site, tmp_path / "run", cut_off=True)
    [half] = half_imported(world)
    name = world.cloud.instances[half].instancename

    def take_out(*names: str) -> None:
        sheet = read_sheet(folder.file(PLAN))
        for row in sheet.rows:
            row["import"] = "no" if row["vm"] in names else "yes"
        folder.write(PLAN, sheet_bytes(sheet))
        validate(folder)

    take_out(name)
    assert name not in {call.vm for call in read_calls(folder)}
    take_out(name)  # checked once more, nothing is forgotten
    assert [call.vm for call in read_taken_out(folder)] == [name]
    cured = settle_run(endpoint, folder, cure=True, patience_s=0.05, pace=PACE)
    assert [row.state for row in cured if row.vm == name] == ["given-back"]
    assert half_imported(world) == []
    take_out()
    assert name in {call.vm for call in read_calls(folder)}
    assert read_taken_out(folder) == []

    # Nobody can settle a row whose call somebody deleted from the file; it is told, not passed over.
    again = imported(site, tmp_path / "again", cut_off=True)
    [half] = half_imported(world)
    name = world.cloud.instances[half].instancename
    calls = json.loads(again.file(CALLS_JSON).read_bytes())
    again.write(CALLS_JSON, json.dumps([one for one in calls if one["vm"] != name]).encode())
    told = [row for row in settle_run(endpoint, again, patience_s=0.05, pace=PACE) if row.vm == name]
    assert [(row.state, row.error) for row in told] == [("unknown", "calls.json has no call for this row any more")]


def test_a_whole_vm_that_is_not_as_planned_is_left_to_a_person(site: Site, tmp_path: Path) -> None:
    folder = imported(site, tmp_path / "first", cut_off=True)
    [half] = half_imported(site.world)
    name = site.world.cloud.instances[half].instancename
    site.world.cloud.instances[half].removed = True
    again = imported(site, tmp_path / "second")
    site.world.cloud.instances[
        next(one.vm_id for one in outcomes_in(again.file(JOURNAL)) if one.vm == name)
    ].serviceofferingid = "another"
    rows = settle_run(cloudstack_of(site.twin), folder, cure=True, patience_s=0.05, pace=PACE)
    assert [row.state for row in rows] == ["imported", "incomplete"]
    assert rows[1].cure == "see it in CloudStack"
    assert name in live(site.world)


def test_a_run_is_given_back_with_its_networks(site: Site, tmp_path: Path) -> None:
    endpoint, world = cloudstack_of(site.twin), site.world
    folder = imported(site, tmp_path / "run")
    zone, offering = (
        next(iter(world.cloud.zones)),
        next(one for one in world.cloud.network_offerings.values() if one.guestiptype == "L2" and one.specifyvlan),
    )
    made = site.client.create_network(NetworkRequest("made", zone, offering.id, vlan="3999"))
    folder.write(NETWORKS_CREATED, json.dumps([{"id": made.id, "name": "made"}]).encode())
    first = csv_rows(folder.file(RESULTS).read_bytes())[0]["vm"]
    world.cloud.instances[
        next(key for key, one in world.cloud.instances.items() if one.instancename == first)
    ].isoid = "iso"
    shown = undo_import(endpoint, folder)
    assert [row.status for row in shown] == ["refused", *["to-undo"] * 4, "to-delete"]
    assert len(live(world)) == 5
    done = undo_import(endpoint, folder, dry_run=False, pace=PACE)
    assert [row.status for row in done] == ["refused", *["undone"] * 4, "deleted"]
    assert done[0].error == "an ISO is attached"
    assert live(world) == [first]
    assert [row["status"] for row in csv_rows(folder.file(UNDO).read_bytes())] == [row.status for row in done]
    for one in world.cloud.instances.values():
        one.isoid = ""
    again = undo_import(endpoint, folder, dry_run=False, pace=PACE)
    assert [row.status for row in again] == ["undone", *["already"] * 4, "already"]
    assert live(world) == []
    assert len(world.vms) == 5


def test_one_vm_by_name(site: Site, tmp_path: Path) -> None:
    endpoint = cloudstack_of(site.twin)
    folder = imported(site, tmp_path / "run")
    one, other = live(site.world)[:2]
    assert [row.vm for row in undo_import(endpoint, vm=one, dry_run=False, pace=PACE)] == [one]
    assert [row.vm for row in undo_import(endpoint, folder, vm=other, dry_run=False, pace=PACE)] == [other]
    assert not {one, other} & set(live(site.world))
    with pytest.raises(UsageError, match="manages no VM called"):
        undo_import(endpoint, vm=one)
    with pytest.raises(UsageError, match="imported no VM called nobody"):
        undo_import(endpoint, folder, vm="nobody")


def test_a_folder_of_nothing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=NETWORKS_CREATED):
        undo_import(cloudstack_of(site.twin), RunFolder(tmp_path))
    with pytest.raises(UsageError, match=JOURNAL):
        settle_run(cloudstack_of(site.twin), RunFolder(tmp_path))
