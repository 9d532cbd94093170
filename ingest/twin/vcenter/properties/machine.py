"""Properties of `VirtualMachine`. A VM whose files cannot be read has no `config`, as on a real vCenter."""

from __future__ import annotations

from ingest.twin.files import vmx_path
from ingest.twin.vcenter.properties.devices import devices
from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders, allocation
from ingest.twin.vcenter.properties.guest import guest, guest_summary
from ingest.twin.vcenter.scene import Scene
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
                                 bootRetryDelay=10000, efiSecureBootEnabled=vm.secure_boot),
        ftInfo=lambda: _fault_tolerance(vm),
        changeTrackingEnabled=False,
        firmware=vm.firmware,
        maxMksConnections=-1,
        managedBy=lambda: _managed_by(vm),
        memoryReservationLockedToMax=False,
        nestedHVEnabled=False,
        keyId=lambda: _key_id(vm),
    )  # fmt: skip


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


def _fault_tolerance(vm: VM) -> Data | None:
    if not vm.ft_role:
        return None
    common: dict[str, Value] = {
        "role": vm.ft_role,
        "instanceUuids": [vm.instance_uuid],
        "configPaths": [f"{vm.name}.vmx"],
    }
    if vm.ft_role == 1:
        return Data("FaultTolerancePrimaryConfigInfo", **common, secondaries=[])
    return Data("FaultToleranceConfigInfo", **common)


def _managed_by(vm: VM) -> Data | None:
    if vm.managed_by is None:
        return None
    extension, kind = vm.managed_by
    return Data("ManagedByInfo", extensionKey=extension, type=kind)


def _key_id(vm: VM) -> Data | None:
    if not vm.encrypted:
        return None
    return Data("CryptoKeyId", keyId=f"key-{vm.moref}", providerId=Data("KeyProviderId", id="native-key-provider"))


def power_state(vm: VM) -> str:
    """vSphere has three power states; one the world does not know shows as off."""
    return "poweredOff" if vm.power_state == "unknown" else vm.power_state


def _runtime(_scene: Scene, vm: VM) -> Value:
    on = vm.power_state == "poweredOn"
    return Data(
        "VirtualMachineRuntimeInfo",
        host=Ref("HostSystem", vm.host) if vm.host else None,
        connectionState=vm.connection_state,
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


def _question(vm: VM) -> Data | None:
    if not vm.question:
        return None
    options = [Data("ElementDescription", label=text, summary=text, key=str(key)) for key, text in enumerate(ANSWERS)]
    choice = Data("ChoiceOption", choiceInfo=options, defaultIndex=2)
    message = Data("VirtualMachineMessage", id="msg.uuid.altered", text=vm.question)
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
        quickStats=lambda: Data("VirtualMachineQuickStats", guestHeartbeatStatus="gray"),
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
        ftInfo=_fault_tolerance(vm),
        managedBy=_managed_by(vm),
        tpmPresent="VirtualTPM" in vm.extra_devices,
        hwVersion="vmx-19",
    )


def _snapshot_ref(vm: VM) -> Ref:
    return Ref("VirtualMachineSnapshot", vm.moref.replace("vm-", "snapshot-"))


def _snapshot(_scene: Scene, vm: VM) -> Value:
    if not vm.snapshot:
        return None
    tree = Data("VirtualMachineSnapshotTree", snapshot=_snapshot_ref(vm), vm=Ref("VirtualMachine", vm.moref),
                name="before upgrade", description="", id=1, createTime=CREATED, state=power_state(vm), quiesced=False,
                replaySupported=False)  # fmt: skip
    return Data("VirtualMachineSnapshotInfo", currentSnapshot=_snapshot_ref(vm), rootSnapshotList=[tree])


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
    "disabledMethod": lambda _scene, vm: list(vm.disabled_methods),
    "config": _config,
    "runtime": _runtime,
    "guest": guest,
    "summary": _summary,
    "snapshot": _snapshot,
    "rootSnapshot": lambda _scene, vm: [_snapshot_ref(vm)] if vm.snapshot else [],
    "resourcePool": lambda scene, vm: None if vm.template else scene.ref(vm.resource_pool),
    "datastore": lambda scene, vm: scene.refs(_datastores(scene, vm)),
    "network": lambda scene, vm: scene.refs([nic.network for nic in vm.nics]),
    "guestHeartbeatStatus": lambda _scene, _vm: "gray",
}
