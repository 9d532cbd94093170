"""Everything of CloudStack that a copy of it needs, read once, in the server's order. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

from ingest.cloudstack.client import CloudStackClient
from ingest.errors import Refused, Unauthorised
from ingest.model.catalogue import Census, Unread

Item = TypeVar("Item")
Progress = Callable[[str], None]


def _silent(_text: str) -> None:
    """Progress nobody listens to."""


def read_census(
    client: CloudStackClient,
    configuration: Collection[str],
    zone_configuration: Collection[str] = (),
    *,
    progress: Progress = _silent,
) -> Census:
    """All objects but the unmanaged VMs (vCenter knows them better).

    `configuration` names the global settings to read, `zone_configuration` those to read for every zone.

    A list the server refuses is left empty and named in `unread`: a role may lack it, an older release may not have
    it. Raises the client's errors when the key is wrong or the server cannot be reached.
    """
    version = client.capabilities().cloudstackversion  # every role has it, so a refusal is about the key
    unread: list[Unread] = []

    def read(what: str, list_: Callable[[], Iterable[Item]]) -> tuple[Item, ...]:
        progress(f"CloudStack: {what}")
        try:
            return tuple(list_())
        except (Refused, Unauthorised) as error:
            unread.append(Unread(what=what, why=error.message))
            return ()

    zones = read("zones", client.list_zones)

    def settings() -> Iterator[tuple[str, dict[str, str]]]:
        yield "", client.list_configurations(configuration)
        for zone in zones:
            yield zone.id, client.list_configurations(zone_configuration, zone_id=zone.id)

    in_zones = dict(read("settings", settings))
    census = Census(
        cloudstack_version=version,
        configuration=in_zones.pop("", {}),
        zone_configuration=in_zones,
        zones=zones,
        pods=read("pods", client.list_pods),
        clusters=read("clusters", lambda: client.list_clusters(None)),
        hosts=read("hosts", client.list_hosts),
        domains=read("domains", client.list_domains),
        accounts=read("accounts", client.list_accounts),
        callers=read("the account of the key", client.list_own_accounts),
        projects=read("projects", client.list_projects),
        physical_networks=read("physical networks", client.list_physical_networks),
        network_offerings=read("network offerings", lambda: client.list_network_offerings(None)),
        networks=read("networks", client.list_networks),
        ip_ranges=read("address ranges of networks", client.list_ip_ranges),
        service_offerings=read("compute offerings", lambda: client.list_service_offerings("all")),
        disk_offerings=read("disk offerings", lambda: client.list_disk_offerings("all")),
        storage_pools=read("storage pools", client.list_storage_pools),
        templates=read("templates", client.list_templates),
        os_types=read("guest operating systems", client.list_os_types),
        guest_os_mappings=read("guest OS mappings", client.list_guest_os_mappings),
        virtual_machines=read("managed VMs", client.list_virtual_machines),
        volumes=read("volumes", client.list_volumes),
        system_vms=read("system VMs", client.list_system_vms) + read("virtual routers", client.list_routers),
    )
    return census.model_copy(update={"unread": tuple(unread)})
