"""The network report: which VM sits on which network, as one JSON document and as flat rows. Pure; no pyVmomi.

The old script's top level and field names are kept and keep their meaning; everything else is added.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.model.inventory import Host, HostPortGroup, Inventory, Network, Nic, NicKind, VirtualMachine, Vlan
from ingest.vsphere.names import decoded
from ingest.vsphere.vlans import GUEST_TAGGING, vlan_of_id

_AGENT_NAME = re.compile(r"vCLS[- (]")  # vSphere Cluster Services of releases that do not fill managedBy
_MADE_BY_CLOUDSTACK = "cloud."


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes two NICs sit on one network: a name alone never does."""

    datacenter: str
    switch: str
    portgroup: str
    kind: NicKind
    vlan: Vlan | None
    switch_uuid: str
    moref: str
    problem: str

    @property
    def order(self) -> tuple[str, ...]:
        vlan = self.vlan.text if self.vlan else ""
        return (
            self.datacenter,
            self.switch,
            self.portgroup,
            vlan,
            self.kind,
            self.switch_uuid,
            self.moref,
            self.problem,
        )


@dataclass(slots=True)
class _Members:
    nics: list[tuple[VirtualMachine, Nic]] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    clusters: set[str] = field(default_factory=set)


def network_report(
    inventory: Inventory,
    *,
    include_unused: bool = False,
    include_templates: bool = False,
    include_system: bool = False,
) -> dict[str, Any]:
    """The report as a JSON-ready document: `count`, `networks`, `problems`, `left_out`; equal input, equal output.

    Each network has the old fields `portgroup`, `switch`, `cluster`, `host` (the first of each), `virtualmachines`
    (one entry per NIC: `name`, `device` {`label`, `macaddress`}), `vlanid` (text, absent when there is no single id),
    and for private VLANs `vlanid` = primary, `isolatedpvlan` = secondary, `isolatedpvlantype`; and the new ones
    `datacenter`, `kind`, `vlan`, `hosts`, `clusters`, `moref`, `switchuuid`, `nsx`, `cloudstack`, `problem`, for
    opaque networks `opaqueid` and `opaquetype`. Names are raw, `path` is decoded. `include_unused` lists networks
    without a VM (uplinks and VMkernel-only port groups never). Templates and system VMs (agents, placeholders: VMs an
    extension manages) are counted in `left_out` unless asked for.
    """
    found: dict[_Key, _Members] = defaultdict(_Members)
    left_out = {"templates": 0, "system": 0}
    for vm in inventory.vms:
        if vm.template and not include_templates:
            left_out["templates"] += 1
        elif is_system(vm) and not include_system:
            left_out["system"] += 1
        else:
            for nic in vm.nics:
                members = found[_key_of_nic(vm, nic)]
                members.nics.append((vm, nic))
                members.hosts |= {vm.host} - {""}
                members.clusters |= {vm.cluster} - {""}
    if include_unused:
        _add_unused(inventory, found)
    networks = {network.moref: network for network in inventory.networks}
    entries = [_entry(key, found[key], networks.get(key.moref)) for key in sorted(found, key=lambda key: key.order)]
    return {
        "count": len(entries),
        "networks": entries,
        "problems": [
            {"code": problem.code, "object": problem.object, "detail": problem.detail} for problem in inventory.problems
        ],
        "left_out": left_out,
    }


def network_rows(report: dict[str, Any]) -> list[dict[str, str | int]]:
    """One flat row for each network of the report, in its order. Names decoded; lists joined with a comma."""
    return [
        {
            "datacenter": decoded(network["datacenter"]),
            "switch": decoded(network["switch"]),
            "portgroup": decoded(network["portgroup"]),
            "kind": network["kind"],
            "vlan": network["vlan"]["text"] if network["vlan"] else "",
            "vms": len({entry["moref"] for entry in network["virtualmachines"]}),
            "nics": len(network["virtualmachines"]),
            "hosts": ", ".join(network["hosts"]),
            "clusters": ", ".join(map(decoded, network["clusters"])),
            "moref": network["moref"],
            "problem": network["problem"],
        }
        for network in report["networks"]
    ]


def is_system(vm: VirtualMachine) -> bool:
    """Whether a VM belongs to vSphere or an extension (agents, replication placeholders, appliances' helpers)."""
    return bool(vm.managed_by) or bool(_AGENT_NAME.match(vm.name))


def _key_of_nic(vm: VirtualMachine, nic: Nic) -> _Key:
    return _Key(
        datacenter=vm.datacenter,
        switch=nic.switch_name,
        portgroup=nic.network_name,
        kind=nic.kind,
        vlan=nic.vlan,
        switch_uuid=nic.switch_uuid,
        moref=nic.network_moref,
        problem=nic.problem,
    )


def _add_unused(inventory: Inventory, found: dict[_Key, _Members]) -> None:
    used = {(key.moref, key.switch, key.vlan) for key in found}
    used_morefs = {key.moref for key in found}
    for network in inventory.networks:
        if network.kind == "standard":
            for host, group in _offers(network, inventory.hosts):
                vlan = vlan_of_id(group.vlan_id)
                if (network.moref, group.vswitch, vlan) not in used:
                    members = found[_key_of_network(network, group.vswitch, vlan)]
                    members.hosts.add(host.name)
                    members.clusters |= {host.cluster} - {""}
        elif network.moref not in used_morefs and not network.uplink:
            _ = found[_key_of_network(network, network.switch_name, network.vlan)]


def _offers(network: Network, hosts: tuple[Host, ...]) -> Iterator[tuple[Host, HostPortGroup]]:
    """The hosts' port groups of a standard network, VMkernel-only ones left out."""
    for host in hosts:
        if host.datacenter == network.datacenter:
            for group in host.portgroups:
                if group.name == network.name and not group.vmkernel:
                    yield host, group


def _key_of_network(network: Network, switch: str, vlan: Vlan | None) -> _Key:
    return _Key(
        network.datacenter, switch, network.name, network.kind, vlan, network.switch_uuid, network.moref, problem=""
    )


def _entry(key: _Key, members: _Members, network: Network | None) -> dict[str, Any]:
    hosts = sorted(members.hosts)
    clusters = sorted(members.clusters)
    nics = sorted(members.nics, key=lambda pair: (pair[0].path, pair[0].moref, pair[1].key))
    entry: dict[str, Any] = {
        "portgroup": key.portgroup,
        "switch": key.switch,
        "cluster": clusters[0] if clusters else "",
        "host": hosts[0] if hosts else "",
        "virtualmachines": [_machine(vm, nic) for vm, nic in nics],
        "datacenter": key.datacenter,
        "kind": key.kind,
        "vlan": _vlan(key.vlan),
        "hosts": hosts,
        "clusters": clusters,
        "moref": key.moref,
        "switchuuid": key.switch_uuid,
        "nsx": network.nsx if network else any(nic.nsx for _, nic in nics),
        "cloudstack": key.kind == "standard" and key.portgroup.startswith(_MADE_BY_CLOUDSTACK),
        "problem": key.problem,
    }
    if network is not None and network.kind == "opaque":
        entry |= {"opaqueid": network.opaque_id, "opaquetype": network.opaque_type}
    return entry | _old_vlan_fields(key)


def _machine(vm: VirtualMachine, nic: Nic) -> dict[str, Any]:
    return {
        "name": vm.name,
        "device": {"label": nic.label, "macaddress": nic.mac},
        "moref": vm.moref,
        "instanceuuid": vm.instance_uuid,
        "path": vm.path,
        "powerstate": vm.power_state,
        "template": vm.template,
        "nickey": nic.key,
        "connected": nic.connected,
        "startconnected": nic.start_connected,
    }


def _vlan(vlan: Vlan | None) -> dict[str, Any] | None:
    if vlan is None:
        return None
    return {
        "kind": vlan.kind,
        "text": vlan.text,
        "id": vlan.id,
        "ranges": [list(part) for part in vlan.ranges],
        "primary": vlan.primary,
        "secondary": vlan.secondary,
        "type": vlan.pvlan_type,
    }


def _old_vlan_fields(key: _Key) -> dict[str, str]:
    """`vlanid` and the private VLAN fields as the old script wrote them, where it wrote something sensible.

    Trunks of distributed port groups have no single id: the field is then absent. Guest tagging on a standard port
    group keeps its 4095, which is also what CloudStack compares with.
    """
    vlan = key.vlan
    if vlan is None:
        return {}
    if vlan.kind == "none":
        return {"vlanid": "0"}
    if vlan.kind == "id":
        return {"vlanid": str(vlan.id)}
    if vlan.kind == "trunk":
        return {"vlanid": str(GUEST_TAGGING)} if key.kind == "standard" else {}
    if vlan.primary is None:
        return {}
    return {
        "vlanid": str(vlan.primary),
        "isolatedpvlan": str(vlan.secondary),
        "isolatedpvlantype": vlan.pvlan_type or "",
    }
