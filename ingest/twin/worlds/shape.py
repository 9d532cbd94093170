"""How a made-up site looks: its layout, its habits, and how often each oddity occurs.

The frequencies of the realistic preset follow what inventories of production vCenters show: one VM in five has a name
that is no host name, one in fifteen is a template, one in twenty-five has a snapshot, four in ten report tools "ok".
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Rates:
    """Share of all VMs (0..1) that have each oddity. A VM has at most one, so that each can be studied alone.

    The number of VMs is the rounded share, not a draw: a rate of 0.002 gives exactly two of 1,000.
    """

    # what the VM is
    template: float = 0.0
    vcls_agent: float = 0.0
    placeholder: float = 0.0  # owned by a replication product
    in_vapp: float = 0.0
    standalone_host: float = 0.0  # on a host outside every cluster
    fault_tolerant: float = 0.0
    duplicate_name: float = 0.0
    escaped_name: float = 0.0  # %2f, as vCenter stores a slash
    long_name: float = 0.0  # more than 63 characters
    # state
    suspended: float = 0.0
    pending_question: float = 0.0
    inaccessible: float = 0.0
    encrypted: float = 0.0
    passthrough: float = 0.0
    vgpu: float = 0.0
    usb_device: float = 0.0
    iso_attached: float = 0.0
    nested_vapp: float = 0.0
    fault_tolerant_secondary: float = 0.0
    # size and guest
    cpu_reservation: float = 0.0
    odd_size: float = 0.0  # fits no fixed offering
    unmapped_guest: float = 0.0  # CloudStack has no mapping for the guest id
    # disks
    snapshot: float = 0.0
    consolidation_needed: float = 0.0
    linked_clone: float = 0.0
    rdm_disk: float = 0.0
    nvme_controller: float = 0.0
    sata_controller: float = 0.0
    mixed_disk_controllers: float = 0.0
    multi_writer_disk: float = 0.0
    independent_disk: float = 0.0
    snapshot_chain: float = 0.0  # two snapshots, each disk a chain of three files
    sesparse_disk: float = 0.0
    virtual_rdm_disk: float = 0.0
    shared_bus_disk: float = 0.0
    boot_order: float = 0.0  # the second disk boots
    storage_pod_disk: float = 0.0  # its datastore is in a datastore cluster
    vsan_disk: float = 0.0
    no_disk: float = 0.0
    disk_without_pool: float = 0.0  # on a datastore CloudStack does not know
    disk_on_trap: float = 0.0  # on a datastore whose name is part of another's, needs Shape.datastore_traps
    # network cards
    no_nic: float = 0.0
    mixed_adapters: float = 0.0
    duplicate_mac: float = 0.0
    nic_not_at_start: float = 0.0
    untagged_nic: float = 0.0
    guest_tagging_nic: float = 0.0  # standard port group with VLAN 4095
    trunk_nic: float = 0.0
    opaque_nic: float = 0.0  # needs Shape.opaque_networks
    orphan_nic: float = 0.0  # its network is gone
    ephemeral_nic: float = 0.0  # powered off, so without a port
    port_override_nic: float = 0.0  # the port's VLAN is not its group's
    shared_network_nic: float = 0.0  # on CloudStack's Shared network, which wants an address
    missing_network_nic: float = 0.0  # a VLAN CloudStack has no network for
    drifting_portgroup_nic: float = 0.0  # one name, another VLAN on another host
    unbacked_nic: float = 0.0
    legacy_nic: float = 0.0
    deleted_portgroup_nic: float = 0.0  # its distributed port group is gone
    standalone_port_nic: float = 0.0  # on a port of a switch that is in no group
    sriov_nic: float = 0.0
    nsx_portgroup_nic: float = 0.0  # on an NSX segment that is a distributed port group
    ipv6_only_nic: float = 0.0

    def __post_init__(self) -> None:
        rates = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ValueError(f"rate {name} is {rate}, expected 0 to 1")
        if sum(rates.values()) > 1:
            raise ValueError(f"the rates add up to {sum(rates.values()):.2f}: a VM has at most one oddity")


@dataclass(frozen=True, slots=True)
class Shape:
    """Layout and habits of a site; 0 for a count marked "by size" means: as many as a site of that size has."""

    rates: Rates = Rates()
    datacenters: int = 0  # by size
    clusters_per_datacenter: int = 0  # by size
    vms_per_host: int = 80
    tenants: int = 0  # by size: accounts (and one project) that own VMs and networks
    standalone_hosts: int = 1  # per datacenter
    edge_datacenter: bool = False  # one more datacenter that has no cluster, hence no zone
    opaque_networks: int = 0  # per datacenter
    datastore_traps: int = 0  # pairs of datastores named ds1 and ds10, per datacenter
    disconnected_hosts: int = 0  # in the whole site, where clusters have more than two hosts
    second_network_per_vlan: int = 0  # VLANs per datacenter that have two CloudStack networks
    invalid_name: float = 0.0  # share of names with dots, blanks, underscores, parentheses
    powered_off: float = 0.2
    tools_ok: float = 1.0  # of the running VMs; the rest: old, not running, not installed
    several_ips: float = 0.0  # of the cards that report an address: a second IPv4
    efi: float = 0.4

    def __post_init__(self) -> None:
        if not 10 <= self.vms_per_host <= 1000:
            raise ValueError(f"vms_per_host is {self.vms_per_host}, expected 10 to 1000")
        if not 0 <= self.datacenters <= 16:
            raise ValueError(f"datacenters is {self.datacenters}, expected 0 to 16")
        if not 0 <= self.clusters_per_datacenter <= 64:
            raise ValueError(f"clusters_per_datacenter is {self.clusters_per_datacenter}, expected 0 to 64")
        if not 0 <= self.tenants <= 100:
            raise ValueError(f"tenants is {self.tenants}, expected 0 to 100")


CLEAN = Shape()
"""Everything can be imported: valid names, one network per VLAN, mapped guests, no oddity."""

REALISTIC = Shape(
    rates=Rates(
        template=0.04,
        vcls_agent=0.0075,
        placeholder=0.01,
        in_vapp=0.04,
        standalone_host=0.01,
        fault_tolerant=0.002,
        duplicate_name=0.0075,
        escaped_name=0.003,
        long_name=0.002,
        suspended=0.006,
        pending_question=0.002,
        inaccessible=0.003,
        encrypted=0.003,
        passthrough=0.003,
        cpu_reservation=0.02,
        odd_size=0.02,
        unmapped_guest=0.01,
        snapshot=0.038,
        consolidation_needed=0.003,
        linked_clone=0.012,
        rdm_disk=0.004,
        nvme_controller=0.004,
        sata_controller=0.004,
        mixed_disk_controllers=0.003,
        multi_writer_disk=0.002,
        independent_disk=0.003,
        no_disk=0.01,
        disk_without_pool=0.004,
        disk_on_trap=0.004,
        no_nic=0.005,
        mixed_adapters=0.003,
        duplicate_mac=0.005,
        nic_not_at_start=0.03,
        untagged_nic=0.02,
        guest_tagging_nic=0.003,
        trunk_nic=0.004,
        opaque_nic=0.01,
        orphan_nic=0.005,
        ephemeral_nic=0.003,
        port_override_nic=0.002,
        shared_network_nic=0.03,
        missing_network_nic=0.02,
        drifting_portgroup_nic=0.003,
    ),
    edge_datacenter=True,
    opaque_networks=2,
    datastore_traps=1,
    disconnected_hosts=1,
    second_network_per_vlan=1,
    invalid_name=0.18,
    tools_ok=0.45,
    several_ips=0.1,
)
"""What production vCenters look like, oddities included. The rates it does not name are of shapes rare in the field."""

SHAPES = {"clean": CLEAN, "realistic": REALISTIC}
