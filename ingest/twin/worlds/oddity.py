"""How an oddity is written and found: a function that takes an ordinary VM and changes just one thing about it.

The name of the function is the name of the rate in `ingest.twin.worlds.shape.Rates` and of `oddity` in a world file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.twin.world import VM
from ingest.twin.worlds.machines import Machines
from ingest.twin.worlds.parts import Parts
from ingest.twin.worlds.site import ClusterSite, Site


@dataclass(slots=True)
class Setting:
    """Where the VM stands, and the tools to change it."""

    machines: Machines
    site: Site
    cluster: ClusterSite

    @property
    def parts(self) -> Parts:
        """The builder of parts."""
        return self.machines.parts


Oddity = Callable[[VM, Setting], None]
REGISTERED: dict[str, Oddity] = {}


def oddity(change: Oddity) -> Oddity:
    """Register a function under its own name."""
    REGISTERED[change.__name__] = change
    return change


def switch_off(vm: VM) -> None:
    """Off: the guest reports nothing any more."""
    vm.power_state = "poweredOff"
    vm.tools_status = "toolsNotRunning"
    vm.guest_host_name = ""
    for nic in vm.nics:
        nic.ips = ()
