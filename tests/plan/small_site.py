"""A small site, built by hand, seen from both sides: the ground the tests of the plan stand on.

Three VMs can be imported as they are: `web01` (on, one NIC, one disk), `app02` (off, two NICs, three disks), `db_03`
(on; its name is no host name). `legacy01` is in CloudStack already, `golden` is a template. CloudStack's record of a
VM is derived from what vCenter says of it, as the server does it. Ids tell what they are: `net-shop-100`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ingest.model import catalogue as c
from ingest.model.inventory import Cluster, Disk, Host, Inventory, Nic, VirtualMachine, Vlan
from ingest.model.snapshot import Snapshot

GIB = 1 << 30
CLUSTER_NAME = "vcenter.example.org/DC1/C1"


def nic(number: int, mac_end: str, vlan: int | None = 100, **changes: Any) -> Nic:
    """A card on the distributed port group of a VLAN."""
    facts: dict[str, Any] = {
        "key": 3999 + number,
        "label": f"Network adapter {number}",
        "mac": f"00:50:56:00:00:{mac_end}",
        "adapter": "Vmxnet3",
        "card_class": "VirtualVmxnet3",
        "kind": "dvs",
        "network_name": f"PG-{vlan}" if vlan else "PG-untagged",
        "vlan": Vlan("id", vlan) if vlan else Vlan("none"),
    }
    return Nic(**(facts | changes))


def disk(number: int, size_gib: float, owner: int, **changes: Any) -> Disk:
    """A flat disk on datastore ds1."""
    facts: dict[str, Any] = {
        "key": 1999 + number,
        "label": f"Hard disk {number}",
        "disk_id": f"{owner}-{1999 + number}",
        "capacity_bytes": int(size_gib * GIB),
        "backing": "flat",
        "file_name": f"[ds1] vm{owner}/disk{number}.vmdk",
        "datastore_name": "ds1",
        "datastore_moref": "datastore-1",
        "controller": "pvscsi",
        "controller_bus": 0,
        "unit": number - 1,
    }
    return Disk(**(facts | changes))


def machine(number: int, name: str, **changes: Any) -> VirtualMachine:
    """A running VM of cluster C1 without devices."""
    facts: dict[str, Any] = {
        "moref": f"vm-{number}",
        "name": name,
        "instance_uuid": f"50000000-0000-4000-8000-{number:012d}",
        "path": f"/DC1/vm/prod/{name}",
        "datacenter": "DC1",
        "datacenter_moref": "datacenter-1",
        "cluster": "C1",
        "cluster_moref": "domain-c1",
        "host": "esx1",
        "host_moref": "host-1",
        "power_state": "poweredOn",
        "connection_state": "connected",
        "cpus": 2,
        "memory_mib": 4096,
        "guest_id": "ubuntu64Guest",
        "guest_full_name": "Ubuntu Linux (64-bit)",
        "tools_status": "toolsOk",
    }
    return VirtualMachine(**(facts | changes))


def web01(**changes: Any) -> VirtualMachine:
    facts: dict[str, Any] = {"nics": (nic(1, "01"),), "disks": (disk(1, 20, 1),)}
    return machine(1, **({"name": "web01"} | facts | changes))


def app02(**changes: Any) -> VirtualMachine:
    facts: dict[str, Any] = {
        "power_state": "poweredOff",
        "cpus": 4,
        "memory_mib": 8192,
        "tools_status": "toolsNotRunning",
        "nics": (nic(1, "02"), nic(2, "12", 200, ipv4=("10.0.200.20",))),
        "disks": (disk(1, 40, 2), disk(2, 10, 2), disk(3, 10, 2)),
    }
    return machine(2, **({"name": "app02"} | facts | changes))


def db_03(**changes: Any) -> VirtualMachine:
    facts: dict[str, Any] = {"cpus": 3, "host": "esx2", "nics": (nic(1, "03"),), "disks": (disk(1, 80, 3),)}
    return machine(3, **({"name": "db_03"} | facts | changes))


def legacy01() -> VirtualMachine:
    return machine(4, "legacy01", nics=(nic(1, "ff"),), disks=(disk(1, 20, 4),))


def golden() -> VirtualMachine:
    return machine(5, "golden", template=True, power_state="poweredOff", disks=(disk(1, 20, 5),))


def everyone() -> tuple[VirtualMachine, ...]:
    return web01(), app02(), db_03(), legacy01(), golden()


def inventory(vms: Iterable[VirtualMachine] | None = None, **changes: Any) -> Inventory:
    facts: dict[str, Any] = {
        "server": "vcenter.example.org",
        "product": "vCenter",
        "version": "8.0.2",
        "api_type": "VirtualCenter",
        "instance_uuid": "11111111-2222-4333-8444-555555555555",
        "clusters": (Cluster("domain-c1", "C1", "DC1", "datacenter-1", "/DC1/host/C1", standalone=False),),
        "hosts": tuple(Host(f"host-{n}", f"esx{n}", "DC1", "C1", "domain-c1", "connected", False) for n in (1, 2)),
        "vms": tuple(everyone() if vms is None else vms),
    }
    return Inventory(**(facts | changes))


def as_listed(vm: VirtualMachine) -> c.UnmanagedInstance:
    """How CloudStack shows a VM (VmwareHelper.getUnmanagedInstance): what it cannot read is missing."""
    states = {"poweredOn": "PowerOn", "poweredOff": "PowerOff"}
    return c.UnmanagedInstance(
        name=vm.name,
        clusterid="cluster-1",
        hostid=vm.host_moref,
        hostname=vm.host,
        hypervisor="VMware",
        hypervisorversion="8.0.2",
        powerstate=states.get(vm.power_state, "PowerUnknown"),
        cpunumber=vm.cpus,
        cpuspeed=vm.cpu_reservation_mhz,
        memory=vm.memory_mib,
        osid=vm.guest_id,
        osdisplayname=vm.guest_full_name,
        disk=tuple(_listed_disk(one) for one in vm.disks if one.backing == "flat"),
        nic=tuple(_listed_nic(one, vm.tools_status) for one in vm.nics if one.kind != "unattached"),
    )


def _listed_disk(one: Disk) -> c.UnmanagedDisk:
    return c.UnmanagedDisk(
        id=one.disk_id,
        label=one.label,
        capacity=one.capacity_bytes,
        controller="none" if one.controller in ("sata", "nvme", "") else one.controller,
        datastorename=one.datastore_name,
    )


def _listed_nic(one: Nic, tools: str) -> c.UnmanagedNic:
    vlan = one.vlan
    private = vlan is not None and vlan.kind == "pvlan"
    return c.UnmanagedNic(
        id=one.label,
        macaddress=one.mac,
        adaptertype=one.adapter,
        vlanid=(vlan.primary if private else vlan.id) if vlan else None,
        isolatedpvlan=vlan.secondary if vlan and private else None,
        isolatedpvlantype=(vlan.pvlan_type or "") if vlan and private else "",
        ipaddresses=one.ipv4 if tools == "toolsOk" else (),
    )


NETWORKS = (
    c.Network(
        id="net-shop-100",
        name="shop-100",
        type="L2",
        zoneid="zone-1",
        broadcasturi="vlan://100",
        acltype="Account",
        account="shop",
        domainid="domain-dev",
        domainpath="ROOT/dev",
    ),
    c.Network(
        id="net-shop-isolated",
        name="shop-isolated",
        type="Isolated",
        zoneid="zone-1",
        broadcasturi="vlan://900",
        cidr="10.0.9.0/24",
        gateway="10.0.9.1",
        acltype="Account",
        account="shop",
        domainid="domain-dev",
        domainpath="ROOT/dev",
    ),
    c.Network(
        id="net-shared-200",
        name="shared-200",
        type="Shared",
        zoneid="zone-1",
        broadcasturi="vlan://200",
        cidr="10.0.200.0/24",
        gateway="10.0.200.1",
        acltype="Domain",
        subdomainaccess=True,
        domainid="domain-root",
        domainpath="ROOT",
    ),
    c.Network(
        id="net-other-101",
        name="other-101",
        type="L2",
        zoneid="zone-1",
        broadcasturi="vlan://101",
        acltype="Account",
        account="other",
        domainid="domain-dev",
        domainpath="ROOT/dev",
    ),
    c.Network(
        id="net-apollo-300",
        name="apollo-300",
        type="L2",
        zoneid="zone-1",
        broadcasturi="pvlan://300-i301",
        acltype="Account",
        projectid="project-apollo",
        project="apollo",
        domainid="domain-dev",
        domainpath="ROOT/dev",
    ),
    c.Network(
        id="net-far-100",
        name="far-100",
        type="L2",
        zoneid="zone-2",
        broadcasturi="vlan://100",
        acltype="Account",
        account="shop",
        domainid="domain-dev",
        domainpath="ROOT/dev",
    ),
)

_BOUNDS = {"mincpunumber": "1", "maxcpunumber": "8", "minmemory": "512", "maxmemory": "16384"}


def compute(
    name: str, cpus: int | None, memory: int | None, speed: int | None = 2000, **more: Any
) -> c.ServiceOffering:
    details = _BOUNDS if cpus is None and speed is not None else {}
    return c.ServiceOffering(
        id=f"so-{name}",
        name=name,
        cpunumber=cpus,
        cpuspeed=speed,
        memory=memory,
        serviceofferingdetails=details,
        **more,
    )


SERVICE_OFFERINGS = (
    compute("small", 2, 4096),
    compute("large", 8, 16384),
    compute("custom", None, None),
    compute("open", None, None, None),
    compute("partly", 2, None),
    compute("gpu", None, None, hosttags="gpu"),
    compute("fast", None, None, storagetags="fast"),
    compute("ops-only", None, None, domainid="domain-ops"),
    compute("far-only", None, None, zoneid="zone-2"),
)

DISK_OFFERINGS = (
    c.DiskOffering(id="do-any", name="any-size", iscustomized=True),
    c.DiskOffering(id="do-20", name="gib-20", disksize=20),
    c.DiskOffering(id="do-5", name="gib-5", disksize=5),
    c.DiskOffering(id="do-none", name="sizeless", disksize=0),
    c.DiskOffering(id="do-fast", name="any-fast", iscustomized=True, tags="fast"),
    c.DiskOffering(id="do-ops", name="ops-size", iscustomized=True, domainid="domain-ops"),
)


def catalogue(vms: Iterable[VirtualMachine] | None = None, **changes: Any) -> c.Catalogue:
    """CloudStack's side; `vms` are the VMs it shows as unmanaged (their vCenter side)."""
    shown = (web01(), app02(), db_03()) if vms is None else vms
    facts: dict[str, Any] = {
        "cloudstack_version": "4.22.0.0",
        "configuration": {"vm.instancename.flag": "false", "admin.is.allowed.to.deploy.anywhere": "false"},
        "zones": (c.Zone(id="zone-1", name="Z1"), c.Zone(id="zone-2", name="Z2")),
        "clusters": (
            c.Cluster(
                id="cluster-1", name=CLUSTER_NAME, zoneid="zone-1", hypervisortype="VMware", allocationstate="Enabled"
            ),
        ),
        "hosts": tuple(
            c.Host(id=f"host-{n}", name=f"esx{n}", state="Up", resourcestate="Enabled", clusterid="cluster-1")
            for n in (1, 2)
        ),
        "networks": NETWORKS,
        "ip_ranges": (
            c.IpRange(id="range-200", networkid="net-shared-200", startip="10.0.200.2", endip="10.0.200.254"),
        ),
        "service_offerings": SERVICE_OFFERINGS,
        "disk_offerings": DISK_OFFERINGS,
        "storage_pools": (
            c.StoragePool(id="pool-ds1", name="ds1", path="/DC1/ds1", zoneid="zone-1", clusterid="cluster-1"),
            c.StoragePool(id="pool-data", name="data", path="/DC1/data", zoneid="zone-1", clusterid="cluster-1"),
        ),
        "domains": (
            c.Domain(id="domain-root", name="ROOT", path="ROOT"),
            c.Domain(id="domain-dev", name="dev", path="ROOT/dev"),
            c.Domain(id="domain-ops", name="ops", path="ROOT/ops"),
        ),
        "accounts": (
            c.Account(id="acc-admin", name="admin", domainid="domain-root", accounttype=1, state="enabled"),
            c.Account(id="acc-shop", name="shop", domainid="domain-dev", state="enabled"),
            c.Account(id="acc-other", name="other", domainid="domain-dev", state="enabled"),
            c.Account(id="acc-frozen", name="frozen", domainid="domain-dev", state="locked"),
        ),
        "projects": (
            c.Project(id="project-apollo", name="apollo", domainid="domain-dev", state="Active"),
            c.Project(id="project-paused", name="paused", domainid="domain-dev", state="Suspended"),
        ),
        "templates": (c.Template(id="tmpl-ubuntu", name="ubuntu", zoneid="zone-1", isready=True),),
        "guest_os_mappings": (
            c.GuestOsMapping(
                id="map-ubuntu",
                osdisplayname="Ubuntu Linux (64-bit)",
                osnameforhypervisor="ubuntu64Guest",
                hypervisor="VMware",
                hypervisorversion="8.0.2",
            ),
        ),
        "unmanaged": tuple(as_listed(vm) for vm in shown),
        "virtual_machines": (
            c.VirtualMachine(
                id="i-legacy",
                name="legacy01",
                displayname="legacy01",
                instancename="legacy01",
                zoneid="zone-1",
                nic=(
                    c.InstanceNic(networkid="net-shop-100", macaddress="00:50:56:00:00:FF"),
                    c.InstanceNic(networkid="net-shared-200", macaddress="00:50:56:00:00:fe", ipaddress="10.0.200.77"),
                ),
            ),
        ),
    }
    return c.Catalogue(**(facts | changes))


def snapshot(
    *vms: VirtualMachine, shown: Iterable[VirtualMachine] | None = None, seen: dict[str, Any] | None = None, **more: Any
) -> Snapshot:
    """Both sides. Without `vms` the whole site; else these, all shown by CloudStack unless `shown` says which.

    `seen` replaces parts of the inventory, further keywords replace parts of the catalogue.
    """
    listed = shown if shown is not None else (vms or None)
    return Snapshot(
        taken_at="2026-01-01T00:00:00+00:00",
        inventory=inventory(vms or None, **(seen or {})),
        catalogue=catalogue(listed, **more),
    )


def replaced(objects: tuple[Any, ...], name: str, **changes: Any) -> tuple[Any, ...]:
    """The tuple with the fields of the object of that name changed."""
    assert any(one.name == name for one in objects), f"nothing is called {name}"
    return tuple(_with(one, changes) if one.name == name else one for one in objects)


def _with(one: Any, changes: dict[str, Any]) -> Any:
    return one.model_copy(update=changes) if hasattr(one, "model_copy") else dataclasses.replace(one, **changes)
