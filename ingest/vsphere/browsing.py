"""Configuration files of VMs in datastores, found with vCenter's own browser (privilege Datastore.Browse)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from pyVmomi import vim, vmodl

from ingest.errors import Transient
from ingest.vsphere.faults import refusal
from ingest.vsphere.session import VCenter
from ingest.vsphere.stores import Store
from ingest.vsphere.tasks import await_task

SEARCH = "SearchDatastoreSubFolders_Task"


@dataclass(frozen=True, slots=True)
class VmxFile:
    """A .vmx: `folder` and `file` as they are in the datastore, `path` as vCenter writes it in `vmPathName`.

    `hidden`: some folder above it begins with a dot. Arrays show their own snapshots that way (`.snapshot`): the VMs
    in there are copies of others and must not be registered.
    """

    store: Store
    folder: str
    file: str
    size_bytes: int = 0
    modified: datetime | None = None

    @property
    def below(self) -> str:
        """The path below the datastore's root."""
        return f"{self.folder}/{self.file}" if self.folder else self.file

    @property
    def path(self) -> str:
        return f"[{self.store.name}] {self.below}"

    @property
    def subject(self) -> str:
        """What every run and machine calls this file by, also when its datastore was renamed."""
        if self.store.url:
            return f"{self.store.url.rstrip('/')}/{self.below}"
        return f"{self.store.moref} {self.below}"

    @property
    def hidden(self) -> bool:
        return any(part.startswith(".") for part in self.folder.split("/"))


def find_vmx(
    vcenter: VCenter, store: Store, *, below: str = "", timeout_s: float = 1800.0, stop: threading.Event | None = None
) -> list[VmxFile]:
    """Every .vmx of a datastore, or below one of its folders, sorted by path. One call, however large it is.

    Raises Unauthorised naming the privilege, Refused in the server's words, UnknownOutcome when the search does not
    end in time, Transient when the server is away.
    """
    where = f"[{store.name}] {below.strip('/')}".rstrip()
    query = vim.host.DatastoreBrowser.VmConfigQuery
    spec = vim.host.DatastoreBrowser.SearchSpec(
        query=[query()],
        details=vim.host.DatastoreBrowser.FileInfo.Details(
            fileType=True, fileSize=True, modification=True, fileOwner=False
        ),
        matchPattern=["*.vmx"],
    )
    browser = vim.host.DatastoreBrowser(store.browser, vcenter.stub)

    def search() -> str:
        return str(browser.SearchDatastoreSubFolders_Task(datastorePath=where, searchSpec=spec)._moId)

    what = f"searching {where}"
    try:
        found = await_task(vcenter, vcenter.repeat(search, what), what, timeout_s=timeout_s, stop=stop)
    except Transient:  # the task died with its session or its host; searching again changes nothing
        found = await_task(vcenter, vcenter.repeat(search, what), what, timeout_s=timeout_s, stop=stop)
    except vmodl.MethodFault as fault:
        raise refusal(fault, vcenter.endpoint, what) from fault
    files = [
        VmxFile(store, _folder(str(one.folderPath)), str(file.path), int(file.fileSize or 0), file.modification)
        for one in found or ()
        for file in one.file or ()
        # The pattern ignores case, and servers differ in what else they let through.
        if str(file.path).lower().endswith(".vmx")
    ]
    return sorted({file.below: file for file in files}.values(), key=lambda file: file.below)


def _folder(folder_path: str) -> str:
    """`[store] a/b/` -> `a/b`. Blanks at the ends of a folder's name are part of it."""
    return folder_path.partition("]")[2].removeprefix(" ").strip("/")
