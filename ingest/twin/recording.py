"""An inventory as files, in the form of `govc object.save`: one XML document per object, for vcsim and other readers.

`NNNN-Type-id.xml` holds an `ObjectContent`: the object and its properties, each value with its type. What a switch
answers to `FetchDVPorts` is in a folder `Type-id`. vcsim serves such a folder with `-load`; it needs the service
content to name its managers, every folder to list its children, every datacenter its four folders and every compute
resource its root pool, which the twin's own properties do.
"""

from __future__ import annotations

from pathlib import Path

from ingest.errors import UsageError
from ingest.twin.vcenter.collector import object_content, properties_of
from ingest.twin.vcenter.methods.switches import ports
from ingest.twin.vcenter.reader import Reader
from ingest.twin.vcenter.render import render, render_any
from ingest.twin.vcenter.schema import Slot
from ingest.twin.vcenter.service import Service
from ingest.twin.vcenter.service_objects import MANAGERS, PROPERTY_COLLECTOR, SERVICE_INSTANCE, content
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.vcenter.values import Ref
from ingest.twin.vcenter.views import everything
from ingest.twin.world import Switch, World

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACES = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
# Managers the twin does not have but a vcsim cannot do without: it posts an event at each login.
_VCSIM_MANAGERS = {
    "userDirectory": Ref("UserDirectory", "UserDirectory"),
    "authorizationManager": Ref("AuthorizationManager", "AuthorizationManager"),
    "eventManager": Ref("EventManager", "EventManager"),
    "extensionManager": Ref("ExtensionManager", "ExtensionManager"),
    "fileManager": Ref("FileManager", "FileManager"),
    "virtualDiskManager": Ref("VirtualDiskManager", "virtualDiskManager"),
}
_CONTENT = Slot("content", "ServiceContent", array=False, optional=False, version="")
_PORT = Slot("returnval", "DistributedVirtualPort", array=True, optional=True, version="")


def write_recording(world: World, directory: Path) -> int:
    """Write the world's vSphere side into a new or empty directory; returns the number of objects.

    Raises UsageError when something is there already. The files hold what the world holds: names and addresses.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError("the directory is not empty", place=str(directory), cure="name a new directory")
    directory.mkdir(parents=True, exist_ok=True)
    service = Service(world, VCenterSettings(cache_bytes=0))
    try:
        reader = Reader(service, None)
        with world.lock:
            managers = [PROPERTY_COLLECTOR, *MANAGERS.values()]
            documents = [
                (SERVICE_INSTANCE, _service_instance(service)),
                *((ref, _object(ref, "")) for ref in _VCSIM_MANAGERS.values()),
                *((ref, _read(reader, ref)) for ref in [*managers, *everything(reader.scene)]),
            ]
            for number, (ref, text) in enumerate(documents):
                _write(directory / f"{number:04d}-{ref.kind}-{ref.moref}.xml", text)
            for switch in world.switches.values():
                _write_ports(reader, switch, directory)
    finally:
        service.stop()
    return len(documents)


def _service_instance(service: Service) -> str:
    value = content(service.world, service.api_version, **_VCSIM_MANAGERS)
    text = render_any("val", value, _CONTENT)
    return _object(SERVICE_INSTANCE, f"<propSet><name>content</name>{text}</propSet>")


def _object(ref: Ref, properties: str) -> str:
    return f'<ObjectContent{_NAMESPACES}><obj type="{ref.kind}">{ref.moref}</obj>{properties}</ObjectContent>'


def _read(reader: Reader, ref: Ref) -> str:
    text = object_content(reader, properties_of(reader, ref), "ObjectContent")
    return text.replace("<ObjectContent>", f"<ObjectContent{_NAMESPACES}>", 1)


def _write_ports(reader: Reader, switch: Switch, directory: Path) -> None:
    answers = directory / f"VmwareDistributedVirtualSwitch-{switch.moref}"
    answers.mkdir()
    body = render("returnval", ports(reader.scene, switch), _PORT)
    _write(answers / "FetchDVPorts.xml", f"<FetchDVPortsResponse{_NAMESPACES}>{body}</FetchDVPortsResponse>")


def _write(path: Path, text: str) -> None:
    path.write_text(_HEAD + text, encoding="utf-8")
