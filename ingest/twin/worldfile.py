"""A world from and to a file: YAML or JSON, in one of two forms.

The complete form (`kind: world`) holds everything, CloudStack's side and its journal included; `save_world` writes it.
The short form (`kind: description`, the default) is for people: a generated site with changes of their own, see
`data/demo-world.yaml` and `ingest.twin.worlds.description`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import models_json_schema

from ingest.errors import RulesError
from ingest.twin.world import World
from ingest.twin.worlds.described import world_from_description
from ingest.twin.worlds.description import Description
from ingest.twin.worlds.integrity import dangling
from ingest.twin.worlds.schema import checked, explained
from ingest.twin.worlds.yamltext import CURE, Document, read_document

FORMAT_VERSION = 1
MAXIMUM_BYTES = 512 << 20
# YAML is parsed at about 1 MB/s, and only people write it; a JSON file of any size is read at 40 MB/s.
MAXIMUM_YAML_BYTES = 4 << 20


def _world_model() -> type[BaseModel]:
    """A pydantic model with the fields of World except its lock; nested dataclasses refuse unknown keys as well."""
    hints = typing.get_type_hints(World)
    fields: dict[str, Any] = {"version": (Literal[1], ...), "kind": (Literal["world"], ...)}
    for field in dataclasses.fields(World):
        if not field.compare:
            continue
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else Field(default_factory=made)
        fields[field.name] = (hints[field.name], default)
    return create_model("WorldFile", __config__=ConfigDict(extra="forbid"), **fields)


WorldFile = _world_model()
STATE = [name for name in WorldFile.model_fields if name not in ("version", "kind")]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a world file of either form, for editors and other programs."""
    references, shared = models_json_schema(((Description, "validation"), (WorldFile, "validation")))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"World file, version {FORMAT_VERSION}",
        "oneOf": [references[Description, "validation"], references[WorldFile, "validation"]],
        **shared,
    }


def save_world(world: World, path: Path) -> None:
    """Write everything of the world to `path`, as JSON (which is YAML too), replacing the file in one step.

    Takes the world's lock while reading it. Contains the twin's keys and passwords, so the file is for its owner only.
    Raises OSError when it cannot be written; the old file is then untouched.
    """
    text = world_text(world)
    # model_dump_json leaves defaults out, and these two say what the file is.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def world_text(world: World) -> str:
    """Everything of the world as JSON, the text of a world file. Takes the world's lock."""
    with world.lock:
        state = {name: getattr(world, name) for name in STATE}
        model = WorldFile.model_construct(version=FORMAT_VERSION, kind="world", **state)
        return model.model_dump_json(exclude_defaults=True, indent=1)


def load_world(path: Path) -> World:
    """The world of a file of either form.

    Raises RulesError (file, line, key path, cure) for anything that is not a world: not YAML, unknown keys, wrong
    types, references to things that do not exist, more than 512 MiB (4 MiB of YAML that is not JSON).
    """
    text = _read(path)
    source = str(path)
    data: Any = None
    if text.lstrip().startswith("{"):
        with contextlib.suppress(json.JSONDecodeError, RecursionError):  # then it is YAML in braces, or an error there
            data = json.loads(text)
    if isinstance(data, dict) and data.get("kind") == "world":
        return _complete_from_json(text, data, source)
    if len(text) > MAXIMUM_YAML_BYTES:
        limit = MAXIMUM_YAML_BYTES >> 20
        raise RulesError(f"more than {limit} MiB of YAML", place=source, cure="save the world as JSON: save_world")
    document = read_document(text, source)
    if not isinstance(document.data, dict):
        raise RulesError("expected keys and values at the top", place=document.place(()), cure=CURE)
    _require_version(document.data, document)
    if document.data.get("kind") == "world":
        return _whole(checked(WorldFile, document), document)
    return world_from_description(checked(Description, document), document)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise RulesError(f"more than {MAXIMUM_BYTES >> 20} MiB", place=str(path), cure="is this a world file?")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RulesError(f"cannot be read: {reason}", place=str(path), cure="check the path") from error
    except UnicodeDecodeError as error:
        raise RulesError(f"not UTF-8 text: {error.reason}", place=str(path), cure="save it as UTF-8") from None


def _complete_from_json(text: str, data: dict[str, Any], source: str) -> World:
    if len(text) > MAXIMUM_YAML_BYTES:
        _require_version(data, Document(source, None, {}))
    try:
        model = WorldFile.model_validate_json(text, strict=True)
    except ValidationError as error:
        small = len(text) <= MAXIMUM_YAML_BYTES
        document = read_document(text, source) if small else Document(source, None, {})
        if small:
            _require_version(data, document)
        raise explained(error, WorldFile, document) from None
    return _whole(model, Document(source, None, {}))


def _require_version(data: dict[str, Any], document: Document) -> None:
    version = data.get("version")
    if version is None:
        raise RulesError("the key version is missing", place=document.place(()), cure=f"add version: {FORMAT_VERSION}")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise RulesError(
            f"version {version!r} of the world file is unknown",
            place=document.place(("version",)),
            cure=f"this program reads version {FORMAT_VERSION}",
        )


def _whole(model: BaseModel, document: Document) -> World:
    world = World(**{name: getattr(model, name) for name in STATE})
    for path, what in dangling(world):
        raise RulesError(what, place=document.place(path), cure="add what is missing, or correct the reference")
    return world
