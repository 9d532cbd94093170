"""A snapshot, arranged for the server's checks. Read only."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Generic, TypeVar

from ingest.model.catalogue import (
    Account,
    ApiObject,
    Domain,
    Limited,
    Network,
    StoragePool,
    UnmanagedInstance,
)
from ingest.model.inventory import VirtualMachine
from ingest.model.snapshot import Snapshot
from ingest.plan import lookup, server
from ingest.plan.pairing import cluster_ids
from ingest.plan.predict.printed import printed_account
from ingest.plan.predict.verdict import UNSAID

Item_co = TypeVar("Item_co", bound=ApiObject, covariant=True)

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# A VM whose custom field holds a name of CloudStack's own making is imported under it (CloudStack: VmwareHelper).
_INTERNAL_NAME_FIELD = "cloud.vm.internal.name"
_INTERNAL_NAME = re.compile(r"i-\d+-\d+-.+")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who will own the instance. Ids and names the API does not show are UNSAID.

    `limited` is the account or project with its limits, None when not known; `scope` what its use is counted for.
    """

    id: str = UNSAID
    name: str = UNSAID
    project_id: str = ""
    domain: Domain | None = None
    is_root_admin: bool = False
    limited: Limited | None = None
    scope: str = ""

    @property
    def printed(self) -> str:
        """The owner's account inside error texts."""
        return printed_account(self.id, self.name)

    @property
    def named(self) -> lookup.Owner:
        """The owner as `Lookup` takes it."""
        path, domain_id = (self.domain.path, self.domain.id) if self.domain else ("", "")
        if self.project_id:
            return lookup.Owner("", domain_id, self.project_id, path)
        return lookup.Owner("" if self.name == UNSAID else self.name, domain_id, "", path)


class Table(Generic[Item_co]):
    """Objects of one kind by id."""

    def __init__(self, items: tuple[Item_co, ...]) -> None:
        self._items: dict[str, Item_co] = {str(getattr(item, "id", "")): item for item in items}

    def get(self, item_id: str) -> Item_co | None:
        """The object, None when the lists do not show it."""
        return self._items.get(item_id)

    def could_exist(self, item_id: str) -> bool:
        """Whether the server may know an id that the lists do not show: a UUID, or an internal number."""
        return item_id not in self._items and (bool(_UUID.fullmatch(item_id)) or item_id.isdigit())


class Facts:
    """Indexes over one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        catalogue = snapshot.catalogue
        self.catalogue = catalogue
        self.datastores = snapshot.inventory.datastores
        self.lookup = lookup.Lookup(catalogue)
        self.clusters = Table(catalogue.clusters)
        self.zones = Table(catalogue.zones)
        self.hosts = Table(catalogue.hosts)
        self.networks = Table(catalogue.networks)
        self.service_offerings = Table(catalogue.service_offerings)
        self.disk_offerings = Table(catalogue.disk_offerings)
        self.templates = Table(catalogue.templates)
        self.domains = Table(catalogue.domains)
        self.projects = Table(catalogue.projects)
        self.accounts = {(account.domainid, account.name): account for account in catalogue.accounts}
        self.caps = server.size_caps(catalogue.configuration)
        self.names_unique_in_zone = catalogue.configuration.get("vm.instancename.flag") == "true"
        self.os_types = {os_type.description: os_type for os_type in catalogue.os_types}
        self._mappings = server.MappedGuests(catalogue.guest_os_mappings)
        self._listed: dict[tuple[str, str], list[UnmanagedInstance]] = defaultdict(list)
        for machine in catalogue.unmanaged:
            self._listed[machine.clusterid, machine.name].append(machine)
        self._pools: dict[str, list[StoragePool]] = defaultdict(list)
        for pool in catalogue.storage_pools:
            self._pools[pool.zoneid].append(pool)
        self._networks_of_uri: dict[tuple[str, str], list[Network]] = defaultdict(list)
        for network in catalogue.networks:
            self._networks_of_uri[network.zoneid, network.broadcasturi].append(network)
        self._ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for one in catalogue.ip_ranges or ():
            if server.is_ipv4(one.startip) and server.is_ipv4(one.endip or one.startip):
                ends = _number(one.startip), _number(one.endip or one.startip)
                self._ranges[one.networkid].append(ends)
        self._cluster_of = cluster_ids(snapshot.inventory, catalogue)
        self._in_vcenter: dict[str, list[VirtualMachine]] = defaultdict(list)
        for vm in snapshot.inventory.vms:
            self._in_vcenter[vm.name].append(vm)
        self._down = {host.name for host in catalogue.hosts if not server.is_usable(host)}
        self._domains_by_path = {domain.path.strip("/"): domain for domain in catalogue.domains}
        self._caller = self._find_caller()

    def listed(self, cluster_id: str, name: str) -> list[UnmanagedInstance]:
        """The records of that name, one for each host that has such a VM."""
        return self._listed.get((cluster_id, name), [])

    def may_be_found(self, cluster_id: str, name: str) -> bool:
        """Whether the server could find a VM that its listing lacks: a host that fails while listing drops VMs."""
        return any(
            vm.cluster
            and self._cluster_of.get(vm.cluster_moref, cluster_id) == cluster_id
            and not (vm.template or vm.unreadable or vm.host in self._down)
            and vm.connection_state == "connected"
            for vm in self._in_vcenter.get(name, ())
        )

    def instance_name(self, machine: UnmanagedInstance) -> str:
        """What the instance will be called inside CloudStack; only VMs of that name are hidden from the listing."""
        for vm in self._in_vcenter.get(machine.name, ()):
            if vm.host == machine.hostname or len(self._in_vcenter[machine.name]) == 1:
                own = dict(vm.custom_fields).get(_INTERNAL_NAME_FIELD, "")
                return own if _INTERNAL_NAME.fullmatch(own) else machine.name
        return machine.name

    def os_mapped(self, machine: UnmanagedInstance) -> bool:
        """Whether the default import template finds a guest OS."""
        return self._mappings.has(machine)

    def pools_of_zone(self, zone_id: str) -> tuple[StoragePool, ...]:
        """The storage pools of a zone."""
        return tuple(self._pools.get(zone_id, ()))

    def networks_of_uri(self, zone_id: str, uri: str) -> list[Network]:
        """The networks of a zone with that broadcast URI."""
        return self._networks_of_uri.get((zone_id, uri), [])

    def in_range(self, network: Network, address: str) -> bool | None:
        """Whether a Shared network hands out that address; None when its ranges were not to be read."""
        if self.catalogue.ip_ranges is None:
            return None
        return any(first <= _number(address) <= last for first, last in self._ranges.get(network.id, ()))

    def range_size(self, network: Network) -> int | None:
        """How many addresses a Shared network hands out; None as above."""
        if self.catalogue.ip_ranges is None:
            return None
        return sum(last - first + 1 for first, last in self._ranges.get(network.id, ()))

    def owner_of_account(self, account: Account) -> Owner:
        """An account as the owner of an instance."""
        return Owner(
            id=account.id,
            name=account.name,
            domain=self.domains.get(account.domainid),
            is_root_admin=account.accounttype == lookup.ROOT_ADMIN,
            limited=account,
            scope=f"account:{account.id}",
        )

    def owner_of_project(self, project_id: str) -> Owner:
        """A project's own account as the owner of an instance; its id is never listed."""
        project = self.projects.get(project_id)
        if project is None:
            return Owner(project_id=project_id)
        return Owner(
            name=project.projectaccountname or UNSAID,
            project_id=project_id,
            domain=self.domains.get(project.domainid),
            limited=project,
            scope=f"project:{project_id}",
        )

    def caller(self) -> Owner:
        """The account whose key sends the calls; some root admin where the catalogue does not say which."""
        if self._caller:
            return self.owner_of_account(self._caller)
        root = next((domain for domain in self.catalogue.domains if domain.path.strip("/") == "ROOT"), None)
        return Owner(is_root_admin=True, domain=root)

    def domains_above(self, domain: Domain | None) -> list[Domain]:
        """A domain, its parent and so on; the root domain is not among them, it has no limits."""
        chain: list[Domain] = []
        path = domain.path.strip("/").split("/") if domain else []
        while len(path) > 1:
            found = self._domains_by_path.get("/".join(path))
            if found:
                chain.append(found)
            path.pop()
        return chain

    def _find_caller(self) -> Account | None:
        callers = self.catalogue.callers
        if not callers:
            callers = tuple(one for one in self.catalogue.accounts if one.accounttype == lookup.ROOT_ADMIN)
        return callers[0] if len(callers) == 1 else None


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))
