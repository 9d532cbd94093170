"""A script of faults, from a YAML file or from JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ingest.errors import RulesError
from ingest.twin.faults.kinds import Fault
from ingest.twin.worlds.schema import checked
from ingest.twin.worlds.yamltext import CURE, Document, read_document

_CURE = "docs/how-to/faults.md lists the kinds of faults and their keys"
_LARGEST_BYTES = 1 << 20


class Script(BaseModel):
    """Faults in their order. Without a `seed` the world's is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    seed: int | None = None
    faults: tuple[Fault, ...]


def read_script(path: Path) -> Script:
    """The script of a file. Raises RulesError (file, line, key path, cure) for anything wrong in it."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise RulesError("more than 1 MiB", place=str(path), cure="is this a script of faults?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RulesError(f"cannot be read: {reason}", place=str(path), cure="check the path") from error
    except UnicodeDecodeError as error:
        raise RulesError(f"not UTF-8 text: {error.reason}", place=str(path), cure="save it as UTF-8") from None
    try:
        document = read_document(text, str(path))
        if not isinstance(document.data, dict):
            raise RulesError("expected the key faults at the top", place=document.place(()), cure=_CURE)
        return checked(Script, document)
    except RulesError as error:
        raise _with_our_cure(error) from None


def script_of(body: bytes) -> Script:
    """The script of a JSON body: a whole one, or a single fault. Raises RulesError for anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RulesError(f"not JSON: {error}", place="body", cure=_CURE) from None
    if not isinstance(data, dict):
        raise RulesError("expected an object", place="body", cure=_CURE)
    return checked(Script, Document("body", data if "faults" in data else {"faults": [data]}, {}, _CURE))


def _with_our_cure(error: RulesError) -> RulesError:
    return RulesError(error.message, place=error.place, cure=_CURE if error.cure == CURE else error.cure)
