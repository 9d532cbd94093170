"""The operator's rules: in order, each a `match` and a `set`; later rules refine earlier ones, setting by setting.

A small useful set of defaults works with no rules at all: see `ingest.plan.enrich`. Values are names or UUIDs of
CloudStack objects. `ingest.plan.rules_file` reads them; `data/rules.yaml` shows every key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ingest.model.inventory import Disk, Nic, VirtualMachine
from ingest.plan.patterns import Numbers, Patterns, fits, holds
from ingest.plan.server import is_ipv4

IpPolicy = Literal["none", "auto", "guest"]
"""none: no address is sent; auto: the server decides; guest: the one address the guest reports."""

GIB = 1 << 30


def _address_or(*words: str) -> AfterValidator:
    def checked(text: str) -> str:
        if text not in words and not is_ipv4(text):
            raise ValueError(f"'{text}' is neither an IPv4 address nor one of {', '.join(words)}")
        return text

    return AfterValidator(checked)


Address = Annotated[str, _address_or("auto")]
AddressOrPolicy = Annotated[str, _address_or("none", "auto", "guest")]


class Section(BaseModel):
    """Base of all parts of a rules file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Criteria(Section):
    """All given criteria must hold. A text criterion is a pattern or a list of them: a glob, or `re:` and a regex."""

    name: Patterns | None = Field(None, description="name in vCenter")
    folder: Patterns | None = Field(None, description="folder path in vCenter, e.g. `/DC1/vm/prod*`")
    datacenter: Patterns | None = Field(None, description="datacenter in vCenter")
    cluster: Patterns | None = Field(None, description="cluster in vCenter")
    host: Patterns | None = Field(None, description="ESXi host that runs the VM")
    datastore: Patterns | None = Field(None, description="datastore of any disk")
    portgroup: Patterns | None = Field(None, description="port group of any NIC")
    vlan: int | list[int] | None = Field(None, description="VLAN id of any NIC; 0 means untagged")
    guest: Patterns | None = Field(None, description="guest id or full name of the guest OS")
    power_state: Patterns | None = Field(None, description="poweredOn, poweredOff or suspended")
    cpus: Numbers | None = Field(None, description="virtual CPUs: a number, or {min, max}")
    memory_mib: Numbers | None = Field(None, description="memory in MiB: a number, or {min, max}")
    disk_gib: Numbers | None = Field(None, description="all disks together in GiB: a number, or {min, max}")
    nics: Numbers | None = Field(None, description="number of NICs: a number, or {min, max}")
    disks: Numbers | None = Field(None, description="number of disks: a number, or {min, max}")

    def fits(self, vm: VirtualMachine) -> bool:
        """Whether the VM meets every criterion."""
        return (
            self._fits_place(vm)
            and self._fits_guest(vm)
            and self._fits_size(vm)
            and (self.portgroup is None or fits(self.portgroup, (nic.network_name for nic in vm.nics)))
            and (self.vlan is None or any(_vlan_id(nic) in _listed(self.vlan) for nic in vm.nics))
        )

    def _fits_place(self, vm: VirtualMachine) -> bool:
        return (
            (self.name is None or fits(self.name, [vm.name]))
            and (self.folder is None or fits(self.folder, [vm.path.rsplit("/", 1)[0]]))
            and (self.datacenter is None or fits(self.datacenter, [vm.datacenter]))
            and (self.cluster is None or fits(self.cluster, [vm.cluster]))
            and (self.host is None or fits(self.host, [vm.host]))
            and (self.datastore is None or fits(self.datastore, (disk.datastore_name for disk in vm.disks)))
        )

    def _fits_guest(self, vm: VirtualMachine) -> bool:
        return (self.guest is None or fits(self.guest, [vm.guest_id, vm.guest_full_name])) and (
            self.power_state is None or fits(self.power_state, [vm.power_state])
        )

    def _fits_size(self, vm: VirtualMachine) -> bool:
        return (
            (self.cpus is None or holds(self.cpus, vm.cpus))
            and (self.memory_mib is None or holds(self.memory_mib, vm.memory_mib))
            and (self.disk_gib is None or holds(self.disk_gib, sum(d.capacity_bytes for d in vm.disks) / GIB))
            and (self.nics is None or holds(self.nics, len(vm.nics)))
            and (self.disks is None or holds(self.disks, len(vm.disks)))
        )


class Match(Criteria):
    """What a rule may ask of a VM as vCenter describes it."""

    custom_fields: dict[str, Patterns] | None = Field(None, description="custom attribute of vCenter: pattern")

    def fits(self, vm: VirtualMachine) -> bool:
        """Whether the VM meets every criterion."""
        fields = dict(vm.custom_fields)
        return super().fits(vm) and all(
            name in fields and fits(wanted, [fields[name]]) for name, wanted in (self.custom_fields or {}).items()
        )


def _names(device: int | Patterns | None, number: int, label: str) -> bool:
    """Whether a number (1 is the first) or a pattern for the label means this device; nothing means any."""
    return device is None or (device == number if isinstance(device, int) else fits(device, [label]))


class NetworkChoice(Section):
    """Network and address for the NICs that meet all of `nic`, `portgroup` and `vlan`; at least one of the two."""

    network: str | None = Field(None, min_length=1, description="CloudStack network")
    nic: int | Patterns | None = Field(None, description="number of the NIC (1 is the first), or its label")
    portgroup: Patterns | None = Field(None, description="port group in vCenter")
    vlan: int | None = Field(None, description="VLAN id; 0 means untagged")
    ip: AddressOrPolicy | None = Field(None, description="IPv4 address, none, auto or guest")

    @model_validator(mode="after")
    def _says_something(self) -> NetworkChoice:
        if self.network is None and self.ip is None:
            raise ValueError("give network, ip or both")
        return self

    def fits(self, number: int, nic: Nic) -> bool:
        """Whether it speaks of this NIC, the `number`-th of its VM."""
        return (
            _names(self.nic, number, nic.label)
            and (self.vlan is None or self.vlan == _vlan_id(nic))
            and (self.portgroup is None or fits(self.portgroup, [nic.network_name]))
        )


class DiskChoice(Section):
    """Disk offering for the data disks that meet all of `disk`, `datastore`, `size_gib` and `controller`."""

    offering: str = Field(min_length=1, description="CloudStack disk offering")
    disk: int | Patterns | None = Field(None, description="number of the disk (1 is the first), or its label")
    datastore: Patterns | None = Field(None, description="datastore of the disk")
    size_gib: Numbers | None = Field(None, description="size in GiB: a number, or {min, max}")
    controller: Patterns | None = Field(None, description="controller type, e.g. pvscsi")

    def fits(self, number: int, disk: Disk) -> bool:
        """Whether it speaks of this disk, the `number`-th of its VM."""
        return (
            _names(self.disk, number, disk.label)
            and (self.datastore is None or fits(self.datastore, [disk.datastore_name]))
            and (self.controller is None or fits(self.controller, [disk.controller]))
            and (self.size_gib is None or holds(self.size_gib, disk.capacity_bytes / GIB))
        )


class Set(Section):
    """What a rule decides. Anything not given stays as earlier rules or the defaults have it."""

    skip: str | Literal[False] | None = Field(
        None, description="leave the VM out, for this reason; false takes back what an earlier rule said"
    )
    wave: int | None = Field(None, ge=1, le=999, description="rows of one wave run together, in ascending order")
    account: str | None = Field(None, description="owner: account, with `domain`")
    domain: str | None = Field(None, description="domain path or UUID of the owner")
    project: str | None = Field(None, description="owner: project, instead of an account")
    service_offering: str | None = Field(None, description="compute offering")
    cpu_speed_mhz: int | None = Field(
        None, gt=0, le=2**31 - 1, description="CPU speed where the offering leaves it open"
    )
    disk_offering: str | None = Field(None, description="disk offering of every data disk")
    disks: list[DiskChoice] = Field(
        default_factory=list, description="disk offering per disk; asked before `disk_offering`"
    )
    root_disk: str | None = Field(None, description="label of the disk that boots, e.g. `Hard disk 1`")
    template: str | None = Field(None, description="template, where CloudStack has no mapping for the guest OS")
    details: dict[str, str] | None = Field(None, description="details of the VM: key and value")
    host_name: str | None = Field(None, description="pattern; {name} is the repaired VM name")
    display_name: str | None = Field(None, description="pattern; {name} is the VM's name, {folder} its folder")
    networks: list[NetworkChoice] = Field(default_factory=list, description="network and address per NIC")
    ip: IpPolicy | None = Field(None, description="address policy for NICs that need one: none, auto or guest")
    ips: dict[str, Address] | None = Field(
        None, description="addresses by MAC, by `VM name` (its first NIC) or by `VM name/2` (its second)"
    )
    migrate_allowed: bool | None = Field(None, description="allow migration to a host with the offering's tags")
    forced: bool | None = Field(None, description="record a new MAC where the NIC's own is already used")
    power: Literal["leave", "shutdown", "off"] | None = Field(
        None, description="before the import: leave as is, shut the guest down, or also hard power off"
    )
    start: bool | None = Field(None, description="start the instance in CloudStack after the import")
    accept: list[str] | None = Field(None, description="ids of safety rules accepted for these VMs")

    @model_validator(mode="after")
    def _one_owner(self) -> Set:
        if self.account is not None and self.project is not None:
            raise ValueError("account and project exclude each other")
        return self


class Rule(Section):
    """One rule. `name` is how reasons cite it; without one it is `rule <number>`."""

    name: str = Field("", description="how the reasons in the plan cite it")
    match: Match = Field(default_factory=Match, description="which VMs; left out: all")
    set: Set = Field(description="what is decided for them")


class Rules(Section):
    """The whole file."""

    version: Literal[1] = Field(1, description="1")
    rules: list[Rule] = Field(default_factory=list, description="in order; later ones refine earlier ones")


@dataclass(frozen=True, slots=True)
class Decided:
    """What the rules say about one VM: value and the name of the rule that set it, by setting.

    Choices for NICs and disks come with their rule, those of later rules first.
    """

    values: dict[str, tuple[Any, str]]
    networks: tuple[tuple[NetworkChoice, str], ...] = ()
    disks: tuple[tuple[DiskChoice, str], ...] = ()

    def value(self, setting: str) -> Any:
        """The decided value, or None."""
        return self.values.get(setting, (None, ""))[0]

    def source(self, setting: str) -> str:
        """The name of the rule that decided, or ''."""
        return self.values.get(setting, (None, ""))[1]

    def network(self, number: int, nic: Nic) -> tuple[str, str]:
        """(network, rule) for the `number`-th NIC, two empty texts when no rule names one."""
        return next(
            ((choice.network, rule) for choice, rule in self.networks if choice.network and choice.fits(number, nic)),
            ("", ""),
        )

    def address(self, vm: VirtualMachine, number: int, nic: Nic) -> tuple[str, str]:
        """(address or policy, rule) for the `number`-th NIC: per address table, then per NIC, then the VM's policy."""
        table = self.value("ips") or {}
        for key in (nic.mac.lower(), f"{vm.name}/{number}", *([vm.name] if number == 1 else [])):
            if key in table:
                return table[key], self.source("ips")
        for choice, rule in self.networks:
            if choice.ip and choice.fits(number, nic):
                return choice.ip, rule
        return self.value("ip") or "", self.source("ip")

    def disk_offering(self, number: int, disk: Disk) -> tuple[str, str]:
        """(disk offering, rule) for the `number`-th disk, two empty texts when no rule names one."""
        for choice, rule in self.disks:
            if choice.fits(number, disk):
                return choice.offering, rule
        return self.value("disk_offering") or "", self.source("disk_offering")


def decide(rules: Rules, vm: VirtualMachine) -> Decided:
    """Apply the rules in order: later ones win setting by setting, key by key in `details`, `ips`."""
    values: dict[str, tuple[Any, str]] = {}
    networks: list[tuple[NetworkChoice, str]] = []
    disks: list[tuple[DiskChoice, str]] = []
    for number, rule in enumerate(rules.rules, start=1):
        if not rule.match.fits(vm):
            continue
        name = rule.name or f"rule {number}"
        networks[:0] = [(choice, name) for choice in rule.set.networks]
        disks[:0] = [(choice, name) for choice in rule.set.disks]
        # An owner is one thing: a rule that names an account takes an earlier rule's project back, and vice versa.
        if rule.set.account is not None:
            values.pop("project", None)
        if rule.set.project is not None:
            values.pop("account", None)
        for setting in rule.set.model_fields_set - {"networks", "disks"}:
            value = getattr(rule.set, setting)
            if isinstance(value, dict):
                earlier = values.get(setting, ({}, ""))[0]
                keys = {key.lower() if setting == "ips" and ":" in key else key: text for key, text in value.items()}
                values[setting] = (earlier | keys, name)
            elif value is not None:
                values[setting] = (value, name)
    return Decided(values, tuple(networks), tuple(disks))


def _vlan_id(nic: Nic) -> int | None:
    """The VLAN a rule speaks of: 0 untagged, a private VLAN's primary, None for a trunk or where VLANs mean nothing."""
    if nic.vlan is None:
        return None
    return {"none": 0, "id": nic.vlan.id, "pvlan": nic.vlan.primary, "trunk": None}[nic.vlan.kind]


def _listed(numbers: int | list[int]) -> set[int]:
    return {numbers} if isinstance(numbers, int) else set(numbers)
