"""Names as people give them: blanks in front, umlauts, escaped slashes. Compared raw, shown decoded."""

from __future__ import annotations

from pydantic import SecretStr

from ingest.model.endpoints import VCenterEndpoint
from ingest.twin.generator import generate
from ingest.twin.serving import Twin
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.networks import network_report
from ingest.vsphere.session import connect

ODD = "  Büro %2f Küche (2.OG)"


def test_odd_names_of_vms_and_port_groups_arrive_unchanged() -> None:
    world = generate(6, seed=4)
    nic = next(nic for vm in world.vms.values() for nic in vm.nics if nic.backing == "dvs")
    vm = next(vm for vm in world.vms.values() if nic in vm.nics)
    world.networks[nic.network].name = ODD
    vm.name = ODD
    with Twin(world) as twin:
        endpoint = VCenterEndpoint(
            host=twin.vcenter.host,
            port=twin.vcenter.port,
            user=world.vcenter_user,
            password=SecretStr(world.vcenter_password),
            ca_file=twin.ca_file,
        )
        with connect(endpoint) as vcenter:
            inventory = read_inventory(vcenter)
    (seen,) = (found for found in inventory.vms if found.moref == vm.moref)
    assert seen.name == ODD
    assert seen.path.endswith("/  Büro / Küche (2.OG)")
    assert ODD in {card.network_name for card in seen.nics}
    (row,) = (row for row in network_report(inventory)["networks"] if row["portgroup"] == ODD)
    assert ODD in {entry["name"] for entry in row["virtualmachines"]}
