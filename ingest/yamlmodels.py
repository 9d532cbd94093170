"""Plain data checked against typed models, with messages that name the allowed keys."""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ingest.errors import RulesError
from ingest.yamltext import Document, Path

Model = TypeVar("Model", bound=BaseModel)
_MOST_SHOWN = 10
_HINT = "did you mean "


def checked(model: type[Model], document: Document) -> Model:
    """The document as that model. Raises RulesError for everything wrong in it, in the order of the file."""
    try:
        return model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        raise explained(error, model, document) from None


def explained(error: ValidationError, model: type[BaseModel], document: Document) -> RulesError:
    """All errors in the order of the file, the first one with place and cure, up to ten more below it."""

    def line(one: Any) -> int:
        return document.lines.get(_existing(one["loc"], document), 0)

    # Of a union of types every member complains about the same value: one complaint is enough, the telling one.
    found: dict[Path, Any] = {}
    for one in sorted(error.errors(include_url=False), key=lambda one: one["type"] != "value_error"):
        found.setdefault(_existing(tuple(one["loc"]), document), one)
    ordered = sorted(found.items(), key=lambda item: line(item[1]))
    path, first = ordered[0]
    message, cure = _words(first, tuple(first["loc"]), model, document)
    for other_path, other in ordered[1 : 1 + _MOST_SHOWN]:
        text, help_ = _words(other, tuple(other["loc"]), model, document)
        hint = f", {help_.partition('?')[0]}?" if help_.startswith(_HINT) else ""
        message += f"\n{document.place(other_path)}: {text}{hint}"
    if len(ordered) > 1 + _MOST_SHOWN:
        message += f"\n(and {len(ordered) - 1 - _MOST_SHOWN} more)"
    return RulesError(message, place=document.place(path), cure=cure)


def _existing(path: Path, document: Document) -> Path:
    """The path as the file has it: pydantic adds parts for the members of a union."""
    if not document.lines:
        return path
    kept: Path = ()
    for part in path:
        if (*kept, part) in document.lines:
            kept = (*kept, part)
    return kept


def _words(error: Any, path: Path, model: type[BaseModel], document: Document) -> tuple[str, str]:
    kind = error["type"]
    if kind == "union_tag_invalid":
        tag, expected = error["ctx"]["tag"], error["ctx"]["expected_tags"]
        close = difflib.get_close_matches(tag, expected.replace("'", "").split(", "), 1)
        hint = f"{_HINT}{close[0]}? " if close else ""
        return f"unknown {error['ctx']['discriminator'].strip(chr(39))} {tag}", f"{hint}allowed here: {expected}"
    if kind == "union_tag_not_found":
        name = error["ctx"]["discriminator"].strip("'")
        return f"the key {name} is missing", f"add {name}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        allowed = allowed_keys(model, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), allowed, 1)
        hint = f"{_HINT}{close[0]}? " if close else ""
        return f"unknown key {path[-1]}", f"{hint}allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"the key {path[-1]} is missing", f"add {path[-1]}"
    if kind == "value_error":
        return str(error["ctx"]["error"]), document.cure
    text = error["msg"]
    value = error.get("input")
    shown = "" if isinstance(value, dict | list) else f", not {value!r}"
    return text[0].lower() + text[1:] + shown, document.cure


def allowed_keys(model: Any, path: Path) -> list[str]:
    """The keys of the object at that path of a model, sorted; empty when there is no object."""
    found = _type_at(model, path)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return sorted(found.model_fields)
    if dataclasses.is_dataclass(found):
        return sorted(field.name for field in dataclasses.fields(found))
    return []


def _type_at(kind: Any, path: Path) -> Any:
    for part in path:
        kind = _member(_without_none(kind), part)
    return _without_none(kind)


def _member(kind: Any, part: str | int) -> Any:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Annotated:
        return _member(arguments[0], part)
    tagged = [one for one in arguments if part in _tags(one)]
    if tagged:
        return tagged[0]
    if typing.get_origin(kind) is dict:
        return arguments[1]
    if arguments:
        return arguments[0]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return typing.get_type_hints(kind).get(str(part))
    return None


def _tags(kind: Any) -> tuple[Any, ...]:
    """The words that choose this member of a union; pydantic puts them into the path."""
    field = kind.model_fields.get("kind") if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return typing.get_args(field.annotation) if field else ()


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next((member for member in typing.get_args(kind) if member is not type(None)), None)
    return kind
