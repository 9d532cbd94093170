"""What a running guest tells of itself through VMware Tools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuestState:
    """One VM's guest. `heartbeat` is green, yellow (late), red (missing) or gray (no tools running).

    `ips` are all addresses it reports, of both families, in the order of its cards.
    """

    moref: str
    name: str
    power_state: str
    heartbeat: str = "gray"
    tools_running: bool = False
    ips: tuple[str, ...] = ()
