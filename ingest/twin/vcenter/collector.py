"""The property collector's choice: which objects a filter spec selects, and which of their properties.

A spec is checked completely before anything is read: an unknown type, path or traversal fails the whole call, as on a
real vCenter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ingest.twin.vcenter import paths
from ingest.twin.vcenter.faults import VimFault, invalid_argument
from ingest.twin.vcenter.reader import Reader
from ingest.twin.vcenter.render import escape, render
from ingest.twin.vcenter.schema import Slot, UnknownType, is_a, is_managed
from ingest.twin.vcenter.values import Data, Ref

_FAULT_SLOT = Slot("fault", "MethodFault", array=False, optional=False, version="", fault=True)


@dataclass(frozen=True, slots=True)
class PropertySpec:
    """Properties wanted of objects of one class and its subclasses."""

    kind: str
    everything: bool
    paths: tuple[paths.Path, ...]


@dataclass(frozen=True, slots=True)
class Traversal:
    """Follow the references in `path` of objects of `kind`. A named selection stands for the traversal of that name."""

    kind: str
    path: paths.Path
    skip: bool
    next: tuple[str | Traversal, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """An object to begin with, and where to go from it."""

    ref: Ref
    skip: bool
    next: tuple[str | Traversal, ...]


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A checked `PropertyFilterSpec`."""

    properties: tuple[PropertySpec, ...]
    starts: tuple[Start, ...]
    named: dict[str, Traversal]
    ignore_missing: bool


@dataclass(frozen=True, slots=True)
class Selected:
    """An object and its wanted properties."""

    ref: Ref
    paths: tuple[paths.Path, ...]


def filter_spec(data: Data, version: str) -> FilterSpec:
    """The spec in a request, checked for the API version. Raises VimFault."""
    named: dict[str, Traversal] = {}
    properties = tuple(_property_spec(item, version) for item in data.get("propSet") or [])
    starts = tuple(
        Start(item.get("obj"), bool(item.get("skip")), _selections(item, version, named))
        for item in data.get("objectSet") or []
    )
    if not properties or not starts:
        raise invalid_argument("specSet")
    return FilterSpec(properties, starts, named, bool(data.get("reportMissingObjectsInResults")))


def _property_spec(data: Data, version: str) -> PropertySpec:
    kind = _managed_kind(data.get("type"), "propSet.type")
    wanted = () if data.get("all") else tuple(data.get("pathSet") or ())
    return PropertySpec(kind, bool(data.get("all")), tuple(paths.checked(kind, text, version) for text in wanted))


def _selections(data: Data, version: str, named: dict[str, Traversal]) -> tuple[str | Traversal, ...]:
    found: list[str | Traversal] = []
    for item in data.get("selectSet") or []:
        if item.kind != "TraversalSpec":
            found.append(item.get("name") or "")
            continue
        kind = _managed_kind(item.get("type"), "selectSet.type")
        path = paths.checked(kind, item.get("path"), version)
        traversal = Traversal(kind, path, bool(item.get("skip")), _selections(item, version, named))
        found.append(traversal)
        if item.get("name"):
            named[item.get("name")] = traversal
    return tuple(found)


def _managed_kind(name: Any, argument: str) -> str:
    try:
        if isinstance(name, str) and is_managed(name):
            return name
    except UnknownType:
        pass
    raise invalid_argument(argument)


def select(reader: Reader, specs: list[FilterSpec]) -> list[Selected]:
    """The objects the specs select, in order of discovery, each once with all properties wanted of it."""
    chosen: dict[Ref, dict[str, paths.Path]] = {}
    for spec in specs:
        for ref in _reached(reader, spec):
            matching = [item for item in spec.properties if is_a(ref.kind, item.kind)]
            if matching:
                wanted = chosen.setdefault(ref, {})
                for item in matching:
                    wanted.update((path.text, path) for path in _paths(reader, ref, item))
    return [Selected(ref, tuple(wanted.values())) for ref, wanted in chosen.items()]


def _paths(reader: Reader, ref: Ref, spec: PropertySpec) -> tuple[paths.Path, ...]:
    if not spec.everything:
        return spec.paths
    version = reader.scene.api_version_name
    found = []
    for name in reader.names(ref, spec.kind):
        try:
            found.append(paths.checked(spec.kind, name, version))
        except VimFault:
            continue  # newer than the API version this server speaks
    return tuple(found)


def properties_of(reader: Reader, ref: Ref) -> Selected:
    """An object with every property the server has of it. Raises VimFault when there is no such object."""
    real = reader.resolve(ref)
    return Selected(real, _paths(reader, real, PropertySpec(real.kind, True, ())))


def _reached(reader: Reader, spec: FilterSpec) -> list[Ref]:
    found: dict[Ref, None] = {}
    visited: set[tuple[Ref, int]] = set()
    waiting: deque[tuple[Ref, bool, tuple[str | Traversal, ...]]] = deque()
    for start in spec.starts:
        if spec.ignore_missing and not reader.exists(start.ref):
            continue
        waiting.append((reader.resolve(start.ref), start.skip, start.next))
    while waiting:
        ref, skip, selections = waiting.popleft()
        if not skip:
            found[ref] = None
        for selection in selections:
            traversal = spec.named.get(selection) if isinstance(selection, str) else selection
            if traversal is None:
                raise invalid_argument("selectSet.name")
            if (ref, id(traversal)) in visited or not is_a(ref.kind, traversal.kind):
                continue
            visited.add((ref, id(traversal)))
            for target in paths.references(reader.value(ref, traversal.path)):
                if not traversal.next:
                    if not traversal.skip:
                        found[target] = None
                    continue
                waiting.append((target, traversal.skip, traversal.next))
    return list(found)


def object_content(reader: Reader, selected: Selected, tag: str) -> str:
    """`ObjectContent` as XML; what may not be read is in its `missingSet`. '' when the object is gone by now."""
    ref = selected.ref
    try:
        found = reader.texts(ref, selected.paths)
    except VimFault as fault:
        if fault.kind != "ManagedObjectNotFound":
            raise
        return ""
    parts, missing = [f'<{tag}><obj type="{ref.kind}">{escape(ref.moref)}</obj>'], []
    for path, text in found:
        if isinstance(text, VimFault):
            missing.append(_missing(path, text))
        elif text:
            parts.append(f"<propSet><name>{escape(path.text)}</name>{text}</propSet>")
    return "".join([*parts, *missing, f"</{tag}>"])


def _missing(path: paths.Path, fault: VimFault) -> str:
    return f"<missingSet><path>{escape(path.text)}</path>{render('fault', fault.value, _FAULT_SLOT)}</missingSet>"
