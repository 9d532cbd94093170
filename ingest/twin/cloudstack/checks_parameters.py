"""Checks A1 to A15 of an import job: everything that can be said without asking vCenter.

Source: CloudStack's UnmanagedVMsManagerImpl.baseImportInstance and ImportUnmanagedInstanceCmd's map getters.
"""

from __future__ import annotations

import ipaddress
import re

from ingest.twin.cloud import Cloud, Cluster, ServiceOffering, Template
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.import_request import DUMMY_TEMPLATES, ImportRequest, Target
from ingest.twin.cloudstack.owners import check_offering_access
from ingest.twin.cloudstack.parameters import Groups
from ingest.twin.cloudstack.records import described, number_of
from ingest.twin.cloudstack.refusals import InvalidParameter, RuntimeFailure
from ingest.twin.cloudstack.unmanaged_command import HYPERVISORS

_LABEL = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def checked_target(cloud: Cloud, request: ImportRequest) -> Target:
    """Where the VM goes, or the refusal of the first check that fails. Reads only."""
    _check_a1_domain_needs_account(request)
    _check_a2_root_admin(request)
    cluster = _checked_a3_a5_cluster(cloud, request)
    template = _checked_a6_a7_template(cloud, request, cluster)
    offering = _checked_a8_a9_offering(cloud, request, cluster)
    hostname = _checked_a10_a11_hostname(request)
    _check_a12_hostname_unique_in_zone(cloud, request, hostname, cluster.zoneid)
    return Target(
        cluster=cluster,
        zone=cloud.zones[cluster.zoneid],
        owner=request.owner,
        template=template,
        offering=offering,
        displayname=request.displayname or request.name,
        hostname=hostname,
        networks=_checked_a13_networks(cloud, request.nic_networks),
        addresses=_checked_a14_addresses(request.nic_addresses),
        disk_offerings=_checked_a15_disk_offerings(cloud, request.disk_offerings),
    )


def _check_a1_domain_needs_account(request: ImportRequest) -> None:
    if request.domainid and not request.account:
        raise InvalidParameter("domainid parameter must be specified with account parameter")


def _check_a2_root_admin(request: ImportRequest) -> None:
    if request.caller.accounttype != 1:
        # Permission denied inside a job becomes 530.
        raise RuntimeFailure(f"Cannot perform this operation, caller account [{request.caller.id}] is not ROOT Admin.")


def _checked_a3_a5_cluster(cloud: Cloud, request: ImportRequest) -> Cluster:
    cluster = cloud.clusters.get(request.clusterid)
    if cluster is None:
        raise InvalidParameter(f"Cluster with ID [{request.cluster_number}] cannot be found.")
    if cluster.hypervisortype not in HYPERVISORS:
        raise InvalidParameter(f"VM import is currently not supported for hypervisor [{cluster.hypervisortype}].")
    if cluster.allocationstate != "Enabled":
        raise InvalidParameter(
            f"Cluster [{described('Cluster', cloud.clusters, cluster.id, cluster.name)}] is not enabled."
        )
    return cluster


def _checked_a6_a7_template(cloud: Cloud, request: ImportRequest, cluster: Cluster) -> Template | None:
    if not request.templateid:
        if not cloud.import_template_storable:
            raise InvalidParameter(
                f"Default VM import template with unique name: {DUMMY_TEMPLATES[cluster.hypervisortype]} for "
                f"hypervisor: {cluster.hypervisortype} cannot be created. Please use templateid parameter for import"
            )
        return None
    template = cloud.templates.get(request.templateid)
    if template is None or template.removed:
        raise InvalidParameter(f"Template ID: {number_of(cloud.templates, request.templateid)} cannot be found")
    return template


def _checked_a8_a9_offering(cloud: Cloud, request: ImportRequest, cluster: Cluster) -> ServiceOffering:
    offering = cloud.service_offerings.get(request.serviceofferingid)
    if offering is None or offering.removed:
        number = number_of(cloud.service_offerings, request.serviceofferingid)
        raise InvalidParameter(f"Service offering ID: {number} cannot be found")
    description = described("Service offering", cloud.service_offerings, offering.id, offering.name)
    check_offering_access(cloud, request.owner, offering, cluster.zoneid, description)
    return offering


def _checked_a10_a11_hostname(request: ImportRequest) -> str:
    if not request.hostname:
        if not _LABEL.fullmatch(request.name):
            raise InvalidParameter(
                "Please provide a valid hostname for the VM. VM name contains unsupported characters that cannot be "
                "used as hostname."
            )
        return request.name
    if not _LABEL.fullmatch(request.hostname):
        raise InvalidParameter(
            "Invalid VM hostname. VM hostname can contain ASCII letters 'a' through 'z', the digits '0' through '9', "
            "and the hyphen ('-'), must be between 1 and 63 characters long, and can't start or end with \"-\" and "
            "can't start with digit"
        )
    return request.hostname


def _check_a12_hostname_unique_in_zone(cloud: Cloud, request: ImportRequest, hostname: str, zoneid: str) -> None:
    if not configuration.flag(cloud, "vm.instancename.flag"):
        return
    for instance in cloud.instances.values():
        if not instance.removed and instance.zoneid == zoneid and instance.name == hostname:
            raise InvalidParameter(
                f"Failed to import VM: {request.name}. There already exists a VM by the hostname: {hostname} in zone: "
                f"{described('Zone', cloud.zones, zoneid, cloud.zones[zoneid].name)}"
            )


def _checked_a13_networks(cloud: Cloud, groups: Groups) -> dict[str, str]:
    networks: dict[str, str] = {}
    for group in groups:
        nic, network = group.get("nic"), group.get("network")
        if not nic or not network or network not in cloud.networks:
            raise InvalidParameter(f"Network ID: {_java(network)} for NIC ID: {_java(nic)} is invalid")
        networks[nic] = network
    return networks


def _checked_a14_addresses(groups: Groups) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for group in groups:
        nic, address = group.get("nic"), group.get("ip4Address")
        if not nic:
            raise InvalidParameter(f"NIC ID: '{_java(nic)}' is invalid for IP address mapping")
        if not address:
            raise InvalidParameter(f"Empty address for NIC ID: {nic} is invalid")
        if address != "auto" and not _is_ipv4(address):
            raise InvalidParameter(f"IP address '{address}' for NIC ID: {nic} is invalid")
        addresses[nic] = address
    return addresses


def _checked_a15_disk_offerings(cloud: Cloud, groups: Groups) -> dict[str, str]:
    offerings: dict[str, str] = {}
    for group in groups:
        disk, offering = group.get("disk"), group.get("diskOffering")
        known = cloud.disk_offerings.get(offering or "")
        if not disk or known is None or known.removed:
            raise InvalidParameter(f"Disk offering ID: {_java(offering)} for disk ID: {_java(disk)} is invalid")
        offerings[disk] = known.id
    return offerings


def _java(text: str | None) -> str:
    """How Java prints a missing text."""
    return "null" if text is None else text


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
