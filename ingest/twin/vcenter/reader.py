"""Properties of any object the server has, as values and as rendered XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.twin.vcenter import paths
from ingest.twin.vcenter.faults import VimFault, no_permission, not_supported, object_gone
from ingest.twin.vcenter.properties import INVENTORY
from ingest.twin.vcenter.properties.entity import Builders
from ingest.twin.vcenter.render import render_any
from ingest.twin.vcenter.scene import Scene
from ingest.twin.vcenter.schema import UnknownType, is_a, members
from ingest.twin.vcenter.service_objects import service_builders
from ingest.twin.vcenter.sessions import Session
from ingest.twin.vcenter.values import Ref, Value
from ingest.twin.world import VM

if TYPE_CHECKING:
    from ingest.twin.vcenter.service import Service


class Reader:
    """Reads for one request: takes the world's lock per object, so that other users of the world get their turn."""

    def __init__(self, service: Service, session: Session | None) -> None:
        self.service = service
        self.session = session
        self.scene = self._new_scene()

    def _new_scene(self) -> Scene:
        service = self.service
        return Scene(service.world, service.fields, service.api_version, service.api_version_name)

    def refresh(self) -> None:
        """Forget what was computed about the world: for requests that wait while it changes."""
        self.scene = self._new_scene()

    def resolve(self, ref: Ref) -> Ref:
        """The reference with the object's real class. Raises VimFault when there is no such object."""
        return self._find(ref)[0]

    def exists(self, ref: Ref) -> bool:
        """True when the object is there now."""
        return self._lookup(ref) is not None

    def _lookup(self, ref: Ref) -> tuple[Ref, Builders, Any] | None:
        located = self.scene.locate(ref.moref)
        if located is not None:
            kind, item = located
            if not _fits(kind, ref.kind):
                return None
            return Ref(kind, ref.moref), INVENTORY[kind], item
        return service_builders(self, ref)

    def _find(self, ref: Ref) -> tuple[Ref, Builders, Any]:
        found = self._lookup(ref)
        if found is None:
            raise object_gone(ref)
        return found

    def names(self, ref: Ref, declared_kind: str) -> list[str]:
        """Every property this server has of an object, as far as `declared_kind` declares it."""
        with self.service.world.lock:
            _, builders, _ = self._find(ref)
        return [name for name in builders if name in members(declared_kind)]

    def value(self, ref: Ref, path: paths.Path) -> Value:
        """The value a path leads to, None when unset. Raises VimFault: object gone, no permission."""
        with self.service.world.lock:
            real, builders, item = self._find(ref)
            if self._denied(ref, path.text):
                raise no_permission(real)
            return self._follow(real, builders, item, path)

    def text(self, ref: Ref, path: paths.Path) -> str:
        """The property as `<val>` element, '' when unset. Raises VimFault as `value` does."""
        with self.service.world.lock:
            return self._text(ref, self._find(ref), path, {})

    def texts(self, ref: Ref, wanted: tuple[paths.Path, ...]) -> list[tuple[paths.Path, str | VimFault]]:
        """`text` of several paths of one object at one moment; what cannot be read has its fault instead.

        Raises VimFault when there is no such object.
        """
        found: list[tuple[paths.Path, str | VimFault]] = []
        built: dict[str, Value] = {}
        with self.service.world.lock:
            located = self._find(ref)
            for path in wanted:
                try:
                    found.append((path, self._text(ref, located, path, built)))
                except VimFault as fault:
                    if fault.kind == "ManagedObjectNotFound":
                        raise
                    found.append((path, fault))
        return found

    def _text(self, ref: Ref, located: tuple[Ref, Builders, Any], path: paths.Path, built: dict[str, Value]) -> str:
        """`built` keeps the whole properties that several paths lead into (`config`), for one hold of the lock."""
        real, builders, item = located
        if self._denied(ref, path.text):
            raise no_permission(real)
        cache = self.service.cache
        kept = isinstance(item, VM) and cache.holds(path.text)
        if kept:
            text = cache.get(item, self._state(item), path.text)
            if text is not None:
                return text
        text = render_any("val", self._follow(real, builders, item, path, built), path.slot)
        if kept:
            cache.put(item, self._state(item), path.text, text)
        return text

    def _follow(
        self, ref: Ref, builders: Builders, item: Any, path: paths.Path, built: dict[str, Value] | None = None
    ) -> Value:
        first = path.steps[0].name
        builder = builders.get(first)
        if builder is not None:
            whole = {} if built is None else built
            if first not in whole:
                whole[first] = builder(self.scene, item)
            return paths.follow(whole[first], path.steps)
        if not members(ref.kind)[first].optional:
            # Every real server has it: nobody shall take what the twin lacks for an empty value.
            raise not_supported(f"The twin does not have {ref.kind}.{first}.")
        return None

    def _state(self, vm: VM) -> str:
        """What else a VM's properties depend on: whether its host answers."""
        return self.service.world.connection_of(vm)

    def _denied(self, ref: Ref, path: str) -> bool:
        prefixes = self.service.settings.no_permission.get(ref.moref)
        return prefixes is not None and path.startswith(prefixes)


def _fits(kind: str, asked: str) -> bool:
    try:
        return is_a(kind, asked)
    except UnknownType:
        return False
