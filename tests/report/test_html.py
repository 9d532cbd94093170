"""The report of a run: one page that needs nothing else, and shows what needs a hand first."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ingest.model.outcome import URGENCY, Outcome
from ingest.report.causes import Cause, causes_of
from ingest.report.html import RowOnPage, render_findings, render_report

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
        "vm-incomplete",
        "vm-also-failed",
        "vm-failed",
        "vm-held",
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


def test_causes_group_by_rule_and_count_what_is_said() -> None:
    found = [finding("X-001", 2, message="rare"), *(finding("X-001", row) for row in (3, 3, 4))]
    (cause,) = causes_of(found, why={"X-001": "because"}, plan="my.csv")
    assert cause == Cause(
        rule="X-001",
        level="critical",
        rows=3,
        messages=(("what", 2), ("rare", 1)),
        more=0,
        fix="mend X-001",
        vms="vm2, vm3, vm4",
        why="because",
        command="ingest check my.csv --rule X-001",
    )


def test_the_page_of_findings_says_causes_first_and_stands_alone() -> None:
    found = [finding("X-001", row, message=f"VLAN {row % 2}") for row in range(2, 139)]
    found += [finding("Y-001", 2), finding("W-001", 3, level="warning")]
    rows = [
        RowOnPage(row, f"vm{row}", "blocked", "blocked", findings=(finding("X-001", row),), next_start=("CPUs 2 -> 4",))
        for row in range(2, 139)
    ]
    rows.append(RowOnPage(999, EVIL, "ready", "accept", doubts=("hostname=x: repaired (likely)",)))
    page = render_findings(title="Plan", rows=rows, findings=found, why={"X-001": "because"}, plan="my.csv")
    text = page.decode()
    assert "137 rows, 3 causes" in text
    assert text.count("ingest check my.csv --rule") == 3
    assert "VLAN 0 <span class=quiet>(69 rows)" in text
    assert "<script>alert" not in text
    assert "https://" not in text
    assert text.index("Findings by cause") < text.index("Every row to import")
    seen = Page(page)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "a", "form"}


def test_a_page_of_very_many_rows_is_shortened_and_says_so() -> None:
    rows = [RowOnPage(line, f"vm{line}", "ready", "accept") for line in range(2100)]
    text = render_findings(title="Plan", rows=rows, findings=[], why={}, plan="my.csv").decode()
    assert "The first 2000 rows" in text
    assert "vm1999<" in text
    assert "vm2050<" not in text


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
