"""The site of a runbook after the disaster: the VMs of the stored plan as unregistered replicas on its datastores.

A VM the copy has is taken out of the inventory with all its devices; one it does not have, because the copy is of the
recovery site, is made of its row. Guests listen on whatever the runbook checks: nothing is known of them.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ingest.plan.patterns import fits
from ingest.plan.sheet import Row, Sheet
from ingest.runbook.assignment import assign_waves
from ingest.runbook.model import AnyCheck, HttpCheck, Runbook, Site, TcpCheck
from ingest.runbook.rows import vm_of, wants_import
from ingest.twin.registration import ELSEWHERE, unregister
from ingest.twin.world import VM, Datastore, Disk, GuestService, Network, Nic, StoredVM, World


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many VMs were taken out of the inventory, how many were made of their rows, and in words what could not be
    laid out."""

    taken: int
    made: int
    left_out: tuple[str, ...]


def lay_replicas(world: World, runbook: Runbook, stored: Sheet) -> Replicas:
    """Make a recovery site of a world, before it is served. A runbook without sites registers nothing: its VMs stay
    where they are, switched off."""
    services = _services(runbook, stored)
    taken = made = 0
    left_out = []
    with world.lock:
        for row in stored.rows:
            if not wants_import(row):
                continue
            vm, store = _there(world, row), None
            if vm is None:
                store = _store_of(world, runbook, row)
                if store is None:
                    left_out.append(
                        f"{row['vm']}: neither the VM nor a datastore of the runbook's sites is in the copy"
                    )
                    continue
                vm = _made(world, row, store)
                made += 1
            else:
                _forget(world, vm)
            _ready(vm, services.get(row.line, []))
            if store is not None:
                replica = StoredVM(store.moref, vm)
                world.unregistered[replica.key] = replica
            elif runbook.sites:
                try:
                    unregister(world, vm, location=ELSEWHERE)
                    taken += 1
                except LookupError as error:
                    left_out.append(f"{row['vm']}: it stays registered, because {error}")
    return Replicas(taken, made, tuple(left_out))


def _ready(vm: VM, services: list[GuestService]) -> None:
    """As the power cut left it, with a guest that comes up."""
    vm.swap_left = vm.power_state == "poweredOn"
    vm.power_state = "poweredOff"
    vm.guest_stage = "down"
    vm.guest_dhcp = True
    vm.services = services


def _there(world: World, row: Row) -> VM | None:
    """The VM of a row: by its instance UUID, else by its name if only one has it."""
    named = []
    for vm in world.vms.values():
        if vm.template:
            continue
        if row["instance_uuid"] and vm.instance_uuid == row["instance_uuid"]:
            return vm
        if vm.name == row["vm"]:
            named.append(vm)
    return named[0] if len(named) == 1 and not row["instance_uuid"] else None


def _forget(world: World, vm: VM) -> None:
    """The CloudStack of the recovery site does not know it."""
    for instance in world.cloud.instances.values():
        if instance.moref == vm.moref:
            instance.removed = True


def _services(runbook: Runbook, stored: Sheet) -> dict[int, list[GuestService]]:
    """What the guests listen on, by line of the stored plan: all that is checked, answered as expected."""
    found: dict[int, dict[int, GuestService]] = {}
    for wave in assign_waves(runbook, stored).waves:
        for check, lines in zip(wave.wave.checks, wave.checks, strict=True):
            service = _service(check)
            if service:
                for line in lines:
                    found.setdefault(line, {})[service.port] = service
    return {line: list(ports.values()) for line, ports in found.items()}


def _service(check: AnyCheck) -> GuestService | None:
    if isinstance(check, TcpCheck):
        return GuestService(check.port, "tcp")
    if isinstance(check, HttpCheck):
        url = urlsplit(check.url.replace("{ip}", "guest").replace("{hostname}", "guest").replace("{vm}", "guest"))
        port = url.port or (443 if url.scheme == "https" else 80)
        return GuestService(port, "http", check.status, check.text or "ok")
    return None


# A VM the copy does not have


def _store_of(world: World, runbook: Runbook, row: Row) -> Datastore | None:
    """Where its replica lies: on the datastore of its name, else on one of the first site that has any, in turn."""
    stores = [store for site in runbook.sites for store in _stores(world, site)]
    home = next((store for store in stores if store.name == row["disk1_datastore"]), None)
    if home is not None or not stores:
        return home
    return stores[int(hashlib.sha256(_identity(row).encode()).hexdigest(), 16) % len(stores)]


def _stores(world: World, site: Site) -> Iterator[Datastore]:
    return (store for store in world.datastores.values() if fits(site.datastores, (store.name,)))


def _identity(row: Row) -> str:
    return row["instance_uuid"] or row["vm"]


def _made(world: World, row: Row, store: Datastore) -> VM:
    seen = vm_of(row)
    folder = f"[{store.name}] {seen.name.replace('/', '_')}"
    return VM(
        moref="",
        name=seen.name,
        instance_uuid=seen.instance_uuid or str(uuid.uuid5(uuid.UUID(int=world.seed), f"instance {seen.name}")),
        bios_uuid=str(uuid.uuid5(uuid.UUID(int=world.seed), f"bios {_identity(row)}")),
        folder="",
        host="",
        resource_pool="",
        power_state=seen.power_state if seen.power_state != "unknown" else "poweredOn",
        cpus=seen.cpus,
        memory_mib=seen.memory_mib,
        cpu_reservation_mhz=seen.cpu_reservation_mhz,
        guest_id=seen.guest_id,
        guest_full_name=seen.guest_full_name,
        tools_status=seen.tools_status,
        nics=[
            _nic(world, store, 4000 + number, nic.label, nic.mac, nic.network_name)
            for number, nic in enumerate(seen.nics)
        ],
        disks=[
            Disk(
                key=2000 + number,
                label=disk.label,
                disk_id="",
                capacity_bytes=disk.capacity_bytes,
                file_name=f"{folder}/{seen.name}{f'_{number}' if number else ''}.vmdk",
                datastore=store.moref,
                unit=number if number < 7 else number + 1,
            )
            for number, disk in enumerate(seen.disks)
        ],
        vmx_path=f"{folder}/{seen.name.replace('/', '_')}.vmx",
        uuid_location=ELSEWHERE,
    )


def _nic(world: World, store: Datastore, key: int, label: str, mac: str, portgroup: str) -> Nic:
    """On the port group of that name, as a stretched or mirrored network gives it; a distributed one that is not there
    leaves the card without a network."""
    network = _network(world, store.datacenter, portgroup)
    if network is None or network.kind == "standard":
        return Nic(key, label, mac, network.moref if network else "", "standard", device_name=portgroup)
    return Nic(key, label, mac, network.moref, network.kind, switch="")


def _network(world: World, datacenter: str, name: str) -> Network | None:
    networks = world.networks.values()
    return next((one for one in networks if one.name == name and one.datacenter == datacenter), None)
