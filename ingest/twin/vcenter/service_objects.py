"""Objects that are not in the inventory: the service itself, its managers, views, collectors, tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.twin.vcenter.browser import QUERY_TYPES
from ingest.twin.vcenter.properties.entity import Builders
from ingest.twin.vcenter.properties.storage import BROWSER_PREFIX
from ingest.twin.vcenter.scene import ROOT_FOLDER
from ingest.twin.vcenter.sessions import ContainerView
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.vcenter.views import members_of
from ingest.twin.world import World

if TYPE_CHECKING:
    from ingest.twin.vcenter.reader import Reader

SERVICE_INSTANCE = Ref("ServiceInstance", "ServiceInstance")
PROPERTY_COLLECTOR = Ref("PropertyCollector", "propertyCollector")
MANAGERS = {
    "viewManager": Ref("ViewManager", "ViewManager"),
    "setting": Ref("OptionManager", "VpxSettings"),
    "sessionManager": Ref("SessionManager", "SessionManager"),
    "taskManager": Ref("TaskManager", "TaskManager"),
    "customFieldsManager": Ref("CustomFieldsManager", "CustomFieldsManager"),
    "searchIndex": Ref("SearchIndex", "SearchIndex"),
    "dvSwitchManager": Ref("DistributedVirtualSwitchManager", "DVSManager"),
}
_BY_MOREF = {ref.moref: ref for ref in (SERVICE_INSTANCE, PROPERTY_COLLECTOR, *MANAGERS.values())}


def about(world: World, api_version: str) -> Data:
    """`AboutInfo` of the vCenter itself."""
    version = world.vcenter_version
    return Data(
        "AboutInfo",
        name="VMware vCenter Server",
        fullName=f"VMware vCenter Server {version} build-22617221",
        vendor="VMware, Inc.",
        version=version,
        build="22617221",
        localeVersion="INTL",
        localeBuild="000",
        osType="linux-x64",
        productLineId="vpx",
        apiType="VirtualCenter",
        apiVersion=api_version,
        instanceUuid=world.vcenter_uuid,
        licenseProductName="VMware VirtualCenter Server",
        licenseProductVersion=version.partition(".")[0] + ".0",
    )


def content(world: World, api_version: str, **more: Ref) -> Data:
    """`ServiceContent`: only the managers the twin has, so that nobody finds an empty one; a recording names `more`."""
    return Data(
        "ServiceContent",
        rootFolder=Ref("Folder", ROOT_FOLDER),
        propertyCollector=PROPERTY_COLLECTOR,
        about=about(world, api_version),
        **MANAGERS,
        **more,
    )


def settings_options(world: World) -> list[Value]:
    """`OptionManager.setting`: a few of the options a client may look for."""
    options: dict[str, Value] = {
        "VirtualCenter.FQDN": world.vcenter_name,
        "VirtualCenter.InstanceName": world.vcenter_name,
        "config.vpxd.ManagedIP": "127.0.0.1",
    }
    return [Data("OptionValue", key=key, value=value) for key, value in options.items()]


def service_builders(reader: Reader, ref: Ref) -> tuple[Ref, Builders, Any] | None:
    """(reference, properties, object) of an object outside the inventory; None when there is none."""
    found = _manager(reader, ref) or _task(reader, ref) or _browser(reader, ref) or _session_object(reader, ref)
    if found is None or ref.kind not in (found[0].kind, *_BASES.get(found[0].kind, ())):
        return None
    return found


_BASES = {"ContainerView": ("ManagedObjectView", "View"), "ListView": ("ManagedObjectView", "View"),
          "Task": ("ExtensibleManagedObject",)}  # fmt: skip


def _manager(reader: Reader, ref: Ref) -> tuple[Ref, Builders, Any] | None:
    known = _BY_MOREF.get(ref.moref)
    if known is None:
        return None
    service, session = reader.service, reader.session
    builders: Builders = {}
    if known.kind == "ServiceInstance":
        builders = {
            "content": lambda scene, _item: content(scene.world, scene.api_version),
            "serverClock": lambda _scene, _item: service.world.clock.moment(),
            "capability": lambda _scene, _item: Data(
                "Capability", provisioningSupported=True, multiHostSupported=True, userShellAccessSupported=False
            ),
        }
    elif known.kind == "SessionManager":
        builders = {
            "currentSession": lambda _scene, _item: session.describe() if session else None,
            "sessionList": lambda _scene, _item: [item.describe() for item in service.sessions.all()],
            "defaultLocale": lambda _scene, _item: "en",
        }
    elif known.kind == "OptionManager":
        builders = {"setting": lambda scene, _item: settings_options(scene.world)}
    elif known.kind == "CustomFieldsManager":
        builders = {"field": lambda scene, _item: scene.fields.definitions()}
    elif known.kind == "TaskManager":
        builders = {"recentTask": lambda _scene, _item: service.tasks.recent(), "maxCollector": lambda _s, _i: 32}
    elif known.kind == "ViewManager":
        builders = {
            "viewList": lambda _scene, _item: [item.ref for item in list(session.views.values())] if session else []
        }
    elif known.kind == "PropertyCollector":
        builders = {"filter": lambda _scene, _item: _filters(reader, ref)}
    return known, builders, known


def _task(reader: Reader, ref: Ref) -> tuple[Ref, Builders, Any] | None:
    task = reader.service.tasks.get(ref.moref)
    if task is None:
        return None
    return task.ref, {"info": lambda _scene, item: item.info()}, task


def _browser(reader: Reader, ref: Ref) -> tuple[Ref, Builders, Any] | None:
    datastore = ref.moref.removeprefix(BROWSER_PREFIX)
    if datastore == ref.moref or datastore not in reader.service.world.datastores:
        return None
    builders: Builders = {
        "datastore": lambda _scene, _item: [Ref("Datastore", datastore)],
        "supportedType": lambda _scene, _item: [Data(kind) for kind in QUERY_TYPES],
    }
    return Ref("HostDatastoreBrowser", ref.moref), builders, ref


def _session_object(reader: Reader, ref: Ref) -> tuple[Ref, Builders, Any] | None:
    session = reader.session
    if session is None:
        return None
    view = session.views.get(ref.moref)
    if isinstance(view, ContainerView):
        return view.ref, _CONTAINER_VIEW, view
    if view is not None:
        # Not only entities: clients wait for many tasks through a view of them.
        return view.ref, {"view": lambda _scene, item: [one for one in item.members if reader.exists(one)]}, view
    if ref.moref in session.collectors:
        collector = Ref("PropertyCollector", ref.moref)
        return collector, {"filter": lambda _scene, _item: _filters(reader, collector)}, collector
    for collector_moref, made in list(session.collectors.items()):
        if ref.moref in made.filters:
            return Ref("PropertyFilter", ref.moref), {}, collector_moref
    return None


def _filters(reader: Reader, ref: Ref) -> list[Value]:
    collector = reader.session.collectors.get(ref.moref) if reader.session else None
    return [Ref("PropertyFilter", moref) for moref in list(collector.filters)] if collector else []


_CONTAINER_VIEW: Builders = {
    "view": lambda scene, view: members_of(scene, view),
    "container": lambda _scene, view: view.container,
    "type": lambda _scene, view: list(view.types),
    "recursive": lambda _scene, view: view.recursive,
}
