"""Datastores to look into: chosen by name or pattern, and what keeps each from being of use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ingest.errors import UsageError
from ingest.model.inventory import Problem
from ingest.vsphere.collect import Collected, collect
from ingest.vsphere.names import decoded
from ingest.vsphere.objects import moref_of
from ingest.vsphere.paths import Places
from ingest.vsphere.session import VCenter

STORES: dict[str, tuple[str, ...]] = {"Datastore": ("name", "parent", "summary", "browser", "host")}


@dataclass(frozen=True, slots=True)
class Store:
    """A datastore that can be looked into.

    `hosts` (managed object ids) have it mounted and can reach it, `writable_hosts` may write as well. `url` stays the
    same when it is renamed, '' when the server did not tell.
    """

    moref: str
    name: str
    datacenter: str
    browser: str
    url: str = ""
    accessible: bool = True
    maintenance_mode: str = "normal"
    hosts: frozenset[str] = frozenset()
    writable_hosts: frozenset[str] = frozenset()

    @property
    def problem(self) -> Problem | None:
        """Why VMs in it can be neither found nor registered, None when they can."""
        if not self.accessible or not self.hosts:
            return Problem("datastore-inaccessible", self.name, "no host reaches it -> mount the replica and rescan")
        if not self.browser:
            return Problem("datastore-unreadable", self.name, "its browser is hidden -> give the user Datastore.Browse")
        if self.maintenance_mode not in ("normal", ""):
            return Problem("datastore-in-maintenance", self.name, f"{self.maintenance_mode} -> end its maintenance")
        return None

    @property
    def read_only(self) -> Problem | None:
        """Why VMs in it can be found and not registered."""
        if self.problem is None and not self.writable_hosts:
            return Problem(
                "datastore-read-only",
                self.name,
                "every host has it mounted read-only -> let storage make the replica writable, then rescan",
            )
        return None


def read_stores(vcenter: VCenter, places: Places, wanted: Collection[str], *, datacenter: str = "") -> list[Store]:
    """The datastores of these names, patterns or managed object ids, by name; with `datacenter` (id) only its own.

    Raises UsageError for a name nothing fits, and as `VCenter.repeat`.
    """
    found: Collected[Store] = vcenter.repeat(
        lambda: collect(vcenter, vcenter.content.rootFolder, STORES, lambda *row: _store(places, *row)), "datastores"
    )
    rows = [row for row in found.rows if datacenter in ("", row.datacenter)]
    chosen: dict[str, Store] = {}
    for name in wanted:
        fitting = [row for row in rows if name in (row.moref, row.name, decoded(row.name))]
        fitting = fitting or [row for row in rows if fnmatchcase(decoded(row.name), name)]
        if not fitting:
            known = ", ".join(sorted({decoded(row.name) for row in rows})[:20]) or "none"
            raise UsageError(
                f"no datastore is called {name!r}; there are: {known}",
                place=f"datastore {name!r}",
                cure="give a name, a pattern such as 'replica-*', or an id; is the replica mounted?",
            )
        chosen |= {row.moref: row for row in fitting}
    return sorted(chosen.values(), key=lambda row: (row.name, row.moref))


def _store(places: Places, moref: str, _kind: str, values: Mapping[str, Any]) -> Store:
    summary = values.get("summary")
    mounts = [(moref_of(entry.key), entry.mountInfo) for entry in values.get("host") or ()]
    # Unset means yes: members younger than some servers.
    usable = {host: info for host, info in mounts if info.mounted is not False and info.accessible is not False}
    home = places.datacenter(moref_of(values.get("parent")))
    return Store(
        moref=moref,
        name=str(values.get("name") or ""),
        datacenter=home.moref if home else "",
        browser=moref_of(values.get("browser")),
        url=str(getattr(summary, "url", None) or ""),
        accessible=bool(getattr(summary, "accessible", True)),
        maintenance_mode=str(getattr(summary, "maintenanceMode", None) or "normal"),
        hosts=frozenset(usable),
        writable_hosts=frozenset(host for host, info in usable.items() if info.accessMode != "readOnly"),
    )
