"""Everything of CloudStack that planning needs, read once and put in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ingest.cloudstack.client import CloudStackClient
from ingest.errors import Refused, Unauthorised, UsageError
from ingest.model.catalogue import (
    ApiObject,
    Catalogue,
    Cluster,
    Event,
    GuestOsMapping,
    Host,
    IpRange,
    Job,
    OsType,
    Template,
    UnmanagedInstance,
)

IMPORT_EVENT = "VM.IMPORT"
# A job's record is kept so long by default (job.expire.minutes); no import takes longer.
EVENT_AGE = timedelta(days=1)

Progress = Callable[[str], None]
Kind = TypeVar("Kind", bound=ApiObject)

# What planning, waiting and undoing depend on.
CONFIGURATION_NAMES = (
    "admin.is.allowed.to.deploy.anywhere",
    "allow.duplicate.networkname",
    "default.page.size",
    "enforce.post.requests.and.timestamps",
    "job.expire.minutes",
    "unmanage.vm.preserve.nics",
    "vm.instancename.flag",
    "vm.serviceoffering.cpu.cores.max",
    "vm.serviceoffering.ram.size.max",
)


def _silent(_text: str) -> None:
    """Progress nobody listens to."""


def read_catalogue(
    client: CloudStackClient, clusters: Sequence[str] | None = None, *, progress: Progress = _silent
) -> Catalogue:
    """All objects planning needs, sorted by (name, id); hosts and unmanaged VMs of the chosen VMware clusters only.

    `clusters` are ids, full names (`vcenter/datacenter/cluster`) or last components of names; None or () chooses all.
    `progress` gets a line before each slow step. Raises UsageError for a cluster that is unknown or ambiguous, and the
    client's errors.
    """
    progress("CloudStack: clusters")
    chosen = _sorted(select_clusters(client.list_clusters(hypervisor="VMware"), clusters))
    progress("CloudStack: zones, networks, offerings, storage, owners, templates")
    hosts: list[Host] = []
    for cluster in chosen:
        hosts += client.list_hosts(cluster.id)
    catalogue = Catalogue(
        cloudstack_version=client.capabilities().cloudstackversion,
        configuration=client.list_configurations(CONFIGURATION_NAMES),
        zones=_sorted(client.list_zones()),
        clusters=chosen,
        hosts=_sorted(hosts),
        networks=_sorted(client.list_networks()),
        physical_networks=_sorted(client.list_physical_networks()),
        network_offerings=_sorted(client.list_network_offerings()),
        ip_ranges=_ip_ranges(client),
        service_offerings=_sorted(client.list_service_offerings()),
        disk_offerings=_sorted(client.list_disk_offerings()),
        storage_pools=_sorted(client.list_storage_pools()),
        domains=_sorted(client.list_domains()),
        accounts=_sorted(client.list_accounts()),
        callers=_sorted(client.list_own_accounts()),
        projects=_sorted(client.list_projects()),
        templates=_sorted(client.list_templates()),
        os_types=_sorted(client.list_os_types()),
        guest_os_mappings=_sorted(client.list_guest_os_mappings()),
    )
    unmanaged: list[UnmanagedInstance] = []
    for number, cluster in enumerate(chosen, start=1):
        progress(f"CloudStack: unmanaged VMs of {cluster.name} (cluster {number} of {len(chosen)}; this takes minutes)")
        unmanaged += client.list_unmanaged_instances(cluster.id)
    progress("CloudStack: imports in flight")
    # Jobs first: one that ends in between has its Completed event already.
    jobs = _import_jobs(client)
    events = _import_events(client, {instance.name for instance in unmanaged})
    progress("CloudStack: managed VMs")
    # Read last: a VM imported in the meantime then shows as managed, although it was listed as unmanaged before.
    machines = client.list_virtual_machines()
    return catalogue.model_copy(
        update={
            "unmanaged": _sorted(unmanaged),
            "import_jobs": jobs,
            "import_events": events,
            "virtual_machines": _sorted(machines),
        }
    )


def _import_jobs(client: CloudStackClient) -> tuple[Job, ...]:
    """The oldest first; none when the key's role lacks listAsyncJobs."""
    try:
        return tuple(sorted(client.list_async_jobs(), key=lambda job: (job.created, job.jobid)))
    except (Refused, Unauthorised):
        return ()


def _import_events(client: CloudStackClient, names: set[str]) -> tuple[Event, ...]:
    """Of a day, about these VMs, as they happened; none when the key's role lacks listEvents."""
    since = (datetime.now(UTC) - EVENT_AGE).strftime("%Y-%m-%d %H:%M:%S")
    try:
        events = client.list_events(IMPORT_EVENT, since=since)
    except (Refused, Unauthorised):
        return ()
    mine = [event for event in events if event.imported in names]
    # The newest comes first, and the order of those of one second counts.
    mine.reverse()
    return tuple(sorted(mine, key=lambda event: event.created))


def _ip_ranges(client: CloudStackClient) -> tuple[IpRange, ...] | None:
    """None when the key's role lacks listVlanIpRanges; the rest can be planned without it."""
    try:
        return _sorted(client.list_ip_ranges())
    except (Refused, Unauthorised):
        return None


def read_network_facts(client: CloudStackClient) -> Catalogue:
    """What creating networks depends on, as it is now; the rest of the catalogue is empty."""
    return Catalogue(
        cloudstack_version=client.capabilities().cloudstackversion,
        configuration=client.list_configurations(CONFIGURATION_NAMES),
        zones=_sorted(client.list_zones()),
        networks=_sorted(client.list_networks()),
        physical_networks=_sorted(client.list_physical_networks()),
        network_offerings=_sorted(client.list_network_offerings()),
        domains=_sorted(client.list_domains()),
        accounts=_sorted(client.list_accounts()),
        projects=_sorted(client.list_projects()),
    )


def select_clusters(clusters: Iterable[Cluster], wanted: Sequence[str] | None) -> list[Cluster]:
    """The clusters that `wanted` names by id, full name or last component, each once; all without `wanted`."""
    known = sorted(clusters, key=_order)
    if not wanted:
        return known
    chosen: dict[str, Cluster] = {}
    for text in wanted:
        cluster = _the_one(text, known)
        chosen[cluster.id] = cluster
    return list(chosen.values())


def _the_one(text: str, known: Sequence[Cluster]) -> Cluster:
    ways: tuple[Callable[[Cluster], str], ...] = (
        lambda cluster: cluster.id,
        lambda cluster: cluster.name,
        lambda cluster: cluster.name.rpartition("/")[2],
    )
    for spelled in ways:
        found = [cluster for cluster in known if spelled(cluster) == text]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"several clusters are called {text!r}: {_listing(found)}", cure="name one by its id")
    cure = f"choose from: {_listing(known)}" if known else "CloudStack has no VMware cluster that this key may see"
    raise UsageError(f"CloudStack has no VMware cluster {text!r}", cure=cure)


def _listing(clusters: Iterable[Cluster]) -> str:
    return ", ".join(f"{cluster.name} ({cluster.id})" for cluster in clusters)


def _sorted(objects: Iterable[Kind]) -> tuple[Kind, ...]:
    return tuple(sorted(objects, key=_order))


def _order(item: ApiObject) -> tuple[str, str, str]:
    if isinstance(item, UnmanagedInstance):  # it has no id; the host tells apart VMs of one name
        return item.name, item.clusterid, item.hostid
    if isinstance(item, GuestOsMapping):
        return item.osdisplayname, item.id, ""
    if isinstance(item, OsType):
        return item.description, item.id, ""
    zone_id = item.zoneid if isinstance(item, Template) else ""
    return str(getattr(item, "name", "")), str(getattr(item, "id", "")), zone_id
