"""Properties of `VirtualMachine`. A VM whose files cannot be read has no `config`, as on a real vCenter."""

from __future__ import annotations

from functools import lru_cache

from ingest.twin.files import vmx_path
from ingest.twin.vcenter.properties.devices import devices
from ingest.twin.vcenter.properties.disks import key_id
from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders, allocation
from ingest.twin.vcenter.properties.guest import guest, guest_summary, heartbeat, tools_running
from ingest.twin.vcenter.properties.layout import layout
from ingest.twin.vcenter.properties.snapshots import SNAPSHOT, as_it_was, root_snapshots, snapshot_info
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.schema import members
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import VM

UNREADABLE = frozenset({"inaccessible", "orphaned", "invalid"})
QUESTION_ID = "1"
ANSWERS = ("Cancel", "I moved it", "I copied it")  # the choices of `msg.uuid.altered`, keyed by their position


def _config(scene: Scene, vm: VM) -> Value:
    if vm.connection_state in UNREADABLE:
        return None
    folder, _, _ = _vmx_path(scene, vm).rpartition("/")
    return Data(
        "VirtualMachineConfigInfo",
        changeVersion=change_version(vm),
        modified=CREATED,
        name=vm.name,
        guestFullName=vm.guest_full_name,
        version="vmx-19",
        uuid=vm.bios_uuid,
        createDate=CREATED,
        instanceUuid=vm.instance_uuid,
        template=vm.template,
        guestId=vm.guest_id,
        alternateGuestName="",
        annotation=vm.annotation,
        files=lambda: Data("VirtualMachineFileInfo", vmPathName=_vmx_path(scene, vm), snapshotDirectory=f"{folder}/",
                           suspendDirectory=f"{folder}/", logDirectory=f"{folder}/"),
        tools=lambda: Data("ToolsConfigInfo", toolsVersion=0 if vm.tools_status == "toolsNotInstalled" else 12352,
                           toolsUpgradePolicy="manual", syncTimeWithHost=False),
        flags=lambda: Data("VirtualMachineFlagInfo", enableLogging=True, monitorType="release", diskUuidEnabled=False,
                           snapshotDisabled=False, snapshotLocked=False, virtualMmuUsage="automatic"),
        defaultPowerOps=lambda: Data("VirtualMachineDefaultPowerOpInfo", powerOffType="soft", suspendType="hard",
                                     resetType="soft", defaultPowerOffType="soft", standbyAction="checkpoint"),
        hardware=lambda: _hardware(scene, vm),
        cpuAllocation=lambda: allocation(vm.cpu_reservation_mhz, 1000 * vm.cpus),
        memoryAllocation=lambda: allocation(0, 10 * vm.memory_mib),
        latencySensitivity=lambda: Data("LatencySensitivity", level="normal"),
        memoryHotAddEnabled=False,
        cpuHotAddEnabled=False,
        cpuHotRemoveEnabled=False,
        extraConfig=lambda: _extra_config(vm),
        datastoreUrl=lambda: _datastore_urls(scene, vm),
        swapPlacement="inherit",
        bootOptions=lambda: Data("VirtualMachineBootOptions", bootDelay=0, enterBIOSSetup=False, bootRetryEnabled=False,
                                 bootRetryDelay=10000, efiSecureBootEnabled=vm.secure_boot, bootOrder=_boot_order(vm)),
        ftInfo=lambda: _fault_tolerance(scene, vm),
        changeTrackingEnabled=False,
        firmware=vm.firmware,
        maxMksConnections=-1,
        managedBy=lambda: _managed_by(vm),
        memoryReservationLockedToMax=False,
        nestedHVEnabled=False,
        keyId=lambda: key_id(vm),
    )  # fmt: skip


def _boot_order(vm: VM) -> list[Value]:
    """vCenter keeps no order that names a device the VM does not have."""
    if not any(disk.key == vm.boot_disk_key for disk in vm.disks):
        return []
    return [Data("VirtualMachineBootOptionsBootableDiskDevice", deviceKey=vm.boot_disk_key)]


def change_version(vm: VM) -> str:
    """`config.changeVersion`: another one after every change."""
    return f"2024-03-01T08:00:00.{vm.revision:06d}Z"


def _hardware(scene: Scene, vm: VM) -> Data:
    return Data(
        "VirtualHardware",
        numCPU=vm.cpus,
        numCoresPerSocket=vm.cores_per_socket,
        memoryMB=vm.memory_mib,
        virtualICH7MPresent=False,
        virtualSMCPresent=False,
        device=lambda: devices(scene, vm),
    )


def _vmx_path(scene: Scene, vm: VM) -> str:
    return vmx_path(scene.world, vm)


def _extra_config(vm: VM) -> list[Value]:
    found = {"nvram": f"{vm.name}.nvram", "svga.present": "TRUE", "vmware.tools.internalversion": "12352"}
    if vm.managed_by and vm.managed_by[0] == "com.vmware.vim.eam":
        found["HDCS.agent"] = "TRUE"  # how a vCLS VM gives itself away whatever its name is
    found |= vm.extra_config
    return [Data("OptionValue", key=key, value=value) for key, value in found.items()]


def _datastore_urls(scene: Scene, vm: VM) -> list[Value]:
    used = [scene.world.datastores[moref] for moref in _datastores(scene, vm)]
    return [Data("VirtualMachineConfigInfoDatastoreUrlPair", name=item.name, url=item.url or "/") for item in used]


def _fault_tolerance(scene: Scene, vm: VM) -> Data | None:
    """`ftInfo`: role 1 is the primary. Both list the whole pair, the primary first."""
    if not vm.ft_role:
        return None
    partner = scene.world.vms.get(vm.ft_partner)
    pair = [vm, *([partner] if partner else [])]
    pair.sort(key=lambda member: member.ft_role)
    common: dict[str, Value] = {
        "role": vm.ft_role,
        "instanceUuids": [member.instance_uuid for member in pair],
        "configPaths": [_vmx_path(scene, member) for member in pair],
    }
    other = Ref("VirtualMachine", partner.moref) if partner else None
    if vm.ft_role == 1:
        return Data("FaultTolerancePrimaryConfigInfo", **common, secondaries=[other] if other else [])
    if other is None:
        return Data("FaultToleranceConfigInfo", **common)
    return Data("FaultToleranceSecondaryConfigInfo", **common, primaryVM=other)


def _managed_by(vm: VM) -> Data | None:
    if vm.managed_by is None:
        return None
    extension, kind = vm.managed_by
    return Data("ManagedByInfo", extensionKey=extension, type=kind)


def power_state(vm: VM) -> str:
    """vSphere has three power states; one the world does not know shows as off."""
    return "poweredOff" if vm.power_state == "unknown" else vm.power_state


def _runtime(scene: Scene, vm: VM) -> Value:
    on = vm.power_state == "poweredOn"
    return Data(
        "VirtualMachineRuntimeInfo",
        host=Ref("HostSystem", vm.host) if vm.host else None,
        connectionState=scene.world.connection_of(vm),
        powerState=power_state(vm),
        faultToleranceState="running" if vm.ft_role else "notConfigured",
        toolsInstallerMounted=False,
        suspendTime=CREATED if vm.power_state == "suspended" else None,
        bootTime=CREATED if on else None,
        question=lambda: _question(vm),
        maxCpuUsage=2600 * vm.cpus if on else None,
        maxMemoryUsage=vm.memory_mib if on else None,
        numMksConnections=0,
        recordReplayState="inactive",
        onlineStandby=False,
        consolidationNeeded=vm.consolidation_needed,
        cryptoState="safe" if vm.encrypted else None,
        paused=False,
        snapshotInBackground=False,
    )


_GUEST_OPERATIONS = ("ShutdownGuest", "RebootGuest", "StandbyGuest")
_POINTLESS = {
    "poweredOn": ("PowerOnVM_Task", "UnregisterVM", "Destroy_Task", "MarkAsTemplate", "UpgradeVM_Task"),
    "poweredOff": ("PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task"),
    "suspended": ("SuspendVM_Task", "ResetVM_Task", "MarkAsTemplate", "UpgradeVM_Task"),
}


def disabled_methods(vm: VM) -> list[str]:
    """`disabledMethod`: what solutions have disabled, and what makes no sense in the VM's state."""
    found = dict.fromkeys([*vm.disabled_methods, *_POINTLESS[power_state(vm)]])
    if not tools_running(vm):
        found |= dict.fromkeys(_GUEST_OPERATIONS)
    if vm.template:
        found["PowerOnVM_Task"] = None
    if not vm.question:
        found["AnswerVM"] = None
    return list(found)


def _question(vm: VM) -> Data | None:
    if not vm.question:
        return None
    options = [Data("ElementDescription", label=text, summary=text, key=str(key)) for key, text in enumerate(ANSWERS)]
    choice = Data("ChoiceOption", choiceInfo=options, defaultIndex=2)
    # The text of a question begins with its id, as in the log of a VM; unless somebody made one up.
    message_id = vm.question.partition(":")[0] if vm.question.startswith("msg.") else "msg.uuid.altered"
    message = Data("VirtualMachineMessage", id=message_id, text=vm.question)
    return Data("VirtualMachineQuestionInfo", id=QUESTION_ID, text=vm.question, choice=choice, message=[message])


def _summary(scene: Scene, vm: VM) -> Value:
    return Data(
        "VirtualMachineSummary",
        vm=Ref("VirtualMachine", vm.moref),
        runtime=lambda: _runtime(scene, vm),
        guest=lambda: guest_summary(vm),
        config=lambda: _config_summary(scene, vm),
        storage=lambda: Data("VirtualMachineStorageSummary", committed=sum(disk.capacity_bytes for disk in vm.disks),
                             uncommitted=0, unshared=0, timestamp=CREATED),
        quickStats=lambda: Data("VirtualMachineQuickStats", guestHeartbeatStatus=heartbeat(vm)),
        overallStatus="green",
        customValue=lambda: scene.fields.values_of(vm),
    )  # fmt: skip


def _config_summary(scene: Scene, vm: VM) -> Data:
    if vm.connection_state in UNREADABLE:
        return Data("VirtualMachineConfigSummary", name=vm.name, template=vm.template, vmPathName=_vmx_path(scene, vm))
    return Data(
        "VirtualMachineConfigSummary",
        name=vm.name,
        template=vm.template,
        vmPathName=_vmx_path(scene, vm),
        memorySizeMB=vm.memory_mib,
        cpuReservation=vm.cpu_reservation_mhz,
        memoryReservation=0,
        numCpu=vm.cpus,
        numEthernetCards=len(vm.nics),
        numVirtualDisks=len(vm.disks),
        uuid=vm.bios_uuid,
        instanceUuid=vm.instance_uuid,
        guestId=vm.guest_id,
        guestFullName=vm.guest_full_name,
        annotation=vm.annotation,
        ftInfo=_fault_tolerance(scene, vm),
        managedBy=_managed_by(vm),
        tpmPresent="VirtualTPM" in vm.extra_devices,
        hwVersion="vmx-19",
    )


@lru_cache(maxsize=1)
def _supported() -> dict[str, Value]:
    never = {"recordReplaySupported", "npivWwnOnNonRdmVmSupported", "hostBasedReplicationSupported", "vPMCSupported"}
    return {name: name not in never for name, slot in members("VirtualMachineCapability").items() if not slot.optional}


def _capability(vm: VM) -> Data:
    return Data("VirtualMachineCapability", **_supported(), secureBootSupported=vm.firmware == "efi")


def _datastores(scene: Scene, vm: VM) -> list[str]:
    used = dict.fromkeys(disk.datastore for disk in vm.disks)
    return [moref for moref in used if moref in scene.world.datastores]


def _parent(scene: Scene, vm: VM) -> Value:
    return scene.ref(vm.folder) if vm.folder else None


VIRTUAL_MACHINE: Builders = ENTITY | {
    "parent": _parent,
    "parentVApp": lambda scene, vm: scene.ref(vm.vapp) if vm.vapp else None,
    "customValue": lambda scene, vm: scene.fields.values_of(vm),
    "value": lambda scene, vm: scene.fields.values_of(vm),
    "disabledMethod": lambda _scene, vm: disabled_methods(vm),
    "config": _config,
    "runtime": _runtime,
    "guest": guest,
    "summary": _summary,
    "snapshot": snapshot_info,
    "rootSnapshot": root_snapshots,
    "layoutEx": lambda scene, vm: None if vm.connection_state in UNREADABLE else layout(vm, _vmx_path(scene, vm)),
    "capability": lambda _scene, vm: _capability(vm),
    "availableField": lambda scene, _vm: scene.fields.definitions(),
    "resourcePool": lambda scene, vm: None if vm.template else scene.ref(vm.resource_pool),
    "datastore": lambda scene, vm: scene.refs(_datastores(scene, vm)),
    "network": lambda scene, vm: scene.refs([nic.network for nic in vm.nics]),
    "guestHeartbeatStatus": lambda _scene, vm: heartbeat(vm),
}
VIRTUAL_MACHINE_SNAPSHOT: Builders = SNAPSHOT | {
    "config": lambda scene, place: _config(scene, as_it_was(scene, place)),
}
