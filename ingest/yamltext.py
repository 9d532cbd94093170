"""YAML (or JSON) text as plain data that still knows its lines.

Plain means the types of JSON. Three habits of YAML 1.1 are left out because they bite in inventories: `on`, `off`,
`yes` and `no` stay words, `10:20:30:40:50:59` stays a MAC address instead of a number in base sixty, and `0815` keeps
its zero. Aliases and repeated keys are errors: the first can blow up a small file, the second hides a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from ingest.errors import RulesError

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"
Path: TypeAlias = tuple[str | int, ...]
DEEPEST = 30


class _Loader(yaml.SafeLoader):
    """The safe loader with its own idea of what is not a string."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own interface


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|True|false|False)\Z"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]*([eE][-+][0-9]+)?\Z"),
    list("-+0123456789"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """Parsed text. `lines` are the line numbers (from 1) of every key path; `cure` is where its keys are described."""

    source: str
    data: Plain
    lines: dict[Path, int]
    cure: str = ""

    def place(self, path: Path) -> str:
        """file:line: key path, for error messages. A path without a line of its own gets its nearest parent's."""
        if not self.lines:
            return f"{self.source}: {key_path(path)}" if path else self.source
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        return f"{self.source}:{line}: {key_path(path)}" if path else f"{self.source}:{line}"


def key_path(path: Path) -> str:
    """`vms[3].nics[0].mac`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_document(text: str, source: str, *, cure: str) -> Document:
    """The text as plain data with lines. Raises RulesError with file, line, what is wrong, and the `cure`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        raise RulesError(f"not YAML: {error.problem or error.context}", place=place, cure=cure) from None
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise RulesError(f"not YAML: {reason}", place=source, cure=cure) from None
    reader = _Reader(source, cure)
    data = reader.plain(node, ()) if node is not None else None
    return Document(source, data, reader.lines, cure)


class _Reader:
    def __init__(self, source: str, cure: str) -> None:
        self.source = source
        self.cure = cure
        self.lines: dict[Path, int] = {}
        self._seen: set[int] = set()

    def plain(self, node: yaml.Node, path: Path) -> Plain:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in self._seen:
            raise self._error("aliases (*name) are not allowed", line, path)
        self._seen.add(id(node))
        if len(path) > DEEPEST:
            raise self._error(f"nested deeper than {DEEPEST} levels", line, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Plain:
        found: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                raise self._error("a key has to be a word", line, path)
            if key in found:
                raise self._error(f"the key {key} is there twice, first in line {self.lines[*path, key]}", line, path)
            self.lines[*path, key] = line
            found[key] = self.plain(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.Node, path: Path) -> Plain:
        value: Any = node.value
        match node.tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return bool(value.lower() == "true")
            case "int":
                # Python refuses numbers of more than 4,300 digits, a file should not have one of 20.
                return int(value) if len(value) < 20 else str(value)
            case "float":
                return float(value)
            case "str":
                return str(value)
        line = node.start_mark.line + 1
        raise self._error(f"the tag {node.tag} is not allowed", line, path)

    def _error(self, message: str, line: int, path: Path) -> RulesError:
        place = f"{self.source}:{line}: {key_path(path)}" if path else f"{self.source}:{line}"
        return RulesError(message, place=place, cure=self.cure)
