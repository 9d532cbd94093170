"""Views, retrieval of properties page by page, filters and updates."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from ingest.twin.vcenter import paths
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.collector import Selected, filter_spec, object_content, select
from ingest.twin.vcenter.faults import VimFault, invalid_argument, object_gone
from ingest.twin.vcenter.filters import Collector, Filter
from ingest.twin.vcenter.render import render
from ingest.twin.vcenter.schema import UnknownType, is_managed
from ingest.twin.vcenter.service_objects import PROPERTY_COLLECTOR
from ingest.twin.vcenter.sessions import ContainerView, ListView, Page
from ingest.twin.vcenter.values import Data, Raw, Ref, Value
from ingest.twin.vcenter.views import CONTAINERS, members_of


def _fetch(call: Call) -> Value:
    ref = call.reader.resolve(call.this)
    path = paths.checked(ref.kind, call.argument("prop"), call.service.api_version_name)
    return Raw(render("returnval", call.reader.value(ref, path), path.slot))


def _create_container_view(call: Call) -> Value:
    container = call.reader.resolve(call.argument("container"))
    types = tuple(call.argument("type", []))
    if container.kind not in CONTAINERS:
        raise invalid_argument("container")
    for kind in types:
        try:
            known = is_managed(kind)
        except UnknownType:
            known = False
        if not known:
            raise invalid_argument("type")
    session = call.user_session
    ref = Ref("ContainerView", session.new_moref())
    session.views[ref.moref] = ContainerView(ref, container, types, call.argument("recursive"))
    return ref


def _create_list_view(call: Call) -> Value:
    members = [call.reader.resolve(ref) for ref in call.argument("obj", [])]
    session = call.user_session
    ref = Ref("ListView", session.new_moref())
    session.views[ref.moref] = ListView(ref, list(dict.fromkeys(members)))
    return ref


def _list_view(call: Call) -> ListView:
    view = call.user_session.views.get(call.this.moref)
    if not isinstance(view, ListView):
        raise object_gone(call.this)
    return view


def _unresolved(call: Call, refs: list[Ref]) -> list[Value]:
    return [ref for ref in refs if not call.reader.exists(ref)]


def _modify_list_view(call: Call) -> Value:
    view = _list_view(call)
    added: list[Ref] = call.argument("add", [])
    removed = set(call.argument("remove", []))
    wanted = dict.fromkeys([*view.members, *(ref for ref in added if call.reader.exists(ref))])
    view.members = [ref for ref in wanted if ref not in removed]
    return _unresolved(call, added)


def _reset_list_view(call: Call) -> Value:
    view = _list_view(call)
    wanted: list[Ref] = call.argument("obj", [])
    view.members = [ref for ref in dict.fromkeys(wanted) if call.reader.exists(ref)]
    return _unresolved(call, wanted)


def _reset_from_view(call: Call) -> Value:
    source = call.user_session.views.get(call.argument("view").moref)
    if source is None:
        raise object_gone(call.argument("view"))
    view = _list_view(call)
    members = source.members if isinstance(source, ListView) else members_of(call.reader.scene, source)
    view.members = [ref for ref in members if isinstance(ref, Ref)]
    return None


def _destroy_view(call: Call) -> Value:
    del call.user_session.views[call.this.moref]
    return None


def _selected(call: Call) -> list[Selected]:
    version = call.service.api_version_name
    return select(call.reader, [filter_spec(item, version) for item in call.argument("specSet", [])])


def _retrieve(call: Call) -> Value:
    return Raw("".join(object_content(call.reader, item, "returnval") for item in _selected(call)))


def _retrieve_ex(call: Call) -> Value:
    cap = call.service.settings.page_objects
    asked = call.argument("options").get("maxObjects")
    if asked is not None and asked <= 0:
        raise invalid_argument("options.maxObjects")
    size = min(asked, cap) if asked else cap
    return _page(call, _selected(call), size)


def _page(call: Call, selected: list[Selected], size: int) -> Value:
    """One page and the token for the rest; nothing at all when nothing was selected."""
    contents: list[str] = []
    position = 0
    while position < len(selected) and len(contents) < size:
        text = object_content(call.reader, selected[position], "objects")
        position += 1
        if text:
            contents.append(text)
    if not contents:
        return None
    token = ""
    rest = selected[position:]
    if rest:
        token = f"{uuid.uuid4()}"
        call.user_session.pages[token] = Page(rest, size)
        token = f"<token>{token}</token>"
    return Raw(f"<returnval>{token}{''.join(contents)}</returnval>")


def _continue(call: Call) -> Value:
    page = call.user_session.pages.pop(call.argument("token"), None)
    if page is None:
        raise invalid_argument("token")
    # A result is declared here: when all the rest is gone it is an empty one, not none.
    return _page(call, page.rest, page.size) or Raw("<returnval></returnval>")


def _cancel(call: Call) -> Value:
    if call.user_session.pages.pop(call.argument("token"), None) is None:
        raise invalid_argument("token")
    return None


def _collector(call: Call) -> Collector:
    session = call.user_session
    with session.lock:
        collector = session.collectors.get(call.this.moref)
        if collector is None:
            if call.this != PROPERTY_COLLECTOR:
                raise object_gone(call.this)
            collector = session.collectors[call.this.moref] = Collector()
        return collector


def _create_collector(call: Call) -> Value:
    session = call.user_session
    ref = Ref("PropertyCollector", session.new_moref())
    session.collectors[ref.moref] = Collector()
    return ref


def _destroy_collector(call: Call) -> Value:
    if call.this == PROPERTY_COLLECTOR:
        raise VimFault("NotSupported", "The default property collector cannot be destroyed.")
    collector = call.user_session.collectors.pop(call.this.moref)
    collector.cancelled += 1
    return None


def _create_filter(call: Call) -> Value:
    spec = filter_spec(call.argument("spec"), call.service.api_version_name)
    select(call.reader, [spec])  # a missing object fails here and now
    ref = Ref("PropertyFilter", call.user_session.new_moref())
    collector = _collector(call)
    with collector.lock:
        collector.filters[ref.moref] = Filter(ref, spec)
    return ref


def _destroy_filter(call: Call) -> Value:
    for collector in list(call.user_session.collectors.values()):
        with collector.lock:
            collector.filters.pop(call.this.moref, None)
    return None


def _wait_ex(call: Call) -> Value:
    options = call.argument("options") or Data("WaitOptions")
    longest, most = options.get("maxWaitSeconds"), options.get("maxObjectUpdates")
    if longest is not None and longest < 0:
        raise invalid_argument("options.maxWaitSeconds")
    if most is not None and most <= 0:
        raise invalid_argument("options.maxObjectUpdates")
    return _collector(call).wait(call.reader, call.argument("version") or "", longest, most)


def _wait(call: Call) -> Value:
    return _collector(call).wait(call.reader, call.argument("version") or "", None)


def _check(call: Call) -> Value:
    return _collector(call).updates(call.reader, call.argument("version") or "")


def _cancel_wait(call: Call) -> Value:
    _collector(call).cancelled += 1
    return None


COLLECTION: dict[str, Callable[[Call], Value]] = {
    "Fetch": _fetch,
    "CreateContainerView": _create_container_view,
    "CreateListView": _create_list_view,
    "ModifyListView": _modify_list_view,
    "ResetListView": _reset_list_view,
    "ResetListViewFromView": _reset_from_view,
    "DestroyView": _destroy_view,
    "RetrieveProperties": _retrieve,
    "RetrievePropertiesEx": _retrieve_ex,
    "ContinueRetrievePropertiesEx": _continue,
    "CancelRetrievePropertiesEx": _cancel,
    "CreatePropertyCollector": _create_collector,
    "DestroyPropertyCollector": _destroy_collector,
    "CreateFilter": _create_filter,
    "DestroyPropertyFilter": _destroy_filter,
    "WaitForUpdatesEx": _wait_ex,
    "WaitForUpdates": _wait,
    "CheckForUpdates": _check,
    "CancelWaitForUpdates": _cancel_wait,
}
