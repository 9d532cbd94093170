"""vcsim's own inventories, saved as `govc object.save` saves them, served again by the twin."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from http.client import HTTPSConnection
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic import SecretStr

from ingest.model.endpoints import VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.twin.generator import REALISTIC, generate
from ingest.twin.recorded import add_cloudstack, read_recording
from ingest.twin.recording import write_recording
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import World
from ingest.twin.worlds.integrity import dangling
from ingest.vsphere.inventory import read_inventory
from ingest.vsphere.session import connect

from .conftest import Simulator, StartVcsim

pytestmark = pytest.mark.vcsim

KINDS = ("Folder", "StoragePod", "Datacenter", "ComputeResource", "ClusterComputeResource", "ResourcePool",
         "VirtualApp", "HostSystem", "VirtualMachine", "Network", "OpaqueNetwork", "DistributedVirtualPortgroup",
         "DistributedVirtualSwitch", "VmwareDistributedVirtualSwitch", "Datastore")  # fmt: skip
SINGLES = {"ServiceInstance": "ServiceInstance", "Folder": "group-d1", "CustomFieldsManager": "CustomFieldsManager",
           "OptionManager": "VpxSettings"}  # fmt: skip
ENVELOPE = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<Body><{name} xmlns="urn:vim25"><_this type="{kind}">{this}</_this>{rest}</{name}></Body></Envelope>'
)
NS = "{urn:vim25}"


class Recorder:
    """Writes what a vCenter answers, object by object."""

    def __init__(self, simulator: Simulator) -> None:
        context = ssl.create_default_context(cafile=str(simulator.certificate))
        self.connection = HTTPSConnection(simulator.host, simulator.port, context=context)
        self.cookie = ""
        login = f"<userName>{simulator.user}</userName><password>{simulator.password}</password>"
        self.call("SessionManager", "SessionManager", "Login", login)

    def call(self, kind: str, this: str, name: str, rest: str = "") -> ElementTree.Element:
        """The response element."""
        headers = {"Content-Type": "text/xml", "SOAPAction": '"urn:vim25/7.0"', "Cookie": self.cookie}
        body = ENVELOPE.format(name=name, kind=kind, this=this, rest=rest)
        self.connection.request("POST", "/sdk", body.encode(), headers)
        response = self.connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        self.cookie = self.cookie or (response.getheader("Set-Cookie") or "").partition(";")[0]
        return ElementTree.fromstring(text)[0][0]

    def objects(self) -> list[ElementTree.Element]:
        """The `ObjectContent` of everything that matters."""
        recursive = '<container type="Folder">group-d1</container><recursive>true</recursive>'
        view = self.call("ViewManager", "ViewManager", "CreateContainerView", recursive)[0].text
        through = (
            f'<objectSet><obj type="ContainerView">{view}</obj><skip>true</skip><selectSet xsi:type="TraversalSpec">'
            "<type>ContainerView</type><path>view</path></selectSet></objectSet>"
        )
        found = []
        for kind in KINDS:
            found += self._retrieve(kind, through)
        for kind, moref in SINGLES.items():
            found += self._retrieve(kind, f'<objectSet><obj type="{kind}">{moref}</obj></objectSet>')
        return found

    def _retrieve(self, kind: str, objects: str) -> list[ElementTree.Element]:
        spec = f"<specSet><propSet><type>{kind}</type><all>true</all></propSet>{objects}</specSet><options/>"
        answer = self.call("PropertyCollector", "propertyCollector", "RetrievePropertiesEx", spec)
        # Asking for Network answers port groups as well, which have their own turn.
        return [item for item in answer.iter(f"{NS}objects") if item[0].get("type") == kind]

    def save(self, directory: Path) -> None:
        """Write the recording."""
        directory.mkdir()
        for number, item in enumerate(self.objects()):
            kind, moref = item[0].get("type", ""), item[0].text or ""
            item.tag = f"{NS}ObjectContent"
            name = f"{number:04d}-{kind}-{re.sub('[^A-Za-z0-9-]', '_', moref)}.xml"
            (directory / name).write_bytes(ElementTree.tostring(item))
            if kind.endswith("DistributedVirtualSwitch"):
                answer = self.call(kind, moref, "FetchDVPorts")
                (directory / f"{kind}-{moref}").mkdir()
                (directory / f"{kind}-{moref}" / "FetchDVPorts.xml").write_bytes(ElementTree.tostring(answer))
        self.connection.close()


def read_twin(world: World, ca_file: Path) -> Inventory:
    with VCenterServer(world) as server:
        ca_file.write_bytes(server.ca_pem)
        endpoint = VCenterEndpoint(
            host="127.0.0.1", port=server.port, user=world.vcenter_user, password=SecretStr(world.vcenter_password),
            ca_file=ca_file,
        )  # fmt: skip
        with connect(endpoint) as vcenter:
            return read_inventory(vcenter)


def read_vcsim(simulator: Simulator) -> Inventory:
    with connect(simulator.endpoint) as vcenter:
        return read_inventory(vcenter)


def test_a_saved_simulator_is_served_by_the_twin(start_vcsim: StartVcsim, tmp_path: Path) -> None:
    simulator = start_vcsim("-dc", "2", "-cluster", "2", "-standalone-host", "1", "-vm", "3", "-pg", "2", "-nsx", "1",
                            "-app", "1", "-folder", "1", "-pod", "1")  # fmt: skip
    Recorder(simulator).save(tmp_path / "recording")
    left_out: list[str] = []
    world = read_recording(tmp_path / "recording", left_out)
    assert list(dangling(world)) == []
    theirs, mine = read_vcsim(simulator), read_twin(world, tmp_path / "ca.pem")
    assert [vm.path for vm in mine.vms] == [vm.path for vm in theirs.vms]
    assert [vm.nics for vm in mine.vms] == [vm.nics for vm in theirs.vms]
    assert (mine.hosts, mine.clusters, mine.datacenters) == (theirs.hosts, theirs.clusters, theirs.datacenters)
    assert mine.networks == theirs.networks
    assert (mine.version, mine.instance_uuid) == (theirs.version, theirs.instance_uuid)
    assert left_out == []
    add_cloudstack(world)
    assert {zone.name for zone in world.cloud.zones.values()} == {"DC0", "DC1"}


def test_one_world_three_times(start_vcsim: StartVcsim, tmp_path: Path) -> None:
    """From the twin, from vcsim with the twin's recording, from the twin with vcsim's recording of that."""
    world = generate(150, seed=4, shape=replace(REALISTIC, rates=replace(REALISTIC.rates, port_override_nic=0)))
    write_recording(world, tmp_path / "first")
    simulator = start_vcsim("-load", str(tmp_path / "first"))
    Recorder(simulator).save(tmp_path / "second")
    again = read_recording(tmp_path / "second")
    first, third = read_twin(world, tmp_path / "ca.pem"), read_twin(again, tmp_path / "ca.pem")
    assert third.vms == first.vms
    assert (third.hosts, third.clusters, third.networks) == (first.hosts, first.clusters, first.networks)
    assert third.problems == first.problems
