"""Every method either reads, or needs a privilege that a read-only account lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import READ_ONLY, VCenterServer, VCenterSettings
from ingest.twin.vcenter.methods import METHODS
from ingest.twin.vcenter.methods.privileges import PRIVILEGES
from ingest.twin.world import World

from .conftest import connect, machine

# Methods that show something, or change nothing but what the caller's own session keeps.
READING = frozenset({
    "CancelRetrievePropertiesEx", "CancelWaitForUpdates", "CheckForUpdates", "ContinueRetrievePropertiesEx",
    "CreateContainerView", "CreateFilter", "CreateListView", "CreatePropertyCollector", "CurrentTime",
    "DestroyPropertyCollector", "DestroyPropertyFilter", "DestroyView", "Fetch", "FetchDVPorts", "FindAllByUuid",
    "FindByDatastorePath",
    "FindByInventoryPath", "FindByUuid", "FindChild", "Login", "Logout", "LookupDvPortGroup", "ModifyListView",
    "QueryDvsByUuid", "QueryOptions", "ResetListView", "ResetListViewFromView", "RetrieveProperties",
    "RetrievePropertiesEx", "RetrieveServiceContent", "SessionIsActive", "WaitForUpdates", "WaitForUpdatesEx",
})  # fmt: skip


def folder(si: Any) -> Any:
    return vim.Folder("group-v4", si._stub)


def browser(si: Any) -> Any:
    return vim.Datastore("datastore-11", si._stub).browser


def register(si: Any) -> Any:
    pool = vim.ResourcePool("resgroup-9", si._stub)
    return folder(si).RegisterVM_Task(path="[gold] vm101/vm101.vmx", asTemplate=False, pool=pool)


CHANGING: dict[str, Callable[[Any], Any]] = {
    "PowerOnVM_Task": lambda si: machine(si, 101).PowerOnVM_Task(),
    "PowerOffVM_Task": lambda si: machine(si, 102).PowerOffVM_Task(),
    "SuspendVM_Task": lambda si: machine(si, 102).SuspendVM_Task(),
    "ResetVM_Task": lambda si: machine(si, 102).ResetVM_Task(),
    "ShutdownGuest": lambda si: machine(si, 100).ShutdownGuest(),
    "RebootGuest": lambda si: machine(si, 100).RebootGuest(),
    "StandbyGuest": lambda si: machine(si, 100).StandbyGuest(),
    "AnswerVM": lambda si: machine(si, 108).AnswerVM("1", "1"),
    "UnregisterVM": lambda si: machine(si, 101).UnregisterVM(),
    "ReconfigVM_Task": lambda si: machine(si, 101).ReconfigVM_Task(vim.vm.ConfigSpec(annotation="changed")),
    "Rename_Task": lambda si: machine(si, 101).Rename_Task("changed"),
    "RegisterVM_Task": register,
    "CreateFolder": lambda si: folder(si).CreateFolder("new"),
    "MoveIntoFolder_Task": lambda si: folder(si).MoveIntoFolder_Task([machine(si, 100)]),
    "SearchDatastore_Task": lambda si: browser(si).SearchDatastore_Task("[gold]"),
    "SearchDatastoreSubFolders_Task": lambda si: browser(si).SearchDatastoreSubFolders_Task("[gold]"),
    "TerminateSession": lambda si: si.content.sessionManager.TerminateSession(["another"]),
}


def test_each_method_reads_or_needs_a_privilege() -> None:
    assert READING | PRIVILEGES.keys() == METHODS.keys()
    assert not READING & PRIVILEGES.keys()
    assert CHANGING.keys() == PRIVILEGES.keys()


def test_a_read_only_account_is_refused_everything_else(world: World, certificate: TwinCertificate) -> None:
    before = copy.deepcopy((world.vms, world.folders))
    with VCenterServer(world, settings=VCenterSettings(no_privilege=READ_ONLY), certificate=certificate) as server:
        si = connect(server)
        for method, call in CHANGING.items():
            with pytest.raises(vim.fault.NoPermission) as caught:
                call(si)
            assert (method, caught.value.privilegeId) == (method, PRIVILEGES[method])
        assert si.content.taskManager.recentTask == []
        si._stub.DropConnections()
    assert (world.vms, world.folders, world.unregistered) == (*before, {})
