"""VMs that a run registered taken out of vCenter's inventory again. Writes `unregistered.csv`. Their files stay.

Only what the ledger says the run registered, only VMs that are powered off, only VMs that CloudStack does not manage.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.cloudstack.client import CloudStackClient
from ingest.engine.ledger import Deed, Ledger
from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.report.tables import csv_bytes, record
from ingest.stages.ledger_claims import somebody
from ingest.stages.run_folder import UNREGISTERED, RunFolder

if TYPE_CHECKING:
    from ingest.engine.registering import RegisterPace
    from ingest.vsphere.session import VCenter

COLUMNS = ("status", "vm", "path", "moref", "error", "cure")
_FRESH_S = 10.0
DONE = frozenset({"unregistered", "gone", "to-unregister"})


@dataclass(frozen=True, slots=True)
class UnregisterRow:
    """`status`: unregistered, gone (it was not registered any more), kept (with the reason), failed, unknown, in-hand,
    not-started; in a preview to-unregister."""

    status: str
    vm: str
    path: str
    moref: str = ""
    error: str = ""
    cure: str = ""


def unregister_vms(
    vcenter_endpoint: VCenterEndpoint,
    cloudstack_endpoint: CloudStackEndpoint,
    folder: RunFolder,
    ledger: Ledger,
    *,
    of_run: str,
    dry_run: bool = True,
    stop: threading.Event | None = None,
    pace: RegisterPace | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[UnregisterRow]:
    """Unregister what the run `of_run` registered, the last one first; a row for each VM.

    With `dry_run` only says what would happen. Running it again changes nothing. One that is refused stops no other.
    Raises the clients' errors when a server cannot be asked at all; what was done by then is in the folder.
    """
    from ingest.engine.registering import vcenter_id
    from ingest.vsphere.session import connect

    stop = stop or threading.Event()
    rows: list[UnregisterRow] = []
    with connect(vcenter_endpoint) as vcenter, CloudStackClient(cloudstack_endpoint) as client:
        deeds = ledger.deeds.find(
            endpoint=vcenter_id(vcenter), kind="registered", run_id=of_run, states=["done", "intended", "undoing"]
        )
        managed = _Managed(client)
        try:
            for deed in reversed(deeds):
                if stop.is_set():
                    rows.append(_row(deed, "not-started"))
                    continue
                rows.append(_one(vcenter, managed, ledger, deed, folder.path.name, dry_run, stop, pace))
                progress(f"vCenter: {rows[-1].path} {rows[-1].status}")
        finally:
            folder.write(UNREGISTERED, csv_bytes(COLUMNS, map(record, rows)))
    return rows


class _Managed:
    """What CloudStack manages, not older than a few seconds: somebody may import a VM meanwhile."""

    def __init__(self, client: CloudStackClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._asked_at = -_FRESH_S

    def words(self, name: str) -> str:
        """As what CloudStack manages the VM of that name in vCenter, its name for imported VMs; '' for not at all."""
        if time.monotonic() - self._asked_at >= _FRESH_S:
            self._asked_at = time.monotonic()
            self._names = {
                one.instancename: f"{one.displayname or one.name} ({one.id})"
                for one in self._client.list_virtual_machines()
            }
        return f"CloudStack manages it as {self._names[name]}" if name in self._names else ""


def _one(
    vcenter: VCenter,
    cloud: _Managed,
    ledger: Ledger,
    deed: Deed,
    run_id: str,
    dry_run: bool,
    stop: threading.Event,
    pace: RegisterPace | None,
) -> UnregisterRow:
    from ingest.engine.registering import KEPT_CURE, unregister, why_kept
    from ingest.vsphere.registering import find_registered

    found = find_registered(vcenter, str(deed.detail.get("datacenter", "")), str(deed.detail.get("path", "")))
    managed = cloud.words(found.name) if found else ""
    if managed:
        return _row(deed, "kept", managed, "give it back first: ingest undo")
    if dry_run:
        if found is None:
            return _row(deed, "gone")
        why = why_kept(found, deed.detail)
        return _row(deed, "kept" if why else "to-unregister", why, KEPT_CURE if why else "")
    became = unregister(vcenter, ledger, deed.key, deed.detail, run_id=run_id, actor=somebody(), pace=pace, stop=stop)
    return _row(deed, became.status, became.error, became.cure)


def _row(deed: Deed, status: str, error: str = "", cure: str = "") -> UnregisterRow:
    detail = deed.detail
    return UnregisterRow(
        status,
        str(detail.get("vm") or deed.key.name),
        str(detail.get("path", "")),
        str(detail.get("moref", "")),
        error,
        cure,
    )
