"""A small vCenter as rows: two datacenters, two clusters of one name, a standalone host, a vApp."""

from __future__ import annotations

from typing import Any

from ingest.model.inventory import HostPortGroup, Vlan
from ingest.vsphere.join import Seen
from ingest.vsphere.nics import DVS_BACKING, STANDARD_BACKING
from ingest.vsphere.rows import (
    BackingRow,
    DatastoreRow,
    DeviceRow,
    HostRow,
    NetworkRow,
    PlaceRow,
    PortGroupRow,
    SwitchRow,
    VmRow,
)

PLACES = (
    PlaceRow("group-d1", "Folder", "Datacenters"),
    PlaceRow("group-d2", "Folder", "Europe", "group-d1"),
    PlaceRow("datacenter-1", "Datacenter", "DC1", "group-d1"),
    PlaceRow("datacenter-2", "Datacenter", "DC2", "group-d2"),
    PlaceRow("group-v1", "Folder", "vm", "datacenter-1"),
    PlaceRow("group-v11", "Folder", "web%2fshop", "group-v1"),
    PlaceRow("group-v12", "Folder", "prod", "group-v11"),
    PlaceRow("group-v2", "Folder", "vm", "datacenter-2"),
    PlaceRow("group-v21", "Folder", "prod", "group-v2"),
    PlaceRow("group-h1", "Folder", "host", "datacenter-1"),
    PlaceRow("group-h2", "Folder", "host", "datacenter-2"),
    PlaceRow("group-n1", "Folder", "network", "datacenter-1"),
    PlaceRow("group-n2", "Folder", "network", "datacenter-2"),
    PlaceRow("group-s1", "Folder", "datastore", "datacenter-1"),
    PlaceRow("group-p1", "StoragePod", "pod", "group-s1"),
    PlaceRow("domain-c1", "ClusterComputeResource", "Cluster", "group-h1", ("network-1", "datastore-1")),
    PlaceRow("domain-c2", "ClusterComputeResource", "Cluster", "group-h2"),
    PlaceRow("domain-s3", "ComputeResource", "lone", "group-h1", ("network-2", "datastore-2")),
    PlaceRow("resgroup-v1", "VirtualApp", "shop", "group-v11"),
    PlaceRow("resgroup-v2", "VirtualApp", "inner", "resgroup-v1"),
    PlaceRow("resgroup-v3", "VirtualApp", "poolapp", "resgroup-1"),
)
HOSTS = (
    HostRow(
        "host-1",
        "esx1",
        "domain-c1",
        "connected",
        version="8.0.2",
        portgroups=(HostPortGroup("VM Network", 0, "vSwitch0"), HostPortGroup("mgmt", 0, "vSwitch0", vmkernel=True)),
    ),
    HostRow(
        "host-2",
        "esx2",
        "domain-c1",
        "connected",
        portgroups=(HostPortGroup("VM Network", 20, "vSwitch0"), HostPortGroup("spare", 30, "vSwitch1")),
    ),
    HostRow("host-3", "esx3", "domain-c2", "notResponding", portgroups=None),
    HostRow(
        "host-4",
        "lone",
        "domain-s3",
        "connected",
        in_maintenance=True,
        portgroups=(HostPortGroup("VM Network", 0, "vSwitch0"),),
    ),
)
NETWORKS = (
    NetworkRow("network-1", "Network", "VM Network", "group-n1"),
    NetworkRow("network-2", "Network", "spare", "group-n1"),
    NetworkRow("network-3", "Network", "mgmt", "group-n1"),
    NetworkRow("network-o4", "OpaqueNetwork", "seg", "group-n2", opaque_id="ls-1", opaque_type="nsx.LogicalSwitch"),
)  # fmt: skip
SWITCHES = (
    SwitchRow("dvs-1", "DSwitch", "u1", "group-n1", ((200, 201, "isolated"),), ("dvportgroup-9",)),
    SwitchRow("dvs-2", "DSwitch", "u2", "group-n2"),
)
PORTGROUPS = (
    PortGroupRow("dvportgroup-1", "app", "dvportgroup-1", "group-n1", "dvs-1", Vlan("id", id=100)),
    PortGroupRow("dvportgroup-2", "app", "dvportgroup-2", "group-n2", "dvs-2", Vlan("id", id=100)),
    PortGroupRow("dvportgroup-3", "iso", "dvportgroup-3", "group-n1", "dvs-1", Vlan("pvlan", secondary=201)),
    PortGroupRow("dvportgroup-4", "tr", "dvportgroup-4", "group-n1", "dvs-1", Vlan("trunk", ranges=((1, 9),))),
    PortGroupRow("dvportgroup-8", "up1", "dvportgroup-8", "group-n2", "dvs-2", Vlan("none"), uplink_tag=True),
    PortGroupRow("dvportgroup-9", "up2", "dvportgroup-9", "group-n1", "dvs-1", Vlan("none")),
)
DATASTORES = (
    DatastoreRow("datastore-1", "ds1", "group-s1", "VMFS", 10, 5),
    DatastoreRow("datastore-2", "ds2", "group-p1", "NFS", remote_host="nas", remote_path="/v"),
)


def nic(key: int, network: str = "VM Network", **more: Any) -> DeviceRow:
    """A card on a standard network, or on a distributed port group when the name looks like one."""
    if network.startswith("dvportgroup"):
        uuid = "u1" if network in ("dvportgroup-1", "dvportgroup-3", "dvportgroup-4") else "u2"
        backing = BackingRow(DVS_BACKING, portgroup_key=network, switch_uuid=uuid, port_key="1")
    else:
        backing = BackingRow(STANDARD_BACKING, device_name=network)
    values: dict[str, Any] = {"kind": "VirtualVmxnet3", "mac": f"00:50:56:00:00:{key - 4000:02x}", "backing": backing}
    return DeviceRow(key=key, label=f"Network adapter {key - 3999}", is_card=True, **(values | more))


def vm(number: int, *devices: DeviceRow, **more: Any) -> VmRow:
    values: dict[str, Any] = {
        "name": f"vm{number}", "parent": "group-v1", "host": "host-1", "has_config": True,
        "instance_uuid": f"uuid-{number}", "power_state": "poweredOn", "connection_state": "connected",
    }  # fmt: skip
    return VmRow(f"vm-{number}", devices=devices, **(values | more))


def seen(*vms: VmRow, **more: Any) -> Seen:
    values: dict[str, Any] = {
        "places": PLACES, "hosts": HOSTS, "switches": SWITCHES, "portgroups": PORTGROUPS, "networks": NETWORKS,
        "datastores": DATASTORES,
    }  # fmt: skip
    return Seen(vms=vms, **(values | more))
