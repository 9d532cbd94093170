"""The ports of distributed switches: who is plugged in where, and which are free.

A static group has its ports from the start and grows by whole blocks; an ephemeral one has a port per running VM, its
key made at power-on; an uplink group has one port per host and uplink; a port may also be in no group at all.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.twin.world import VM, Host, Network, Nic, Switch

if TYPE_CHECKING:
    from ingest.twin.vcenter.scene import Scene

BLOCK = 8
UPLINKS = ("Uplink 1", "Uplink 2")


@dataclass(frozen=True, slots=True)
class Port:
    """One port. `group` is None for a port in no group; `vm` and `nic`, or `host` and `uplink`, are who uses it."""

    key: str
    group: Network | None
    vm: VM | None = None
    nic: Nic | None = None
    host: Host | None = None
    uplink: int = 0

    @property
    def connected(self) -> bool:
        """Somebody is plugged in."""
        return self.vm is not None or self.host is not None

    @property
    def active(self) -> bool:
        """Who is plugged in runs: a port is active while a running VM uses it."""
        if self.vm is not None and self.nic is not None:
            return self.vm.power_state == "poweredOn" and self.nic.connected
        return self.host is not None and self.host.connection_state == "connected"

    @property
    def on_host(self) -> str:
        """The host whose part of the switch has the port, '' for a free one."""
        if self.vm is not None:
            return self.vm.host
        return self.host.moref if self.host is not None else ""


def port_key(network: Network | None, vm: VM, nic: Nic) -> str:
    """The key of the port a card is plugged into, '' for none: an ephemeral group gives ports to running VMs only."""
    if network is None or network.binding != "ephemeral":
        return nic.port_key
    if vm.power_state != "poweredOn":
        return ""
    return nic.port_key or f"h-{vm.moref.removeprefix('vm-')}{nic.key}"


def all_ports(scene: Scene) -> dict[str, list[Port]]:
    """Switch -> its ports: those in use by VMs, then the free ones, then the uplinks."""
    world = scene.world
    used: dict[str, list[Port]] = defaultdict(list)
    for vm in world.vms.values():
        for nic in vm.nics:
            if nic.backing != "dvs":
                continue
            group = world.networks.get(nic.network)
            key = port_key(group, vm, nic)
            switch = group.switch if group is not None else "" if nic.network else nic.switch
            if key and switch:
                used[switch].append(Port(key, group, vm, nic))
    return {moref: _ports_of(scene, switch, used[moref]) for moref, switch in world.switches.items()}


def _ports_of(scene: Scene, switch: Switch, used: list[Port]) -> list[Port]:
    groups = scene.portgroups_of_switch[switch.moref]
    hosts = [scene.world.hosts[moref] for moref in scene.hosts_of_datacenter[switch.datacenter]]
    number = 1 + max((int(port.key) for port in used if port.key.isdigit()), default=0)
    in_use: dict[str, int] = defaultdict(int)
    for port in used:
        in_use[port.group.key if port.group else ""] += 1
    found = list(used)
    for group in groups:
        if group.uplink or group.binding == "ephemeral":
            continue
        spare = max(BLOCK, in_use[group.key] + -in_use[group.key] % BLOCK) - in_use[group.key]
        found += [Port(str(number + index), group) for index in range(spare)]
        number += spare
    for group in groups:
        if group.uplink:
            places = [(host, uplink) for host in hosts for uplink in range(len(UPLINKS))]
            found += [Port(str(number + n), group, host=host, uplink=up) for n, (host, up) in enumerate(places)]
            number += len(places)
    return found
