"""Runbooks and plans of a few lines for tests, and what a person reads of the findings."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.model.inventory import VirtualMachine
from ingest.model.outcome import Finding
from ingest.plan.enrich import enrich
from ingest.plan.rules import Rules
from ingest.plan.sheet import Sheet, parse_sheet, render_sheet
from ingest.runbook.model import Runbook
from ingest.runbook.runbook_file import parse_runbook
from tests.plan import small_site as site

HEAD = "name: test\nplan: plan.csv\nrto: 4h\n"


def book(text: str) -> Runbook:
    """A runbook from the keys that matter."""
    return parse_runbook(HEAD + text).runbook


def plan(*vms: VirtualMachine, rules: Rules | None = None) -> Sheet:
    """The plan of the small site (or of these VMs), as reading back the written file gives it."""
    snapshot = site.snapshot(*vms) if vms else site.snapshot()
    return parse_sheet(render_sheet(enrich(snapshot, rules or Rules())))


def said(findings: Iterable[Finding]) -> list[str]:
    """`RULE vm-or-key: message`, in order."""
    return [f"{one.rule} {one.vm or one.column}: {one.message}" for one in findings]
