"""`ingest runbook check` and `print`: what is told where, what is written, how it ends."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ingest.data_files import data_file
from ingest.plan.sheet import sheet_bytes
from tests.cli.conftest import Ingest
from tests.runbook.books import HEAD, plan

WAVES = HEAD + "waves:\n  - {name: web, select: {name: 'web*'}, rto: 1min}\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A runbook in a folder of its own, with its plan beside it."""
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "plan.csv").write_bytes(sheet_bytes(plan()))
    (folder / "book.yaml").write_text(WAVES)
    return folder / "book.yaml"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_findings_name_the_line_of_the_plan_or_of_the_runbook(ingest: Ingest, book: Path) -> None:
    said = ingest("runbook", "check", str(book), "--import-seconds", "120", "--format", "csv")
    assert said.code == 0
    sheet = book.parent / "plan.csv"
    assert [(row["where"], row["vm"], row["rule"]) for row in rows(said.out)] == [
        (f"{sheet}:{line}: vm", vm, "WAVE-001") for line, vm in ((2, "app02"), (3, "db_03"))
    ] + [(f"{book}:5: waves[0].rto", "", "RTO-001")]
    assert "wave 1 web: 1 row, 1 started, target 1 min, predicted 2 min" in said.err
    assert "2 rows in no wave" in said.err


def test_a_runbook_that_cannot_be_followed_ends_with_code_3(ingest: Ingest, book: Path) -> None:
    book.write_text(WAVES.replace("rto: 1min", "prerequisites: [nothing]"))
    said = ingest("runbook", "check", str(book), "--format", "json")
    assert said.code == 3
    assert '"PRE-001"' in said.out


def test_without_a_plan_the_runbook_alone_is_judged(ingest: Ingest, book: Path) -> None:
    (book.parent / "plan.csv").unlink()
    said = ingest("runbook", "check", str(book), "--format", "csv")
    assert (said.code, rows(said.out)) == (0, [])
    assert "rows are not judged" in said.err


@pytest.mark.parametrize("command", ["check", "print"])
def test_bad_files_are_refused_with_place_and_cure(ingest: Ingest, book: Path, command: str) -> None:
    ingest("runbook", command, str(book), "--plan", "none.csv").refused(2, "none.csv", "cannot be read")
    ingest("runbook", command, "none.yaml").refused(2, "none.yaml", "cannot be read")
    book.write_text(WAVES + "rules: mine.yaml\n")
    ingest("runbook", command, str(book)).refused(2, "mine.yaml", "cannot be read")
    book.write_text(WAVES.replace("rto: 1min", "rto: 1"))
    ingest("runbook", command, str(book)).refused(2, f"{book}:5: waves[0].rto", "no span of time")


def test_the_page_goes_into_a_file_or_to_stdout(ingest: Ingest, book: Path) -> None:
    said = ingest("runbook", "print", str(book), "-o", "page.html")
    assert (said.code, said.out) == (0, "")
    page = Path("page.html").read_text(encoding="utf-8")
    assert "web01" in page
    assert ingest("runbook", "print", str(book)).out == page


def test_the_shipped_runbook_fits_itself(ingest: Ingest) -> None:
    said = ingest("runbook", "check", str(data_file("runbooks/demo.yaml")), "--format", "csv")
    assert (said.code, rows(said.out)) == (0, [])


@pytest.mark.parametrize("command", ["check", "print"])
def test_every_option_is_explained(ingest: Ingest, command: str) -> None:
    said = ingest("runbook", command, "--help")
    assert said.code == 0
    for option in ("--plan", "--import-seconds", "--in-flight"):
        assert option in said.out
