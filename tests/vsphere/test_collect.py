from __future__ import annotations

import pytest
from pyVmomi import VmomiSupport

from ingest.errors import Transient
from ingest.vsphere import specs
from ingest.vsphere.collect import collect
from ingest.vsphere.objects import network_row, place_row
from ingest.vsphere.rows import Missing, NetworkRow, PlaceRow
from ingest.vsphere.session import VCenter
from tests.vsphere.fake import Fake, answer, fault, page, ref, text, thing

NEWEST = "vim.version.v8_0_2_0"


def folder(number: int) -> str:
    return thing("Folder", f"group-v{number}", {"name": text(f"f{number}"), "parent": ref("Folder", "group-d1")})


def test_rows_come_with_parents_and_in_order(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(folder(2) + folder(1))]
    found = collect(vcenter, vcenter.content.rootFolder, {"Folder": ("name", "parent")}, place_row)
    assert found.rows == (
        PlaceRow("group-v2", "Folder", "f2", "group-d1"),
        PlaceRow("group-v1", "Folder", "f1", "group-d1"),
    )
    assert fake.calls[3:] == ["CreateContainerView", "RetrievePropertiesEx", "DestroyView"]


def test_unasked_pages_are_followed_and_duplicates_dropped(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(folder(1), token="t")]
    fake.script["ContinueRetrievePropertiesEx"] = [
        answer("ContinueRetrievePropertiesEx", f"<returnval>{folder(1)}{folder(2)}</returnval>")
    ]
    found = collect(vcenter, vcenter.content.rootFolder, {"Folder": ("name", "parent")}, place_row)
    assert [row.moref for row in found.rows] == ["group-v1", "group-v2"]


def test_an_empty_result_is_no_error(vcenter: VCenter) -> None:
    assert collect(vcenter, vcenter.content.rootFolder, specs.NETWORKS, network_row).rows == ()


def test_unreadable_properties_are_told_from_empty_ones(fake: Fake, vcenter: VCenter) -> None:
    gaps = {"summary": "NoPermission"}
    fake.script["RetrievePropertiesEx"] = [page(thing("Network", "network-1", {"name": text("a")}, gaps))]
    found = collect(vcenter, vcenter.content.rootFolder, specs.NETWORKS, network_row)
    assert found.rows == (NetworkRow("network-1", "Network", "a"),)
    assert found.missing == (Missing("network-1", "summary", "NoPermission"),)


def test_an_object_removed_meanwhile_is_reported_as_gone(fake: Fake, vcenter: VCenter) -> None:
    gaps = dict.fromkeys(("name", "parent", "summary"), "ManagedObjectNotFound")
    fake.script["RetrievePropertiesEx"] = [page(thing("Network", "network-1", {}, gaps))]
    found = collect(vcenter, vcenter.content.rootFolder, specs.NETWORKS, network_row)
    assert (found.rows, found.missing, found.gone) == ((), (), ("network-1",))


def test_the_view_is_destroyed_when_the_read_fails(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [fault("InvalidProperty", members="<name>x</name>")]
    with pytest.raises(Exception, match="InvalidProperty"):
        collect(vcenter, vcenter.content.rootFolder, specs.NETWORKS, network_row)
    assert fake.calls[-1] == "DestroyView"


def test_a_view_that_cannot_be_destroyed_does_not_spoil_the_result(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(folder(1))]
    fake.script["DestroyView"] = [fault("ManagedObjectNotFound")]
    assert len(collect(vcenter, vcenter.content.rootFolder, {"Folder": ("name", "parent")}, place_row).rows) == 1


def test_a_page_lost_with_its_object_repeats_the_step_once(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(folder(1), token="t"), page(folder(1) + folder(2))]
    fake.script["ContinueRetrievePropertiesEx"] = [fault("ManagedObjectNotFound", "gone")]
    found = vcenter.repeat(
        lambda: collect(vcenter, vcenter.content.rootFolder, {"Folder": ("name", "parent")}, place_row), "folders"
    )
    assert len(found.rows) == 2
    assert fake.calls.count("CreateContainerView") == 2


def test_an_answer_cut_short_is_an_outage(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [page(folder(1), cut=0.7)]
    with pytest.raises(Transient):
        collect(vcenter, vcenter.content.rootFolder, {"Folder": ("name", "parent")}, place_row)


ALL = {
    kind: paths
    for spec in (
        specs.PLACES,
        specs.VAPPS,
        specs.HOSTS,
        specs.SWITCHES,
        specs.PORTGROUPS,
        specs.NETWORKS,
        specs.DATASTORES,
        specs.VMS,
    )
    for kind, paths in spec.items()
}


@pytest.mark.parametrize("kind", ALL)
def test_every_path_is_declared_on_the_static_types(kind: str) -> None:
    """A path into a subclass, or an unknown one, makes a real vCenter refuse the whole call."""
    assert specs.legal_paths(kind, ALL[kind], NEWEST) == ALL[kind]


def test_a_path_into_a_subclass_is_noticed() -> None:
    with pytest.raises(AttributeError):
        specs.legal_paths("DistributedVirtualPortgroup", ("config.defaultPortConfig.vlan",), NEWEST)
    with pytest.raises(AttributeError):
        specs.legal_paths("DistributedVirtualSwitch", ("config.pvlanConfig",), NEWEST)


@pytest.mark.parametrize(
    ("version", "kind", "absent"),
    [
        ("vim.version.version10", "VirtualMachine", {"config.keyId", "config.bootOptions.efiSecureBootEnabled"}),
        ("vim.version.version11", "VirtualMachine", set()),
        ("vim.version.version11", "DistributedVirtualPortgroup", {"config.backingType"}),
        ("vim.version.v7_0", "DistributedVirtualPortgroup", set()),
    ],
)
def test_paths_younger_than_the_server_are_left_out(version: str, kind: str, absent: set[str]) -> None:
    assert version in VmomiSupport.versionIdMap
    assert set(ALL[kind]) - set(specs.legal_paths(kind, ALL[kind], version)) == absent


def test_classes_of_one_read_do_not_derive_from_each_other() -> None:
    for spec in (specs.PLACES, specs.VAPPS, specs.HOSTS, specs.NETWORKS):
        kinds = [specs.managed_type(kind) for kind in spec]
        assert not [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)]
