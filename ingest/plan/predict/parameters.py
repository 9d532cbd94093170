"""The API layer's checks, the owner, and the parameters' meaning: S4-S6 at once, A1-A15 first thing in the job."""

from __future__ import annotations

import re

from ingest.model.catalogue import ApiObject
from ingest.plan import server
from ingest.plan.predict.facts import Owner, Table
from ingest.plan.predict.hearing import Hearing, Refusal, Undecidable
from ingest.plan.predict.printed import printed
from ingest.plan.predict.verdict import UNSAID

_COMMAND = "importunmanagedinstance"
_LONGEST_TEXT = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUPPORTED = frozenset({"vmware", "kvm"})


def check_parameters(hearing: Hearing) -> None:
    """S4: present, short enough, known; in the order the command declares them. Objects are put into the hearing."""
    request, facts = hearing.request, hearing.facts
    _check_characters(hearing)
    _required("clusterid", request.cluster_id)
    _known(hearing, "clusterid", request.cluster_id, facts.clusters)
    _required("name", request.name)
    for text in (request.name, request.display_name, request.hostname, request.account):
        _short(text)
    _known(hearing, "domainid", request.domain_id, facts.domains)
    _known(hearing, "projectid", request.project_id, facts.projects)
    _known(hearing, "templateid", request.template_id, facts.templates)
    _required("serviceofferingid", request.service_offering_id)
    _known(hearing, "serviceofferingid", request.service_offering_id, facts.service_offerings)
    cluster, offering = facts.clusters.get(request.cluster_id), facts.service_offerings.get(request.service_offering_id)
    template = facts.templates.get(request.template_id)
    if cluster is None or offering is None or (request.template_id and template is None):
        raise Undecidable
    hearing.cluster, hearing.offering, hearing.template = cluster, offering, template


def resolve_owner(hearing: Hearing) -> None:
    """S5 (CloudStack: BaseCmd, AccountManagerImpl.finalizeOwner); the project counts only without an account."""
    request, facts = hearing.request, hearing.facts
    if request.account:
        hearing.owner = _account(hearing)
        return
    if not request.project_id:
        hearing.owner = facts.caller()
        return
    project = facts.projects.get(request.project_id)
    if project is None:
        raise Undecidable
    if project.state.lower() not in ("", "active"):
        raise Refusal(
            "S5",
            531,
            f"Can't add resources to the project with specified projectId in state={project.state} as it's no longer "
            "active",
            stage="sync",
        )
    hearing.owner = facts.owner_of_project(project.id)


def _account(hearing: Hearing) -> Owner:
    request, facts = hearing.request, hearing.facts
    if not request.domain_id:
        raise Refusal("S5", 431, "Account must be specified with domainId parameter", stage="sync")
    domain = facts.domains.get(request.domain_id)
    if domain is None:
        raise Undecidable
    if domain.state.lower() not in ("", "active"):
        raise Refusal("S5", 431, "Unable to find domain by id", stage="sync")
    account = facts.accounts.get((domain.id, request.account))
    if account is None:
        text = f"Unable to find account by name {request.account} in domain with specified id"
        raise Refusal("S5", 431, text, stage="sync")
    if account.state.lower() not in ("", "enabled"):
        text = f"Can't add resources to the account {UNSAID} in state={account.state} as it's no longer active"
        raise Refusal("S5", 531, text, stage="sync")
    return facts.owner_of_account(account)


def check_job_id(hearing: Hearing) -> None:
    """S6: the format, and that no row before has used it; jobs of other runs are not known here."""
    job_id = hearing.request.custom_job_id
    if not job_id:
        return
    if not _JOB_ID.fullmatch(job_id):
        raise Refusal("S6", 431, f"UUID: {job_id} doesn't follow the UUID format", stage="sync")
    if job_id in hearing.state.jobs:
        raise Refusal("S6", 530, "Entity already exists ", stage="sync")
    hearing.effects.job = job_id


def check_meaning(hearing: Hearing) -> None:
    """A1-A15, but A2: that the key is a root admin's shows in that it could list everything."""
    request, cluster = hearing.request, hearing.cluster
    if request.domain_id and not request.account:
        raise Refusal("A1", 431, "domainid parameter must be specified with account parameter")
    hypervisor = cluster.hypervisortype
    if hypervisor and hypervisor.lower() not in _SUPPORTED:
        raise Refusal("A4", 431, f"VM import is currently not supported for hypervisor [{hypervisor}].")
    if cluster.allocationstate not in ("", "Enabled"):
        raise Refusal("A5", 431, f"Cluster [{printed('Cluster', cluster.id, cluster.name)}] is not enabled.")
    offering = hearing.offering
    if not hearing.facts.lookup.may_use_offering(hearing.owner.named, offering, cluster.zoneid):
        shown = printed("Service offering", offering.id, offering.name)
        raise Refusal("A9", 530, f"There's no way to confirm {hearing.owner.printed} has access to {shown}")
    _check_hostname(hearing)
    _check_maps(hearing)


def _check_hostname(hearing: Hearing) -> None:
    request, zone_id = hearing.request, hearing.cluster.zoneid
    if not server.valid_hostname(hearing.hostname):
        if not request.hostname:
            raise Refusal(
                "A10",
                431,
                "Please provide a valid hostname for the VM. VM name contains unsupported characters that cannot be "
                "used as hostname.",
            )
        raise Refusal(
            "A11",
            431,
            "Invalid VM hostname. VM hostname can contain ASCII letters 'a' through 'z', the digits '0' through '9', "
            "and the hyphen ('-'), must be between 1 and 63 characters long, and can't start or end with \"-\" and "
            "can't start with digit",
        )
    if hearing.facts.names_unique_in_zone and (zone_id, hearing.hostname) in hearing.state.zone_names:
        zone = hearing.facts.zones.get(zone_id)
        raise Refusal(
            "A12",
            431,
            f"Failed to import VM: {request.name}. There already exists a VM by the hostname: {hearing.hostname} in "
            f"zone: {printed('Zone', zone_id, zone.name if zone else UNSAID)}",
        )


def _check_maps(hearing: Hearing) -> None:
    request, facts = hearing.request, hearing.facts
    for nic, network_id in request.nic_networks:
        if not nic or not _listed(hearing, network_id, facts.networks, "network"):
            raise Refusal("A13", 431, f"Network ID: {network_id} for NIC ID: {nic} is invalid")
    for nic, address in request.nic_addresses:
        if not nic:
            raise Refusal("A14", 431, f"NIC ID: '{nic}' is invalid for IP address mapping")
        if not address:
            raise Refusal("A14", 431, f"Empty address for NIC ID: {nic} is invalid")
        if address != "auto" and not server.is_ipv4(address):
            raise Refusal("A14", 431, f"IP address '{address}' for NIC ID: {nic} is invalid")
    for disk, offering_id in request.data_disk_offerings:
        if not disk or not _listed(hearing, offering_id, facts.disk_offerings, "disk offering"):
            raise Refusal("A15", 431, f"Disk offering ID: {offering_id} for disk ID: {disk} is invalid")


def _listed(hearing: Hearing, item_id: str, table: Table[ApiObject], kind: str) -> bool:
    """Whether the server knows an id of a map; raises Undecidable where only the server can say."""
    if table.could_exist(item_id):
        hearing.doubt(f"{kind} {item_id} is not among those the API lists")
        raise Undecidable
    return table.get(item_id) is not None


def _check_characters(hearing: Hearing) -> None:
    request = hearing.request
    for parameter, text in (
        ("name", request.name),
        ("displayname", request.display_name),
        ("hostname", request.hostname),
        ("account", request.account),
    ):
        if _CONTROL.search(text):
            raise Refusal(
                "S1",
                431,
                f"Received value containing illegal ASCII non-printable characters for parameter {parameter}",
                stage="sync",
            )


def _required(parameter: str, value: str) -> None:
    # An empty value is not sent at all.
    if not value:
        text = f"Unable to execute API command {_COMMAND} due to missing parameter {parameter}"
        raise Refusal("S4", 431, text, stage="sync")
    if not value.strip():
        raise Refusal("S4", 431, f"Invalid value provided for API arg: {parameter}", stage="sync")


def _short(text: str) -> None:
    # Java counts UTF-16 units.
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > _LONGEST_TEXT:
        raise Refusal(
            "S4",
            431,
            f"Unable to execute API command {_COMMAND} due to invalid value. Value greater than max allowed length "
            # It names a field of the command's class, not the parameter.
            f"{_LONGEST_TEXT} for param: {UNSAID}",
            stage="sync",
        )


def _known(hearing: Hearing, parameter: str, item_id: str, table: Table[ApiObject]) -> None:
    if not item_id or table.get(item_id) is not None:
        return
    if table.could_exist(item_id):
        hearing.doubt(f"{parameter} {item_id} is not among those the API lists")
        return
    raise Refusal(
        "S4",
        431,
        f"Unable to execute API command {_COMMAND} due to invalid value. Invalid parameter {parameter} "
        f"value={item_id} due to incorrect long value format, or entity does not exist or due to incorrect parameter "
        "annotation for the field in api cmd class.",
        stage="sync",
    )
