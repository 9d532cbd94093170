"""The list of a VM's files (`layoutEx`)."""

from __future__ import annotations

from ingest.twin.vcenter.properties.entity import CREATED
from ingest.twin.vcenter.values import Data, Value
from ingest.twin.world import VM


class _Layout:
    def __init__(self) -> None:
        self.files: list[Value] = []

    def add(self, name: str, kind: str, size: int) -> int:
        """A file; returns its key."""
        key = len(self.files)
        self.files.append(Data("VirtualMachineFileLayoutExFileInfo", key=key, name=name, type=kind, size=size,
                               uniqueSize=size, accessible=True))  # fmt: skip
        return key

    def unit(self, name: str, size: int) -> Data:
        """A disk of the chain: its descriptor, and the file with the bytes."""
        extent = f"{name.removesuffix('.vmdk')}-flat.vmdk"
        keys = [self.add(name, "diskDescriptor", 512), self.add(extent, "diskExtent", size)]
        return Data("VirtualMachineFileLayoutExDiskUnit", fileKey=keys)


def layout(vm: VM, vmx: str) -> Data:
    """`layoutEx`: configuration, variables of the firmware, and each disk's chain, base first."""
    made = _Layout()
    made.add(vmx, "config", 3072)
    made.add(vmx.removesuffix(".vmx") + ".nvram", "nvram", 270840)
    disks = []
    for disk in vm.disks:
        chain = [*reversed(disk.ancestors), *([disk.parent_file] if disk.parent_file else []), disk.file_name]
        units = [made.unit(name, disk.capacity_bytes if name == chain[0] else 0) for name in chain]
        disks.append(Data("VirtualMachineFileLayoutExDiskLayout", key=disk.key, chain=units))
    return Data("VirtualMachineFileLayoutEx", file=made.files, disk=disks, timestamp=CREATED)
