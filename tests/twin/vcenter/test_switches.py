"""Switches by UUID, groups by key, ports by criteria."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim, vmodl

from .conftest import SWITCH_UUID


def switch_of(si: Any) -> Any:
    return vim.dvs.VmwareDistributedVirtualSwitch("dvs-60", si._stub)


def keys(si: Any, **criteria: Any) -> list[tuple[str, str]]:
    found = switch_of(si).FetchDVPorts(vim.dvs.PortCriteria(**criteria))
    return [(port.portgroupKey, port.key) for port in found]


def test_a_switch_is_found_by_uuid(si: Any) -> None:
    assert si.content.dvSwitchManager.QueryDvsByUuid(SWITCH_UUID) == switch_of(si)
    with pytest.raises(vim.fault.NotFound):
        si.content.dvSwitchManager.QueryDvsByUuid("none")


def test_a_group_is_found_by_key(si: Any) -> None:
    assert switch_of(si).LookupDvPortGroup("dvportgroup-62").name == "prod"
    with pytest.raises(vim.fault.NotFound):
        switch_of(si).LookupDvPortGroup("dvportgroup-99")


def test_ports_honour_every_criterion(si: Any) -> None:
    connected = [("dvportgroup-62", "5"), ("dvportgroup-63", "6"), ("dvportgroup-64", "7"), ("dvportgroup-66", "8")]
    assert keys(si, connected=True) == connected
    assert keys(si, connected=True, portgroupKey=["dvportgroup-62"]) == connected[:1]
    assert keys(si, connected=True, portgroupKey=["dvportgroup-62"], inside=False) == connected[1:]
    assert keys(si, portKey=["7"]) == [connected[2]]
    assert keys(si, active=True, portgroupKey=["dvportgroup-62", "dvportgroup-63"]) == connected[:2]
    assert keys(si, uplinkPort=True) == []
    assert keys(si, host=[vim.HostSystem("host-32", si._stub)]) == []
    assert keys(si, host=[vim.HostSystem("host-31", si._stub)]) == connected
    free = keys(si, connected=False, portgroupKey=["dvportgroup-62"])
    assert len(free) == 7
    assert len(keys(si)) == 4 * 8
    with pytest.raises(vmodl.fault.NotSupported):
        keys(si, nsxPort=True)


def test_a_port_tells_its_own_vlan_and_who_uses_it(si: Any) -> None:
    criteria = vim.dvs.PortCriteria(connected=True, portgroupKey=["dvportgroup-62", "dvportgroup-64"])
    override, inherited = switch_of(si).FetchDVPorts(criteria)
    assert (override.config.setting.vlan.vlanId, override.config.setting.vlan.inherited) == (111, False)
    assert (inherited.config.setting.vlan.pvlanId, inherited.config.setting.vlan.inherited) == (101, True)
    assert (override.connectee.connectedEntity._moId, override.connectee.nicKey) == ("vm-100", "4001")
    assert override.dvsUuid == SWITCH_UUID
