"""VLANs of port groups and ports, from vSphere's numbers to the model's words."""

from __future__ import annotations

from ingest.model.inventory import Vlan
from ingest.vsphere.rows import SwitchRow

GUEST_TAGGING = 4095


def vlan_of_id(vlan_id: int) -> Vlan:
    """0 is untagged, 4095 hands all VLANs to the guest (the same as trunk 0-4094), anything else is an access VLAN."""
    if vlan_id == 0:
        return Vlan("none")
    if vlan_id == GUEST_TAGGING:
        return Vlan("trunk", ranges=((0, 4094),))
    return Vlan("id", id=vlan_id)


def resolve_vlan(vlan: Vlan | None, switch: SwitchRow | None) -> tuple[Vlan | None, str]:
    """A port group's or port's VLAN with private VLANs looked up in the switch's map, and a problem code or ''."""
    if vlan is None:
        return None, "vlan-unreadable"
    if vlan.kind != "pvlan":
        return vlan, ""
    for primary, secondary, kind in switch.pvlans if switch else ():
        if secondary == vlan.secondary:
            return Vlan("pvlan", primary=primary, secondary=secondary, pvlan_type=kind), ""
    return vlan, "pvlan-unmapped"
