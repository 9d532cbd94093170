"""All oddities by name, complete: one for each rate."""

from __future__ import annotations

from dataclasses import fields

from ingest.twin.worlds import disk_oddities, nic_oddities, vm_oddities
from ingest.twin.worlds.oddity import REGISTERED, Oddity, Setting
from ingest.twin.worlds.shape import Rates

__all__ = ["ODDITIES", "PLATFORM_ONLY", "Oddity", "Setting"]

ODDITIES = REGISTERED
MODULES = (vm_oddities, disk_oddities, nic_oddities)  # importing them registers what they hold

PLATFORM_ONLY = frozenset(
    {
        "untagged_nic",
        "guest_tagging_nic",
        "trunk_nic",
        "opaque_nic",
        "ephemeral_nic",
        "port_override_nic",
        "shared_network_nic",
        "missing_network_nic",
        "drifting_portgroup_nic",
        "standalone_port_nic",
        "deleted_portgroup_nic",
        "nsx_portgroup_nic",
    }
)
"""Oddities on networks that belong to the first tenant, so the VM must as well."""


if set(ODDITIES) != {field.name for field in fields(Rates)}:
    raise AssertionError("every rate needs its oddity, and every oddity its rate")
