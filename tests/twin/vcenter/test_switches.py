"""Switches by UUID, groups by key, ports by criteria."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim, vmodl

from .conftest import SWITCH_UUID, machine, read_all


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
    connected = [("dvportgroup-62", "5"), ("dvportgroup-63", "6"), ("dvportgroup-64", "7"),
                 ("dvportgroup-65", "h-1004004"), ("dvportgroup-66", "8")]  # fmt: skip
    uplinks = [("dvportgroup-61", str(number)) for number in range(37, 43)]
    assert keys(si, connected=True, uplinkPort=False) == connected
    assert keys(si, connected=True, portgroupKey=["dvportgroup-62"]) == connected[:1]
    assert keys(si, connected=True, portgroupKey=["dvportgroup-62"], inside=False) == connected[1:] + uplinks
    assert keys(si, portKey=["7"]) == [connected[2]]
    assert keys(si, active=True, portgroupKey=["dvportgroup-62", "dvportgroup-63"]) == connected[:2]
    assert keys(si, uplinkPort=True) == uplinks
    assert keys(si, uplinkPort=True, active=True) == uplinks[:4]  # the third host does not answer
    assert keys(si, host=[vim.HostSystem("host-32", si._stub)]) == uplinks[2:4]
    assert keys(si, host=[vim.HostSystem("host-31", si._stub)]) == connected + uplinks[:2]
    assert {group for group, _ in keys(si, nsxPort=True)} == {"dvportgroup-66"}
    free = keys(si, connected=False, portgroupKey=["dvportgroup-62"])
    assert len(free) == 7
    assert len(keys(si)) == 4 * 8 + 1 + 6
    with pytest.raises(vmodl.fault.NotSupported):
        keys(si, scope=machine(si, 100))


def test_groups_and_switch_count_the_ports_that_can_be_fetched(si: Any) -> None:
    rows, _ = read_all(si, vim.dvs.DistributedVirtualPortgroup, ["portKeys", "config.numPorts"])
    for moref, row in rows.items():
        fetched = [key for _, key in keys(si, portgroupKey=[moref])]
        assert (row["portKeys"], row["config.numPorts"]) == (fetched, len(fetched)), moref
    assert (switch_of(si).config.numPorts, switch_of(si).config.numStandalonePorts) == (len(keys(si)), 0)


def test_an_uplink_port_belongs_to_a_card_of_a_host(si: Any) -> None:
    first, second, *_ = switch_of(si).FetchDVPorts(vim.dvs.PortCriteria(uplinkPort=True))
    assert [(port.config.name, port.connectee.connectedEntity._moId, port.connectee.nicKey, port.connectee.type)
            for port in (first, second)] == [
        ("Uplink 1", "host-31", "vmnic0", "pnic"), ("Uplink 2", "host-31", "vmnic1", "pnic")
    ]  # fmt: skip


def test_a_port_tells_its_own_vlan_and_who_uses_it(si: Any) -> None:
    criteria = vim.dvs.PortCriteria(connected=True, portgroupKey=["dvportgroup-62", "dvportgroup-64"])
    override, inherited = switch_of(si).FetchDVPorts(criteria)
    assert (override.config.setting.vlan.vlanId, override.config.setting.vlan.inherited) == (111, False)
    assert (inherited.config.setting.vlan.pvlanId, inherited.config.setting.vlan.inherited) == (101, True)
    assert (override.connectee.connectedEntity._moId, override.connectee.nicKey) == ("vm-100", "4001")
    assert override.dvsUuid == SWITCH_UUID
