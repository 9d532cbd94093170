"""Keys of custom fields: vSphere numbers each field once, from 101, and VMs refer to it by number."""

from __future__ import annotations

from ingest.twin.vcenter.values import Data, Value
from ingest.twin.world import VM, World


class CustomFields:
    """The fields defined in this vCenter. Use with the world's lock held."""

    def __init__(self, world: World) -> None:
        self._keys: dict[str, int] = {}
        self.learn(world)

    def learn(self, world: World) -> None:
        """Give every field that some VM has a key."""
        for vm in world.vms.values():
            for name in vm.custom_fields:
                self._key(name)

    def values_of(self, vm: VM) -> list[Value]:
        """`customValue` of a VM."""
        return [
            Data("CustomFieldStringValue", key=self._key(name), value=value) for name, value in vm.custom_fields.items()
        ]

    def definitions(self) -> list[Value]:
        """`availableField` and `CustomFieldsManager.field`."""
        return [
            Data("CustomFieldDef", key=key, name=name, type="string", managedObjectType="VirtualMachine")
            for name, key in self._keys.items()
        ]

    def _key(self, name: str) -> int:
        return self._keys.setdefault(name, 101 + len(self._keys))
