"""Datastores and the .vmx files in them: odd names, hidden folders, many files, missing rights, unusable datastores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.errors import Refused, Unauthorised, UnknownOutcome, UsageError
from ingest.twin.serving import Twin
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import World
from ingest.twin.worlds.recovery import recovery_site
from ingest.vsphere.browsing import VmxFile, find_vmx
from ingest.vsphere.placement import choose_placement, read_places
from ingest.vsphere.registering import fault_name, find_registered, read_registered, register_vm, unregister_vm
from ingest.vsphere.session import VCenter, connect
from ingest.vsphere.stores import Store, read_stores
from ingest.vsphere.tasks import await_task
from tests.plan.twin_site import vcenter_of

ODD = (
    "Ünïcode 日本/Ünïcode 日本.vmx",
    "blank at end /a.vmx",
    "100%/50%25.vmx",
    "[brackets]/x [y].vmx",
    "a/b/c/deep.vmx",
    "UPPER/UPPER.VMX",
    "root.vmx",
    "quote's & <angle>/q.vmx",
)
NOT_FOUND = ("a/b/c/deep.vmxf", "a/b/c/vmx", "a/b/c/deep.vmx~", "a/b/c/deep.vmx.lck", "t/t.vmtx")
HIDDEN = (".snapshot/hourly.0/web/web.vmx", "a/.trash/old.vmx")


@pytest.fixture
def world() -> World:
    return recovery_site(4, seed=4, own=1)


@pytest.fixture
def vcenter(world: World) -> Iterator[VCenter]:
    with Twin(world) as twin, connect(vcenter_of(twin)) as session:
        yield session


def stores(vcenter: VCenter, *names: str) -> list[Store]:
    return read_stores(vcenter, read_places(vcenter), names)


def test_files_of_any_name_are_found_as_vcenter_writes_them(world: World, vcenter: VCenter) -> None:
    (store,) = stores(vcenter, "fra1-archive")
    world.datastores[store.moref].other_files += [*ODD, *NOT_FOUND, *HIDDEN]
    found = find_vmx(vcenter, store)
    assert {file.below for file in found} == {*ODD, *HIDDEN}
    assert {file.below for file in found if file.hidden} == set(HIDDEN)
    assert [file.below for file in found] == sorted(file.below for file in found)
    by_path = {file.path: file for file in found}
    deep = by_path["[fra1-archive] a/b/c/deep.vmx"]
    assert (deep.folder, deep.file, deep.size_bytes) == ("a/b/c", "deep.vmx", 3072)
    assert deep.subject == f"{store.url}a/b/c/deep.vmx"
    assert [file.below for file in find_vmx(vcenter, store, below="/a/b/")] == ["a/b/c/deep.vmx"]


def test_a_datastore_with_very_many_files(world: World, vcenter: VCenter) -> None:
    (store,) = stores(vcenter, "fra1-archive")
    world.datastores[store.moref].other_files += [f"vm{n}/vm{n}.vmx" for n in range(3000)]
    before = vcenter.requests
    assert len(find_vmx(vcenter, store)) == 3000
    assert vcenter.requests - before < 60, "one search, however large"


def test_nothing_there_and_no_such_folder(vcenter: VCenter) -> None:
    (store,) = stores(vcenter, "fra1-archive")
    assert find_vmx(vcenter, store) == []
    with pytest.raises(Refused, match="FileNotFound"):
        find_vmx(vcenter, store, below="nowhere")


def test_datastores_by_name_pattern_and_id(world: World, vcenter: VCenter) -> None:
    archive = next(store for store in world.datastores.values() if store.name == "fra1-archive")
    assert [store.name for store in stores(vcenter, "*nfs*", archive.moref)] == [
        "fra1-archive", "fra1-c1-nfs-01", "fra1-c2-nfs-01"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no datastore is called 'gold'; there are: fra1-archive, ") as caught:
        stores(vcenter, "fra1-archive", "gold")
    assert "pattern" in caught.value.cure


def test_what_keeps_a_datastore_from_being_used(world: World, vcenter: VCenter) -> None:
    names = ["fra1-archive", "fra1-c1-nfs-01", "fra1-c2-nfs-01", "fra1-c1-vmfs-01"]
    away, busy, locked, fine = (next(one for one in world.datastores.values() if one.name == name) for name in names)
    away.accessible, busy.maintenance_mode, locked.read_only = False, "inMaintenance", True
    found = {store.name: store for store in stores(vcenter, *names)}
    codes = {name: store.problem.code for name, store in found.items() if store.problem}
    assert codes == {away.name: "datastore-inaccessible", busy.name: "datastore-in-maintenance"}
    read_only = found[locked.name].read_only
    assert read_only is not None
    assert "make the replica writable" in read_only.detail
    assert found[fine.name].read_only is None
    assert len(found[fine.name].writable_hosts) == 4
    with pytest.raises(Refused, match="InaccessibleDatastore"):
        find_vmx(vcenter, found[away.name])


def test_the_right_to_look_is_named(world: World) -> None:
    settings = VCenterSettings(no_privilege=frozenset({"Datastore.Browse"}))
    with Twin(world, vcenter_settings=settings) as twin, connect(vcenter_of(twin)) as vcenter:
        (store,) = stores(vcenter, "fra1-archive")
        with pytest.raises(Unauthorised, match=r"Datastore\.Browse") as caught:
            find_vmx(vcenter, store)
    assert "Datastore > Browse datastore" in caught.value.cure
    assert store.browser in caught.value.cure


def test_a_search_that_takes_too_long_is_not_waited_for(world: World) -> None:
    with Twin(world, vcenter_settings=VCenterSettings(task_s=30.0)) as twin, connect(vcenter_of(twin)) as vcenter:
        (store,) = stores(vcenter, "fra1-archive")
        with pytest.raises(UnknownOutcome, match="not over in time"):
            find_vmx(vcenter, store, timeout_s=0.1)


def test_registered_found_and_gone(world: World, vcenter: VCenter) -> None:
    places = read_places(vcenter)
    place = choose_placement(vcenter, places, cluster="fra1-c2", host="esx0202.fra1.example.org")
    assert [name for _, name in place.hosts] == ["esx0202.fra1.example.org"]
    file = _replica(vcenter, world)
    host, _ = place.host_for(file.store, 7)
    assert find_registered(vcenter, place.datacenter, file.path) is None

    def task() -> str:
        return register_vm(vcenter, file.path, folder=place.folder, pool=place.pool, host=host)

    made = await_task(vcenter, task(), "registering", timeout_s=10)
    found = find_registered(vcenter, place.datacenter, file.path)
    assert found is not None
    assert (found.moref, found.power_state) == (made._moId, "poweredOff")
    assert read_registered(vcenter, place.datacenter)[file.path] == found
    with pytest.raises(Refused) as caught:
        await_task(vcenter, task(), "registering", timeout_s=10)
    assert fault_name(caught.value) == "AlreadyExists"
    unregister_vm(vcenter, found.moref)
    unregister_vm(vcenter, found.moref)
    assert find_registered(vcenter, place.datacenter, file.path) is None


def test_hosts_that_can_take_nothing(world: World, vcenter: VCenter) -> None:
    places = read_places(vcenter)
    hosts = {host.name: host for host in world.hosts.values()}
    hosts["esx0101.fra1.example.org"].in_maintenance = True
    assert [name for _, name in choose_placement(vcenter, places, cluster="fra1-c1").hosts] == [
        "esx0102.fra1.example.org"
    ]
    hosts["esx0102.fra1.example.org"].connection_state = "notResponding"
    with pytest.raises(UsageError, match=r"esx0101\S+ is in maintenance; esx0102\S+ is notResponding"):
        choose_placement(vcenter, places, cluster="fra1-c1")


def _replica(vcenter: VCenter, world: World) -> VmxFile:
    known = {vm.vmx_path for vm in (stored.vm for stored in world.unregistered.values())}
    return next(file for store in stores(vcenter, "*") for file in find_vmx(vcenter, store) if file.path in known)
