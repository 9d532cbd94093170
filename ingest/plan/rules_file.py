"""Reading a rules file: YAML against the model of `ingest.plan.rules`, errors with line and key, all at once."""

from __future__ import annotations

from pathlib import Path

from ingest.errors import RulesError
from ingest.plan.rules import Rules
from ingest.yamlmodels import checked
from ingest.yamltext import read_document

CURE = "data/rules.yaml shows every key with an example; docs/reference/rules.md lists them"


def read_rules(path: Path) -> Rules:
    """The rules of a YAML file. Raises RulesError naming file, line and key of everything malformed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RulesError(
            f"cannot be read: {error.strerror}", place=str(path), cure="give the path of a rules file, or none at all"
        ) from None
    except UnicodeDecodeError:
        raise RulesError("is not UTF-8 text", place=str(path), cure="save it as UTF-8") from None
    return parse_rules(text, place=str(path))


def parse_rules(text: str, *, place: str = "rules") -> Rules:
    """The rules of a YAML text; errors as `read_rules`. An empty text is no rules."""
    document = read_document(text, place, cure=CURE)
    if document.data is None:
        return Rules()
    if not isinstance(document.data, dict):
        raise RulesError("expected keys and values at the top", place=document.place(()), cure=CURE)
    return checked(Rules, document)
