"""Property collection: one view and one call for many objects, whatever the size of the inventory.

Reads only. A view is destroyed when done with; a page token is always followed, because servers page unasked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pyVmomi import vim, vmodl

from ingest.errors import RemoteError
from ingest.vsphere.rows import Missing
from ingest.vsphere.session import VCenter
from ingest.vsphere.specs import legal_paths, managed_type

logger = logging.getLogger("ingest.vsphere")

Row = TypeVar("Row")
Decode = Callable[[str, str, Mapping[str, Any]], Row]
"""(managed object id, class name, values by path) -> row. Unset properties are not in the mapping."""

PAGE_SIZE = 1000
GONE = "ManagedObjectNotFound"


@dataclass(frozen=True, slots=True)
class Collected(Generic[Row]):
    """Rows in the server's order, each object once; `missing` could not be read, `gone` vanished meanwhile."""

    rows: tuple[Row, ...]
    missing: tuple[Missing, ...] = ()
    gone: tuple[str, ...] = ()


def collect(
    vcenter: VCenter,
    container: Any,
    properties: Mapping[str, tuple[str, ...]],
    decode: Decode[Row],
    *,
    page_size: int = PAGE_SIZE,
) -> Collected[Row]:
    """Rows of all objects of the given classes below `container` (folder, datacenter, compute resource).

    `properties` maps class names to paths; the classes must not derive from each other. Subclasses are included.
    Raises faults of the API (see `VCenter.repeat`) and transport errors.
    """
    rows: dict[str, Row] = {}
    missing: list[Missing] = []
    gone: list[str] = []
    with container_view(vcenter, container, properties) as view:
        for page in pages(vcenter, filter_spec(vcenter, view, properties), page_size):
            for content in page:
                moref = str(content.obj._moId)
                unread = [Missing(moref, str(entry.path), type(entry.fault)._wsdlName) for entry in content.missingSet]
                if not content.propSet and any(entry.fault == GONE for entry in unread):
                    gone.append(moref)
                    continue
                if moref in rows:
                    continue
                missing.extend(unread)
                values = {str(entry.name): entry.val for entry in content.propSet if entry.val is not None}
                rows[moref] = decode(moref, str(type(content.obj)._wsdlName), values)
    return Collected(tuple(rows.values()), tuple(missing), tuple(gone))


def read_objects(vcenter: VCenter, kind: str, morefs: Iterable[str], paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Set properties by path of objects of one class, by managed object id; objects that are gone are missing.

    One call for all of them. Raises faults of the API (see `VCenter.repeat`) and transport errors.
    """
    collector, managed = vmodl.query.PropertyCollector, managed_type(kind)
    objects = [collector.ObjectSpec(obj=managed(moref, vcenter.stub)) for moref in morefs]
    if not objects:
        return {}
    spec = collector.FilterSpec(
        objectSet=objects,
        propSet=[collector.PropertySpec(type=managed, pathSet=list(paths))],
        # Otherwise one object that is gone fails the call for all.
        reportMissingObjectsInResults=True,
    )
    return {
        str(content.obj._moId): {str(entry.name): entry.val for entry in content.propSet if entry.val is not None}
        for page in pages(vcenter, spec, PAGE_SIZE)
        for content in page
        if content.propSet
    }


@contextmanager
def container_view(vcenter: VCenter, container: Any, kinds: Mapping[str, Any]) -> Iterator[Any]:
    """A recursive view of these classes below `container`, destroyed at the end."""
    view = vcenter.content.viewManager.CreateContainerView(
        container=container, type=[managed_type(kind) for kind in kinds], recursive=True
    )
    try:
        yield view
    finally:
        try:
            view.DestroyView()
        except (vmodl.MethodFault, RemoteError) as error:
            # The view ends with its session at the latest; what really went wrong is already on its way up.
            logger.debug("view not destroyed: %s", type(error).__name__)


def filter_spec(vcenter: VCenter, view: Any, properties: Mapping[str, tuple[str, ...]]) -> Any:
    """One filter over a view, leaving out paths the negotiated API version does not know."""
    collector = vmodl.query.PropertyCollector
    return collector.FilterSpec(
        objectSet=[
            collector.ObjectSpec(
                obj=view,
                skip=True,
                selectSet=[
                    collector.TraversalSpec(name="members", type=vim.view.ContainerView, path="view", skip=False)
                ],
            )
        ],
        propSet=[
            collector.PropertySpec(
                type=managed_type(kind), all=False, pathSet=list(legal_paths(kind, paths, vcenter.stub.version))
            )
            for kind, paths in properties.items()
        ],
    )


def pages(vcenter: VCenter, spec: Any, page_size: int) -> Iterator[list[Any]]:
    """The ObjectContent lists of a filter, page by page. Stopping early tells the server to drop the rest."""
    collector = vcenter.content.propertyCollector
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=page_size)
    result = collector.RetrievePropertiesEx([spec], options)
    token: str | None = None
    try:
        while result is not None:  # an empty result is None, not an empty list
            token = result.token
            yield result.objects
            if not token:
                return
            result = collector.ContinueRetrievePropertiesEx(token)
            token = None
    except GeneratorExit:
        cancel(vcenter, token)
        raise


def cancel(vcenter: VCenter, token: str | None) -> None:
    """Give up the rest of a paged answer. Never raises: the token dies with the session anyway."""
    if not token:
        return
    try:
        vcenter.content.propertyCollector.CancelRetrievePropertiesEx(token)
    except (vmodl.MethodFault, RemoteError) as error:
        logger.debug("page token not cancelled: %s", type(error).__name__)
