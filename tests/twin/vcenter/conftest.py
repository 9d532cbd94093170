"""A hand-made world with one of everything, and a server over it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from ingest.model.inventory import Vlan
from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import VCenterServer, VCenterSettings
from ingest.twin.world import (
    VM,
    Compute,
    Datacenter,
    Datastore,
    Disk,
    Folder,
    Host,
    HostPortGroup,
    Network,
    Nic,
    Switch,
    VApp,
    World,
)

GIB = 1 << 30
SWITCH_UUID = "50 2a 1b 00 11 22 33 44-55 66 77 88 99 aa bb cc"


def make_disk(key: int = 2000, vm: str = "100", **changes: Any) -> Disk:
    values: dict[str, Any] = {
        "key": key,
        "label": f"Hard disk {key - 1999}",
        "disk_id": f"{vm}-{key}",
        "capacity_bytes": 40 * GIB,
        "file_name": f"[gold] vm{vm}/disk{key}.vmdk",
        "datastore": "datastore-11",
        "unit": key - 2000,
    }
    return Disk(**values | changes)


def make_nic(key: int = 4000, network: str = "network-21", **changes: Any) -> Nic:
    values: dict[str, Any] = {
        "key": key,
        "label": f"Network adapter {key - 3999}",
        "mac": f"00:50:56:aa:00:{key - 4000:02x}",
        "network": network,
    }
    return Nic(**values | changes)


def make_vm(number: int, **changes: Any) -> VM:
    values: dict[str, Any] = {
        "moref": f"vm-{number}",
        "name": f"vm{number}",
        "instance_uuid": f"5020aaaa-0000-4000-8000-{number:012d}",
        "bios_uuid": f"4220bbbb-0000-4000-8000-{number:012d}",
        "folder": "group-v4",
        "host": "host-31",
        "resource_pool": "resgroup-9",
        "disks": [make_disk(vm=str(number))],
        "nics": [make_nic(device_name="VM Network")],
    }
    return VM(**values | changes)


def _places(world: World) -> None:
    world.datacenters["datacenter-3"] = Datacenter("datacenter-3", "DC", "group-v4", "group-h5", "group-n7", "group-s6")
    for folder in (
        Folder("group-d1", "Datacenters", "", ""),
        Folder("group-v4", "vm", "datacenter-3", "datacenter-3"),
        Folder("group-h5", "host", "datacenter-3", "datacenter-3"),
        Folder("group-s6", "datastore", "datacenter-3", "datacenter-3"),
        Folder("group-n7", "network", "datacenter-3", "datacenter-3"),
        Folder("group-v20", "shop%2fweb", "group-v4", "datacenter-3"),
        Folder("group-p40", "pod", "group-s6", "datacenter-3"),
    ):
        world.folders[folder.moref] = folder
    world.computes["domain-c8"] = Compute("domain-c8", "C1", "datacenter-3", "group-h5", True, "resgroup-9")
    world.computes["domain-s80"] = Compute("domain-s80", "lone", "datacenter-3", "group-h5", False, "resgroup-90")
    world.vapps["resgroup-v50"] = VApp("resgroup-v50", "shop", "resgroup-9", "group-v4", "domain-c8")
    groups = [
        HostPortGroup("VM Network", 0),
        HostPortGroup("VLAN1", 1),
        HostPortGroup("VLAN10", 10),
        HostPortGroup("guest tagging", 4095),
        HostPortGroup("Management Network", 5, vmkernel=True),
    ]
    world.hosts["host-31"] = Host("host-31", "esx1.example.org", "domain-c8", portgroups=groups)
    world.hosts["host-32"] = Host(
        "host-32", "esx2.example.org", "domain-c8", in_maintenance=True, portgroups=groups[:1]
    )
    world.hosts["host-33"] = Host("host-33", "lone.example.org", "domain-s80", "notResponding", version="6.7.0")


def _networks(world: World) -> None:
    world.switches["dvs-60"] = Switch(
        "dvs-60", "DSwitch", SWITCH_UUID, "datacenter-3", "group-n7",
        [(100, 100, "promiscuous"), (100, 101, "isolated"), (100, 102, "community")], "dvportgroup-61",
    )  # fmt: skip
    plain = {"datacenter": "datacenter-3", "parent": "group-n7"}
    dvs = {**plain, "kind": "dvs", "switch": "dvs-60"}
    for network in (
        Network("network-21", "VM Network", "standard", **plain),
        Network("network-22", "VLAN10", "standard", **plain),
        Network("dvportgroup-61", "DSwitch-uplinks", **dvs, uplink=True),
        Network("dvportgroup-62", "prod", **dvs, vlan=Vlan("id", 100), vlan_override_allowed=True),
        Network("dvportgroup-63", "trunk", **dvs, vlan=Vlan("trunk", ranges=((1, 10), (20, 20)))),
        Network(
            "dvportgroup-64", "private", **dvs, vlan=Vlan("pvlan", primary=100, secondary=101, pvlan_type="isolated")
        ),
        Network("dvportgroup-65", "ephemeral", **dvs, vlan=Vlan("none"), binding="ephemeral"),
        Network("dvportgroup-66", "segment", **dvs, vlan=Vlan("none"), nsx_segment="/infra/segments/s1"),
        Network("network-o70", "nsx", "opaque", **plain, opaque_id="11111111-aaaa"),
    ):
        world.networks[network.moref] = network
    for datastore in (
        Datastore("datastore-11", "gold", "datacenter-3", "group-s6", url="ds:///vmfs/volumes/gold/"),
        Datastore("datastore-12", "nas", "datacenter-3", "group-s6", "NFS", remote_host="10.0.0.5", remote_path="/exp"),
        Datastore("datastore-13", "podded", "datacenter-3", "group-p40"),
        Datastore("datastore-14", "vsan", "datacenter-3", "group-s6", "vsan"),
    ):
        world.datastores[datastore.moref] = datastore


def _machines() -> list[VM]:
    dvs = {"backing": "dvs"}
    cards = [
        make_nic(4000, "network-21", device_name="VM Network", ips=("10.0.0.7", "fe80::1"), card="VirtualE1000"),
        make_nic(4001, "dvportgroup-62", **dvs, port_key="5", ips=("10.1.0.7",), port_vlan=Vlan("id", 111)),
        make_nic(4002, "dvportgroup-63", **dvs, port_key="6", card="VirtualVmxnet2"),
        make_nic(4003, "dvportgroup-64", **dvs, port_key="7", card="VirtualPCNet32"),
        make_nic(4004, "dvportgroup-65", **dvs, card="VirtualE1000e"),
        make_nic(4005, "network-o70", backing="opaque"),
        make_nic(4006, "", backing="none", connected=False, start_connected=False),
        make_nic(4007, "dvportgroup-66", **dvs, port_key="8", card="VirtualSriovEthernetCard"),
        make_nic(4008, "network-99", device_name="removed"),
        make_nic(4009, "dvportgroup-99", **dvs, port_key="9"),
    ]
    disks = [
        make_disk(2000, sharing="sharingMultiWriter"),
        make_disk(2001, controller="lsilogic", bus=1, backing="rdm", mode="independent_persistent"),
        make_disk(2002, controller="lsisas1068", bus=2, backing="seflat"),
        make_disk(2003, controller="buslogic", bus=3, parent_file="[gold] base/base.vmdk"),
        make_disk(3000, controller="ide", label="Hard disk 5"),
        make_disk(16000, controller="sata", label="Hard disk 6"),
        make_disk(32000, controller="nvme", label="Hard disk 7", datastore="datastore-12"),
    ]
    return [
        make_vm(100, nics=cards, disks=disks, guest_host_name="web.example.org", snapshot=True, folder="group-v20",
                custom_fields={"owner": "shop", "cost": "17"}, annotation="first\nsecond & <third>",
                extra_devices=["VirtualTPM", "VirtualPCIPassthrough", "VirtualCdrom"], encrypted=True,
                cpu_reservation_mhz=500, firmware="efi", secure_boot=True, disabled_methods=["ShutdownGuest"]),
        make_vm(101, power_state="poweredOff"),
        make_vm(102, tools_status="toolsNotInstalled"),
        make_vm(103, connection_state="inaccessible", power_state="poweredOff"),
        make_vm(104, template=True, power_state="poweredOff"),
        make_vm(105, folder="", vapp="resgroup-v50", resource_pool="resgroup-v50"),
        make_vm(106, managed_by=("com.vmware.vim.eam", "cluster-agent"), name="vCLS-1"),
        make_vm(107, power_state="suspended", ft_role=1, consolidation_needed=True),
        make_vm(108, question="Moved or copied?", host="host-33", resource_pool="resgroup-90", nics=[], disks=[]),
    ]  # fmt: skip


@pytest.fixture
def world() -> World:
    world = World()
    _places(world)
    _networks(world)
    for vm in _machines():
        world.vms[vm.moref] = vm
    return world


@pytest.fixture(scope="session")
def certificate() -> TwinCertificate:
    return TwinCertificate()


@pytest.fixture
def settings() -> VCenterSettings:
    return VCenterSettings(task_s=0.02, guest_shutdown_s=0.02)


@pytest.fixture
def server(world: World, settings: VCenterSettings, certificate: TwinCertificate) -> Iterator[VCenterServer]:
    with VCenterServer(world, settings=settings, certificate=certificate) as running:
        yield running


def connect(server: VCenterServer, password: str | None = None) -> Any:
    """pyvmomi's own connection, certificate checked."""
    context: ssl.SSLContext = server.certificate.client_context()
    password = server.world.vcenter_password if password is None else password
    return SmartConnect(host=server.host, port=server.port, user=server.world.vcenter_user, pwd=password,
                        sslContext=context)  # fmt: skip


@pytest.fixture
def si(server: VCenterServer) -> Iterator[Any]:
    """A logged-in service instance. Whatever the test left of the session, the sockets are closed."""
    instance = connect(server)
    yield instance
    try:
        Disconnect(instance)
    except vim.fault.NotAuthenticated:
        pass
    finally:
        instance._stub.DropConnections()


def machine(si: Any, number: int) -> Any:
    """The VM with this number, as a managed object."""
    return vim.VirtualMachine(f"vm-{number}", si._stub)


def spec_for(container: Any, kind: Any, paths: list[str]) -> Any:
    """A filter spec that reads `paths` of all `kind` in a container view."""
    query = vmodl.query.PropertyCollector
    through = query.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    return query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=container, skip=True, selectSet=[through])],
        propSet=[query.PropertySpec(type=kind, pathSet=paths, all=not paths)],
    )


def read_all(si: Any, kind: Any, paths: list[str], page: int | None = None) -> tuple[dict[str, dict[str, Any]], int]:
    """{managed object id: {path: value}} of all objects of a kind, and the number of pages it took."""
    content = si.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    collector = content.propertyCollector
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=page)
    found: dict[str, dict[str, Any]] = {}
    pages = 0
    try:
        result = collector.RetrievePropertiesEx([spec_for(view, kind, paths)], options)
        while result is not None:
            pages += 1
            for item in result.objects:
                found[item.obj._moId] = {prop.name: prop.val for prop in item.propSet}
            result = collector.ContinueRetrievePropertiesEx(result.token) if result.token else None
    finally:
        view.Destroy()
    return found, pages
