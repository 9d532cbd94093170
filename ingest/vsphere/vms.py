"""The one large read, all VMs, behind one function with two implementations that give equal rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ingest.vsphere.collect import PAGE_SIZE, container_view, filter_spec, pages
from ingest.vsphere.objects import vm_values
from ingest.vsphere.rows import Missing, VmRow
from ingest.vsphere.session import VCenter
from ingest.vsphere.specs import VMS
from ingest.vsphere.stream import stream_objects

How = Literal["stream", "objects"]


def read_vms(
    vcenter: VCenter, container: Any = None, *, page_size: int = PAGE_SIZE, how: How = "stream"
) -> Iterator[VmRow]:
    """Every VM below `container` (default: the root folder), in the server's order, as the answer arrives.

    `stream` reads the XML row by row in constant memory; `objects` builds pyVmomi objects for a page at a time
    (about four times the CPU time). A VM may come twice, and may be gone (then `missing` says so), when the inventory
    changes between pages. Close the iterator to stop early. Raises faults of the API (see `VCenter.repeat`) and
    transport errors; rows already given are then incomplete.
    """
    source = container if container is not None else vcenter.content.rootFolder
    with container_view(vcenter, source, VMS) as view:
        spec = filter_spec(vcenter, view, VMS)
        if how == "stream":
            for moref, values, missing in stream_objects(vcenter, spec, page_size):
                yield vm_row(moref, values, missing)
            return
        for page in pages(vcenter, spec, page_size):
            for content in page:
                yield vm_row(str(content.obj._moId), *vm_values(content))


def vm_row(moref: str, values: Mapping[str, Any], missing: tuple[Missing, ...]) -> VmRow:
    """The row of a VM from decoded property values; what is unset gets the row's default."""
    fields = {field: values[path] for path, field in _FIELDS.items() if values.get(path) not in (None, "")}
    has_config = any(path.startswith("config.") for path in values)
    return VmRow(moref=moref, has_config=has_config, missing=missing, **fields)


_FIELDS = {
    "name": "name",
    "parent": "parent",
    "parentVApp": "parent_vapp",
    "config.instanceUuid": "instance_uuid",
    "config.template": "template",
    "config.managedBy": "managed_by",
    "config.ftInfo": "ft_role",
    "config.keyId": "encrypted",
    "config.firmware": "firmware",
    "config.bootOptions.efiSecureBootEnabled": "secure_boot",
    "config.bootOptions.bootOrder": "boot_disk_key",
    "config.annotation": "annotation",
    "config.cpuAllocation.reservation": "cpu_reservation_mhz",
    "config.hardware.numCPU": "cpus",
    "config.hardware.numCoresPerSocket": "cores_per_socket",
    "config.hardware.memoryMB": "memory_mib",
    "config.hardware.device": "devices",
    "runtime.host": "host",
    "runtime.powerState": "power_state",
    "runtime.connectionState": "connection_state",
    "runtime.question": "question",
    "runtime.consolidationNeeded": "consolidation_needed",
    # CloudStack names the operating system as the guest reports it, and as configured when it does not.
    "config.guestId": "guest_id",
    "config.guestFullName": "guest_full_name",
    "guest.guestId": "guest_id",
    "guest.guestFullName": "guest_full_name",
    "guest.hostName": "guest_host_name",
    "guest.toolsStatus": "tools_status",
    "guest.net": "guest_nics",
    "snapshot": "has_snapshot",
    "customValue": "custom_values",
}
