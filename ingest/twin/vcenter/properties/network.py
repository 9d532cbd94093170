"""Properties of networks: standard, distributed port groups, opaque ones, and the distributed switches."""

from __future__ import annotations

from ingest.model.inventory import Vlan
from ingest.twin.vcenter.ports import UPLINKS
from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders
from ingest.twin.vcenter.scene import NETWORK_KINDS, Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import Network, Switch

UPLINK_TAG = "SYSTEM/DVS.UPLINKPG"
_PREFIX = "VmwareDistributedVirtualSwitch"


def vlan_spec(vlan: Vlan | None, *, inherited: bool = False) -> Data:
    """The VLAN setting of a distributed port or group, by its vSphere class."""
    if vlan is not None and vlan.kind == "trunk":
        ranges = [Data("NumericRange", start=low, end=high) for low, high in vlan.ranges]
        return Data(f"{_PREFIX}TrunkVlanSpec", inherited=inherited, vlanId=ranges)
    if vlan is not None and vlan.kind == "pvlan":
        return Data(f"{_PREFIX}PvlanSpec", inherited=inherited, pvlanId=vlan.secondary)
    number = vlan.id if vlan is not None and vlan.kind == "id" else 0
    return Data(f"{_PREFIX}VlanIdSpec", inherited=inherited, vlanId=number)


def port_setting(vlan: Vlan | None, *, inherited: bool = False) -> Data:
    """The settings of a distributed port or group."""
    return Data(
        "VMwareDVSPortSetting",
        blocked=Data("BoolPolicy", inherited=inherited, value=False),
        vlan=vlan_spec(vlan, inherited=inherited),
        ipfixEnabled=Data("BoolPolicy", inherited=True, value=False),
        txUplink=Data("BoolPolicy", inherited=True, value=False),
    )


def group_vlan(network: Network) -> Vlan | None:
    """The group's VLAN; uplink groups carry everything unless the world says otherwise."""
    if network.uplink and network.vlan is None:
        return Vlan("trunk", ranges=((0, 4094),))
    return network.vlan


def _summary(scene: Scene, network: Network) -> Value:
    members: dict[str, Value] = {
        "network": Ref(NETWORK_KINDS[network.kind], network.moref),
        "name": network.name,
        "accessible": bool(scene.hosts_of_network[network.moref]),
        "ipPoolName": "",
    }
    if network.kind == "opaque":
        return Data("OpaqueNetworkSummary", **members, opaqueNetworkId=network.opaque_id,
                    opaqueNetworkType=network.opaque_type)  # fmt: skip
    return Data("NetworkSummary", **members)


def _portgroup_config(scene: Scene, network: Network) -> Value:
    nsx = bool(network.nsx_segment)
    return Data(
        "DVPortgroupConfigInfo",
        key=network.key,
        name=network.name,
        numPorts=lambda: len(port_keys(scene, network)),
        distributedVirtualSwitch=Ref("VmwareDistributedVirtualSwitch", network.switch),
        defaultPortConfig=lambda: port_setting(group_vlan(network)),
        description="",
        type=network.binding,
        backingType="nsx" if nsx else "standard",
        policy=Data(
            "VMwareDVSPortgroupPolicy",
            blockOverrideAllowed=True,
            shapingOverrideAllowed=False,
            vendorConfigOverrideAllowed=False,
            livePortMovingAllowed=False,
            portConfigResetAtDisconnect=True,
            networkResourcePoolOverrideAllowed=False,
            trafficFilterOverrideAllowed=False,
            vlanOverrideAllowed=network.vlan_override_allowed,
            uplinkTeamingOverrideAllowed=False,
            securityPolicyOverrideAllowed=False,
            ipfixOverrideAllowed=False,
        ),
        configVersion="1",
        autoExpand=network.binding == "earlyBinding",
        vmVnicNetworkResourcePoolKey="-1",
        uplink=network.uplink,
        logicalSwitchUuid=network.nsx_segment.rpartition("/")[2] if nsx else None,
        segmentId=network.nsx_segment or None,
    )


def port_keys(scene: Scene, network: Network) -> list[str]:
    """Keys of the group's ports, free ones included."""
    return [port.key for port in scene.ports.get(network.switch, []) if port.group is network]


def _switch_summary(scene: Scene, switch: Switch) -> Value:
    hosts = scene.refs(scene.hosts_of_datacenter[switch.datacenter])
    return Data(
        "DVSSummary",
        name=switch.name,
        uuid=switch.uuid,
        numPorts=len(scene.ports[switch.moref]),
        productInfo=_product(),
        hostMember=hosts,
        host=hosts,
        portgroupName=[group.name for group in scene.portgroups_of_switch[switch.moref]],
        numHosts=len(hosts),
    )


def _product() -> Data:
    return Data("DistributedVirtualSwitchProductSpec", name="DVS", vendor="VMware, Inc.", version="7.0.3",
                build="0", forwardingClass="etherswitch", bundleId="", bundleUrl="")  # fmt: skip


def _switch_config(scene: Scene, switch: Switch) -> Value:
    groups = scene.portgroups_of_switch[switch.moref]
    uplinks = [group.moref for group in groups if group.uplink]
    hosts = scene.hosts_of_datacenter[switch.datacenter]
    return Data(
        "VMwareDVSConfigInfo",
        uuid=switch.uuid,
        name=switch.name,
        numStandalonePorts=lambda: sum(1 for port in scene.ports[switch.moref] if port.group is None),
        numPorts=lambda: len(scene.ports[switch.moref]),
        maxPorts=2147483647,
        uplinkPortPolicy=Data("DVSNameArrayUplinkPortPolicy", uplinkPortName=list(UPLINKS)),
        uplinkPortgroup=scene.refs(uplinks or [switch.uplink]),
        defaultPortConfig=lambda: port_setting(None),
        host=lambda: [_member(moref) for moref in hosts],
        productInfo=_product(),
        policy=Data("DVSPolicy", autoPreInstallAllowed=False, autoUpgradeAllowed=False, partialUpgradeAllowed=False),
        configVersion="1",
        contact=Data("DVSContactInfo"),
        createTime=CREATED,
        networkResourceManagementEnabled=True,
        defaultProxySwitchMaxNumPorts=512,
        networkResourceControlVersion="version3",
        pvlanConfig=[
            Data("VMwareDVSPvlanMapEntry", primaryVlanId=primary, secondaryVlanId=secondary, pvlanType=kind)
            for primary, secondary, kind in switch.pvlans
        ],
        maxMtu=1500,
        multicastFilteringMode="legacyFiltering",
    )


def _member(host: str) -> Data:
    config = Data("DistributedVirtualSwitchHostMemberConfigInfo", host=Ref("HostSystem", host), maxProxySwitchPorts=512,
                  backing=Data("DistributedVirtualSwitchHostMemberPnicBacking"))  # fmt: skip
    return Data(
        "DistributedVirtualSwitchHostMember", config=config, productInfo=_product(), status="up", statusDetail=""
    )


def _tags(_scene: Scene, network: Network) -> Value:
    return [Data("Tag", key=UPLINK_TAG)] if network.uplink else []


NETWORK: Builders = ENTITY | {
    "summary": _summary,
    "host": lambda scene, network: scene.refs(scene.hosts_of_network[network.moref]),
    "vm": lambda scene, network: scene.refs(scene.vms_of[network.moref]),
}
OPAQUE_NETWORK: Builders = NETWORK
DISTRIBUTED_PORTGROUP: Builders = NETWORK | {
    "key": lambda _scene, network: network.key,
    "tag": _tags,
    "config": _portgroup_config,
    "portKeys": port_keys,
}
DISTRIBUTED_SWITCH: Builders = ENTITY | {
    "uuid": lambda _scene, switch: switch.uuid,
    "summary": _switch_summary,
    "config": _switch_config,
    "capability": lambda _scene, _switch: Data("DVSCapability", dvsOperationSupported=True,
                                               dvPortGroupOperationSupported=True, dvPortOperationSupported=True),
    "portgroup": lambda scene, switch: scene.refs([item.moref for item in scene.portgroups_of_switch[switch.moref]]),
}  # fmt: skip
