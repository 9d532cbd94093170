"""The last look before a call: whether CloudStack still shows the VM as it was when the plan was checked."""

from __future__ import annotations

from ingest.model.catalogue import UnmanagedInstance

# Addresses come and go with the guest; everything else decides what the import records.
_OF_VM = ("cpunumber", "memory", "powerstate", "osid", "hypervisorversion")
_OF_DISK = ("capacity", "controller", "imagepath", "datastorename")
_OF_NIC = ("macaddress", "vlanid", "isolatedpvlan", "adaptertype")


def changed_since(planned: UnmanagedInstance, now: UnmanagedInstance) -> str:
    """What is different now, in words; '' when nothing is."""
    found = [
        f"{name} was {getattr(planned, name)}, is {getattr(now, name)}"
        for name in _OF_VM
        if getattr(planned, name) != getattr(now, name)
    ]
    for kind, were, are, names in (
        ("disk", planned.disk, now.disk, _OF_DISK),
        ("NIC", planned.nic, now.nic, _OF_NIC),
    ):
        before = {one.id: one for one in were}
        after = {one.id: one for one in are}
        found += [f"{kind} {name} is gone" for name in sorted(before.keys() - after.keys())]
        found += [f"{kind} {name} is new" for name in sorted(after.keys() - before.keys())]
        for name in sorted(before.keys() & after.keys()):
            found += [
                f"{kind} {name}: {field} was {getattr(before[name], field)}, is {getattr(after[name], field)}"
                for field in names
                if getattr(before[name], field) != getattr(after[name], field)
            ]
    return "; ".join(found)
