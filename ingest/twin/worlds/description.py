"""The short form of a world file: a generated site, and what a person wants to be different in it.

`data/demo-world.yaml` shows and explains every key. Names refer to names: a VM's network is the name of a port group
of its datacenter, its tenant one of those the generator makes (platform, shop, finance, apollo, acme, ...).
"""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ingest.model.inventory import PowerState, PvlanType, Vlan
from ingest.twin.world import Controller, DiskBacking
from ingest.twin.worlds.oddities import ODDITIES
from ingest.twin.worlds.shape import SHAPES, Rates, Shape

Name = Annotated[str, Field(min_length=1, max_length=80)]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Generate(Section):
    """The site to start from. 0 means: as many as a site of that size has. `rates` adds oddities to the shape's."""

    vms: int = Field(default=50, ge=0, le=200_000)
    seed: int = Field(default=1, ge=0)
    shape: Literal["clean", "realistic"] = "clean"
    datacenters: int = Field(default=0, ge=0, le=16)
    clusters_per_datacenter: int = Field(default=0, ge=0, le=64)
    vms_per_host: int = Field(default=80, ge=10, le=1000)
    tenants: int = Field(default=0, ge=0, le=100)
    opaque_networks: int | None = Field(default=None, ge=0, le=100)
    rates: dict[str, float] = Field(default_factory=dict)

    @field_validator("rates")
    @classmethod
    def _known(cls, rates: dict[str, float]) -> dict[str, float]:
        for name in rates:
            if name not in ODDITIES:
                raise ValueError(f"unknown rate {name}; allowed: {', '.join(sorted(ODDITIES))}")
        Rates(**rates)
        return rates

    def as_shape(self) -> Shape:
        """The shape these keys ask for. Raises ValueError when the rates add up to more than 1."""
        start = SHAPES[self.shape]
        return dataclasses.replace(
            start,
            datacenters=self.datacenters,
            clusters_per_datacenter=self.clusters_per_datacenter,
            vms_per_host=self.vms_per_host,
            tenants=self.tenants,
            opaque_networks=start.opaque_networks if self.opaque_networks is None else self.opaque_networks,
            rates=dataclasses.replace(start.rates, **self.rates),
        )


class VCenter(Section):
    """How the vCenter calls itself and whom it lets in."""

    name: Name | None = None
    user: Name | None = None
    password: Name | None = None


class CloudTweaks(Section):
    """CloudStack's release, speed and settings. `without_networks` lists broadcast URIs that get no network."""

    version: Name | None = None
    import_seconds: float | None = Field(default=None, ge=0, le=3600)
    import_jitter_seconds: float | None = Field(default=None, ge=0, le=3600)
    import_seconds_per_disk: float | None = Field(default=None, ge=0, le=3600)
    import_seconds_per_nic: float | None = Field(default=None, ge=0, le=3600)
    list_seconds_per_vm: float | None = Field(default=None, ge=0, le=60)
    power_seconds: float | None = Field(default=None, ge=0, le=3600)
    job_threads: int | None = Field(default=None, ge=1, le=10_000)
    configuration: dict[str, str] = Field(default_factory=dict)
    without_networks: tuple[str, ...] = ()


class HostEntry(Section):
    """The state of one host, by name."""

    name: Name
    connection_state: Literal["connected", "disconnected", "notResponding"] | None = None
    in_maintenance: bool | None = None


class NetworkEntry(Section):
    """One more port group. `vlan`: nothing, 100, "trunk 1-99,200", "pvlan 100/101 isolated"."""

    name: Name
    kind: Literal["standard", "dvs", "opaque"] = "dvs"
    vlan: int | str = ""
    datacenter: Name | None = None
    tenant: Name | None = None
    in_cloudstack: bool = True

    @field_validator("vlan")
    @classmethod
    def _readable(cls, text: int | str) -> int | str:
        parse_vlan(str(text))
        return text


class DiskEntry(Section):
    """One disk. `datastore` is a name; unset: the one of the VM's cluster that comes first."""

    size_gib: float = Field(gt=0, le=65_536)
    controller: Controller = "pvscsi"
    backing: DiskBacking = "flat"
    datastore: Name | None = None
    mode: str = "persistent"
    sharing: str = "sharingNone"
    shared_bus: Literal["noSharing", "virtualSharing", "physicalSharing"] = "noSharing"
    rdm_mode: Literal["physicalMode", "virtualMode"] = "physicalMode"


class NicEntry(Section):
    """One network card, on the port group of that name."""

    network: Name
    card: str = Field(default="VirtualVmxnet3", pattern=r"^Virtual\w+$")
    mac: Mac | None = None
    ips: tuple[str, ...] | None = None
    connected: bool = True
    start_connected: bool = True


class ServiceEntry(Section):
    """A port the guest listens on once it is up; `http` answers with `status` and `text`."""

    port: int = Field(ge=1, le=65_535)
    kind: Literal["tcp", "http"] = "http"
    status: int = Field(default=200, ge=100, le=599)
    text: str = "ok"


class VmChanges(Section):
    """What a person may say of a VM; what is not said stays as generated. `oddities` are applied last, in order."""

    folder: str | None = Field(default=None, min_length=1, max_length=500)  # below the datacenter's VM folder, a/b
    power_state: PowerState | None = None
    connection_state: Literal["connected", "disconnected", "inaccessible", "invalid", "orphaned"] | None = None
    cpus: int | None = Field(default=None, ge=1, le=768)
    cores_per_socket: int | None = Field(default=None, ge=1, le=768)
    memory_mib: int | None = Field(default=None, ge=4, le=25_165_824)
    cpu_reservation_mhz: int | None = Field(default=None, ge=0)
    guest_id: Name | None = None
    guest_full_name: str | None = None
    tools_status: Literal["toolsOk", "toolsOld", "toolsNotRunning", "toolsNotInstalled"] | None = None
    firmware: Literal["bios", "efi"] | None = None
    guest_delay_s: float | None = Field(default=None, ge=0, le=86_400)  # it comes up so much later than others
    guest_hangs: bool | None = None  # it never comes up
    guest_dhcp: bool | None = None  # it takes the addresses CloudStack offers
    services: tuple[ServiceEntry, ...] | None = Field(default=None, max_length=100)
    question: str | None = None
    annotation: str | None = None
    custom_fields: dict[str, str] | None = None
    disks: tuple[DiskEntry, ...] | None = Field(default=None, max_length=60)
    nics: tuple[NicEntry, ...] | None = Field(default=None, max_length=10)
    registered: bool = True  # false: its files are in a datastore, and vCenter does not know it
    oddities: tuple[str, ...] = ()

    @field_validator("oddities")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ODDITIES:
                raise ValueError(f"unknown oddity {name}; allowed: {', '.join(sorted(ODDITIES))}")
        return names


class VmEntry(VmChanges):
    """One more VM, running with its tools up to date unless it says otherwise."""

    name: Name
    tenant: Name | None = None
    datacenter: Name | None = None
    cluster: Name | None = None


class ChangeEntry(VmChanges):
    """Changes to a generated VM, by its name; `name` renames it."""

    vm: Name
    name: Name | None = None


class Description(Section):
    """The whole short form. `replicated`: datastores ("*": all) whose VMs are copies that nobody has registered."""

    version: Literal[1]
    kind: Literal["description"] = "description"
    name: Name = "demo"
    generate: Generate = Generate()
    vcenter: VCenter = VCenter()
    cloud: CloudTweaks = CloudTweaks()
    networks: tuple[NetworkEntry, ...] = Field(default=(), max_length=4000)
    vms: tuple[VmEntry, ...] = Field(default=(), max_length=10_000)
    change: tuple[ChangeEntry, ...] = Field(default=(), max_length=10_000)
    hosts: tuple[HostEntry, ...] = Field(default=(), max_length=10_000)
    replicated: tuple[Name, ...] = Field(default=(), max_length=10_000)


_PVLAN = re.compile(rf"pvlan (\d+)/(\d+) ({'|'.join(get_args(PvlanType))})")


def parse_vlan(text: str) -> Vlan:
    """The VLAN that `Vlan.text` writes that way. Raises ValueError with the forms it knows."""
    text = text.strip()
    if text in ("", "none"):
        return Vlan("none")
    if text.isdecimal() and 1 <= int(text) <= 4094:
        return Vlan("id", int(text))
    if text.startswith("trunk "):
        ranges = tuple(_range(part) for part in text.removeprefix("trunk ").split(","))
        if all(0 <= low <= high <= 4094 for low, high in ranges):
            return Vlan("trunk", ranges=ranges)
    found = _PVLAN.fullmatch(text)
    if found and all(1 <= int(found[group]) <= 4094 for group in (1, 2)):
        kind: PvlanType = found[3]  # type: ignore[assignment]  # the pattern allows nothing else
        return Vlan("pvlan", primary=int(found[1]), secondary=int(found[2]), pvlan_type=kind)
    raise ValueError(f"{text!r} is no VLAN; write 100, trunk 1-99,200, pvlan 100/101 isolated, or nothing")


def _range(part: str) -> tuple[int, int]:
    low, _, high = part.strip().partition("-")
    if not low.isdecimal() or (high and not high.isdecimal()):
        return (1, 0)
    return int(low), int(high or low)
