"""What is taken: in CloudStack when the catalogue was read, and by the rows judged so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.model.catalogue import Catalogue

Scope = str
"""Who a resource is counted for: `account:<id>`, `project:<id>`, `domain:<id>`."""

# States of instances that are as good as gone.
_GOING = frozenset({"Expunging", "Expunged"})


@dataclass(slots=True)
class Effects:
    """What one call adds. Pairs are (network, cluster or zone id, name, MAC or address)."""

    names: list[tuple[str, str]] = field(default_factory=list)
    zone_names: list[tuple[str, str]] = field(default_factory=list)
    macs: list[tuple[str, str]] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)
    picked: list[str] = field(default_factory=list)  # networks of which the server chooses an address
    managed: list[tuple[str, str]] = field(default_factory=list)
    used: Counter[tuple[Scope, str]] = field(default_factory=Counter)
    job: str = ""
    reserved: Counter[tuple[Scope, str]] = field(default_factory=Counter)  # only while the call is heard


@dataclass(slots=True)
class State:
    """`used` is what was planned on top of what the catalogue shows as used, by (scope, resource)."""

    names: set[tuple[str, str]] = field(default_factory=set)
    zone_names: set[tuple[str, str]] = field(default_factory=set)
    macs: set[tuple[str, str]] = field(default_factory=set)
    addresses: set[tuple[str, str]] = field(default_factory=set)
    picked: Counter[str] = field(default_factory=Counter)
    managed: set[tuple[str, str]] = field(default_factory=set)
    used: Counter[tuple[Scope, str]] = field(default_factory=Counter)
    jobs: set[str] = field(default_factory=set)

    def copy(self) -> State:
        """An independent state that starts as this one is."""
        return State(
            set(self.names),
            set(self.zone_names),
            set(self.macs),
            set(self.addresses),
            Counter(self.picked),
            set(self.managed),
            Counter(self.used),
            set(self.jobs),
        )

    def apply(self, effects: Effects) -> None:
        """Take what a call leaves behind."""
        self.names.update(effects.names)
        self.zone_names.update(effects.zone_names)
        self.macs.update(effects.macs)
        self.addresses.update(effects.addresses)
        self.picked.update(effects.picked)
        self.managed.update(effects.managed)
        self.used.update(effects.used)
        if effects.job:
            self.jobs.add(effects.job)


def initial_state(catalogue: Catalogue) -> State:
    """What CloudStack's instances hold."""
    state = State()
    cluster_of = {host.id: host.clusterid for host in catalogue.hosts}
    for instance in catalogue.virtual_machines:
        if instance.state not in _GOING:
            state.zone_names.add((instance.zoneid, instance.name))
        if cluster := cluster_of.get(instance.hostid):
            state.managed.add((cluster, instance.instancename or instance.name))
        for nic in instance.nic:
            state.names.add((nic.networkid, instance.name))
            state.macs.update(pairs(nic.networkid, [nic.macaddress.lower()]))
            state.addresses.update(pairs(nic.networkid, [nic.ipaddress]))
    return state


def pairs(place: str, values: Iterable[str]) -> list[tuple[str, str]]:
    """(place, value) for every value that is not ''."""
    return [(place, value) for value in values if value]
