"""Host names, MACs and addresses that are taken: in CloudStack, and by other rows of the plan.

The server looks at one network at a time, and rows that ask for the same thing there fail for all but the first.
"""

from __future__ import annotations

from collections import defaultdict

from ingest.model.snapshot import Snapshot
from ingest.plan import server
from ingest.plan.cells import is_yes
from ingest.plan.resolve import ResolvedNic, ResolvedRow, wave_of


class InUse:
    """Who uses what. Read only; made from the rows of one check and the snapshot."""

    def __init__(self, rows: list[ResolvedRow], snapshot: Snapshot) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._names_of_zone: dict[tuple[str, str], str] = {}
        self._macs: dict[str, dict[str, str]] = defaultdict(dict)
        self._addresses: dict[tuple[str, str], str] = {}
        self._name_is_unique_in_zone = snapshot.catalogue.configuration.get("vm.instancename.flag") == "true"
        for instance in snapshot.catalogue.virtual_machines:
            label = instance.displayname or instance.name
            self._names_of_zone[instance.zoneid, instance.name] = label
            for nic in instance.nic:
                self._names[nic.networkid, instance.name] = label
                if nic.macaddress:
                    self._macs[nic.macaddress.lower()][nic.networkid] = label
                if nic.ipaddress:
                    self._addresses[nic.networkid, nic.ipaddress] = label
        self._planned_names: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._planned_macs: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._planned_addresses: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._address_owners: dict[str, list[ResolvedRow]] = defaultdict(list)
        for row in rows:
            line = row.row.line
            if self._name_is_unique_in_zone:
                self._planned_names[row.zone_id, row.hostname].add(line)
            for card in row.nics:
                self._planned_macs[card.nic.mac.lower()].append((_network_id(card), line))
                if card.network:
                    self._planned_names[card.network.id, row.hostname].add(line)
                    self._planned_addresses[card.network.id, _address(card)].append(line)
                    if server.is_ipv4(_address(card)):
                        self._address_owners[card.network.id].append(row)

    def hostname(self, row: ResolvedRow) -> str:
        """NetworkModelImpl.checkRequestedHostnames; with vm.instancename.flag a name is unique in its zone."""
        name = row.hostname
        places = [(_network_id(nic), "network") for nic in row.nics if nic.network]
        if self._name_is_unique_in_zone:
            places.append((row.zone_id, "zone"))
        for place, kind in sorted(places):
            user = (self._names if kind == "network" else self._names_of_zone).get((place, name))
            if user:
                return f"'{name}' is already used in that {kind} by {user}"
            others = sorted(self._planned_names[place, name] - {row.row.line})
            if others:
                return f"'{name}' stands in line {others[0]} too, for the same {kind}"
        return ""

    def mac(self, row: ResolvedRow, nic: ResolvedNic) -> tuple[str, str]:
        """NetworkOrchestrator.importNic: (what the import is refused for, what it is not refused for), one of them ''.

        Refused is a MAC that is used in the same network, unless the row is `forced`.
        """
        mac, network_id = nic.nic.mac.lower(), _network_id(nic)
        known = self._macs.get(mac, {})
        others = list(self._planned_macs[mac])
        if not mac or (network_id, row.row.line) not in others:
            return "", ""
        others.remove((network_id, row.row.line))
        forced = is_yes(row.row["forced"])
        if network_id and network_id in known:
            text = f"{mac} is already used in that network by {known[network_id]}"
            return ("", f"{text}; forced: CloudStack records a new one") if forced else (text, "")
        here = sorted(line for other, line in others if network_id and other == network_id)
        if here:
            text = f"{mac} stands in line {here[0]} too, for the same network"
            return ("", f"{text}; forced: CloudStack records a new one") if forced else (text, "")
        if known:
            return "", f"{mac} is already used in CloudStack by {next(iter(known.values()))}, in another network"
        if others:
            return "", f"{mac} stands in line {min(line for _, line in others)} too, for another network"
        return "", ""

    def address(self, row: ResolvedRow, nic: ResolvedNic) -> str:
        """UnmanagedVMsManagerImpl.checkUnmanagedNicIpAndNetworkForImport: the address is free in its network."""
        address = _address(nic)
        if nic.network is None or nic.network.type == "L2" or not server.is_ipv4(address):
            return ""
        user = self._addresses.get((nic.network.id, address))
        if user:
            return f"{address} is already used in that network by {user}"
        lines = self._planned_addresses[nic.network.id, address]
        if len(lines) > 1:
            others = sorted(line for line in lines if line != row.row.line)
            where = f"stands in line {others[0]} too" if others else "stands twice in this line"
            return f"{address} {where}, for the same network"
        return ""

    def pick(self, row: ResolvedRow, nic: ResolvedNic) -> str:
        """IpAddressManagerImpl: a free address is picked, and those of later rows are still free."""
        if nic.network is None or nic.network.type == "L2" or _address(nic) != "auto":
            return ""
        later = [
            other.row.line
            for other in self._address_owners[nic.network.id]
            if other is not row and wave_of(other.row) >= wave_of(row.row)
        ]
        return f"CloudStack could pick the address line {min(later)} brings" if later else ""


def _network_id(nic: ResolvedNic) -> str:
    return nic.network.id if nic.network else ""


def _address(nic: ResolvedNic) -> str:
    return server.assigned_address(nic.listed, nic.ip) if nic.listed else nic.ip
