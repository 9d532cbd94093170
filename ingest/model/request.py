"""What we ask CloudStack to do: one typed request for each call that changes something and has many parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The parameters of importUnmanagedInstance. '' and () mean "not sent": the server's default holds.

    `name` is the exact vCenter name as listUnmanagedInstances shows it. `account` needs `domain_id`; the server ignores
    `project_id` when `account` is given. `nic_networks` are (NIC label, network id), `nic_addresses` (NIC label, IPv4
    address or `auto`), `data_disk_offerings` (disk id, disk offering id) for every disk but the root disk, `details`
    (key, value) with the key in its exact case (`cpuSpeed`). `custom_job_id` is our own UUID for the job, lower-case
    hexadecimal: the server takes it once, so the same request can never run twice (CloudStack: BaseAsyncCmd).
    """

    cluster_id: str
    name: str
    service_offering_id: str
    hostname: str = ""
    display_name: str = ""
    account: str = ""
    domain_id: str = ""
    project_id: str = ""
    template_id: str = ""
    nic_networks: tuple[tuple[str, str], ...] = ()
    nic_addresses: tuple[tuple[str, str], ...] = ()
    data_disk_offerings: tuple[tuple[str, str], ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    migrate_allowed: bool = False
    forced: bool = False
    custom_job_id: str = ""


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """The parameters of createNetwork. '' means "not sent".

    `vlan` is the VLAN id, of a private VLAN the primary one; `isolated_pvlan` the secondary id with its type
    (isolated, community, promiscuous). Addresses are for Shared networks, whose `acl_type` is Account or Domain (the
    server's default for an administrator). `account` needs `domain_id`.
    """

    name: str
    zone_id: str
    offering_id: str
    display_text: str = ""
    physical_network_id: str = ""
    vlan: str = ""
    isolated_pvlan: str = ""
    isolated_pvlan_type: str = ""
    account: str = ""
    domain_id: str = ""
    project_id: str = ""
    gateway: str = ""
    netmask: str = ""
    start_ip: str = ""
    end_ip: str = ""
    acl_type: str = ""
    bypass_vlan_overlap_check: bool = False


@dataclass(frozen=True, slots=True)
class PlannedImport:
    """One row of the plan, ready to be sent: its line in the sheet, the VM's identity, its wave, and the call.

    `power` is what may be done before it: leave, shutdown (of the guest), off (hard, if the guest does not). `start`:
    the instance is started in CloudStack afterwards.
    """

    row: int
    vm: str
    moref: str
    instance_uuid: str
    wave: int
    request: ImportRequest
    power: str = "leave"
    start: bool = False
