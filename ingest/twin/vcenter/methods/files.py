"""The datastore browser's searches, as tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ingest.twin.vcenter.browser import search
from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import datastore_inaccessible
from ingest.twin.vcenter.properties.storage import BROWSER_PREFIX
from ingest.twin.vcenter.render import render_any
from ingest.twin.vcenter.schema import Slot
from ingest.twin.vcenter.values import Raw, Ref, Value

_RESULTS = Slot("result", "HostDatastoreBrowserSearchResults", array=True, optional=True, version="")


def _search(subfolders: bool, call: Call) -> Value:
    service = call.service
    world = service.world
    datastore = call.this.moref.removeprefix(BROWSER_PREFIX)
    path: str = call.argument("datastorePath")

    def work() -> Value:
        store = world.datastores[datastore]
        if not store.accessible:
            raise datastore_inaccessible(store.name, Ref("Datastore", datastore))
        found = search(world, datastore, path, call.argument("searchSpec"), subfolders=subfolders)
        return Raw(render_any("result", found, _RESULTS)) if subfolders else found[0]

    with world.lock:
        name = world.datastores[datastore].name
        entity = Ref("Datastore", datastore)
        user = call.user_session.user
        return service.tasks.begin(entity, name, call.request.method, user, service.settings.task_s, work)


FILES: dict[str, Callable[[Call], Value]] = {
    "SearchDatastore_Task": partial(_search, False),
    "SearchDatastoreSubFolders_Task": partial(_search, True),
}
