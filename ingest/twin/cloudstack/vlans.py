"""VLANs as CloudStack writes them: broadcast URIs of networks, and the ranges of physical networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ingest.twin.cloud import Cloud, Network, PhysicalNetwork


@dataclass(frozen=True, slots=True)
class Pvlan:
    """A private VLAN. `kind` is i(solated), c(ommunity) or p(romiscuous)."""

    primary: str
    secondary: str
    kind: str

    @property
    def uri(self) -> str:
        """Like pvlan://100-i200."""
        return f"pvlan://{self.primary}-{self.kind}{self.secondary}"


def pvlan_of(uri: str) -> Pvlan | None:
    """The private VLAN of a broadcast URI, None for any other."""
    scheme, _, value = uri.partition("://")
    primary, _, rest = value.partition("-")
    return Pvlan(primary, rest[1:], rest[:1]) if scheme == "pvlan" and rest else None


def physical_network_of(cloud: Cloud, network: Network) -> PhysicalNetwork | None:
    """The one a network is on: its own, else the first of its zone."""
    own = cloud.physical_networks.get(network.physicalnetworkid)
    return own or next((row for row in cloud.physical_networks.values() if row.zoneid == network.zoneid), None)


def vlans_of(ranges: str) -> Iterator[int]:
    """The numbers of a list of ranges like 100-199,300."""
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), int(last or first) + 1)


def in_ranges(ranges: str, vlan: str) -> bool:
    """Whether a VLAN lies in a list of ranges."""
    return vlan.isdigit() and int(vlan) in vlans_of(ranges)


def free_vlan(cloud: Cloud, physical: PhysicalNetwork) -> int | None:
    """The lowest VLAN of the ranges that no network of the zone has."""
    used = {network.broadcasturi for network in cloud.networks.values() if network.zoneid == physical.zoneid}
    return next((vlan for vlan in vlans_of(physical.vlan) if f"vlan://{vlan}" not in used), None)
