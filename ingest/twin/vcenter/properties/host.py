"""Properties of `HostSystem`: what the host is, its state, and its standard port groups."""

from __future__ import annotations

import uuid

from ingest.twin.vcenter.properties.entity import CREATED, ENTITY, Builders
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import Host, HostPortGroup

_HOST_UUIDS = uuid.UUID("564d0000-0000-4000-8000-000000000000")
_GIB = 1 << 30
CPU_MHZ, SOCKETS, CORES, MEMORY_BYTES = 2600, 2, 32, 512 * _GIB


def product(host: Host) -> Data:
    """`config.product`: which ESXi the host runs."""
    return Data(
        "AboutInfo",
        name="VMware ESXi",
        fullName=f"VMware ESXi {host.version} build-{host.build}",
        vendor="VMware, Inc.",
        version=host.version,
        build=host.build,
        localeVersion="INTL",
        localeBuild="000",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion=f"{host.version}.0",
        licenseProductName="VMware ESX Server",
        licenseProductVersion=host.version.partition(".")[0] + ".0",
    )


def _config(scene: Scene, host: Host) -> Value:
    # A host that does not answer has no configuration to show; a disconnected one keeps what was read last.
    if host.connection_state == "notResponding":
        return None
    return Data(
        "HostConfigInfo",
        host=Ref("HostSystem", host.moref),
        product=product(host),
        network=lambda: _network(scene, host),
        adminDisabled=False,
        lockdownMode="lockdownDisabled",
    )


def _network(scene: Scene, host: Host) -> Data:
    switches: dict[str, list[str]] = {}
    for group in host.portgroups:
        switches.setdefault(group.vswitch, []).append(f"key-vim.host.PortGroup-{group.name}")
    return Data(
        "HostNetworkInfo",
        vswitch=[
            Data("HostVirtualSwitch", name=name, key=f"key-vim.host.VirtualSwitch-{name}", numPorts=128,
                 numPortsAvailable=64, mtu=1500, portgroup=groups, spec=Data("HostVirtualSwitchSpec", numPorts=128))
            for name, groups in switches.items()
        ],
        portgroup=[_portgroup(group, position) for position, group in enumerate(host.portgroups)],
        opaqueNetwork=[
            Data("HostOpaqueNetworkInfo", opaqueNetworkId=item.opaque_id, opaqueNetworkName=item.name,
                 opaqueNetworkType=item.opaque_type)
            for item in (scene.world.networks[moref] for moref in scene.networks_of_host[host.moref])
            if item.kind == "opaque"
        ],
        ipV6Enabled=False,
    )  # fmt: skip


def _portgroup(group: HostPortGroup, position: int) -> Data:
    policy = Data("HostNetworkPolicy")
    mac = f"00:50:56:60:00:{position % 256:02x}"
    port = Data("HostPortGroupPort", key=f"key-vim.host.PortGroup.Port-{33554432 + position}", mac=[mac], type="host")
    return Data(
        "HostPortGroup",
        key=f"key-vim.host.PortGroup-{group.name}",
        port=[port] if group.vmkernel else [],
        vswitch=f"key-vim.host.VirtualSwitch-{group.vswitch}",
        computedPolicy=policy,
        spec=Data("HostPortGroupSpec", name=group.name, vlanId=group.vlan_id, vswitchName=group.vswitch, policy=policy),
    )


def _runtime(_scene: Scene, host: Host) -> Value:
    connected = host.connection_state == "connected"
    return Data(
        "HostRuntimeInfo",
        connectionState=host.connection_state,
        powerState="poweredOn" if connected else "unknown",
        standbyMode="none",
        inMaintenanceMode=host.in_maintenance,
        inQuarantineMode=False,
        bootTime=CREATED if connected else None,
    )


def _uuid(host: Host) -> str:
    return str(uuid.uuid5(_HOST_UUIDS, host.moref))


def _hardware_summary(host: Host) -> Data:
    return Data("HostHardwareSummary", vendor="Twin Systems", model="T-2", uuid=_uuid(host), memorySize=MEMORY_BYTES,
                cpuModel="Twin CPU 2.60GHz", cpuMhz=CPU_MHZ, numCpuPkgs=SOCKETS, numCpuCores=CORES,
                numCpuThreads=2 * CORES, numNics=4, numHBAs=2)  # fmt: skip


def _summary(scene: Scene, host: Host) -> Value:
    return Data(
        "HostListSummary",
        host=Ref("HostSystem", host.moref),
        hardware=lambda: _hardware_summary(host),
        runtime=lambda: _runtime(scene, host),
        config=lambda: Data("HostConfigSummary", name=host.name, port=443, product=product(host), vmotionEnabled=True,
                            faultToleranceEnabled=False),
        quickStats=Data("HostListSummaryQuickStats"),
        overallStatus="green" if host.connection_state == "connected" else "red",
        rebootRequired=False,
        managementServerIp="127.0.0.1",
    )  # fmt: skip


def _hardware(_scene: Scene, host: Host) -> Value:
    system = Data("HostSystemInfo", vendor="Twin Systems", model="T-2", uuid=_uuid(host))
    cpu = Data(
        "HostCpuInfo", numCpuPackages=SOCKETS, numCpuCores=CORES, numCpuThreads=2 * CORES, hz=CPU_MHZ * 1_000_000
    )
    return Data("HostHardwareInfo", systemInfo=system, cpuInfo=cpu, memorySize=MEMORY_BYTES, smcPresent=False)


HOST: Builders = ENTITY | {
    "parent": lambda scene, host: scene.ref(host.compute),
    "config": _config,
    "runtime": _runtime,
    "summary": _summary,
    "hardware": _hardware,
    "vm": lambda scene, host: scene.refs(scene.vms_of[host.moref]),
    "configManager": lambda _scene, _host: Data("HostConfigManager"),
    "network": lambda scene, host: scene.refs(scene.networks_of_host[host.moref]),
    "datastore": lambda scene, host: scene.refs(scene.datastores_of_host[host.moref]),
}
