"""Which part of the inventory is meant: by name, path or managed object id, never by guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.errors import UsageError
from ingest.vsphere.names import decoded
from ingest.vsphere.paths import Places, datacenter_of_vm, is_compute, parent_of_vm
from ingest.vsphere.rows import HostRow, PlaceRow, VmRow

_SHOWN_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Scope:
    """Managed object ids of the chosen datacenter, compute resource and folder; '' means not restricted."""

    datacenter: str = ""
    compute: str = ""
    folder: str = ""

    def has_place(self, moref: str, places: Places) -> bool:
        """Whether something with this parent (or itself) lies in the chosen datacenter."""
        return not self.datacenter or places.inside(moref, self.datacenter)

    def has_host(self, row: HostRow, places: Places) -> bool:
        return row.parent == self.compute if self.compute else self.has_place(row.parent, places)

    def has_vm(self, row: VmRow, host: HostRow | None, places: Places) -> bool:
        """Whether a VM lies in every chosen part: its host's cluster, its folder (at any depth), its datacenter."""
        if self.compute and (host is None or host.parent != self.compute):
            return False
        if self.folder and not places.inside(parent_of_vm(row), self.folder):
            return False
        if not self.datacenter:
            return True
        datacenter = datacenter_of_vm(row, host, places)
        return datacenter is not None and datacenter.moref == self.datacenter


def choose(places: Places, *, datacenter: str | None, cluster: str | None, folder: str | None) -> Scope:
    """The scope for three optional names, paths or ids. Raises UsageError, listing candidates, unless each is unique.

    A cluster or folder also fixes the datacenter, so names need to be unique within a given datacenter only. A
    standalone host may be given as cluster.
    """
    chosen = _one(places, "datacenter", datacenter, places.of_kind("Datacenter")) if datacenter else None
    inside = list(places.of_kind("ComputeResource", "ClusterComputeResource", "Folder"))
    if chosen is not None:
        inside = [row for row in inside if places.inside(row.moref, chosen.moref)]
    compute = _one(places, "cluster", cluster, [row for row in inside if is_compute(row)]) if cluster else None
    if compute is not None and chosen is None:
        chosen = places.datacenter(compute.moref)
    if folder and chosen is not None:
        inside = [row for row in inside if places.inside(row.moref, chosen.moref)]
    home = _one(places, "folder", folder, [row for row in inside if _may_hold_vms(row, places)]) if folder else None
    if home is not None and chosen is None:
        chosen = places.datacenter(home.moref)
    return Scope(chosen.moref if chosen else "", compute.moref if compute else "", home.moref if home else "")


def _may_hold_vms(row: PlaceRow, places: Places) -> bool:
    """Whether it is a folder of datacenters, or one of the tree `vm` of its datacenter.

    The other trees hold hosts, networks and datastores; they have the same names everywhere (vSphere API: Datacenter).
    """
    if is_compute(row):
        return False
    datacenter = places.datacenter(row.moref)
    if datacenter is None:
        return True
    below = places.path(row.moref).removeprefix(places.path(datacenter.moref)).strip("/")
    return below.partition("/")[0] == "vm"


def _one(places: Places, word: str, wanted: str, candidates: Iterable[PlaceRow]) -> PlaceRow:
    known = sorted(candidates, key=lambda row: (places.path(row.moref), row.moref))
    found = [row for row in known if wanted == row.moref]
    if not found and wanted.startswith("/"):
        found = [row for row in known if places.path(row.moref) == wanted.rstrip("/")]
    if not found:  # raw names first: `a%2fb` typed by someone who copied it from the API
        found = [row for row in known if row.name == wanted] or [row for row in known if decoded(row.name) == wanted]
    if len(found) == 1:
        return found[0]
    problem = "is ambiguous" if found else "is unknown"
    listed = [f"{places.path(row.moref) or row.name} ({row.moref})" for row in found or known]
    more = f" and {len(listed) - _SHOWN_CANDIDATES} more" if len(listed) > _SHOWN_CANDIDATES else ""
    raise UsageError(
        f"the {word} {wanted!r} {problem}; {'it could be' if found else 'there are'}: "
        + (", ".join(listed[:_SHOWN_CANDIDATES]) or "none")
        + more,
        place=f"{word} {wanted!r}",
        cure=f"give the {word} by its path or by its id",
    )
