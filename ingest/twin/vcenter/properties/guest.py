"""What VMware Tools report: only from a running guest whose tools run."""

from __future__ import annotations

from ipaddress import ip_address

from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.values import Data, Value
from ingest.twin.world import VM, Nic

_RUNNING = frozenset({"toolsOk", "toolsOld"})
_VERSION_STATUS = {
    "toolsOk": ("guestToolsCurrent", "guestToolsCurrent"),
    "toolsOld": ("guestToolsNeedUpgrade", "guestToolsSupportedOld"),
    "toolsNotRunning": ("guestToolsCurrent", "guestToolsCurrent"),
    "toolsNotInstalled": ("guestToolsNotInstalled", "guestToolsNotInstalled"),
}


def tools_running(vm: VM) -> bool:
    """True when the guest can be asked to do something."""
    return vm.power_state == "poweredOn" and vm.tools_status in _RUNNING and vm.guest_stage != "down"


def heartbeat(vm: VM) -> str:
    """`guestHeartbeatStatus`: gray without tools that run, yellow while they have only just begun to beat."""
    if not tools_running(vm):
        return "gray"
    return "yellow" if vm.guest_stage == "tools" else "green"


def tools_status(vm: VM) -> str | None:
    """`guest.toolsStatus`: tools of a VM that is off do not run."""
    if vm.tools_status in _RUNNING and not tools_running(vm):
        return "toolsNotRunning"
    return vm.tools_status or None


def _tools(vm: VM) -> dict[str, Value]:
    status, status2 = _VERSION_STATUS.get(vm.tools_status, (None, None))
    return {
        "toolsStatus": tools_status(vm),
        "toolsVersionStatus": status,
        "toolsVersionStatus2": status2,
        "toolsRunningStatus": "guestToolsRunning" if tools_running(vm) else "guestToolsNotRunning",
    }


def _reported(vm: VM) -> dict[str, Value]:
    if not tools_running(vm):
        return {}
    addresses = [address for nic in vm.nics for address in nic.ips if not vm.guest_stage]
    return {
        "guestId": vm.guest_id,
        "guestFullName": vm.guest_full_name,
        "hostName": vm.guest_host_name or None,
        "ipAddress": next((text for text in addresses if "." in text), addresses[0] if addresses else None),
    }


def guest(scene: Scene, vm: VM) -> Value:
    """`VirtualMachine.guest`."""
    running = tools_running(vm)
    return Data(
        "GuestInfo",
        **_tools(vm),
        toolsVersion="12352" if vm.tools_status != "toolsNotInstalled" else "0",
        **_reported(vm),
        guestFamily=_family(vm) if running else None,
        net=lambda: [_nic(scene, nic, () if vm.guest_stage else nic.ips) for nic in vm.nics] if running else [],
        guestState="running" if running else "notRunning",
        appHeartbeatStatus="appStatusGray",
        guestKernelCrashed=False,
        guestOperationsReady=running,
        interactiveGuestOperationsReady=False,
        guestStateChangeSupported=running,
    )


def guest_summary(vm: VM) -> Data:
    """`summary.guest`."""
    return Data("VirtualMachineGuestSummary", **_tools(vm), **_reported(vm))


def _family(vm: VM) -> str:
    return "windowsGuest" if vm.guest_id.startswith("win") else "linuxGuest"


def _nic(scene: Scene, nic: Nic, ips: tuple[str, ...]) -> Data:
    network = scene.world.networks.get(nic.network)
    addresses = [
        Data("NetIpConfigInfoIpAddress", ipAddress=text, prefixLength=24 if ip_address(text).version == 4 else 64,
             state="preferred")
        for text in ips
    ]  # fmt: skip
    return Data(
        "GuestNicInfo",
        network=network.name if network else None,
        ipAddress=list(ips),
        macAddress=nic.mac,
        connected=nic.connected,
        deviceConfigId=nic.key,
        ipConfig=Data("NetIpConfigInfo", ipAddress=addresses),
    )
