"""Undo: a VM given back by unmanageVirtualMachine, after a look at what stands against it. Never destroys anything.

CloudStack forgets the VM, the hypervisor keeps it as it is (CloudStack: UserVmManagerImpl.unmanageUserVM).
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import FAILED, job_failure, wait_for_job
from ingest.engine.server_words import cause_of
from ingest.engine.verification import is_unknown_id
from ingest.errors import IngestError, NotTheApi, Refused, Stopped, Transient, UnknownOutcome
from ingest.model.catalogue import VirtualMachine, Volume

PRESERVED_NICS = "unmanage.vm.preserve.nics"

Reason = Literal["state", "iso", "volume-snapshots", "vm-snapshots", "chain", "preserved-nics"]
GivenBack = Literal["undone", "already", "refused", "unlisted", "unknown", "not-started"]
NetworkFate = Literal["deleted", "already", "in-use", "refused", "unknown", "not-started", "to-delete"]


class UndoLedger(Protocol):
    """Where it is written down that a VM was given back, durable when it returns."""

    def note(
        self,
        vm: Any,
        state: Literal["undone"],
        *,
        job_id: str = "",
        request_digest: str = "",
        vm_id: str = "",
        error: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """One more step of the VM's history."""
        ...


@dataclass(frozen=True, slots=True)
class Objection:
    """What stands against giving a VM back. One that `blocks` would be refused, or could not be put right again."""

    reason: Reason
    text: str
    cure: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Managed:
    """A VM to give back: its id and instance name, and the clusters to look for it afterwards."""

    vm_id: str
    name: str
    cluster_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a VM.

    `undone`: CloudStack forgot it and lists it as unmanaged. `already`: it was so before. `unlisted`: forgotten, but
    not listed. `refused`: nothing changed, `error` and `objections` say why. `unknown`: it could not be shown what
    became of the call. `not-started`: stopped before.
    """

    status: GivenBack
    error: str = ""
    job_id: str = ""
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class UndoPace:
    """Seconds: between questions about a job, until it is given up, and how long the list may take to show the VM."""

    every_s: float = 1.0
    timeout_s: float = 600.0
    listing_s: float = 30.0


DEFAULT_UNDO_PACE = UndoPace()


def preview(client: CloudStackClient, vm_id: str) -> tuple[Objection, ...]:
    """What stands against giving a VM back; empty also for a VM that is gone. Reads only.

    Clusters of Kubernetes and tasks of the high-availability manager are not shown by the API: the server refuses
    those by itself.
    """
    found = _managed(client, vm_id)
    if found is None:
        return ()
    volumes = client.list_volumes(vm_id)
    settings = client.list_configurations([PRESERVED_NICS], zone_id=found.zoneid)
    return (
        *_of_machine(found),
        *_of_snapshots(client, found, volumes),
        *_of_chains(found, volumes),
        *_of_settings(settings),
    )


def _of_machine(machine: VirtualMachine) -> Iterable[Objection]:
    if machine.state not in ("Running", "Stopped"):
        yield Objection("state", f"the VM is {machine.state}", "wait until it is running or stopped")
    if machine.isoid:
        yield Objection("iso", "an ISO is attached", "detach it in CloudStack")


def _of_snapshots(client: CloudStackClient, machine: VirtualMachine, volumes: Sequence[Volume]) -> Iterable[Objection]:
    held = [volume.name for volume in volumes if client.list_volume_snapshots(volume.id)]
    if held:
        yield Objection(
            "volume-snapshots", f"CloudStack has snapshots of {', '.join(held)}", "delete them in CloudStack"
        )
    names = [snapshot.displayname or snapshot.name for snapshot in client.list_vm_snapshots(machine.id)]
    if names:
        yield Objection(
            "vm-snapshots",
            f"CloudStack would forget the VM's snapshots {', '.join(names)}",
            "delete them in CloudStack, or accept that vCenter alone knows them",
            blocks=False,
        )


def _of_chains(machine: VirtualMachine, volumes: Sequence[Volume]) -> Iterable[Objection]:
    """Names derived from the files below the top one of a removed volume are left out of the list of unmanaged VMs
    for ever (CloudStack: UnmanagedVMsManagerImpl.getAdditionalNameFilters)."""
    hidden = {name for volume in volumes for file in _chain(volume)[1:] for name in _hidden_by(file)}
    if not hidden:
        return
    if machine.instancename in hidden:
        text = "a disk has snapshots in vCenter: given back, the VM would vanish from the list of unmanaged VMs"
    else:
        text = f"a disk has snapshots in vCenter: VMs called {', '.join(sorted(hidden))} would vanish from the list"
    cure = "consolidate the disks in vCenter, stop and start the VM from CloudStack, then look again"
    yield Objection("chain", text, cure, blocks=machine.instancename in hidden)


def _chain(volume: Volume) -> list[str]:
    try:
        document = json.loads(volume.chaininfo or "{}")
    except ValueError:
        return []
    chain = document.get("diskChain", []) if isinstance(document, dict) else []
    return [str(file) for file in chain] if isinstance(chain, list) else []


def _hidden_by(file: str) -> set[str]:
    base = file.split(" ")[-1].split("/")[-1].split(".")[0]
    prefix = base.split("-")[0]
    return {name for name in (base, "" if prefix == "ROOT" else prefix) if name}


def _of_settings(settings: Mapping[str, str]) -> Iterable[Objection]:
    if settings.get(PRESERVED_NICS, "").lower() == "true":
        yield Objection(
            "preserved-nics",
            f"the zone's setting {PRESERVED_NICS} keeps the NICs: a new import into the same networks must be forced",
            "switch it off for the zone, if the VM is to be imported again",
            blocks=False,
        )


def undo(
    client: CloudStackClient,
    vm: Managed,
    *,
    stop: threading.Event,
    pace: UndoPace = DEFAULT_UNDO_PACE,
    ledger: UndoLedger | None = None,
    key: Any = None,
    new_job_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Undone:
    """Give a VM back and see that it is so. Doing it twice changes nothing the second time.

    `key` is the VM in the ledger. Raises what concerns every VM: a wrong key or certificate, and a server that cannot
    be reached before anything was sent.
    """
    machine = _managed(client, vm.vm_id)
    if machine is None:
        return _noted(Undone("already") if _listed(client, vm) else _unlisted(), vm, ledger, key)
    objections = preview(client, vm.vm_id)
    if any(one.blocks for one in objections):
        texts = "; ".join(one.text for one in objections if one.blocks)
        return Undone("refused", texts, objections=objections)
    job_id = new_job_id()
    said = Undone("unknown", "CloudStack still has it", job_id, objections)
    try:
        _give_back(client, vm.vm_id, job_id, pace, stop)
    except Refused as refusal:
        cause = cause_of(refusal.code, refusal.text)
        said = replace(said, status="refused", error=f"{refusal.text} -> {cause.cure}")
    except (UnknownOutcome, Stopped) as lost:
        said = replace(said, error=lost.message)
    return _noted(_seen(client, vm, said, pace, stop), vm, ledger, key)


def _give_back(client: CloudStackClient, vm_id: str, job_id: str, pace: UndoPace, stop: threading.Event) -> None:
    """Send the call and follow its job. A lost answer is followed all the same: the job id is ours."""
    try:
        job_id = client.unmanage_virtual_machine(vm_id, custom_job_id=job_id)
    except UnknownOutcome as lost:
        try:
            known = client.query_job(job_id) is not None
        except (Transient, NotTheApi):
            known = True  # it may be there
        if not known:
            raise lost
    job = wait_for_job(client, job_id, every_s=pace.every_s, timeout_s=pace.timeout_s, stop=stop)
    if job.jobstatus == FAILED:
        raise job_failure(job, "unmanageVirtualMachine")


def _seen(client: CloudStackClient, vm: Managed, said: Undone, pace: UndoPace, stop: threading.Event) -> Undone:
    """What the lists say has happened; they have the last word over what the job said."""
    try:
        if _managed(client, vm.vm_id) is not None:
            return said
        left_s = pace.listing_s
        while not _listed(client, vm):
            if left_s <= 0 or stop.wait(min(pace.every_s, left_s)):
                return _unlisted(said.job_id, said.objections)
            left_s -= pace.every_s
    except (Transient, NotTheApi) as away:
        return replace(said, status="unknown", error=away.message)
    return replace(said, status="undone", error="")


def _unlisted(job_id: str = "", objections: tuple[Objection, ...] = ()) -> Undone:
    error = "CloudStack does not have the VM any more, and does not list it as unmanaged: `ingest why` says why"
    return Undone("unlisted", error, job_id, objections)


def _noted(undone: Undone, vm: Managed, ledger: UndoLedger | None, key: Any) -> Undone:
    if ledger is not None and undone.status in ("undone", "already", "unlisted"):
        ledger.note(key, "undone", job_id=undone.job_id, vm_id=vm.vm_id, error=undone.error)
    return undone


def _managed(client: CloudStackClient, vm_id: str) -> VirtualMachine | None:
    try:
        found = client.list_virtual_machines(vm_id=vm_id)
    except Refused as error:
        if not is_unknown_id(error):
            raise
        return None
    return found[0] if found else None


def _listed(client: CloudStackClient, vm: Managed) -> bool:
    return any(client.list_unmanaged_instances(cluster_id, vm.name) for cluster_id in vm.cluster_ids)


def remove_network(
    client: CloudStackClient, network_id: str, *, stop: threading.Event, pace: UndoPace = DEFAULT_UNDO_PACE
) -> tuple[NetworkFate, str]:
    """Delete a network that no VM is in, and see that it is gone. What became of it, and why."""
    if all(network.id != network_id for network in client.list_networks()):
        return "already", ""
    users = client.list_virtual_machines(network_id=network_id)
    if users:
        return "in-use", f"in use by {', '.join(sorted(machine.name for machine in users)[:8])}"
    error = ""
    try:
        job = wait_for_job(
            client,
            client.delete_network(network_id),
            every_s=pace.every_s,
            timeout_s=pace.timeout_s,
            stop=stop,
        )
        if job.jobstatus == FAILED:
            raise job_failure(job, "deleteNetwork")
    except Refused as refusal:
        error = refusal.text
    except (UnknownOutcome, Stopped) as lost:
        error = lost.message
    try:
        gone = all(network.id != network_id for network in client.list_networks())
    except IngestError as away:
        return "unknown", away.message
    if gone:
        return "deleted", ""
    return ("refused", error) if error else ("unknown", "CloudStack still has it")
