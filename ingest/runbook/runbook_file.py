"""Reading a runbook: YAML against the model of `ingest.runbook.model`, errors with line and key, all at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import RulesError
from ingest.runbook.model import Runbook
from ingest.yamlmodels import checked
from ingest.yamltext import Document, key_path, read_document
from ingest.yamltext import Path as KeyPath

CURE = "data/runbooks/demo.yaml shows every key with an example; docs/reference/runbook.md lists them"


@dataclass(frozen=True, slots=True)
class RunbookFile:
    """A runbook and where it came from. `place` turns a key such as `waves[1].gate` into file:line: key."""

    runbook: Runbook
    document: Document

    def place(self, key: str) -> str:
        """file:line: key, as error messages have it."""
        path = next((path for path in self.document.lines if key_path(path) == key), None)
        return self.document.place(path) if path is not None else f"{self.document.source}: {key}"

    def beside(self, relative: str) -> Path:
        """A path the runbook names, relative to its file."""
        return Path(self.document.source).parent / relative


def read_runbook(path: Path) -> RunbookFile:
    """The runbook of a YAML file. Raises RulesError naming file, line and key of everything malformed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RulesError(
            f"cannot be read: {error.strerror}", place=str(path), cure="give the path of a runbook (YAML)"
        ) from None
    except UnicodeDecodeError:
        raise RulesError("is not UTF-8 text", place=str(path), cure="save it as UTF-8") from None
    return parse_runbook(text, place=str(path))


def parse_runbook(text: str, *, place: str = "runbook") -> RunbookFile:
    """The runbook of a YAML text; errors as `read_runbook`."""
    document = read_document(text, place, cure=CURE)
    if not isinstance(document.data, dict):
        raise RulesError("expected keys and values at the top", place=document.place(()), cure=CURE)
    runbook = checked(Runbook, document)
    doubled = _doubled(runbook)
    if doubled:
        (path, first), *others = doubled
        message = first + "".join(f"\n{document.place(path)}: {text}" for path, text in others)
        raise RulesError(message, place=document.place(path), cure="names are how steps, waves and people are found")
    return RunbookFile(runbook, document)


def _doubled(runbook: Runbook) -> list[tuple[KeyPath, str]]:
    """Names that stand for two things: waves and steps share one set of names, people have their own."""
    names: list[tuple[KeyPath, str]] = [(("waves", n, "name"), wave.name) for n, wave in enumerate(runbook.waves)]
    names += [(("steps", n, "name"), step.name) for n, step in enumerate(runbook.steps)]
    for number, wave in enumerate(runbook.waves):
        names += [(("waves", number, "steps", n, "name"), step.name) for n, step in enumerate(wave.steps)]
    roles: list[tuple[KeyPath, str]] = [(("people", n, "role"), one.role) for n, one in enumerate(runbook.people)]
    found = []
    for group in (names, roles):
        counts = Counter(name for _, name in group if name)
        seen: set[str] = set()
        for path, name in group:
            if counts[name] > 1 and name in seen:
                found.append((path, f"the name '{name}' stands twice"))
            seen.add(name)
    return found
