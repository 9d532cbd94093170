"""VMs taken out of the inventory, found in datastores, and put back: what stays and what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pyVim.task import TaskBlocked, WaitForTask
from pyVmomi import vim, vmodl

from ingest.twin.registration import unregister_site
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import Folder, ResourcePool, Snapshot, World
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling

from .conftest import machine, make_vm

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "twin_vcenter" / "register.yaml").read_text())
PATH = "[gold] vm101/vm101.vmx"


def folder(si: Any, moref: str = "group-v4") -> Any:
    return vim.Folder(moref, si._stub)


def pool(si: Any, moref: str = "resgroup-9") -> Any:
    return vim.ResourcePool(moref, si._stub)


def host(si: Any, moref: str = "host-31") -> Any:
    return vim.HostSystem(moref, si._stub)


def register(si: Any, path: str = PATH, **changes: Any) -> Any:
    """The new VM."""
    arguments = {"path": path, "asTemplate": False, "pool": pool(si), "host": host(si)} | changes
    task = folder(si).RegisterVM_Task(**arguments)
    WaitForTask(task)
    return task.info.result


def test_a_vm_comes_back_under_a_new_id_with_its_identity(si: Any, world: World) -> None:
    before = world.vms["vm-101"]
    identity = (before.instance_uuid, before.bios_uuid, [nic.mac for nic in before.nics], before.name)
    assert machine(si, 101).UnregisterVM() is None
    assert "vm-101" not in world.vms
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = machine(si, 101).name
    found = register(si)
    assert found._moId == f"vm-{world.last_moref}"
    assert world.last_moref > 108
    after = world.vms[found._moId]
    assert (after.instance_uuid, after.bios_uuid, [nic.mac for nic in after.nics], after.name) == identity
    disks = [item for item in found.config.hardware.device if isinstance(item, vim.vm.device.VirtualDisk)]
    assert [disk.diskObjectId for disk in disks] == [f"{world.last_moref}-2000"]
    assert (found.runtime.powerState, found.config.files.vmPathName) == ("poweredOff", PATH)
    assert not world.unregistered


def test_an_id_is_never_given_twice(si: Any, world: World) -> None:
    machine(si, 101).UnregisterVM()
    first = register(si)
    first.UnregisterVM()
    assert register(si)._moId != first._moId


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_why_a_vm_is_not_registered(case: dict[str, Any], si: Any, world: World) -> None:
    if case.get("unregister", True):
        machine(si, 101).UnregisterVM()
    before = set(world.vms)
    wanted = {"path": PATH, "asTemplate": False, "pool": "resgroup-9", "host": "host-31"} | case.get("arguments", {})
    if wanted["pool"] is not None:
        wanted["pool"] = pool(si, wanted["pool"])
    if wanted["host"] is not None:
        wanted["host"] = host(si, wanted["host"])
    kind: Any = vim if hasattr(vim.fault, case["fault"]) else vmodl
    with pytest.raises(getattr(kind.fault, case["fault"])) as caught:
        WaitForTask(folder(si, case.get("folder", "group-v4")).RegisterVM_Task(**wanted))
    assert caught.value.msg == case["text"]
    assert set(world.vms) == before


def test_a_host_is_chosen_when_none_is_named(si: Any, world: World) -> None:
    machine(si, 101).UnregisterVM()
    assert register(si, host=None, name="other/name").runtime.host._moId == "host-31"  # host-32 is in maintenance
    assert [vm.name for vm in world.vms.values()][-1] == "other%2fname"


def test_a_pool_below_the_root_pool_takes_it(si: Any, world: World) -> None:
    with world.lock:
        world.resource_pools["resgroup-91"] = ResourcePool("resgroup-91", "gold", "resgroup-9", "domain-c8")
        world.resource_pools["resgroup-92"] = ResourcePool("resgroup-92", "inner", "resgroup-91", "domain-c8")
    machine(si, 101).UnregisterVM()
    made = register(si, pool=pool(si, "resgroup-92"), host=None)
    assert (made.resourcePool._moId, made.runtime.host._moId) == ("resgroup-92", "host-31")


def test_a_pair_is_one_no_more(si: Any, world: World) -> None:
    with world.lock:
        for number, role in ((101, 2), (102, 1)):
            world.vms[f"vm-{number}"].ft_role, world.vms[f"vm-{number}"].ft_partner = role, f"vm-{203 - number}"
    machine(si, 101).UnregisterVM()
    assert machine(si, 102).config.ftInfo.secondaries == []
    assert list(dangling(world)) == [
        (("vms", "vm-100", "nics", number, "network"), f"{lost} is none of the networks")
        for number, lost in ((8, "network-99"), (9, "dvportgroup-99"))
    ]


def test_a_template_is_registered_on_a_host(si: Any, world: World) -> None:
    machine(si, 101).UnregisterVM()
    made = register(si, asTemplate=True, pool=None)
    assert (made.config.template, made.resourcePool, made.runtime.host._moId) == (True, None, "host-31")


def test_a_running_vm_stays(si: Any, world: World) -> None:
    with pytest.raises(vim.fault.InvalidPowerState):
        machine(si, 102).UnregisterVM()
    assert "vm-102" in world.vms


def test_a_second_vm_of_one_instance_uuid_gets_its_own(si: Any, world: World) -> None:
    with world.lock:
        world.vms["vm-200"] = make_vm(200, power_state="poweredOff", instance_uuid=world.vms["vm-101"].instance_uuid)
    machine(si, 200).UnregisterVM()
    made = register(si, "[gold] vm200/vm200.vmx")
    assert made.config.instanceUuid != machine(si, 101).config.instanceUuid


def blocked(vm: Any) -> tuple[Any, Any]:
    """A start that waits for an answer: the task and the question."""
    task = vm.PowerOnVM_Task()
    with pytest.raises(TaskBlocked):
        WaitForTask(task)
    return task, vm.runtime.question


@pytest.mark.parametrize(("answer", "keeps"), [("1", True), ("2", False)])
def test_moved_or_copied(si: Any, world: World, answer: str, keeps: bool) -> None:
    unregister_site(world)
    vm = register(si)
    before = (vm.config.uuid, world.vms[vm._moId].nics[0].mac)
    task, question = blocked(vm)
    assert question.text.startswith("msg.uuid.altered:This virtual machine might have been moved or copied.")
    assert [(item.key, item.label) for item in question.choice.choiceInfo] == [
        ("0", "Cancel"), ("1", "I moved it"), ("2", "I copied it")
    ]  # fmt: skip
    assert (question.choice.defaultIndex, question.message[0].id) == (2, "msg.uuid.altered")
    with pytest.raises(vmodl.fault.InvalidArgument):
        vm.AnswerVM(question.id, "3")
    with pytest.raises(vmodl.fault.InvalidArgument):
        vm.AnswerVM("17", answer)
    instance_uuid = vm.config.instanceUuid
    vm.AnswerVM(question.id, answer)
    WaitForTask(task)
    after = (vm.config.uuid, world.vms[vm._moId].nics[0].mac)
    assert [old == new for old, new in zip(before, after, strict=True)] == [keeps, keeps]
    assert vm.config.instanceUuid == instance_uuid
    WaitForTask(vm.PowerOffVM_Task())
    WaitForTask(vm.PowerOnVM_Task())  # asked once


def test_a_cancelled_start_leaves_the_vm_off_and_asks_again(si: Any, world: World) -> None:
    unregister_site(world)
    vm = register(si)
    task, question = blocked(vm)
    vm.AnswerVM(question.id, "0")
    with pytest.raises(vmodl.fault.RequestCanceled):
        WaitForTask(task)
    assert vm.runtime.powerState == "poweredOff"
    assert blocked(vm)[1].id == question.id


@pytest.mark.parametrize(("action", "keeps"), [("keep", True), ("create", False)])
def test_uuid_action_answers_beforehand(si: Any, world: World, action: str, keeps: bool) -> None:
    unregister_site(world)
    vm = register(si)
    uuid = vm.config.uuid
    option = vim.option.OptionValue(key="uuid.action", value=action)
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option])))
    assert "uuid.action" in {item.key for item in vm.config.extraConfig}
    WaitForTask(vm.PowerOnVM_Task())
    assert (vm.config.uuid == uuid) == keeps


def test_nothing_is_asked_of_a_vm_that_came_back_to_its_host(si: Any) -> None:
    machine(si, 101).UnregisterVM()
    vm = register(si)
    WaitForTask(vm.PowerOnVM_Task())
    assert vm.runtime.powerState == "poweredOn"


def test_a_replicated_site_survives_a_world_file(world: World, tmp_path: Path) -> None:
    world.vms = {moref: vm for moref, vm in world.vms.items() if moref in ("vm-101", "vm-105", "vm-107")}
    assert unregister_site(world) == 3
    assert not world.vms
    assert {stored.vm.power_state for stored in world.unregistered.values()} == {"poweredOff", "suspended"}
    save_world(world, tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == world


def test_folders_are_made_and_vms_moved_into_them(si: Any, world: World) -> None:
    made = folder(si).CreateFolder("wave 1")
    assert (made.parent._moId, made.childType[0]) == ("group-v4", "Folder")
    with pytest.raises(vim.fault.DuplicateName) as caught:
        folder(si).CreateFolder("wave 1")
    assert caught.value.object._moId == made._moId
    with pytest.raises(vim.fault.InvalidName):
        folder(si).CreateFolder("")
    WaitForTask(made.MoveIntoFolder_Task([machine(si, 101), folder(si, "group-v20")]))
    assert machine(si, 101).parent._moId == made._moId
    assert folder(si, "group-v20").parent._moId == made._moId
    with pytest.raises(vim.fault.InvalidFolder):
        WaitForTask(folder(si, "group-v20").MoveIntoFolder_Task([made]))
    with pytest.raises(vmodl.fault.NotSupported):
        WaitForTask(folder(si, "group-h5").MoveIntoFolder_Task([machine(si, 102)]))
    with world.lock:
        world.vms["vm-200"] = make_vm(200, name="vm101")
    with pytest.raises(vim.fault.DuplicateName):
        WaitForTask(made.MoveIntoFolder_Task([machine(si, 200)]))


def test_a_new_name_leaves_the_files_where_they_are(si: Any, world: World) -> None:
    WaitForTask(machine(si, 101).Rename_Task("web/01"))
    assert (machine(si, 101).name, machine(si, 101).config.files.vmPathName) == ("web%2f01", PATH)
    with pytest.raises(vim.fault.DuplicateName):
        WaitForTask(machine(si, 101).Rename_Task("vm102"))
    WaitForTask(folder(si, "group-v20").Rename_Task("stores"))
    assert world.folders["group-v20"] == Folder("group-v20", "stores", "group-v4", "datacenter-3")


def test_nothing_can_be_destroyed(si: Any, world: World) -> None:
    for thing in (machine(si, 101), folder(si, "group-v20")):
        with pytest.raises(vmodl.fault.MethodNotFound):
            thing.Destroy_Task()
    assert "vm-101" in world.vms


def search(si: Any, path: str, *, subfolders: bool = False, datastore: str = "datastore-11", **spec: Any) -> Any:
    browser = vim.Datastore(datastore, si._stub).browser
    wanted = vim.host.DatastoreBrowser.SearchSpec(**spec)
    method = browser.SearchDatastoreSubFolders_Task if subfolders else browser.SearchDatastore_Task
    task = method(datastorePath=path, searchSpec=wanted)
    WaitForTask(task)
    return task.info.result


def test_every_configuration_file_is_found_registered_or_not(si: Any, world: World) -> None:
    machine(si, 101).UnregisterVM()
    query = [vim.host.DatastoreBrowser.VmConfigQuery()]
    results = search(si, "[gold]", subfolders=True, query=query)
    found = {f"{item.folderPath}{file.path}" for item in results for file in item.file}
    assert PATH in found
    assert found >= {machine(si, number).config.files.vmPathName for number in (100, 102, 105)}
    assert "[gold] vm104/vm104.vmtx" in found  # a template's query is a kind of this one
    assert results[0].folderPath == "[gold]"
    assert {type(file) for item in results for file in item.file} == {
        vim.host.DatastoreBrowser.VmConfigInfo, vim.host.DatastoreBrowser.TemplateVmConfigInfo
    }  # fmt: skip


def test_a_folder_shows_its_files_with_the_details_asked_for(si: Any) -> None:
    browser = vim.host.DatastoreBrowser
    details = browser.FileInfo.Details(fileType=True, fileSize=True, modification=True, fileOwner=False)
    flags = browser.VmDiskQuery.Details(diskType=True, capacityKb=True, hardwareVersion=False, thin=True)
    disks = browser.VmDiskQuery(details=flags)
    plain = search(si, "[gold] vm101/")
    assert [file.path for file in plain.file] == [
        "disk2000.vmdk",
        "vm101.nvram",
        "vm101.vmsd",
        "vm101.vmx",
        "vmware.log",
    ]
    assert {type(file) for file in plain.file} == {browser.FileInfo}
    assert plain.file[0].fileSize is None
    (disk,) = search(si, "[gold] vm101", query=[disks], details=details).file
    assert (type(disk), disk.capacityKb, disk.thin, disk.hardwareVersion) == (browser.VmDiskInfo, 40 << 20, True, None)
    assert (disk.fileSize, disk.owner) == (40 << 30, None)
    assert disk.modification is not None


def test_a_chain_of_snapshots_is_all_there(si: Any, world: World) -> None:
    with world.lock:
        vm = world.vms["vm-101"]
        vm.snapshot, vm.snapshots = True, [Snapshot(1, "first"), Snapshot(4, "second", parent=1)]
        (disk,) = vm.disks
        disk.file_name, disk.parent_file = "[gold] vm101/vm101-000004.vmdk", "[gold] vm101/vm101-000001.vmdk"
        disk.ancestors = ("[gold] vm101/vm101.vmdk",)
    found = search(si, "[gold] vm101", matchPattern=["*.vmdk", "*.vmsn"]).file
    assert [item.path for item in found] == [
        "vm101-000001.vmdk", "vm101-000004.vmdk", "vm101-Snapshot1.vmsn", "vm101-Snapshot4.vmsn", "vm101.vmdk"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "patterns", "found"),
    [
        ("[gold] vm101", ["*.VMX"], ["vm101.vmx"]),
        ("[gold] vm101", ["vm10?.*", "*.log"], ["vm101.nvram", "vm101.vmsd", "vm101.vmx", "vmware.log"]),
        ("[gold] vm101", ["nothing"], []),
        ("[gold]", ["vm10[12]"], []),
        ("[gold]", ["vm102"], ["vm102"]),
    ],
)
def test_patterns_choose_by_name(si: Any, path: str, patterns: list[str], found: list[str]) -> None:
    assert [file.path for file in search(si, path, matchPattern=patterns).file] == found


def test_folders_can_be_asked_for_alone(si: Any) -> None:
    found = search(si, "[gold]", query=[vim.host.DatastoreBrowser.FolderQuery()]).file
    assert {"vm100", "vm101"} <= {item.path for item in found}
    assert {type(item) for item in found} == {vim.host.DatastoreBrowser.FolderInfo}


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("[gold] nowhere", vim.fault.FileNotFound),
        ("[silver] vm101", vim.fault.InvalidDatastorePath),
        ("vm101", vim.fault.InvalidDatastorePath),
    ],
)
def test_a_search_nowhere_fails(si: Any, path: str, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        search(si, path)


def reconfigure(si: Any, number: int, **spec: Any) -> None:
    WaitForTask(machine(si, number).ReconfigVM_Task(vim.vm.ConfigSpec(**spec)))


def test_size_and_notes_of_a_vm_that_is_off(si: Any) -> None:
    reconfigure(si, 101, numCPUs=4, memoryMB=8192, annotation="moved", name="renamed", guestId="rhel9_64Guest")
    config = machine(si, 101).config
    assert (config.hardware.numCPU, config.hardware.memoryMB, config.annotation) == (4, 8192, "moved")
    assert (config.name, config.guestId) == ("renamed", "rhel9_64Guest")


@pytest.mark.parametrize(
    ("number", "spec", "fault"),
    [
        (102, {"numCPUs": 4}, vim.fault.CpuHotPlugNotSupported),
        (102, {"memoryMB": 1024}, vim.fault.MemoryHotPlugNotSupported),
        (102, {"guestId": "rhel9_64Guest"}, vim.fault.InvalidPowerState),
        (101, {"numCPUs": 0}, vmodl.fault.InvalidArgument),
        (101, {"changeVersion": "old"}, vim.fault.ConcurrentAccess),
        (101, {"name": "vm102"}, vim.fault.DuplicateName),
        (101, {"swapPlacement": "hostLocal"}, vmodl.fault.NotSupported),
        (104, {"annotation": "template"}, vim.fault.InvalidState),
    ],
)
def test_why_a_vm_is_not_reconfigured(si: Any, world: World, number: int, spec: dict[str, Any], fault: Any) -> None:
    before = world.vms[f"vm-{number}"].revision
    with pytest.raises(fault):
        reconfigure(si, number, annotation="new" if "annotation" not in spec else spec.pop("annotation"), **spec)
    assert world.vms[f"vm-{number}"].annotation != "new"
    assert world.vms[f"vm-{number}"].revision == before


def card(si: Any, number: int) -> Any:
    devices = machine(si, number).config.hardware.device
    return next(item for item in devices if isinstance(item, vim.vm.device.VirtualEthernetCard))


def test_a_card_is_put_on_another_network(si: Any, world: World) -> None:
    edited = card(si, 101)
    port = vim.dvs.PortConnection(switchUuid=world.switches["dvs-60"].uuid, portgroupKey="dvportgroup-62")
    edited.backing = vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=edited)
    reconfigure(si, 101, deviceChange=[change])
    assert card(si, 101).backing.port.portgroupKey == "dvportgroup-62"
    assert card(si, 101).backing.port.portKey == "9"  # of 5 to 8 the last is taken
    edited.backing.port.portgroupKey = "dvportgroup-17"
    with pytest.raises(vim.fault.InvalidDeviceBacking):
        reconfigure(si, 101, deviceChange=[change])
    change.operation = "remove"
    reconfigure(si, 101, deviceChange=[change])
    assert world.vms["vm-101"].nics == []


def test_no_other_device_is_changed(si: Any) -> None:
    disk = next(item for item in machine(si, 101).config.hardware.device if isinstance(item, vim.vm.device.VirtualDisk))
    change = vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk)
    with pytest.raises(vmodl.fault.NotSupported):
        reconfigure(si, 101, deviceChange=[change])


def test_tasks_tell_what_they_work_on(si: Any, server: VCenterServer) -> None:
    task = vim.Datastore("datastore-11", si._stub).browser.SearchDatastore_Task("[gold]")
    WaitForTask(task)
    info = task.info
    assert (info.descriptionId, info.entity._moId) == ("host.DatastoreBrowser.search", "datastore-11")
    machine(si, 101).UnregisterVM()
    task = folder(si).RegisterVM_Task(path=PATH, asTemplate=False, pool=pool(si))
    WaitForTask(task)
    assert (task.info.descriptionId, task.info.entityName) == ("Folder.registerVm", "vm")
    assert server.calls["RegisterVM_Task"] == 1


def unregistered(si: Any, world: World) -> Any:
    machine(si, 101).UnregisterVM()
    return next(iter(world.unregistered.values())).vm


def refused(si: Any, kind: Any, **changes: Any) -> str:
    """Why a registration failed, in the server's words."""
    with pytest.raises(kind) as caught:
        register(si, **changes)
    return str(caught.value.msg)


def test_a_file_that_another_host_has_open_is_not_registered(si: Any, world: World) -> None:
    vm = unregistered(si, world)
    vm.locked_by = "esx9.other.example.org"
    assert refused(si, vim.fault.FileLocked) == f"Unable to access file {PATH} since it is locked"
    vm.locked_by = ""
    assert register(si).name == "vm101"


def test_a_replica_that_may_not_be_written_shows_its_files_only(si: Any, world: World) -> None:
    unregistered(si, world)
    world.datastores["datastore-11"].read_only = True
    store = vim.Datastore("datastore-11", si._stub)
    assert {mount.mountInfo.accessMode for mount in store.host} == {"readOnly"}
    found = store.browser.SearchDatastoreSubFolders_Task("[gold] vm101")
    WaitForTask(found)
    assert "vm101.vmx" in [file.path for file in found.info.result[0].file]
    assert refused(si, vim.fault.CannotAccessFile) == f"Unable to access file {PATH}"


def test_a_datastore_out_of_reach(si: Any, world: World) -> None:
    unregistered(si, world)
    world.datastores["datastore-11"].accessible = False
    with pytest.raises(vim.fault.InaccessibleDatastore):
        WaitForTask(vim.Datastore("datastore-11", si._stub).browser.SearchDatastoreSubFolders_Task("[gold]"))
    assert refused(si, vim.fault.InaccessibleDatastore) == "The datastore 'gold' is not accessible."


def test_a_host_registers_only_what_it_has_mounted(si: Any, world: World) -> None:
    unregistered(si, world)
    world.datastores["datastore-11"].hosts = ["host-32"]
    assert "not mounted on host esx1.example.org" in refused(si, vim.fault.InvalidDatastore)
    assert "not mounted on host C1" in refused(si, vim.fault.InvalidDatastore, host=None)
    assert not world.cloud.journal.of("registered")


def test_a_vmx_that_holds_no_vm(si: Any, world: World) -> None:
    world.datastores["datastore-11"].other_files.append("iso/readme.vmx")
    assert "not a virtual machine configuration" in refused(si, vim.fault.InvalidVmConfig, path="[gold] iso/readme.vmx")


def test_a_power_cut_leaves_swap_files_until_the_next_start(si: Any, world: World) -> None:
    running = machine(si, 102).config.files.vmPathName
    unregister_site(world)
    vm = next(stored.vm for stored in world.unregistered.values() if stored.vm.vmx_path == running)
    assert vm.swap_left
    task = vim.Datastore("datastore-11", si._stub).browser.SearchDatastore_Task("[gold] vm102")
    WaitForTask(task)
    assert "vm102.vswp" in [file.path for file in task.info.result.file]
    made = register(si, running)
    task, question = blocked(made)
    made.AnswerVM(question.id, "1")
    WaitForTask(task)
    assert not vm.swap_left
    facts = world.cloud.journal.of("registered", "started", "vcenter-answer")
    assert [(one["moref"], one.get("answer", "")) for one in facts] == [
        (made._moId, ""), (made._moId, "I moved it"), (made._moId, "")
    ]  # fmt: skip


def test_a_vm_is_found_by_its_file(si: Any) -> None:
    index, here = si.content.searchIndex, vim.Datacenter("datacenter-3", si._stub)
    assert index.FindByDatastorePath(here, PATH)._moId == "vm-101"
    assert index.FindByDatastorePath(here, "[gold] vm101/other.vmx") is None
    with pytest.raises(vim.fault.InvalidDatastorePath):
        index.FindByDatastorePath(here, "vm101.vmx")


def test_tools_beat_when_they_run(si: Any, world: World) -> None:
    assert machine(si, 100).guestHeartbeatStatus == "green"
    assert machine(si, 100).summary.quickStats.guestHeartbeatStatus == "green"
    assert machine(si, 101).guestHeartbeatStatus == "gray"
    assert machine(si, 102).guestHeartbeatStatus == "gray", "no tools"
    with world.lock:
        world.vms["vm-100"].guest_stage = "tools"
        world.touch(world.vms["vm-100"])
    assert machine(si, 100).guestHeartbeatStatus == "yellow"
