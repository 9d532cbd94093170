"""VMs as a vCenter writes them, for tests that send XML through both readers."""

from __future__ import annotations

from tests.vsphere.fake import ref, text, thing


def flag(value: bool) -> str:
    return f'<val xsi:type="xsd:boolean">{str(value).lower()}</val>'


def number(value: int, kind: str = "int") -> str:
    return f'<val xsi:type="xsd:{kind}">{value}</val>'


def device(kind: str, key: int, members: str = "", prefix: str = "", label: str = "") -> str:
    described = f"<deviceInfo><label>{label or kind}</label><summary>s</summary></deviceInfo>"
    return f'<VirtualDevice xsi:type="{prefix}{kind}"><key>{key}</key>{described}{members}</VirtualDevice>'


def card(key: int, backing: str, mac: str = "00:50:56:aa:bb:01", kind: str = "VirtualVmxnet3", more: str = "") -> str:
    connectable = (
        "<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl>"
        "<connected>false</connected></connectable>"
    )
    return device(
        kind,
        key,
        f"{backing}{connectable}<controllerKey>100</controllerKey><unitNumber>7</unitNumber>"
        f"<addressType>assigned</addressType><macAddress>{mac}</macAddress>{more}",
        label=f"Network adapter {key - 3999}",
    )


DVS = (
    '<backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port><switchUuid>sw-1</switchUuid>'
    "<portgroupKey>dvportgroup-1</portgroupKey><portKey>7</portKey><connectionCookie>1</connectionCookie></port></backing>"
)
STANDARD = (
    '<backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>VM Network</deviceName>'
    '<useAutoDetect>false</useAutoDetect><network type="Network">network-1</network></backing>'
)
OPAQUE = (
    '<backing xsi:type="VirtualEthernetCardOpaqueNetworkBackingInfo"><opaqueNetworkId>ls-1</opaqueNetworkId>'
    "<opaqueNetworkType>nsx.LogicalSwitch</opaqueNetworkType></backing>"
)
DISK = device(
    "VirtualDisk",
    2000,
    '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds 1] a/a-000001.vmdk</fileName>'
    '<datastore type="Datastore">datastore-1</datastore><diskMode>persistent</diskMode>'
    "<parent><fileName>[ds 1] a/a.vmdk</fileName><diskMode>persistent</diskMode>"
    "<parent><fileName>[ds 1] gold/gold-000001.vmdk</fileName><diskMode>persistent</diskMode>"
    "<parent><fileName>[ds 1] gold/gold.vmdk</fileName><diskMode>persistent</diskMode></parent></parent></parent>"
    "<sharing>sharingNone</sharing></backing><controllerKey>1000</controllerKey><unitNumber>1</unitNumber>"
    "<capacityInKB>1048576</capacityInKB><capacityInBytes>1073741824</capacityInBytes>"
    "<diskObjectId>1-2000</diskObjectId>",
    label="Hard disk 1",
)
OLD_DISK = device(
    "VirtualDisk",
    2001,
    '<backing xsi:type="VirtualDiskRawDiskMappingVer1BackingInfo"><fileName>[ds 1] a/rdm.vmdk</fileName></backing>'
    "<controllerKey>1000</controllerKey><capacityInKB>2</capacityInKB>",
)
CONTROLLER = device(
    "ParaVirtualSCSIController",
    1000,
    "<controllerKey>100</controllerKey><unitNumber>3</unitNumber><busNumber>0</busNumber><device>2000</device>"
    "<hotAddRemove>true</hotAddRemove><sharedBus>noSharing</sharedBus><scsiCtlrUnitNumber>7</scsiCtlrUnitNumber>",
)
IGNORED = device("VirtualMachineVideoCard", 500, "<videoRamSizeInKB>4096</videoRamSizeInKB>")


def devices(*members: str) -> str:
    return f'<val xsi:type="ArrayOfVirtualDevice">{"".join(members)}</val>'


def simple_vm(number_: int, name: str = "") -> str:
    return thing(
        "VirtualMachine",
        f"vm-{number_}",
        {
            "name": text(name or f"web-{number_}"),
            "parent": ref("Folder", "group-v1"),
            "config.instanceUuid": text(f"uuid-{number_}"),
            "config.hardware.device": devices(IGNORED, CONTROLLER, DISK, card(4000, DVS)),
            "runtime.powerState": '<val xsi:type="VirtualMachinePowerState">poweredOn</val>',
        },
    )


FULL_VALUES = {
    "name": text("wéb &amp; db%2f1 "),
    "parent": ref("Folder", "group-v1"),
    "parentVApp": ref("VirtualApp", "resgroup-v9"),
    "config.instanceUuid": text("uuid-1"),
    "config.template": flag(False),
    "config.managedBy": '<val xsi:type="ManagedByInfo"><extensionKey>com.example.x</extensionKey><type>t</type></val>',
    "config.ftInfo": '<val xsi:type="FaultToleranceConfigInfo"><role>2</role><instanceUuids>u</instanceUuids></val>',
    "config.keyId": '<val xsi:type="CryptoKeyId"><keyId>k</keyId></val>',
    "config.firmware": text("efi"),
    "config.bootOptions.efiSecureBootEnabled": flag(True),
    "config.bootOptions.bootOrder": (
        '<val xsi:type="ArrayOfVirtualMachineBootOptionsBootableDevice">'
        '<VirtualMachineBootOptionsBootableDevice xsi:type="VirtualMachineBootOptionsBootableEthernetDevice">'
        "<deviceKey>4000</deviceKey></VirtualMachineBootOptionsBootableDevice>"
        '<VirtualMachineBootOptionsBootableDevice xsi:type="VirtualMachineBootOptionsBootableDiskDevice">'
        "<deviceKey>2001</deviceKey></VirtualMachineBootOptionsBootableDevice>"
        '<VirtualMachineBootOptionsBootableDevice xsi:type="VirtualMachineBootOptionsBootableDiskDevice">'
        "<deviceKey>2000</deviceKey></VirtualMachineBootOptionsBootableDevice></val>"
    ),
    "config.annotation": text(""),
    "config.guestId": text("otherGuest"),
    "config.guestFullName": text("Other"),
    "config.cpuAllocation.reservation": number(500, "long"),
    "config.hardware.numCPU": number(4),
    "config.hardware.numCoresPerSocket": number(2),
    "config.hardware.memoryMB": number(8192),
    "config.hardware.device": devices(
        IGNORED,
        CONTROLLER,
        DISK,
        OLD_DISK,
        card(4000, DVS),
        card(4001, STANDARD, "", "VirtualE1000e"),
        card(4002, OPAQUE, "00:50:56:AA:BB:03", "VirtualPCNet32"),
        card(
            4003,
            "",
            "00:50:56:aa:bb:04",
            "VirtualSriovEthernetCard",
            "<allowGuestOSMtuChange>true</allowGuestOSMtuChange>",
        ),
        device("VirtualTPM", 11000),
        device(
            "VirtualCdrom",
            3000,
            '<backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>[ds 1] iso/a.iso</fileName></backing>'
            "<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl>"
            "<connected>false</connected></connectable><controllerKey>200</controllerKey>",
        ),
        device("VirtualUSB", 7000, "<connected>true</connected>"),
    ),
    "runtime.host": ref("HostSystem", "host-1"),
    "runtime.powerState": '<val xsi:type="VirtualMachinePowerState">suspended</val>',
    "runtime.connectionState": '<val xsi:type="VirtualMachineConnectionState">connected</val>',
    "runtime.question": (
        '<val xsi:type="VirtualMachineQuestionInfo"><id>1</id><text>I moved it or I copied it?</text><choice>'
        "<choiceInfo><label>a</label><summary>a</summary><key>0</key></choiceInfo></choice></val>"
    ),
    "runtime.consolidationNeeded": flag(True),
    "guest.guestId": text("ubuntu64Guest"),
    "guest.guestFullName": text("Ubuntu Linux (64-bit)"),
    "guest.hostName": text("web1.example.org"),
    "guest.toolsStatus": '<val xsi:type="VirtualMachineToolsStatus">toolsOld</val>',
    "guest.net": (
        '<val xsi:type="ArrayOfGuestNicInfo"><GuestNicInfo><network>n</network><ipAddress>10.0.0.5</ipAddress>'
        "<ipAddress>fe80::1</ipAddress><macAddress>00:50:56:aa:bb:01</macAddress><connected>true</connected>"
        "<deviceConfigId>4000</deviceConfigId></GuestNicInfo><GuestNicInfo><connected>true</connected>"
        "<deviceConfigId>-1</deviceConfigId></GuestNicInfo></val>"
    ),
    "snapshot": (
        '<val xsi:type="VirtualMachineSnapshotInfo"><currentSnapshot type="VirtualMachineSnapshot">snapshot-1'
        "</currentSnapshot></val>"
    ),
    "customValue": (
        '<val xsi:type="ArrayOfCustomFieldValue"><CustomFieldValue xsi:type="CustomFieldStringValue"><key>101</key>'
        "<value>web team</value></CustomFieldValue></val>"
    ),
}
FULL_VM = thing("VirtualMachine", "vm-1", FULL_VALUES)
