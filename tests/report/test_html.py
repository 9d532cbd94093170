"""The report of a run: one page that needs nothing else, and shows what needs a hand first."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ingest.model.outcome import URGENCY, Outcome
from ingest.report.html import Cause, causes_of, render_report

EVIL = "<b>\"&'</b><script>alert(1)</script>"


def finding(rule: str, row: int, *, level: str = "critical", vm: str = "", message: str = "what") -> dict[str, str]:
    return {
        "rule": rule,
        "row": str(row),
        "level": level,
        "vm": vm or f"vm{row}",
        "column": "hostname",
        "value": "",
        "message": message,
        "fix": f"mend {rule}",
    }


class Page(HTMLParser):
    """The texts of all table rows, and every tag and attribute of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.rows: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1] += data.strip() + "|"


def page_of(*outcomes: Outcome, findings: list[dict[str, str]] | None = None, title: str = "A run") -> bytes:
    return render_report(title=title, outcomes=outcomes, findings=findings or [])


def test_the_page_stands_alone() -> None:
    page = page_of(Outcome(2, "a", "imported", vm_id="i1"), findings=[finding("X-001", 2)])
    assert not re.search(rb"https?:|//|@import|url\(", page)
    seen = Page(page)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "a", "form"}
    assert not {name for name, _ in seen.attributes} & {"src", "href", "style", "onclick"}
    assert page.startswith(b"<!doctype html>")
    assert b'charset="utf-8"' in page


def test_whatever_a_name_or_an_error_holds_is_shown_not_run() -> None:
    outcome = Outcome(2, EVIL, "failed", vm_id=EVIL, error=EVIL)
    page = page_of(outcome, findings=[finding(EVIL, 2, vm=EVIL, message=EVIL)], title=EVIL)
    assert b"<b>&" not in page
    assert b"<script" not in page
    seen = Page(page)
    assert "script" not in seen.tags
    assert sum(row.count("alert(1)") for row in seen.rows) >= 5
    assert any(EVIL in row.replace("|", "") for row in seen.rows)


def test_what_needs_a_hand_comes_first() -> None:
    outcomes = [Outcome(9 - number, f"vm-{status}", status) for number, status in enumerate(reversed(URGENCY))]
    page = Page(page_of(*outcomes, Outcome(1, "vm-also-failed", "failed", error="no", duration_s=61.26)))
    names = [name for row in page.rows for name in re.findall(r"vm-[a-z-]+", row)]
    assert names == [
        "vm-unknown",
        "vm-also-failed",
        "vm-failed",
        "vm-not-started",
        "vm-blocked",
        "vm-skipped",
        "vm-imported",
    ]
    assert any("61.3|no|" in row for row in page.rows)


def test_counts_of_what_happened_only() -> None:
    text = page_of(Outcome(2, "a", "imported"), Outcome(3, "b", "imported"), Outcome(4, "c", "failed")).decode()
    assert "<b>2</b>imported" in text
    assert "<b>1</b>failed" in text
    assert "</b>unknown" not in text


def test_a_page_without_rows_or_findings() -> None:
    text = page_of().decode()
    assert "Findings by cause" not in text
    assert "Every row" in text


def test_causes_group_by_rule_with_an_example() -> None:
    causes = causes_of([finding("X-001", 2, message="first"), finding("X-001", 3), finding("X-001", 3)])
    assert causes == [Cause("X-001", "critical", 2, "first", "mend X-001", "vm2, vm3")]


def test_an_accepted_finding_is_a_cause_of_its_own() -> None:
    causes = causes_of([finding("X-001", 2), finding("X-001", 3, level="info")])
    assert [(one.level, one.rows) for one in causes] == [("critical", 1), ("info", 1)]


def test_causes_are_sorted_by_severity_frequency_and_name() -> None:
    findings = [
        *(finding("W-001", row, level="warning") for row in range(9)),
        finding("I-001", 1, level="info"),
        finding("B-001", 1),
        finding("A-001", 1),
        *(finding("Z-001", row) for row in range(2)),
    ]
    assert [one.rule for one in causes_of(findings)] == ["Z-001", "A-001", "B-001", "W-001", "I-001"]


def test_many_vms_are_counted_not_listed() -> None:
    (cause,) = causes_of([finding("X-001", row) for row in range(20)])
    assert cause.vms == "vm0, vm1, vm2, vm3, vm4, vm5, vm6, vm7 and 12 more"
    assert cause.rows == 20
    assert causes_of([]) == []
