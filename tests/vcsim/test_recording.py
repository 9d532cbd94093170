"""One made-up world, served twice: by the twin, and by VMware's simulator from the twin's recording of it.

The same client has to read the same from both, so the twin's idea of the vSphere API is checked against VMware's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.twin.generator import REALISTIC, generate
from ingest.twin.recording import write_recording
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import World
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.networks import network_report
from ingest.vsphere.session import connect

pytestmark = pytest.mark.vcsim

SIZE = 600
# Ports of their own VLAN have their own test below.
SHAPE = replace(REALISTIC, rates=replace(REALISTIC.rates, port_override_nic=0))


@pytest.fixture(scope="module")
def world() -> World:
    return generate(SIZE, seed=12, shape=SHAPE)


@pytest.fixture(scope="module")
def from_twin(world: World, tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    return read_twin(world, tmp_path_factory.mktemp("twin") / "ca.pem")


@pytest.fixture(scope="module")
def from_vcsim(world: World, start_vcsim, tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    directory = tmp_path_factory.mktemp("recording")
    write_recording(world, directory)
    return read_vcsim(start_vcsim("-load", str(directory)))


def read_twin(world: World, ca_file: Path) -> Inventory:
    with VCenterServer(world) as server:
        ca_file.write_bytes(server.ca_pem)
        endpoint = VCenterEndpoint(
            host="127.0.0.1",
            port=server.port,
            user=world.vcenter_user,
            password=SecretStr(world.vcenter_password),
            ca_file=ca_file,
        )
        with connect(endpoint) as vcenter:
            return read_inventory(vcenter)


def read_vcsim(simulator) -> Inventory:
    with connect(simulator.endpoint) as vcenter:
        return read_inventory(vcenter)


def whole_report(inventory: Inventory) -> dict[str, Any]:
    return network_report(inventory, include_unused=True, include_templates=True, include_system=True)


def test_the_network_reports_are_equal_row_by_row(from_twin: Inventory, from_vcsim: Inventory) -> None:
    twin, vcsim = whole_report(from_twin), whole_report(from_vcsim)
    assert twin["networks"] == vcsim["networks"]
    assert twin == vcsim


def test_the_report_is_about_every_card_of_the_world(world: World, from_vcsim: Inventory) -> None:
    listed = Counter(
        (entry["moref"], entry["nickey"])
        for network in whole_report(from_vcsim)["networks"]
        for entry in network["virtualmachines"]
    )
    # vCenter shows no configuration, so no cards, of what it cannot reach.
    reachable = [vm for vm in world.vms.values() if vm.connection_state == "connected"]
    assert listed == Counter((vm.moref, nic.key) for vm in reachable for nic in vm.nics)
    assert len(listed) > SIZE


def test_everything_else_is_equal_as_well(from_twin: Inventory, from_vcsim: Inventory) -> None:
    assert from_twin.vms == from_vcsim.vms
    assert len(from_twin.vms) == SIZE
    assert from_twin.hosts == from_vcsim.hosts
    assert from_twin.clusters == from_vcsim.clusters
    assert from_twin.switches == from_vcsim.switches
    assert from_twin.networks == from_vcsim.networks
    assert from_twin.datacenters == from_vcsim.datacenters
    assert from_twin.problems == from_vcsim.problems
    assert (from_twin.version, from_twin.instance_uuid) == (from_vcsim.version, from_vcsim.instance_uuid)
    # vcsim keeps datastores in temporary folders and says so in their URL.
    here, there = ([replace(one, url="") for one in side.datastores] for side in (from_twin, from_vcsim))
    assert here == there


def test_the_world_shows_every_kind_of_network(from_vcsim: Inventory) -> None:
    kinds = {nic.kind for vm in from_vcsim.vms for nic in vm.nics}
    assert kinds == {"standard", "dvs", "opaque", "unattached"}
    vlans = {nic.vlan.kind for vm in from_vcsim.vms for nic in vm.nics if nic.vlan is not None}
    assert vlans == {"none", "id", "trunk", "pvlan"}


def test_ports_with_a_vlan_of_their_own_are_read_from_both(start_vcsim, tmp_path: Path) -> None:
    world = generate(100, seed=12, shape=replace(SHAPE, rates=replace(SHAPE.rates, port_override_nic=0.05)))
    write_recording(world, tmp_path / "recording")
    from_vcsim = read_vcsim(start_vcsim("-load", str(tmp_path / "recording")))
    assert whole_report(read_twin(world, tmp_path / "ca.pem")) == whole_report(from_vcsim)
    own = [nic for vm in from_vcsim.vms for nic in vm.nics if nic.network_name == "per-port"]
    assert len(own) == 5
    assert {nic.vlan.text for nic in own if nic.vlan} == {"201"}
    assert {nic.problem for nic in own} == {""}
