"""How the twin's vCenter behaves: limits, expiry, durations, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class VCenterSettings:
    """Values only; the defaults are a quick, strict vCenter.

    `page_objects`: at most so many objects per answer, whether the client asked for pages or not.
    `session_idle_s`: an unused session ends after this (30 minutes on a real one). `session_calls`: it ends after so
    many calls, 0 for never. `task_s`: how long a power task runs. `guest_shutdown_s`: how long a guest takes to shut
    down; `deaf_guests` (managed object ids) accept the request and never do. `guest_boot_s`: how long a guest takes
    from power on to running tools, `guest_address_s` how much longer to reporting addresses. `power_faults`: whether a
    wrong power state makes the task fail (as a vCenter does) or the call. `compress_from_bytes`: smaller answers are
    never gzipped. `no_permission`: managed object id -> property path prefixes that are refused ("" for the whole
    object, its methods included). `no_privilege`: privileges the account lacks, see `READ_ONLY`.
    `cache_bytes`: rendered VM properties kept at most; beyond that the cache starts again.
    """

    page_objects: int = 1000
    session_idle_s: float = 1800.0
    session_calls: int = 0
    task_s: float = 0.05
    guest_shutdown_s: float = 0.1
    guest_boot_s: float = 0.1
    guest_address_s: float = 0.05
    deaf_guests: frozenset[str] = frozenset()
    power_faults: Literal["task", "call"] = "task"
    compress_from_bytes: int = 4096
    no_permission: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_privilege: frozenset[str] = frozenset()
    cache_bytes: int = 160 << 20
