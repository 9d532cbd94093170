"""The vCenter client against VMware's own simulator: what the flags ask for is what is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.errors import Unauthorised, Untrusted
from ingest.model.inventory import Inventory, Vlan
from ingest.twin.from_inventory import world_from_inventory
from ingest.twin.worlds.integrity import dangling
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.networks import network_report
from ingest.vsphere.session import connect

pytestmark = pytest.mark.vcsim

FLAGS = {
    "dc": 3,
    "cluster": 2,
    "host": 3,
    "standalone-host": 2,
    "vm": 2,
    "pg": 3,
    "nsx": 2,
    "pg-nsx": 1,
    "app": 1,
    "folder": 1,
    "pod": 1,
    "ds": 2,
}


def read(simulator, **options) -> Inventory:
    with connect(simulator.endpoint) as vcenter:
        return read_inventory(vcenter, **options)


@pytest.fixture(scope="module")
def simulator(start_vcsim):
    flags = [text for name, value in FLAGS.items() for text in (f"-{name}", str(value))]
    return start_vcsim(*flags, "-api-version", "8.0.2.0")


@pytest.fixture(scope="module")
def inventory(simulator) -> Inventory:
    return read(simulator)


def test_counts_are_those_of_the_flags(inventory: Inventory) -> None:
    datacenters, clusters = FLAGS["dc"], FLAGS["dc"] * FLAGS["cluster"]
    standalone = FLAGS["dc"] * FLAGS["standalone-host"]
    pools = clusters + standalone + clusters * FLAGS["app"]
    assert len(inventory.datacenters) == datacenters
    assert Counter(cluster.standalone for cluster in inventory.clusters) == {False: clusters, True: standalone}
    assert len(inventory.hosts) == clusters * FLAGS["host"] + standalone
    assert len(inventory.vms) == pools * FLAGS["vm"]
    assert len(inventory.switches) == datacenters
    assert len(inventory.datastores) == datacenters * FLAGS["ds"]
    kinds = Counter(network.kind for network in inventory.networks)
    uplinks = datacenters
    nsx_groups = FLAGS["pg-nsx"] + FLAGS["nsx"]  # an opaque network has a port group of its own
    assert kinds == {
        "standard": datacenters,
        "dvs": datacenters * (FLAGS["pg"] + nsx_groups) + uplinks,
        "opaque": datacenters * FLAGS["nsx"],
    }
    assert Counter(network.nsx for network in inventory.networks if network.kind == "dvs")[True] == (
        datacenters * nsx_groups
    )


def test_every_card_is_accounted_for(inventory: Inventory) -> None:
    report = network_report(inventory, include_templates=True, include_system=True)
    listed = Counter(
        (entry["moref"], entry["nickey"]) for network in report["networks"] for entry in network["virtualmachines"]
    )
    assert listed == Counter((vm.moref, nic.key) for vm in inventory.vms for nic in vm.nics)
    assert sum(listed.values()) == len(inventory.vms)  # vcsim gives every VM one card
    assert {nic.problem for vm in inventory.vms for nic in vm.nics} == {""}
    assert {nic.vlan for vm in inventory.vms for nic in vm.nics} == {Vlan("none")}
    assert len({nic.mac for vm in inventory.vms for nic in vm.nics}) == len(inventory.vms)


def test_cards_are_on_the_network_of_their_own_datacenter(inventory: Inventory) -> None:
    networks = {network.moref: network for network in inventory.networks}
    for vm in inventory.vms:
        for nic in vm.nics:
            assert networks[nic.network_moref].datacenter == vm.datacenter
            assert nic.network_name == networks[nic.network_moref].name == f"{vm.datacenter}_DVPG0"
            assert nic.switch_name == "DVS0"


def test_paths_lead_through_folders(inventory: Inventory) -> None:
    assert [datacenter.path for datacenter in inventory.datacenters] == ["/DC0", "/DC1", "/F0/DC2"]
    paths = {vm.name: vm.path for vm in inventory.vms}
    assert paths["DC0_C0_RP0_VM0"] == "/DC0/vm/DC0_C0_RP0_VM0"
    assert paths["DC2_C0_RP0_VM0"] == "/F0/DC2/vm/F0/DC2_C0_RP0_VM0"
    assert {vm.name for vm in inventory.vms if "_APP0_" in vm.name} <= set(paths)


def test_vms_of_standalone_hosts_have_no_cluster(inventory: Inventory) -> None:
    standalone = [vm for vm in inventory.vms if not vm.cluster]
    assert len(standalone) == FLAGS["dc"] * FLAGS["standalone-host"] * FLAGS["vm"]
    assert all(vm.host.startswith(f"{vm.datacenter}_H") for vm in standalone)
    assert Counter(problem.code for problem in inventory.problems)["host-standalone"] == 6


def test_both_ways_of_reading_and_any_page_size_give_the_same(simulator, inventory: Inventory) -> None:
    assert read(simulator, how="objects").vms == inventory.vms
    assert read(simulator, page_size=3).vms == inventory.vms


def test_a_restriction_to_one_datacenter_or_cluster_holds_for_vms(simulator, inventory: Inventory) -> None:
    one = read(simulator, datacenter="DC1")
    assert one.vms == tuple(vm for vm in inventory.vms if vm.datacenter == "DC1")
    cluster = read(simulator, cluster="/DC0/host/DC0_C1")
    assert cluster.vms == tuple(vm for vm in inventory.vms if vm.cluster == "DC0_C1")
    assert cluster.vms


def test_the_number_of_requests_does_not_grow_with_the_inventory(start_vcsim, inventory: Inventory) -> None:
    small = read(start_vcsim("-vm", "1", "-host", "1", "-api-version", "8.0.2.0"))
    assert len(small.vms) < len(inventory.vms) / 10
    assert small.requests == inventory.requests <= 36


def test_an_older_api_is_read_too(start_vcsim) -> None:
    old = read(start_vcsim("-pg-nsx", "1"))  # announces 6.5, which has no backing type to ask for
    assert len(old.vms) == 4
    assert not any(network.nsx for network in old.networks)


def test_a_wrong_password_is_refused_and_a_wrong_certificate_not_spoken_to(simulator) -> None:
    wrong = simulator.endpoint.model_copy(update={"password": SecretStr("wrong")})
    with pytest.raises(Unauthorised):
        connect(wrong)
    with pytest.raises(Untrusted):
        connect(simulator.endpoint.model_copy(update={"ca_file": None}))


def test_a_slow_vcenter_costs_its_delay_per_request_not_per_vm(start_vcsim) -> None:
    slow = read(start_vcsim("-delay", "10", "-vm", "40"))
    assert len(slow.vms) == 80
    assert slow.requests < 36


def test_the_twins_cloudstack_can_be_made_for_it(inventory: Inventory) -> None:
    world = world_from_inventory(inventory)
    assert list(dangling(world)) == []
    assert set(world.vms) == {vm.moref for vm in inventory.vms}
    assert [zone.name for zone in world.cloud.zones.values()] == ["DC0", "DC1", "DC2"]
    clusters = {cluster.moref for cluster in inventory.clusters if not cluster.standalone}
    assert {cluster.compute for cluster in world.cloud.clusters.values()} == clusters
    names = {network.name for network in world.cloud.networks.values()}
    assert {"l2-DC0_DVPG0", "l2-DC2_NSX1", "l2-DC1_NSXPG0", "l2-VM Network"} <= names
    assert len({disk.disk_id for vm in world.vms.values() for disk in vm.disks}) == len(world.vms)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-l", "0.0.0.0:0"], "only loopback"),
        (["-load", "/nonexistent"], "/nonexistent"),
        (["-delay", "5", "-load", "/tmp"], "-delay has no effect"),
        (["surplus"], "unexpected argument"),
    ],
)
def test_flags_that_cannot_work_are_refused(start_vcsim, flags: list[str], words: str) -> None:
    with pytest.raises(AssertionError, match="did not start") as caught:
        start_vcsim(*flags)
    assert words in str(caught.value)


def test_the_certificate_is_a_file_one_can_trust(simulator) -> None:
    assert isinstance(simulator.certificate, Path)
    assert simulator.certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
