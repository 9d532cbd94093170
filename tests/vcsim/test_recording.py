"""Made-up worlds, served twice: by the twin, and by VMware's simulator from the twin's recording of each.

The same client has to read the same from both, so the twin's idea of the vSphere API is checked against VMware's.

A recording holds every shape a world can have: each oddity the generator knows is in one of these worlds. What vcsim
cannot hold is the URL of a datastore, because it keeps datastores in temporary folders of its own. What it has no idea
of is no shape but behaviour: permissions, expiry, unasked pages and strict paths, which the tests of the twin cover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.twin.generator import CLEAN, REALISTIC, Rates, Shape, generate
from ingest.twin.recording import write_recording
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import World
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.networks import network_report
from ingest.vsphere.session import connect

pytestmark = pytest.mark.vcsim

SIZE = 300
# Every oddity there is, several times each.
RATE = 0.9 / len(fields(Rates))
EVERY_ODDITY = replace(REALISTIC, rates=Rates(**{rate.name: RATE for rate in fields(Rates)}))
# Several of everything a site has one of.
WIDE = Shape(
    datacenters=3,
    clusters_per_datacenter=3,
    vms_per_host=10,
    standalone_hosts=2,
    edge_datacenter=True,
    opaque_networks=3,
    datastore_traps=2,
    disconnected_hosts=2,
)
WORLDS: dict[str, Callable[[], World]] = {
    "every oddity": lambda: generate(SIZE, seed=12, shape=EVERY_ODDITY),
    "realistic, seed 1": lambda: generate(150, seed=1, shape=REALISTIC),
    "realistic, seed 2": lambda: generate(150, seed=2, shape=REALISTIC),
    "wide": lambda: generate(80, seed=5, shape=WIDE),
    "clean": lambda: generate(40, seed=4, shape=CLEAN),
    "without a VM": lambda: generate(0, seed=6),
}


@dataclass(frozen=True)
class Both:
    """A world, and what the client read of it from either server."""

    world: World
    from_twin: Inventory
    from_vcsim: Inventory


ReadBoth = Callable[[str], Both]


@pytest.fixture(scope="module")
def read_both(start_vcsim, tmp_path_factory: pytest.TempPathFactory) -> ReadBoth:
    """`read_both("clean")` gives the world of that name and both readings; each is read once."""
    known: dict[str, Both] = {}

    def read(name: str) -> Both:
        if name not in known:
            world, folder = WORLDS[name](), tmp_path_factory.mktemp("recorded")
            write_recording(world, folder / "recording")
            simulator = start_vcsim("-load", str(folder / "recording"))
            known[name] = Both(world, read_twin(world, folder / "ca.pem"), read_vcsim(simulator))
        return known[name]

    return read


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


@pytest.mark.parametrize("name", WORLDS)
def test_the_network_reports_are_equal_row_by_row(read_both: ReadBoth, name: str) -> None:
    both = read_both(name)
    twin, vcsim = whole_report(both.from_twin), whole_report(both.from_vcsim)
    assert twin["networks"] == vcsim["networks"]
    assert twin == vcsim


@pytest.mark.parametrize("name", WORLDS)
def test_the_report_is_about_every_card_of_the_world(read_both: ReadBoth, name: str) -> None:
    both = read_both(name)
    listed = Counter(
        (entry["moref"], entry["nickey"])
        for network in whole_report(both.from_vcsim)["networks"]
        for entry in network["virtualmachines"]
    )
    # vCenter shows no configuration, so no cards, of what it cannot reach.
    reachable = [vm for vm in both.world.vms.values() if vm.connection_state == "connected"]
    assert listed == Counter((vm.moref, nic.key) for vm in reachable for nic in vm.nics)


@pytest.mark.parametrize("name", WORLDS)
def test_everything_else_is_equal_as_well(read_both: ReadBoth, name: str) -> None:
    both = read_both(name)
    from_twin, from_vcsim = both.from_twin, both.from_vcsim
    assert from_twin.vms == from_vcsim.vms
    assert len(from_twin.vms) == len(both.world.vms)
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


def test_the_world_of_oddities_shows_every_kind_of_network(read_both: ReadBoth) -> None:
    from_vcsim = read_both("every oddity").from_vcsim
    kinds = {nic.kind for vm in from_vcsim.vms for nic in vm.nics}
    assert kinds == {"standard", "dvs", "opaque", "unattached"}
    vlans = {nic.vlan.kind for vm in from_vcsim.vms for nic in vm.nics if nic.vlan is not None}
    assert vlans == {"none", "id", "trunk", "pvlan"}


def test_ports_with_a_vlan_of_their_own_are_read_from_both(read_both: ReadBoth) -> None:
    both = read_both("every oddity")
    for inventory in (both.from_twin, both.from_vcsim):
        own = [nic for vm in inventory.vms for nic in vm.nics if nic.network_name == "per-port"]
        assert len(own) == round(SIZE * RATE) > 1
        assert {nic.vlan.text for nic in own if nic.vlan} == {"201"}
        assert {nic.problem for nic in own} == {""}
