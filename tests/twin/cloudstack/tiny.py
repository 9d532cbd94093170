"""A tiny world, made by hand: every object has a name, and its id is derived from it."""

from __future__ import annotations

import uuid

from ingest.model.inventory import Vlan
from ingest.twin import cloud as c
from ingest.twin import world as w

GIB = 1 << 30


def ident(name: str) -> str:
    """The id of a CloudStack object of the tiny world."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def tiny_world() -> w.World:
    world = w.World(seed=7)
    _vsphere(world)
    _cloud(world.cloud)
    return world


def base_request() -> dict[str, str]:
    """An import of web01 that passes every check."""
    return {
        "clusterid": ident("cluster"),
        "name": "web01",
        "serviceofferingid": ident("so-custom"),
        "nicnetworklist[0].nic": "Network adapter 1",
        "nicnetworklist[0].network": ident("l2-100"),
        "datadiskofferinglist[0].disk": "1-2001",
        "datadiskofferinglist[0].diskOffering": ident("do-custom"),
    }


def add_vm(world: w.World, number: int, name: str, *, host: str = "host-1", **changes: object) -> w.VM:
    """A powered-off VM with one NIC in VM-100 and one disk on ds1."""
    vm = w.VM(
        moref=f"vm-{number}",
        name=name,
        instance_uuid=ident(f"instance-{number}"),
        bios_uuid=ident(f"bios-{number}"),
        folder="group-v1",
        host=host,
        resource_pool="resgroup-1",
        power_state="poweredOff",
        nics=[nic(1, number)],
        disks=[disk(1, number)],
    )
    for attribute, value in changes.items():
        setattr(vm, attribute, value)
    world.vms[vm.moref] = vm
    return vm


def nic(number: int, vm_number: int, network: str = "network-1", backing: w.Backing = "standard") -> w.Nic:
    return w.Nic(
        key=3999 + number,
        label=f"Network adapter {number}",
        mac=f"00:50:56:00:{vm_number:02X}:{number:02X}",
        network=network,
        backing=backing,
    )


def disk(number: int, vm_number: int, datastore: str = "datastore-1") -> w.Disk:
    return w.Disk(
        key=1999 + number,
        label=f"Hard disk {number}",
        disk_id=f"{vm_number}-{1999 + number}",
        capacity_bytes=20 * GIB,
        file_name=f"[ds1] vm{vm_number}/vm{vm_number}_{number}.vmdk",
        datastore=datastore,
        unit=number - 1,
    )


def _vsphere(world: w.World) -> None:
    world.datacenters["datacenter-1"] = w.Datacenter(
        "datacenter-1", "DC", "group-v1", "group-h1", "group-n1", "group-s1"
    )
    for moref, name in (("domain-c1", "C1"), ("domain-c2", "C2")):
        world.computes[moref] = w.Compute(moref, name, "datacenter-1", "group-h1", True, "resgroup-1")
    for number, compute in ((1, "domain-c1"), (2, "domain-c1"), (3, "domain-c2")):
        groups = [w.HostPortGroup("VM-100", 100), w.HostPortGroup("VM-0", 0), w.HostPortGroup("VM-4095", 4095)]
        world.hosts[f"host-{number}"] = w.Host(f"host-{number}", f"esx{number}", compute, portgroups=groups)
    world.switches["dvs-1"] = w.Switch(
        "dvs-1", "dvs", "50 01", "datacenter-1", "group-n1", pvlans=[(300, 301, "isolated"), (300, 300, "promiscuous")]
    )
    for number, name in ((1, "VM-100"), (2, "VM-0"), (3, "VM-4095"), (4, "gone")):
        moref = f"network-{number}"
        world.networks[moref] = w.Network(moref, name, "standard", "datacenter-1", "group-n1")
    for number, vlan in ((1, Vlan("id", id=200)), (2, Vlan("pvlan", secondary=301)), (3, Vlan("trunk")), (4, None)):
        moref = f"dvportgroup-{number}"
        world.networks[moref] = w.Network(
            moref, f"dv-{number}", "dvs", "datacenter-1", "group-n1", switch="dvs-1", vlan=vlan
        )
    world.networks["network-o1"] = w.Network("network-o1", "nsx", "opaque", "datacenter-1", "group-n1")
    world.datastores["datastore-1"] = w.Datastore("datastore-1", "ds1", "datacenter-1", "group-s1")
    world.datastores["datastore-2"] = w.Datastore(
        "datastore-2",
        "nfs1",
        "datacenter-1",
        "group-s1",
        type="NFS",
        remote_host="nas",
        remote_path="/export/one",
    )
    add_vm(world, 1, "web01", nics=[nic(1, 1)], disks=[disk(1, 1), disk(2, 1)])
    add_vm(
        world,
        2,
        "app02",
        host="host-2",
        power_state="poweredOn",
        nics=[nic(1, 2), nic(2, 2, "dvportgroup-1", "dvs")],
        disks=[disk(1, 2), disk(2, 2), disk(3, 2)],
    )


def _cloud(cloud: c.Cloud) -> None:
    cloud.import_seconds = cloud.job_cleaner_seconds = 0.0
    for name in ("zone", "zone2"):
        cloud.zones[ident(name)] = c.Zone(ident(name), name)
        cloud.pods[ident(f"{name}-pod")] = c.Pod(ident(f"{name}-pod"), f"{name}-pod", ident(name))
    for name, compute in (("cluster", "domain-c1"), ("cluster2", "domain-c2")):
        path = f"vcenter.example.org/DC/{compute[-2:].upper()}"
        cloud.clusters[ident(name)] = c.Cluster(ident(name), path, ident("zone"), ident("zone-pod"), compute)
    for number, cluster in ((1, "cluster"), (2, "cluster"), (3, "cluster2")):
        host_id = ident(f"host-{number}")
        cloud.hosts[host_id] = c.Host(
            host_id, f"esx{number}", ident(cluster), ident("zone"), ident("zone-pod"), f"host-{number}"
        )
    _owners(cloud)
    _networks(cloud)
    _offerings(cloud)
    for name, path, extra in (
        ("pool-ds1", "/DC/ds1", {"clusterid": ident("cluster")}),
        ("pool-nfs", "/export/one", {"host": "nas", "type": "NetworkFilesystem", "scope": "ZONE", "tags": "fast"}),
    ):
        cloud.storage_pools[ident(name)] = c.StoragePool(ident(name), name, path, ident("zone"), **extra)
    for name, os_name in (("os-ubuntu", "Ubuntu Linux (64-bit)"), ("os-unmapped", "Exotic (64-bit)")):
        cloud.os_types[ident(name)] = c.OsType(ident(name), os_name)
    cloud.os_mappings[ident("map")] = c.OsMapping(ident("map"), ident("os-ubuntu"), "8.0.2", "ubuntu64Guest")
    for name in ("template", "template-removed"):
        removed = name.endswith("removed")
        cloud.templates[ident(name)] = c.Template(
            ident(name), name, ident("zone"), ident("os-unmapped"), removed=removed
        )


def _owners(cloud: c.Cloud) -> None:
    cloud.domains[ident("ROOT")] = c.Domain(ident("ROOT"), "ROOT", "ROOT")
    cloud.domains[ident("dev")] = c.Domain(ident("dev"), "dev", "ROOT/dev", ident("ROOT"), 1)
    for name, domain, kind in (("admin", "ROOT", 1), ("bob", "dev", 0), ("project-account", "ROOT", 5)):
        cloud.accounts[ident(name)] = c.Account(ident(name), name, ident(domain), kind)
    for name, account, apis in (
        ("admin", "admin", None),
        ("bob", "bob", None),
        ("reader", "admin", frozenset({"listZones", "listApis"})),
    ):
        user_id = ident(f"user-{name}")
        cloud.users[user_id] = c.User(user_id, name, ident(account), f"{name}-key", f"{name}-secret", apis=apis)
    cloud.projects[ident("project")] = c.Project(ident("project"), "project", ident("ROOT"), ident("project-account"))


def _networks(cloud: c.Cloud) -> None:
    shared = {"cidr": "10.1.0.0/24", "gateway": "10.1.0.1", "startip": "10.1.0.10", "endip": "10.1.0.11"}
    for name, kind, owner, domain, extra in (
        ("l2-100", "L2", "admin", "ROOT", {"broadcasturi": "vlan://100"}),
        ("l2-100-again", "L2", "admin", "ROOT", {"broadcasturi": "vlan://100"}),
        ("l2-200", "L2", "admin", "ROOT", {"broadcasturi": "vlan://200"}),
        ("l2-open", "L2", "admin", "ROOT", {}),
        ("pvlan-300", "L2", "admin", "ROOT", {"broadcasturi": "pvlan://300-i301"}),
        ("isolated", "Isolated", "admin", "ROOT", {"cidr": "10.2.0.0/30", "gateway": "10.2.0.1"}),
        ("shared-100", "Shared", "admin", "ROOT", {"broadcasturi": "vlan://100", "acltype": "Domain", **shared}),
        ("shared-dev", "Shared", "admin", "dev", {"broadcasturi": "vlan://100", "acltype": "Domain", **shared}),
        ("bob-100", "L2", "bob", "dev", {"broadcasturi": "vlan://100"}),
        ("project-100", "L2", "project-account", "ROOT", {"broadcasturi": "vlan://100", "projectid": ident("project")}),
        ("removed-100", "L2", "admin", "ROOT", {"broadcasturi": "vlan://100", "removed": True}),
        ("system", "Shared", "admin", "ROOT", {"issystem": True}),
    ):
        cloud.networks[ident(name)] = c.Network(
            ident(name), name, kind, ident("zone"), ident(owner), ident(domain), **extra
        )
    cloud.networks[ident("zone2-100")] = c.Network(
        ident("zone2-100"), "zone2-100", "L2", ident("zone2"), ident("admin"), ident("ROOT"), "vlan://100"
    )


def _offerings(cloud: c.Cloud) -> None:
    for name, size, customized, extra in (
        ("do-root", 0, True, {"hidden": True}),
        ("do-root-fast", 0, True, {"hidden": True, "tags": "fast"}),
        ("do-custom", 0, True, {}),
        ("do-20", 20, False, {}),
        ("do-10", 10, False, {}),
        ("do-0", 0, False, {}),
        ("do-slow", 0, True, {"tags": "slow"}),
        ("do-dev", 0, True, {"domainids": [ident("dev")]}),
    ):
        cloud.disk_offerings[ident(name)] = c.DiskOffering(ident(name), name, size, customized, **extra)
    root = ident("do-root")
    for name, cpus, speed, memory, extra in (
        ("so-custom", None, 2000, None, {"mincpunumber": 1, "maxcpunumber": 8, "minmemory": 512, "maxmemory": 16384}),
        ("so-fixed", 2, 2000, 4096, {}),
        ("so-open", None, None, None, {}),
        ("so-partly", 2, 2000, None, {}),
        ("so-dev", None, 2000, None, {"domainids": [ident("dev")]}),
        ("so-zone2", None, 2000, None, {"zoneids": [ident("zone2")]}),
        ("so-tagged", None, 2000, None, {"hosttags": "gpu"}),
        ("so-fast", None, 2000, None, {"diskofferingid": ident("do-root-fast")}),
        ("so-removed", 2, 2000, 4096, {"removed": True}),
    ):
        bound = {"diskofferingid": root} | extra
        cloud.service_offerings[ident(name)] = c.ServiceOffering(ident(name), name, cpus, speed, memory, **bound)
