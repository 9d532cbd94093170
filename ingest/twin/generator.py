"""A believable site of any size, made up from a seed: what vCenter holds and the CloudStack that is to take it over.

    world = generate(1000, seed=7, shape=REALISTIC)
    api_key, secret_key = admin_keys(world)

Who owns what: the VMs of a tenant are in the folder `/<datacenter>/vm/<domain>/<tenant>` and use the tenant's
networks; the tenant is a CloudStack account in that domain, or the project "apollo". Networks belong to the account
(or project) whose VMs use them. Networks without an owner of their own (untagged, NSX) are the first tenant's.
"""

from __future__ import annotations

import random

from ingest.twin.world import World
from ingest.twin.worlds.cloudside import Fit, Wire, furnish, wires
from ingest.twin.worlds.machines import Machines, account_for_space
from ingest.twin.worlds.oddities import ODDITIES, PLATFORM_ONLY, Setting
from ingest.twin.worlds.parts import Parts
from ingest.twin.worlds.shape import CLEAN, REALISTIC, SHAPES, Rates, Shape
from ingest.twin.worlds.site import MISSING_VLAN, SHARED_VLAN, Site, lay_out, make_tenants, tenant_count

__all__ = ["CLEAN", "REALISTIC", "SHAPES", "Draft", "Rates", "Shape", "admin_keys", "generate"]

NEEDS_OTHERS = ("duplicate_name", "duplicate_mac", "fault_tolerant_secondary")
MAXIMUM_SIZE = 200_000


class Draft:
    """A world whose vSphere side can still be added to; `finish` adds the CloudStack side.

    World files use it to add VMs of their own before CloudStack is furnished.
    """

    def __init__(self, size: int, *, seed: int = 1, shape: Shape = CLEAN) -> None:
        if not 0 <= size <= MAXIMUM_SIZE:
            raise ValueError(f"a world has 0 to {MAXIMUM_SIZE} VMs, not {size}")
        self.shape = shape
        self.world = World(seed=seed)
        self.parts = Parts(self.world, random.Random(seed))  # noqa: S311  made-up data, not secrets
        self.world.vcenter_uuid = self.parts.uuid()
        self.tenants = make_tenants(tenant_count(shape, size))
        self.sites = lay_out(self.parts, shape, size, self.tenants)
        self.machines = Machines(self.parts, shape, self.tenants)
        self._populate(size)

    def populated_sites(self) -> list[Site]:
        """The datacenters that have clusters."""
        return [site for site in self.sites if site.clusters]

    def _populate(self, size: int) -> None:
        """Exactly `size` VMs. The oddities are dealt out first, then those that copy another VM are applied last."""
        source = self.parts.random
        sites = self.populated_sites()
        postponed = []
        for index, kind in enumerate(_deal(size, self.shape.rates, source)):
            site = sites[index % len(sites)]
            tenant = self.tenants[0] if kind in PLATFORM_ONLY else self.machines.tenant()
            if kind == "standalone_host" and not site.standalone:
                kind = ""
            cluster = source.choice(site.clusters)
            vm = self.machines.make(site, cluster, tenant)
            setting = Setting(self.machines, site, cluster)
            if kind in NEEDS_OTHERS:
                postponed.append((kind, vm, setting))
            elif kind:
                ODDITIES[kind](vm, setting)
        for kind, vm, setting in postponed:
            ODDITIES[kind](vm, setting)

    def finish(self, *, without_network: frozenset[str] = frozenset()) -> World:
        """Furnish CloudStack and hand over the world. `without_network`: broadcast URIs to leave out."""
        account_for_space(self.world)
        owners = {
            (site.datacenter.moref, site.vlans[group.moref].text): tenant
            for site in self.sites
            for tenant, groups in site.groups.items()
            for group in groups
        }

        def owner(datacenter: str, wire: Wire) -> str | None:
            return None if wire.label else owners.get((datacenter, wire.vlan.text))

        second = frozenset(
            wire.uri
            for site in self.populated_sites()
            for wire in _plain_wires(self.world, site)[: self.shape.second_network_per_vlan]
        )
        missing = {f"vlan://{MISSING_VLAN}"} | without_network
        furnish(
            self.world,
            self.parts,
            Fit(
                tenants=self.tenants,
                owner=owner,
                shared_vlan=SHARED_VLAN,
                without_network=missing,
                second_network=second,
                without_pool={site.unpooled.moref for site in self.sites if site.unpooled}
                | {datastore.moref for site in self.sites for _, datastore in site.standalone},
            ),
        )
        return self.world


def _plain_wires(world: World, site: Site) -> list[Wire]:
    return [wire for wire in wires(world, site.datacenter.moref) if wire.vlan.kind == "id"]


def _deal(size: int, rates: Rates, source: random.Random) -> list[str]:
    """For each VM the name of its oddity, '' for none, shuffled: every rate as its rounded share of `size`."""
    hand = [name for name in ODDITIES for _ in range(round(getattr(rates, name) * size))][:size]
    hand += [""] * (size - len(hand))
    source.shuffle(hand)
    return hand


def generate(size: int, *, seed: int = 1, shape: Shape = CLEAN) -> World:
    """A world with exactly `size` VMs; the same size, seed and shape give an equal world.

    Raises ValueError for a size outside 0..200,000.
    """
    return Draft(size, seed=seed, shape=shape).finish()


def admin_keys(world: World) -> tuple[str, str]:
    """API key and secret key of the first enabled root administrator that may call every API.

    Raises LookupError when the world has none.
    """
    for user in world.cloud.users.values():
        account = world.cloud.accounts.get(user.accountid)
        if user.enabled and user.apis is None and account is not None and account.accounttype == 1:
            return user.api_key, user.secret_key
    raise LookupError("the world has no root administrator with API keys")
