"""The inventory of a vCenter in a fixed number of requests, whatever its size."""

from __future__ import annotations

import gc
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from ingest.model.inventory import Inventory, Vlan
from ingest.vsphere import objects, specs
from ingest.vsphere.collect import GONE, PAGE_SIZE, Collected, Decode, collect
from ingest.vsphere.join import Seen, build_inventory
from ingest.vsphere.nics import DVS_BACKING, may_override
from ingest.vsphere.paths import Places
from ingest.vsphere.rows import Missing, PlaceRow, PortGroupRow, SwitchRow, VmRow
from ingest.vsphere.scope import Scope, choose
from ingest.vsphere.session import VCenter
from ingest.vsphere.vms import How, read_vms

logger = logging.getLogger("ingest.vsphere")

Progress = Callable[[int], None]
"""Called now and then with the number of VMs read so far."""

_PROGRESS_STEP = 500


def read_inventory(
    vcenter: VCenter,
    *,
    datacenter: str | None = None,
    cluster: str | None = None,
    folder: str | None = None,
    progress: Progress | None = None,
    how: How = "stream",
    page_size: int = PAGE_SIZE,
) -> Inventory:
    """Everything the vCenter says about the chosen part: hosts, networks, datastores, VMs with NICs and disks.

    `datacenter`, `cluster` and `folder` are names, paths (`/DC/host/Cluster`) or managed object ids; all given ones
    must hold for a VM. Takes about 30 requests plus one for each further page, and one for each distributed switch
    whose ports may override VLANs. What could not be read or resolved is in `problems`; no NIC is ever left out.
    Raises UsageError for an unknown or ambiguous name, RemoteError and its kind for the rest.
    """
    before = vcenter.requests
    reader = _Reader(vcenter, progress or _silent, how, page_size)
    places = reader.read("places", vcenter.content.rootFolder, specs.PLACES, objects.place_row)
    scope = choose(Places(places.rows), datacenter=datacenter, cluster=cluster, folder=folder)
    # Members of vApps, templates and VMs without a pool are not all below a cluster's or folder's view, so the
    # datacenter is read as a whole and restricted afterwards.
    container = (
        specs.managed_type("Datacenter")(scope.datacenter, vcenter.stub)
        if scope.datacenter
        else vcenter.content.rootFolder
    )
    with _few_collections() if how == "stream" else nullcontext():
        inventory = build_inventory(reader.everything(container, scope, places))
    return replace(inventory, requests=vcenter.requests - before)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Python's cyclic garbage collector, asked to look less often: rows hold no cycles, and there are very many.

    Side by side, a big streamed read took a quarter to a third less CPU and the same memory. (Reading pyVmomi's
    objects it would cost memory.)
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _silent(_count: int) -> None:
    pass


class _Reader:
    def __init__(self, vcenter: VCenter, progress: Progress, how: How, page_size: int) -> None:
        self._vcenter = vcenter
        self._progress = progress
        self._how = how
        self._page_size = page_size

    def read(
        self, what: str, container: Any, properties: dict[str, tuple[str, ...]], decode: Decode[Any]
    ) -> Collected[Any]:
        return self._vcenter.repeat(
            lambda: collect(self._vcenter, container, properties, decode, page_size=self._page_size), what
        )

    def everything(self, container: Any, scope: Scope, places: Collected[PlaceRow]) -> Seen:
        vcenter = self._vcenter
        hosts = self.read("hosts", container, specs.HOSTS, objects.host_row)
        switches = self.read("switches", container, specs.SWITCHES, objects.switch_row)
        portgroups = self.read("port groups", container, specs.PORTGROUPS, objects.portgroup_row)
        networks = self.read("networks", container, specs.NETWORKS, objects.network_row)
        datastores = self.read("datastores", container, specs.DATASTORES, objects.datastore_row)
        vms, gone = vcenter.repeat(lambda: self._vms(container), "virtual machines")
        collected: list[Collected[Any]] = [places, hosts, switches, portgroups, networks, datastores]
        place_rows = places.rows
        if any(row.parent_vapp for row in vms):
            vapps = self.read("vApps", container, specs.VAPPS, objects.place_row)
            collected.append(vapps)
            place_rows = (*place_rows, *vapps.rows)
        port_vlans, unread_ports = vcenter.repeat(
            lambda: _port_vlans(vcenter, vms, switches.rows, portgroups.rows), "port settings"
        )
        return Seen(
            server=vcenter.endpoint.host,
            product=vcenter.about.product,
            version=vcenter.about.version,
            api_type=vcenter.about.api_type,
            instance_uuid=vcenter.about.instance_uuid,
            places=place_rows,
            hosts=hosts.rows,
            switches=switches.rows,
            portgroups=portgroups.rows,
            networks=tuple(row for row in networks.rows if row.kind != "DistributedVirtualPortgroup"),
            datastores=datastores.rows,
            vms=vms,
            custom_fields=self._custom_fields() if any(row.custom_values for row in vms) else {},
            port_vlans=port_vlans,
            missing=(
                *(entry for part in collected for entry in part.missing),
                *(entry for row in vms for entry in row.missing),
                *unread_ports,
            ),
            gone=(*(moref for part in collected for moref in part.gone), *gone),
            scope=scope,
        )

    def _vms(self, container: Any) -> tuple[tuple[VmRow, ...], tuple[str, ...]]:
        rows: dict[str, VmRow] = {}
        gone: list[str] = []
        for row in read_vms(self._vcenter, container, page_size=self._page_size, how=self._how):
            if not row.name and any(entry.fault == GONE for entry in row.missing):
                gone.append(row.moref)
            else:
                rows.setdefault(row.moref, row)  # a VM that moves between pages comes twice
            if len(rows) % _PROGRESS_STEP == 0:
                self._progress(len(rows))
        self._progress(len(rows))
        return tuple(rows.values()), tuple(gone)

    def _custom_fields(self) -> dict[int, str]:
        manager = self._vcenter.content.customFieldsManager
        if manager is None:
            return {}
        fields = self._vcenter.repeat(lambda: manager.field, "custom fields")
        return {int(entry.key): str(entry.name) for entry in fields or ()}


def _port_vlans(
    vcenter: VCenter, vms: Iterable[VmRow], switches: Iterable[SwitchRow], portgroups: Iterable[PortGroupRow]
) -> tuple[dict[tuple[str, str], Vlan | None], tuple[Missing, ...]]:
    """The VLANs of exactly those ports that have a NIC and may override their group's VLAN, and what was refused."""
    groups = {row.key: row for row in portgroups}
    wanted: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for vm in vms:
        for device in vm.devices:
            backing = device.backing
            if backing is None or backing.kind != DVS_BACKING:
                continue
            group = groups.get(backing.portgroup_key)
            if group is not None and may_override(backing, group):
                wanted[group.switch].add((backing.portgroup_key, backing.port_key))
    vlans: dict[tuple[str, str], Vlan | None] = {}
    refused: list[Missing] = []
    for switch in switches:
        ports = wanted.get(switch.moref)
        if not ports:
            continue
        # Both keys, never all ports of a switch: a port is about 6.6 KB.
        criteria = vim.dvs.PortCriteria(
            portgroupKey=sorted({group for group, _ in ports}), portKey=sorted({port for _, port in ports})
        )
        try:
            found = specs.managed_type(switch.kind)(switch.moref, vcenter.stub).FetchDVPorts(criteria)
        except vim.fault.NotAuthenticated:
            raise
        except vmodl.MethodFault as fault:
            logger.warning("ports of switch %s cannot be read: %s", switch.name, objects.kind_of(fault))
            refused.append(Missing(switch.moref, "FetchDVPorts", objects.kind_of(fault)))
            continue
        for port in found or ():
            vlans[switch.uuid, str(port.key)] = objects.vlan_of_setting(port.config.setting)
    return vlans, tuple(refused)
