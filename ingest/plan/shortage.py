"""What a plan runs short of, in words: limits that do not allow a row, pools that are promised more than they have."""

from __future__ import annotations

from collections import Counter

from ingest.model.catalogue import StoragePool
from ingest.model.snapshot import Snapshot
from ingest.plan import server
from ingest.plan.predict.verdict import Shortage
from ingest.plan.resolve import ResolvedRow

LIMITED = ("user_vm", "cpu", "memory", "volume", "primary_storage")
"""The resources an import counts, by CloudStack's names (Resource.ResourceType)."""

_GIB = 1 << 30


def shortage_words(short: Shortage, breaker: str) -> str:
    """The limit, what is used and planned, and the row that breaks it: this one, or the one `breaker` names."""
    unit = {"memory": " MiB", "primary_storage": " GiB"}.get(short.resource, "")
    limit, used, planned, requested = (
        f"{_amount(short.resource, value)}{unit}" for value in (short.limit, short.used, short.planned, short.requested)
    )
    told = f"{breaker} was the first that did not fit" if breaker else "this row is the first that does not fit"
    return (
        f"{short.resource} of {short.holder}: limit {limit}, used {used}, planned before {planned}, needed here "
        f"{requested}; {told}"
    )


def _amount(resource: str, value: int) -> str:
    return f"{value / _GIB:.12g}" if resource == "primary_storage" else str(value)


class PoolUse:
    """How much the plan adds to what CloudStack counts as allocated in each pool.

    An import takes no new space: the disks are there already. But CloudStack places no further volumes on a pool that
    is fully allocated (CloudStack: StorageManagerImpl.storagePoolHasEnoughSpace).
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._pools = snapshot.catalogue.storage_pools
        self._planned: Counter[str] = Counter()
        self._told: set[str] = set()

    def take(self, row: ResolvedRow) -> str:
        """Add the row's disks; '' or, for the first row that does so, which pool it fills."""
        full = []
        for disk in row.disks:
            if disk.listed is None or row.pair is None:
                continue
            tags = (row.offering.storagetags if row.offering else "") if disk.is_root else ""
            if not disk.is_root and disk.offering:
                tags = disk.offering.tags
            cluster_id = row.pair.cluster_id
            pools = server.pools_of(disk.listed, self._pools, zone_id=row.zone_id, cluster_id=cluster_id, tags=tags)
            if pools and (text := self._add(pools[0], disk.listed.capacity)):
                full.append(text)
        return "; ".join(full)

    def _add(self, pool: StoragePool, size_bytes: int) -> str:
        self._planned[pool.id] += size_bytes
        planned = self._planned[pool.id]
        if not pool.disksizetotal or pool.id in self._told or pool.disksizeallocated + planned <= pool.disksizetotal:
            return ""
        self._told.add(pool.id)
        return (
            f"pool {pool.name} has {pool.disksizetotal / _GIB:.4g} GiB, of which {pool.disksizeallocated / _GIB:.4g} "
            f"are allocated; with this row the plan adds {planned / _GIB:.4g}"
        )
