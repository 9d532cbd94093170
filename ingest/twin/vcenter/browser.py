"""What a datastore browser finds: files by type and pattern, folder by folder, with the details asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.twin.files import FileKind, StoredFile, datastore_files, split_path
from ingest.twin.vcenter.faults import file_not_found, invalid_argument, invalid_datastore_path, not_supported
from ingest.twin.vcenter.properties.entity import CREATED
from ingest.twin.vcenter.schema import is_a
from ingest.twin.vcenter.values import Data, Ref, Value
from ingest.twin.world import World

_QUERIES: dict[FileKind, tuple[str, str]] = {
    # kind of file: (query that finds it, class of its description)
    "config": ("VmConfigFileQuery", "VmConfigFileInfo"),
    "template": ("TemplateConfigFileQuery", "TemplateConfigFileInfo"),
    "disk": ("VmDiskFileQuery", "VmDiskFileInfo"),
    "nvram": ("VmNvramFileQuery", "VmNvramFileInfo"),
    "log": ("VmLogFileQuery", "VmLogFileInfo"),
    "snapshot": ("VmSnapshotFileQuery", "VmSnapshotFileInfo"),
    "other": ("FileQuery", "FileInfo"),
}
QUERY_TYPES = ("FileQuery", "FolderFileQuery", *(query for query, _ in _QUERIES.values() if query != "FileQuery"))
_CONTROLLERS = {
    "buslogic": "VirtualBusLogicController",
    "ide": "VirtualIDEController",
    "lsilogic": "VirtualLsiLogicController",
    "lsisas1068": "VirtualLsiLogicSASController",
    "pvscsi": "ParaVirtualSCSIController",
    "sata": "VirtualAHCIController",
    "nvme": "VirtualNVMEController",
}


@dataclass(slots=True)
class _Directory:
    folders: set[str] = field(default_factory=set)
    files: list[StoredFile] = field(default_factory=list)


def search(world: World, datastore: str, path: str, spec: Data | None, *, subfolders: bool) -> list[Data]:
    """`HostDatastoreBrowserSearchResults` of a folder, with `subfolders` of all below it too. Raises VimFault."""
    split = split_path(path)
    if split is None or split[0] != world.datastores[datastore].name:
        raise invalid_datastore_path(path)
    wanted = _Wanted(spec or Data("HostDatastoreBrowserSearchSpec"))
    tree = _tree(datastore_files(world, datastore))
    if split[1] not in tree:
        raise file_not_found(path)
    below = f"{split[1]}/" if split[1] else ""
    inside = [name for name in sorted(tree) if name and name.startswith(below)] if subfolders else []
    return [_results(split[0], datastore, name, tree[name], wanted) for name in [split[1], *inside]]


def _tree(files: dict[str, StoredFile]) -> dict[str, _Directory]:
    tree = {"": _Directory()}
    for path, file in sorted(files.items()):
        folder = path.rpartition("/")[0]
        tree.setdefault(folder, _Directory()).files.append(file)
        while folder:
            above, _, name = folder.rpartition("/")
            tree.setdefault(above, _Directory()).folders.add(name)
            folder = above
    return tree


def _results(name: str, datastore: str, folder: str, directory: _Directory, wanted: _Wanted) -> Data:
    found = list(wanted.of(directory))
    return Data(
        "HostDatastoreBrowserSearchResults",
        datastore=Ref("Datastore", datastore),
        folderPath=f"[{name}] {folder}/" if folder else f"[{name}]",
        file=found,
    )


class _Wanted:
    """A search spec: which files, and what to tell of them."""

    def __init__(self, spec: Data) -> None:
        self.queries: list[Data] = spec.get("query") or []
        for query in self.queries:
            if query.get("filter") is not None:
                raise not_supported("The twin finds files by type and pattern, not by the details of a type.")
        flags = 0 if spec.get("searchCaseInsensitive") is False else re.IGNORECASE
        patterns = [_pattern(text) for text in spec.get("matchPattern") or ["*"]]
        self.patterns = [re.compile(text, flags) for text in patterns]
        self.details: Data = spec.get("details") or Data("FileQueryFlags")
        self.folders_first = bool(spec.get("sortFoldersFirst"))

    def of(self, directory: _Directory) -> Iterator[Data]:
        """The descriptions of what is wanted in a folder, by name."""
        folders = [(name, self._folder(name)) for name in directory.folders]
        files = [(file.path.rpartition("/")[2], self._file(file)) for file in directory.files]
        both = [sorted(folders, key=_by_name), sorted(files, key=_by_name)]
        entries = [*both[0], *both[1]] if self.folders_first else sorted([*folders, *files], key=_by_name)
        for name, made in entries:
            if made is not None and any(pattern.fullmatch(name) for pattern in self.patterns):
                yield made

    def _asked(self, kind: str) -> Data | None:
        """The query that finds files of this query type."""
        return next((query for query in self.queries if is_a(kind, query.kind)), None)

    def _folder(self, name: str) -> Data | None:
        if self.queries and self._asked("FolderFileQuery") is None:
            return None
        kind = "FolderFileInfo" if self.queries or self.details.get("fileType") else "FileInfo"
        return Data(kind, path=name, **self._common(0))

    def _file(self, file: StoredFile) -> Data | None:
        query_kind, info_kind = _QUERIES[file.kind]
        query = self._asked(query_kind)
        if self.queries and query is None:
            return None
        typed = bool(self.details.get("fileType")) or (query is not None and query.kind != "FileQuery")
        members: dict[str, Value] = {"path": file.path.rpartition("/")[2], **self._common(file.size_bytes)}
        if typed and query is not None and query.get("details") is not None:
            members |= _details(file, query.get("details"))
        return Data(info_kind if typed else "FileInfo", **members)

    def _common(self, size_bytes: int) -> dict[str, Value]:
        found: dict[str, Value] = {
            "fileSize": size_bytes if self.details.get("fileSize") else None,
            "modification": CREATED if self.details.get("modification") else None,
            "owner": "root" if self.details.get("fileOwner") else None,
        }
        return {name: value for name, value in found.items() if value is not None}


def _details(file: StoredFile, flags: Data) -> dict[str, Value]:
    if file.disk is None:
        return {"configVersion": 19} if flags.get("configVersion") else {}
    found: dict[str, Value] = {
        "diskType": "VirtualDiskRawDiskMappingVer1BackingInfo"
        if file.disk.backing == "rdm"
        else "VirtualDiskFlatVer2BackingInfo",
        "capacityKb": file.disk.capacity_bytes // 1024,
        "hardwareVersion": 19,
        "controllerType": _CONTROLLERS[file.disk.controller],
        "diskExtents": [f"[{file.datastore}] {file.path.removesuffix('.vmdk')}-flat.vmdk"],
        "thin": True,
    }
    return {name: value for name, value in found.items() if flags.get(name)}


def _pattern(text: str) -> str:
    if not text:
        raise invalid_argument("searchSpec.matchPattern")
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in text)


def _by_name(entry: tuple[str, Data | None]) -> str:
    return entry[0]
