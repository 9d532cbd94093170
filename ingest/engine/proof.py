"""Proof: what an import must have made of a VM, said before the call, and what differs afterwards.

Pure: no server is asked here. Which fields an imported VM has is the server's doing (CloudStack:
UserVmManagerImpl.importVM, VolumeOrchestrator.importVolume, NetworkOrchestrator.importNic).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.model.catalogue import InstanceNic, UnmanagedDisk, UnmanagedInstance, VirtualMachine, Volume
from ingest.model.request import ImportRequest

# The import takes this custom field of the VM for the instance name, and the list of unmanaged VMs does not show it.
_INTERNAL_NAME = re.compile(r"i-\d+-\d+-.+")
_STATES = {"PowerOn": "Running", "PowerOff": "Stopped"}
_AT_REST = frozenset({"Running", "Stopped"})


@dataclass(frozen=True, slots=True)
class ExpectedNic:
    """A NIC to come. `network_id` is '' when the server chooses; `address` is an IPv4 address, `auto` or ''."""

    label: str
    mac: str
    network_id: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedDisk:
    """A volume to come. `file` is the base name of its file without `.vmdk`, `offering_id` '' for the root disk.

    `controller`, `controller_unit` and `position` are where the disk sits in vSphere, the last two None when untold.
    """

    disk_id: str
    label: str
    size_bytes: int
    file: str
    is_root: bool
    controller: str = ""
    controller_unit: int | None = None
    position: int | None = None
    offering_id: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """The VM as CloudStack must show it after the import. '' means that nothing is expected.

    `state` is Running or Stopped, '' for a VM that was neither on nor off. `nics` are in the order of the NICs'
    numbers, `disks` with the root disk first.
    """

    instance_name: str
    hostname: str
    cluster_id: str
    state: str
    nics: tuple[ExpectedNic, ...]
    disks: tuple[ExpectedDisk, ...]
    offering_id: str
    display_name: str = ""
    account: str = ""
    domain_id: str = ""
    project_id: str = ""
    template_id: str = ""
    nic_adapter: str = ""

    @property
    def macs(self) -> frozenset[str]:
        """The MACs of all NICs, in lower case."""
        return frozenset(nic.mac for nic in self.nics)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected. `grave` ones mean that the import is not whole.

    The others are things that people change after an import, or that hurt nothing. `missing` ones are volumes and NICs
    that are not there at all: the mark of an import that was cut off.
    """

    what: str
    expected: str
    found: str
    grave: bool = True
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.found or 'nothing'} instead of {self.expected or 'nothing'}"


def in_words(differences: Sequence[Difference]) -> str:
    """All differences in a line."""
    return "; ".join(map(str, differences))


def before(listed: UnmanagedInstance, request: ImportRequest) -> Expected:
    """What the import of a VM, as it is listed now, must give."""
    networks, addresses = dict(request.nic_networks), dict(request.nic_addresses)
    offerings = dict(request.data_disk_offerings)
    disks = [_disk(disk, offerings.get(disk.id)) for disk in listed.disk]
    return Expected(
        instance_name=listed.name,
        hostname=request.hostname or listed.name,
        cluster_id=request.cluster_id,
        state=_STATES.get(listed.powerstate, ""),
        nics=tuple(
            ExpectedNic(
                nic.id,
                nic.macaddress.lower(),
                networks.get(nic.id, ""),
                _address(addresses.get(nic.id, ""), nic.ipaddresses),
            )
            for nic in listed.nic
        ),
        disks=tuple(sorted(disks, key=lambda disk: not disk.is_root)),
        offering_id=request.service_offering_id,
        display_name=request.display_name,
        account=request.account,
        domain_id=request.domain_id,
        # The server ignores the project when an account is named.
        project_id="" if request.account else request.project_id,
        template_id=request.template_id,
        nic_adapter=listed.nic[0].adaptertype if listed.nic else "",
    )


def _address(wanted: str, reported: tuple[str, ...]) -> str:
    """`auto` becomes the one address the guest reports, else it stays."""
    return reported[0] if wanted == "auto" and len(reported) == 1 else wanted


def _disk(disk: UnmanagedDisk, offering_id: str | None) -> ExpectedDisk:
    return ExpectedDisk(
        disk_id=disk.id,
        label=disk.label or disk.id,
        size_bytes=disk.capacity,
        file=disk.imagepath.rpartition("/")[2].removesuffix(".vmdk"),
        is_root=offering_id is None,
        controller=disk.controller,
        controller_unit=disk.controllerunit,
        position=disk.position,
        offering_id=offering_id or "",
    )


def differences(
    expected: Expected, machine: VirtualMachine, volumes: Sequence[Volume], request: ImportRequest
) -> tuple[Difference, ...]:
    """What is not as expected, the VM itself first, then its volumes, then its NICs. Empty: proven whole."""
    return (
        *_of_machine(expected, machine),
        *_of_volumes(expected, volumes),
        *_of_nics(expected, machine, forced=request.forced),
    )


def _of_machine(expected: Expected, machine: VirtualMachine) -> Iterator[Difference]:
    if machine.instancename != expected.instance_name:
        internal = _INTERNAL_NAME.fullmatch(machine.instancename) is not None
        yield Difference("instance name", expected.instance_name, machine.instancename, grave=not internal)
    for what, wanted, found in (
        ("host name", expected.hostname, machine.name),
        ("compute offering", expected.offering_id, machine.serviceofferingid),
        ("owner", expected.account, machine.account),
        ("domain", expected.domain_id if expected.account else "", machine.domainid),
        ("project", expected.project_id, machine.projectid),
        ("template", expected.template_id, machine.templateid),
        *_of_details(expected, machine),
    ):
        if wanted and wanted != found:
            yield Difference(what, wanted, found)
    if expected.display_name and machine.displayname != expected.display_name:
        yield Difference("display name", expected.display_name, machine.displayname, grave=False)
    if machine.state != expected.state and (expected.state or machine.state not in _AT_REST):
        # Whoever starts or stops a VM right after its import does no harm.
        yield Difference("state", expected.state or "Stopped", machine.state, grave=machine.state not in _AT_REST)


def _of_details(expected: Expected, machine: VirtualMachine) -> Iterator[tuple[str, str, str]]:
    """What the VM's details say of controllers and adapters. A site may hide details: one that is not there proves
    nothing."""
    root = next((disk for disk in expected.disks if disk.is_root), None)
    data = next((disk for disk in expected.disks if not disk.is_root), None)
    for what, wanted, key in (
        ("root disk controller", root.controller if root else "", "rootDiskController"),
        ("data disk controller", data.controller if data else "", "dataDiskController"),
        ("NIC adapter", expected.nic_adapter, "nicAdapter"),
    ):
        if wanted and key in machine.details:
            yield what, wanted, machine.details[key]


def _of_volumes(expected: Expected, volumes: Sequence[Volume]) -> Iterator[Difference]:
    left = list(volumes)
    for number, disk in enumerate(expected.disks):
        volume = next((one for one in left if _is_of(one, disk)), None)
        if volume is None:
            yield Difference(f"volume of {disk.label}", f"{_gib(disk.size_bytes)} in {disk.file}", "", missing=True)
            continue
        left.remove(volume)
        if volume.size != disk.size_bytes:
            yield Difference(f"size of {disk.label}", _gib(disk.size_bytes), _gib(volume.size))
        if volume.path != disk.file:
            yield Difference(f"file of {disk.label}", disk.file, volume.path)
        if disk.offering_id and volume.diskofferingid != disk.offering_id:
            yield Difference(f"disk offering of {disk.label}", disk.offering_id, volume.diskofferingid)
        if volume.deviceid != number:
            yield Difference(f"device number of {disk.label}", str(number), str(volume.deviceid))
    for volume in left:
        yield Difference(f"volume {volume.name}", "", f"{_gib(volume.size)} in {volume.path}")


def _is_of(volume: Volume, disk: ExpectedDisk) -> bool:
    """The server names data volumes `DATA-<number>-<disk id>`; once renamed they still have their file."""
    if (volume.type == "ROOT") != disk.is_root:
        return False
    return disk.is_root or volume.name.endswith(f"-{disk.disk_id}") or volume.path == disk.file


def _of_nics(expected: Expected, machine: VirtualMachine, *, forced: bool) -> Iterator[Difference]:
    left = sorted(machine.nic, key=lambda nic: nic.deviceid)
    for number, wanted in enumerate(expected.nics):
        nic = next((one for one in left if one.macaddress.lower() == wanted.mac), None)
        if nic is None and forced:
            # A forced import gives a NIC another MAC when its own is taken in the network.
            nic = next((one for one in left if one.deviceid == number), None)
            if nic is not None:
                yield Difference(f"MAC of {wanted.label}", wanted.mac, nic.macaddress, grave=False)
        if nic is None:
            yield Difference(wanted.label, wanted.mac, "", missing=True)
            continue
        left.remove(nic)
        if wanted.network_id and nic.networkid != wanted.network_id:
            yield Difference(f"network of {wanted.label}", wanted.network_id, nic.networkid)
        yield from _of_address(wanted, nic)
        if nic.isdefault != (number == 0):
            default = ("default NIC", "not the default NIC")
            yield Difference(f"order of {wanted.label}", default[number != 0], default[not nic.isdefault])
    for nic in left:
        yield Difference("NIC", "", nic.macaddress)


def _of_address(wanted: ExpectedNic, nic: InstanceNic) -> Iterator[Difference]:
    """L2 networks record no address, whatever the call says."""
    if not wanted.address or nic.type == "L2":
        return
    if nic.ipaddress != wanted.address and (wanted.address != "auto" or not nic.ipaddress):
        yield Difference(f"address of {wanted.label}", wanted.address, nic.ipaddress)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):g} GiB"
