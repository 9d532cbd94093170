"""A recovery site: the other site's VMs lie in replicated datastores, and nobody here knows them.

    world = recovery_site(300, seed=4, Guests(hang=2, late=5, broken=1))

The site has its own hosts, networks and vCenter, some VMs of its own that run, and a CloudStack that knows its clusters
and datastores as pools. Port groups have the names they have at the other site, as a stretched or mirrored network
gives them. Every replica was running when the power went: it has a swap file, asks whether it was moved or copied, and
has a guest that listens on ports 22 and 80 once it is up, under the address CloudStack gave it, or else its old one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ingest.twin.files import split_path, vmx_path
from ingest.twin.generator import CLEAN, Draft
from ingest.twin.registration import ELSEWHERE, unregister
from ingest.twin.world import VM, GuestService, World

LATE_S = 30.0
_ARRAY_COPIES = 3


@dataclass(frozen=True, slots=True)
class Guests:
    """How many guests never come up (`hang`), come up `late_s` later than others, or answer 500 on port 80."""

    hang: int = 0
    late: int = 0
    broken: int = 0
    late_s: float = LATE_S


def recovery_site(vms: int, *, seed: int = 1, guests: Guests | None = None, own: int | None = None) -> World:
    """A recovery site with exactly `vms` replicas, and `own` VMs of its own (one per 25 replicas by default).

    The odd guests are the first replicas by name: those that hang, then late ones, then broken ones. Equal arguments
    give an equal world. Raises ValueError for more odd guests than replicas.
    """
    guests = guests or Guests()
    if guests.hang + guests.late + guests.broken > vms:
        raise ValueError(f"{guests.hang + guests.late + guests.broken} odd guests of {vms} replicas")
    own = max(1, vms // 25) if own is None else own
    shape = dataclasses.replace(CLEAN, powered_off=0.0, standalone_hosts=0, datacenters=1)
    world = Draft(vms + own, seed=seed, shape=shape).finish()
    world.name = "recovery"
    replicas = sorted(list(world.vms.values())[own:], key=lambda vm: vm.name)
    for number, vm in enumerate(replicas):
        _replica(vm, number, guests)
        # What the .vmx says stays, whichever folder of the other site it was in.
        vm.swap_left = vm.power_state == "poweredOn"
        vm.power_state = "poweredOff"
        unregister(world, vm, location=ELSEWHERE)
    _array_snapshots(world, replicas[:_ARRAY_COPIES])
    return world


def _replica(vm: VM, number: int, guests: Guests) -> None:
    hang, late = guests.hang, guests.hang + guests.late
    vm.guest_hangs = number < hang
    vm.guest_dhcp = True
    vm.guest_delay_s = guests.late_s if hang <= number < late else 0.0
    broken = late <= number < late + guests.broken
    vm.services = [
        GuestService(22, "tcp"),
        GuestService(80, "http", 500 if broken else 200, "database is gone" if broken else f"{vm.name} is up"),
    ]


def _array_snapshots(world: World, vms: list[VM]) -> None:
    """NFS shares show the array's own snapshots as folders; the copies in there are not to be registered."""
    shares = [store for store in world.datastores.values() if store.type == "NFS"]
    for vm in vms if shares else []:
        split = split_path(vmx_path(world, vm))
        if split is not None:
            shares[0].other_files.append(f".snapshot/nightly.0/{split[1]}")
