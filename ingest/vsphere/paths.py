"""Parent chains: which datacenter, which cluster, and the path people know an object by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ingest.model.inventory import Cluster, Datacenter
from ingest.vsphere.names import decoded
from ingest.vsphere.rows import HostRow, PlaceRow, VmRow


class Places:
    """All links of the parent chains, by managed object id."""

    def __init__(self, rows: Iterable[PlaceRow]) -> None:
        self._rows = {row.moref: row for row in rows}

    def __getitem__(self, moref: str) -> PlaceRow:
        return self._rows[moref]

    def get(self, moref: str) -> PlaceRow | None:
        return self._rows.get(moref)

    def of_kind(self, *kinds: str) -> tuple[PlaceRow, ...]:
        return tuple(row for row in self._rows.values() if row.kind in kinds)

    def chain(self, moref: str) -> Iterator[PlaceRow]:
        """The object itself, then its parents up to the root. Ends where a link was not readable."""
        seen = set()
        while moref in self._rows and moref not in seen:
            seen.add(moref)
            yield self._rows[moref]
            moref = self._rows[moref].parent

    def path(self, moref: str) -> str:
        """`/DC/vm/folder`, decoded; '' for the root folder and for what is unknown."""
        links = [row for row in self.chain(moref) if row.parent]
        return "".join("/" + decoded(row.name) for row in reversed(links))

    def datacenter(self, moref: str) -> PlaceRow | None:
        """The datacenter an object or its parent folder belongs to."""
        for row in self.chain(moref):
            if row.kind == "Datacenter":
                return row
        return None

    def inside(self, moref: str, container: str) -> bool:
        return any(row.moref == container for row in self.chain(moref))


def is_compute(row: PlaceRow) -> bool:
    return row.kind.endswith("ComputeResource")


def is_standalone(row: PlaceRow) -> bool:
    """Whether a compute resource is only the wrapper of one host; any subclass is a cluster."""
    return row.kind == "ComputeResource"


def datacenters(places: Places) -> tuple[Datacenter, ...]:
    found = [Datacenter(row.moref, row.name, places.path(row.moref)) for row in places.of_kind("Datacenter")]
    return tuple(sorted(found, key=lambda datacenter: (datacenter.path, datacenter.moref)))


def clusters(places: Places) -> tuple[Cluster, ...]:
    found = []
    for row in places.of_kind("ComputeResource", "ClusterComputeResource"):
        datacenter = places.datacenter(row.moref)
        found.append(
            Cluster(
                moref=row.moref,
                name=row.name,
                datacenter=datacenter.name if datacenter else "",
                datacenter_moref=datacenter.moref if datacenter else "",
                path=places.path(row.moref),
                standalone=is_standalone(row),
            )
        )
    return tuple(sorted(found, key=lambda cluster: (cluster.path, cluster.moref)))


def parent_of_vm(row: VmRow) -> str:
    """The folder of a VM, or its vApp: a vApp's members have no folder parent."""
    return row.parent or row.parent_vapp


def datacenter_of_vm(row: VmRow, host: HostRow | None, places: Places) -> PlaceRow | None:
    """By the host; by the VM's own parents when it has none."""
    by_host = places.datacenter(host.parent) if host else None
    return by_host or places.datacenter(parent_of_vm(row))


def path_of_vm(row: VmRow, datacenter: PlaceRow | None, places: Places) -> str:
    """`/DC/vm/folder/name`. For a vApp that hangs below a resource pool the pools are left out: `/DC/vm/vApp/name`."""
    parent = parent_of_vm(row)
    folder = places.path(parent)
    if datacenter is not None and places.datacenter(parent) is None:
        folder = f"{places.path(datacenter.moref)}/vm{folder}"
    return f"{folder}/{decoded(row.name)}"
