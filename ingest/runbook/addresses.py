"""Where a VM will answer at the recovery site, as far as the plan and the subnet rules say it beforehand."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ingest.plan.server import is_ipv4
from ingest.plan.sheet import Row
from ingest.runbook.model import SubnetMap

DECIDED_LATER = "auto"
"""In `nic#_ip`: CloudStack picks the address; it is known after the import."""


def moved_address(address: str, subnets: Sequence[SubnetMap]) -> tuple[str, SubnetMap | None]:
    """The address at the recovery site and the rule that says so; unchanged and None where no rule fits.

    The smallest subnet that holds the address decides. Its host part is kept.
    """
    if not is_ipv4(address):
        return address, None
    number = ipaddress.IPv4Address(address)
    fitting = [rule for rule in subnets if number in ipaddress.IPv4Network(rule.old)]
    if not fitting:
        return address, None
    rule = max(fitting, key=lambda one: ipaddress.IPv4Network(one.old).prefixlen)
    old, new = ipaddress.IPv4Network(rule.old), ipaddress.IPv4Network(rule.new)
    return str(new.network_address + (int(number) - int(old.network_address))), rule


def arrived(address: str, subnets: Sequence[SubnetMap]) -> bool:
    """Whether an address is one of the recovery site already: in a new subnet, and in no old one."""
    if not is_ipv4(address):
        return False
    number = ipaddress.IPv4Address(address)
    return any(number in ipaddress.IPv4Network(rule.new) for rule in subnets) and not any(
        number in ipaddress.IPv4Network(rule.old) for rule in subnets
    )


def address_of(row: Row, nic: int, subnets: Sequence[SubnetMap]) -> str:
    """The address a health check of that NIC would use, `auto` when CloudStack picks it, '' when nothing tells.

    The row's own word first, then what the guest reported when the plan was made; both moved by the subnet rules.
    """
    wanted = row[f"nic{nic}_ip"].strip()
    if wanted.lower() == DECIDED_LATER:
        return DECIDED_LATER
    reported = row[f"nic{nic}_guest_ip"].split()
    known = wanted or (reported[0] if reported else "")
    return moved_address(known, subnets)[0]
