"""The files of a recording: one `ObjectContent` each, read when needed, and methods' answers in folders per object.

Prefixes of types (`xsd:`) need not be declared and elements may or may not have a namespace, as tools write both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, XMLParser

from ingest.twin.vcenter.schema import UnknownType, is_managed

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_FILE = re.compile(r"(\d+)-([A-Za-z]+)-.*\.xml")
_LARGEST_BYTES = 256 << 20
ROOT = "group-d1"  # what every vCenter calls its root folder, and the twin's as well
INVENTORY = (
    "Folder", "StoragePod", "Datacenter", "ComputeResource", "ClusterComputeResource", "ResourcePool", "VirtualApp",
    "HostSystem", "Network", "OpaqueNetwork", "DistributedVirtualPortgroup", "DistributedVirtualSwitch",
    "VmwareDistributedVirtualSwitch", "Datastore", "CustomFieldsManager", "OptionManager", "ServiceInstance",
)  # fmt: skip
# The twin has its own, or needs none.
_SILENT = frozenset({
    "PropertyCollector", "ViewManager", "SessionManager", "TaskManager", "SearchIndex", "UserDirectory",
    "AuthorizationManager", "EventManager", "ExtensionManager", "FileManager", "VirtualDiskManager",
    "DistributedVirtualSwitchManager", "HostDatastoreBrowser", "VirtualMachineSnapshot",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """One object: its class, its managed object id, its properties as elements without namespaces."""

    kind: str
    moref: str
    properties: dict[str, Element]

    def get(self, path: str) -> Element | None:
        """The element of `config/hardware`: a property and what is in it. None when the recording lacks it."""
        name, _, inner = path.partition("/")
        found = self.properties.get(name)
        return found.find(inner) if found is not None and inner else found

    def text(self, path: str, default: str = "") -> str:
        """The text there, `default` when unset."""
        found = self.get(path)
        return (found.text or "") if found is not None else default

    def number(self, path: str, default: int = 0) -> int:
        """The integer there, `default` when unset or none."""
        return integer(self.text(path), default)

    def flag(self, path: str) -> bool:
        """True when it says so."""
        return self.text(path) in ("true", "1")

    def items(self, path: str) -> list[Element]:
        """The items of an array property."""
        found = self.get(path)
        return list(found) if found is not None else []

    def reference(self, path: str) -> str:
        """The managed object id there, '' when unset."""
        return self.text(path).strip()


def integer(text: str, default: int = 0) -> int:
    """The integer a text is, `default` for anything else."""
    try:
        return int(text)
    except ValueError:
        return default


def kind_of(element: Element) -> str:
    """The class an element says it is of, '' when it does not say."""
    return element.get(_XSI_TYPE, "").rpartition(":")[2]


class Documents:
    """A recording. Everything but VMs is read at once; those are many and large, so `machines` reads one at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._left_out: Counter[str] = Counter()
        self._machine_files: list[Path] = []
        self._documents: list[Document] = []
        for file, kind in self._files():
            if kind == "VirtualMachine":
                self._machine_files.append(file)
                continue
            if kind and kind not in INVENTORY:
                self._leave_kind(kind)
                continue
            document = self._read(file)
            if document is not None:
                self._documents.append(document)
        content = next((item for item in self.of("ServiceInstance") if item.get("content") is not None), None)
        self.content = content
        self.root = content.reference("content/rootFolder") if content else ""
        self.api_type = content.text("content/about/apiType", "VirtualCenter") if content else ""

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Files in the order they were written, with the class their name tells ('' when it tells none)."""
        found = []
        for file in self._directory.iterdir():
            match = _FILE.fullmatch(file.name)
            if file.is_file() and file.suffix == ".xml":
                found.append((int(match[1]) if match else -1, file.name, file, match[2] if match else ""))
        for _, _, file, kind in sorted(found, key=lambda item: item[:2]):
            yield file, kind

    def of(self, *kinds: str) -> list[Document]:
        """The objects of exactly these classes, in the order of the recording."""
        return [item for item in self._documents if item.kind in kinds]

    def machines(self) -> Iterator[Document]:
        """The VMs, one after another."""
        for file in self._machine_files:
            document = self._read(file)
            if document is not None and document.kind == "VirtualMachine":
                yield document
        yield from self.of("VirtualMachine")

    def answer(self, document: Document, method: str) -> Element | None:
        """What the object answered to a method when it was recorded, None when nobody asked."""
        file = self._directory / f"{document.kind}-{document.moref}" / f"{method}.xml"
        if "/" in document.moref or not file.is_file():
            return None
        return self._parse(file)

    def leave(self, what: str, count: int = 1) -> None:
        """Count something that the world does not get."""
        self._left_out[what] += count

    def left_out(self) -> list[str]:
        """What the world did not get, most first."""
        return [f"{count} {what}" for what, count in self._left_out.most_common()]

    def _leave_kind(self, kind: str) -> None:
        try:
            known = is_managed(kind)
        except UnknownType:
            known = False
        if not known:
            self.leave("of a type vSphere does not have")  # its name could be anything
        elif kind not in _SILENT:
            self.leave(f"{kind}: the twin has none")

    def _read(self, file: Path) -> Document | None:
        root = self._parse(file)
        target = root.find("obj") if root is not None else None
        if root is None or target is None:
            if root is not None:
                self.leave("files that hold no object")
            return None
        kind = target.get("type", "")
        if kind != "VirtualMachine" and kind not in INVENTORY:
            self._leave_kind(kind)
            return None
        properties = {}
        for item in root.iterfind("propSet"):
            name, value = item.findtext("name"), item.find("val")
            if name and value is not None:
                properties[name] = value
        return Document(kind, (target.text or "").strip(), properties)

    def _parse(self, file: Path) -> Element | None:
        parser = XMLParser()  # noqa: S314  a file the operator names; expat limits entity amplification itself
        try:
            if file.stat().st_size > _LARGEST_BYTES:
                self.leave("files that are too large")
                return None
            parser.feed(file.read_bytes())
            root = parser.close()
        except (OSError, ParseError):
            self.leave("files that cannot be read")
            return None
        for element in root.iter():
            if element.tag[:1] == "{":
                element.tag = element.tag.rpartition("}")[2]
        return root
