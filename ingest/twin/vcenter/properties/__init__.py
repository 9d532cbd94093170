"""Properties of the inventory, one file per kind of object. `INVENTORY` is the register of all of them."""

from __future__ import annotations

from ingest.twin.vcenter.properties.entity import Builders
from ingest.twin.vcenter.properties.host import HOST
from ingest.twin.vcenter.properties.machine import VIRTUAL_MACHINE, VIRTUAL_MACHINE_SNAPSHOT
from ingest.twin.vcenter.properties.network import (
    DISTRIBUTED_PORTGROUP,
    DISTRIBUTED_SWITCH,
    NETWORK,
    OPAQUE_NETWORK,
)
from ingest.twin.vcenter.properties.place import CLUSTER, COMPUTE, DATACENTER, FOLDER, RESOURCE_POOL, VIRTUAL_APP
from ingest.twin.vcenter.properties.storage import DATASTORE, STORAGE_POD

INVENTORY: dict[str, Builders] = {
    "Folder": FOLDER,
    "Datacenter": DATACENTER,
    "ComputeResource": COMPUTE,
    "ClusterComputeResource": CLUSTER,
    "ResourcePool": RESOURCE_POOL,
    "VirtualApp": VIRTUAL_APP,
    "HostSystem": HOST,
    "Network": NETWORK,
    "OpaqueNetwork": OPAQUE_NETWORK,
    "DistributedVirtualPortgroup": DISTRIBUTED_PORTGROUP,
    "VmwareDistributedVirtualSwitch": DISTRIBUTED_SWITCH,
    "Datastore": DATASTORE,
    "StoragePod": STORAGE_POD,
    "VirtualMachine": VIRTUAL_MACHINE,
    "VirtualMachineSnapshot": VIRTUAL_MACHINE_SNAPSHOT,
}
