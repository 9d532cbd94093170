"""Is everything there to import with: connection, login, TLS, permissions, APIs, and whether both sides match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from ingest.cloudstack.client import CloudStackClient
from ingest.counting import counted
from ingest.errors import IngestError, Refused, SettingsError, Unauthorised
from ingest.model.catalogue import Catalogue, Cluster, Host
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.model.inventory import Inventory
from ingest.plan.pairing import cluster_ids
from ingest.settings import Settings

Endpoint = TypeVar("Endpoint")
Seen = TypeVar("Seen")
Verdict = Literal["ok", "warn", "fail"]

NEEDED_APIS = ("listUnmanagedInstances", "importUnmanagedInstance", "queryAsyncJobResult", "listVirtualMachines")
UNDO_API = "unmanageVirtualMachine"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One test: what was tried, how it went, what was seen, and what to do when it is not ok."""

    side: str
    test: str
    verdict: Verdict
    seen: str
    cure: str = ""
    exit_code: int = 0


def examine(settings: Settings) -> list[Diagnosis]:
    """All tests of both sides; one that fails stops the later ones of its side only. Never raises for a bad site."""
    found: list[Diagnosis] = []
    inventory = _side(found, "vCenter", lambda: settings.vcenter, _vcenter)
    catalogue = _side(found, "CloudStack", lambda: settings.cloudstack, _cloudstack)
    if inventory is not None and catalogue is not None:
        found.append(_match(inventory, catalogue))
    return found


def _side(
    found: list[Diagnosis],
    side: str,
    endpoint: Callable[[], Endpoint],
    tests: Callable[[Endpoint, list[Diagnosis]], Seen],
) -> Seen | None:
    try:
        where = endpoint()
    except SettingsError as error:
        found.append(Diagnosis(side, "settings", "fail", error.message, error.cure, error.exit_code))
        return None
    found.append(Diagnosis(side, "settings", "ok", "complete"))
    try:
        return tests(where, found)
    except IngestError as error:
        seen = f"{error.place}: {error.message}" if error.place else error.message
        found.append(Diagnosis(side, "connection and login", "fail", seen, error.cure, error.exit_code))
        return None


def _vcenter(endpoint: VCenterEndpoint, found: list[Diagnosis]) -> Inventory:
    from ingest.vsphere.inventory import read_inventory
    from ingest.vsphere.session import connect, require_vcenter

    with connect(endpoint) as vcenter:
        found.append(Diagnosis("vCenter", "connection and login", "ok", vcenter.about.product))
        found.append(_tls("vCenter", endpoint.verify_tls))
        require_vcenter(vcenter)
        inventory = read_inventory(vcenter)
    unreadable = [problem for problem in inventory.problems if "permission" in problem.detail.lower()]
    seen = f"{counted(len(inventory.vms), 'VM')}, {counted(len(inventory.clusters), 'cluster')}"
    seen += f" in {counted(inventory.requests, 'request')}"
    if unreadable:
        cure = "give the account the read-only role on the root, with propagation"
        found.append(Diagnosis("vCenter", "permission to read", "warn", f"{seen}; {len(unreadable)} unreadable", cure))
    else:
        found.append(Diagnosis("vCenter", "permission to read", "ok", seen))
    return inventory


def _cloudstack(endpoint: CloudStackEndpoint, found: list[Diagnosis]) -> Catalogue:
    with CloudStackClient(endpoint) as client:
        version = client.capabilities().cloudstackversion
        found.append(Diagnosis("CloudStack", "connection and login", "ok", f"CloudStack {version}"))
        found.append(_tls("CloudStack", endpoint.verify_tls and endpoint.url.startswith("https:")))
        found.extend(_apis(client))
        clusters = tuple(client.list_clusters(hypervisor="VMware"))
        hosts = tuple(host for cluster in clusters for host in client.list_hosts(cluster_id=cluster.id))
    found.extend(_clusters(clusters, hosts))
    return Catalogue(clusters=clusters, hosts=hosts)


def _apis(client: CloudStackClient) -> Iterator[Diagnosis]:
    cure = "use an API key of a root administrator whose role allows it"
    for name in (*NEEDED_APIS, UNDO_API):
        try:
            there = any(api.name == name for api in client.list_apis(name))
            seen = "available" if there else "not available to this account"
        except (Refused, Unauthorised) as error:
            there, seen = False, error.message
        if there:
            yield Diagnosis("CloudStack", f"API {name}", "ok", seen)
        else:
            needed = name != UNDO_API
            yield Diagnosis("CloudStack", f"API {name}", "fail" if needed else "warn", seen, cure, 2 if needed else 0)


def _tls(side: str, verified: bool) -> Diagnosis:
    if verified:
        return Diagnosis(side, "TLS", "ok", "certificate verified")
    cure = f"use https and verify: INGEST_{side.upper()}_CA_FILE"
    return Diagnosis(side, "TLS", "warn", "not verified: keys and passwords can be read on the way", cure)


def _clusters(clusters: tuple[Cluster, ...], hosts: tuple[Host, ...]) -> Iterator[Diagnosis]:
    if not clusters:
        yield Diagnosis(
            "CloudStack", "VMware clusters", "fail", "none", "add the vSphere cluster to a zone in CloudStack first", 2
        )
        return
    down = [host.name for host in hosts if host.state != "Up" or host.resourcestate not in ("Enabled", "")]
    seen = f"{counted(len(clusters), 'cluster')}, {counted(len(hosts), 'host')}"
    if down:
        cure = "VMs on them stay invisible: bring them Up and out of maintenance"
        yield Diagnosis("CloudStack", "hosts Up", "warn", f"{seen}; not Up: {', '.join(sorted(down))}", cure)
    else:
        yield Diagnosis("CloudStack", "hosts Up", "ok", seen)
    disabled = sorted(cluster.name for cluster in clusters if cluster.allocationstate not in ("Enabled", ""))
    if disabled:
        cure = "enable the cluster: importing into a disabled one is refused"
        yield Diagnosis("CloudStack", "clusters enabled", "warn", f"disabled: {', '.join(disabled)}", cure)


def _match(inventory: Inventory, catalogue: Catalogue) -> Diagnosis:
    known = cluster_ids(inventory, catalogue)
    names = sorted(f"{c.datacenter}/{c.name}" for c in inventory.clusters if c.moref in known)
    if names:
        return Diagnosis("both", "clusters known to both", "ok", ", ".join(names))
    return Diagnosis(
        "both", "clusters known to both", "fail", "none",
        "the vCenter and the CloudStack do not belong together, or the cluster was renamed in vCenter", 2,
    )  # fmt: skip
