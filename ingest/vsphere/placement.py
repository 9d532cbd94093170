"""Where VMs are to be registered: datacenter, folder, resource pool, hosts, chosen by name, path or id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.errors import UsageError
from ingest.vsphere import objects, specs
from ingest.vsphere.collect import collect
from ingest.vsphere.names import decoded
from ingest.vsphere.objects import moref_of
from ingest.vsphere.paths import Places
from ingest.vsphere.rows import HostRow
from ingest.vsphere.scope import choose
from ingest.vsphere.session import VCenter
from ingest.vsphere.stores import Store

POOLS: dict[str, tuple[str, ...]] = {"ResourcePool": ("name", "parent", "owner")}


@dataclass(frozen=True, slots=True)
class Pool:
    """A resource pool of a compute resource (`owner`)."""

    moref: str
    name: str
    parent: str
    owner: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Managed object ids; `hosts` are those that can take VMs now, as (id, name), in a fixed order."""

    datacenter: str
    folder: str
    pool: str
    hosts: tuple[tuple[str, str], ...]

    def host_for(self, store: Store, number: int) -> tuple[str, str]:
        """The host for the VM of that number: those that may write to its datastore take turns; ('', '') for none.

        Chosen here because vCenter demands a host in clusters without DRS.
        """
        able = [one for one in self.hosts if one[0] in store.writable_hosts]
        return able[number % len(able)] if able else ("", "")


def read_places(vcenter: VCenter) -> Places:
    """Datacenters, folders, clusters. Raises as `VCenter.repeat`."""
    found = vcenter.repeat(
        lambda: collect(vcenter, vcenter.content.rootFolder, specs.PLACES, objects.place_row), "places"
    )
    return Places(found.rows)


def choose_placement(
    vcenter: VCenter,
    places: Places,
    *,
    cluster: str,
    datacenter: str = "",
    folder: str = "",
    pool: str = "",
    host: str = "",
) -> Placement:
    """The placement for names, paths or ids; without `folder` the datacenter's own, without `pool` the cluster's own.

    Raises UsageError for what is unknown or ambiguous, listing what there is, and when no host can take a VM.
    """
    scope = choose(places, datacenter=datacenter or None, cluster=cluster, folder=folder or None)
    container = specs.managed_type("Datacenter")(scope.datacenter, vcenter.stub)
    hosts = vcenter.repeat(lambda: collect(vcenter, container, specs.HOSTS, objects.host_row), "hosts").rows
    pools = vcenter.repeat(lambda: collect(vcenter, container, POOLS, _pool), "resource pools").rows
    return Placement(
        scope.datacenter,
        scope.folder or moref_of(vcenter.repeat(lambda: container.vmFolder, "the VM folder")),
        _chosen_pool([one for one in pools if one.owner == scope.compute], scope.compute, pool),
        _chosen_hosts([one for one in hosts if one.parent == scope.compute], cluster, host),
    )


def _chosen_pool(pools: list[Pool], compute: str, wanted: str) -> str:
    inside = {one.moref for one in pools}
    roots = [one for one in pools if one.parent not in inside]
    found = [one for one in pools if wanted in (one.moref, one.name, decoded(one.name))] if wanted else roots
    if len(found) != 1:
        names = ", ".join(f"{decoded(one.name)} ({one.moref})" for one in pools[:20]) or "none"
        raise UsageError(
            f"the pool {wanted or 'of the cluster'!r} is {'ambiguous' if found else 'unknown'}; there are: {names}",
            place=f"pool of {compute}",
            cure="give the pool by its id",
        )
    return found[0].moref


def _chosen_hosts(hosts: list[HostRow], cluster: str, wanted: str) -> tuple[tuple[str, str], ...]:
    if wanted and not any(wanted in (one.moref, one.name) for one in hosts):
        names = ", ".join(sorted(one.name for one in hosts)[:20]) or "none"
        raise UsageError(
            f"the host {wanted!r} is not in {cluster}; there are: {names}",
            place=f"host {wanted!r}",
            cure="give a host of the cluster by its name or id",
        )
    chosen = [one for one in hosts if not wanted or wanted in (one.moref, one.name)]
    able = [one for one in chosen if one.connection_state == "connected" and not one.in_maintenance]
    if not able:
        states = "; ".join(
            f"{one.name} is {'in maintenance' if one.in_maintenance else one.connection_state}" for one in chosen
        )
        raise UsageError(
            f"no host of {cluster} can take a VM: {states or 'it has none'}",
            place=f"cluster {cluster}",
            cure="bring a host back, or choose another cluster",
        )
    return tuple(sorted((one.moref, one.name) for one in able))


def _pool(moref: str, _kind: str, values: Mapping[str, Any]) -> Pool:
    return Pool(moref, str(values.get("name") or ""), moref_of(values.get("parent")), moref_of(values.get("owner")))
