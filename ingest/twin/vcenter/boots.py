"""Guests on their way up: each start runs through its stages unless the VM is switched off or started again."""

from __future__ import annotations

import itertools

from ingest.twin.guests import addresses_appear, tools_start
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.vcenter.timeline import Timeline
from ingest.twin.world import VM, World


class Boots:
    """Lets guests boot. Thread-safe; changes the world under its lock."""

    def __init__(self, world: World, timeline: Timeline, settings: VCenterSettings) -> None:
        self._world = world
        self._timeline = timeline
        self._settings = settings
        self._numbers = itertools.count(1)
        self._current: dict[str, int] = {}
        world.power_watchers.append(self._switched)

    def stop(self) -> None:
        """Watch no longer."""
        with self._world.lock:
            if self._switched in self._world.power_watchers:
                self._world.power_watchers.remove(self._switched)

    def _switched(self, vm: VM) -> None:
        """Somebody else than vCenter's clients switched the VM: CloudStack, or a fault."""
        if vm.power_state == "poweredOn":
            self.begin(vm)
        else:
            self.end(vm)

    def begin(self, vm: VM) -> None:
        """The guest starts now. Call with the world's lock held."""
        number = self._current[vm.moref] = next(self._numbers)
        moref = vm.moref
        vm.guest_stage = "down"
        if not vm.guest_hangs:
            self._timeline.later(self._settings.guest_boot_s + vm.guest_delay_s, lambda: self._tools(moref, number))

    def end(self, vm: VM) -> None:
        """The guest is gone. Call with the world's lock held."""
        self._current.pop(vm.moref, None)
        vm.guest_stage = "down"

    def resume(self) -> None:
        """Go on with the guests that were on their way when the world was saved."""
        with self._world.lock:
            for vm in self._world.vms.values():
                if vm.guest_stage and vm.power_state == "poweredOn" and vm.moref not in self._current:
                    self.begin(vm)
                    self._world.touch(vm)

    def _still(self, moref: str, number: int) -> VM | None:
        vm = self._world.vms.get(moref)
        if vm is None or vm.power_state != "poweredOn" or self._current.get(moref) != number:
            return None
        return vm

    def _tools(self, moref: str, number: int) -> None:
        with self._world.lock:
            vm = self._still(moref, number)
            if vm is None:
                return
            tools_start(vm)
            self._world.touch(vm)
        self._timeline.later(self._settings.guest_address_s, lambda: self._addresses(moref, number))

    def _addresses(self, moref: str, number: int) -> None:
        with self._world.lock:
            vm = self._still(moref, number)
            if vm is not None:
                addresses_appear(self._world, vm)
                self._world.touch(vm)
                self._current.pop(moref, None)
