"""Signatures given beforehand, and what they can name."""

from __future__ import annotations

import pytest

from ingest.errors import UsageError
from ingest.recovery.people import Given, Request, Signature, known_keys, read_signatures
from tests.runbook.books import book

RUNBOOK = """
people: [{role: lead}]
steps: [{name: declared, say: a, who: lead}, {say: b, who: lead}, {say: c, who: lead, when: after}]
waves:
  - {name: one, select: {}, gate: ask, asks: lead, steps: [{say: d, who: lead}, {say: e, who: lead, when: after}]}
"""
KEYS = ["declared", "before/2", "one/before/1", "one/after/1", "one/gate", "after/1"]


def test_every_step_and_gate_has_a_key() -> None:
    assert known_keys(book(RUNBOOK)) == KEYS


def test_signatures_are_read() -> None:
    assert read_signatures(["declared=lead", "one/gate= shift lead "], book(RUNBOOK)) == {
        "declared": "lead",
        "one/gate": "shift lead",
    }
    for wrong, words in (("declared", "is no signature"), ("declared=", "is no signature"), ("two=x", "no step is")):
        with pytest.raises(UsageError, match=words) as error:
            read_signatures([wrong], book(RUNBOOK))
        assert error.value.exit_code == 2


def test_a_gate_that_is_signed_opens_and_others_are_asked() -> None:
    gate = Request("one/gate", "gate", "go on?", "lead", "one", ("continue", "stop"))
    assert Given({"one/gate": "lead"}).ask(gate) == Signature("lead", "continue", "given beforehand")
    assert Given({}).ask(gate) is None
    assert Given({"x": "y"}, Given({"one/gate": "shift lead"})).ask(gate) == Signature(
        "shift lead", "continue", "given beforehand"
    )
