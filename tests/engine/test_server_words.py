"""Every text of the server once: its cause, and the object it names; and none of the twin's texts is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.engine.server_words import OTHER, cause_of, of_a_leftover

CASES = Path(__file__).parents[1] / "cases"
# Words of a fault that a case makes up itself.
MADE_UP = {"host is gone", "no such statistics", "no such network", "pool is gone"}


@dataclass(frozen=True)
class Case:
    id: str
    code: int
    text: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.text[:30]}"


def cases() -> list[Case]:
    files = sorted((CASES / "server_words").glob("*.yaml"))
    return [Case(**entry) for path in files for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_text_has_its_cause(case: Case) -> None:
    cause = cause_of(case.code, case.text)
    assert (cause.id, cause.subject) == (case.id, case.subject)
    assert cause.what
    assert cause.cure
    assert bool(cause.subject_kind) >= bool(cause.subject)


def test_no_text_of_the_twin_is_unknown() -> None:
    refused: list[dict[str, Any]] = [
        entry["refused"]
        for path in sorted((CASES / "twin_import").glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
        if entry.get("refused")
    ]
    texts = {(one["code"], one.get("text") or "") for one in refused} - {(530, text) for text in MADE_UP}
    assert len(texts) > 60
    assert [text for code, text in sorted(texts) if cause_of(code, text) == OTHER] == []


def test_a_leftover_keeps_its_mac() -> None:
    text = "NIC with MAC address 00:50:56:00:01:01 exists on network prod and forced flag is disabled"
    leftover = cause_of(530, of_a_leftover(text))
    assert (leftover.id, leftover.subject_kind, leftover.subject) == ("mac-leftover", "mac", "00:50:56:00:01:01")
