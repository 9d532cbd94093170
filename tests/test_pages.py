"""The pages of the Prefect UI: small whatever the size of the run, and nothing in names or words is markup."""

from __future__ import annotations

from ingest.engine.events import ImportBegan, RowDone, RowRunning, RowStarted
from ingest.engine.failures import failed_together
from ingest.engine.picture import Picture
from ingest.model.outcome import Outcome
from tasks.pages import failures_page, live_page


def test_ten_thousand_rows_and_as_many_causes_make_a_small_page() -> None:
    picture = Picture(lambda: 10.0)
    names = tuple((row, f"vm-{row}-" + "x" * 60) for row in range(2, 10_002))
    picture(ImportBegan("r", "runs/r", names, 100))
    outcomes = []
    for row, name in names[:9900]:
        cause = "".join(chr(97 + int(digit)) for digit in str(row))  # a text of its own, without a number in it
        outcomes.append(Outcome(row, name, "failed", error=f"gremlin {cause} " + "long words " * 200))
        picture(RowDone(outcomes[-1]))
    for row, name in names[9900:]:
        picture(RowStarted(row, name))
        picture(RowRunning(row, name))
    failures = failed_together(outcomes)
    assert len(failures) == 9900
    page = live_page(
        run="r",
        folder="runs/r",
        figures=picture.figures(),
        rows=picture.rows(30),
        failures=failed_together(picture.trouble()),
    )
    after = failures_page(failures, sums="9900 failed", results="runs/r/results.csv")
    for text in (page, after):
        assert len(text.encode()) < 60_000
    assert "**9900 of 10000** (99 %): 9900 failed, 100 in flight" in page
    assert page.count(" running ") == 27  # 30 rows, the newest failures among them
    assert "and 9850 more" in after
    assert "**9900 rows, 9900 causes**" in after


def test_names_and_words_are_shown_as_they_are() -> None:
    one = Outcome(2, "[x](javascript:alert)|<b>", "failed", error="a|b\n<script>`rm`")
    page = failures_page(failed_together([one]), sums="1 failed", results="r.csv")
    (line,) = (line for line in page.splitlines() if line.startswith("| 1 |"))
    assert r"\[x\](javascript:alert)\|\<b\>" in line
    assert r"a\|b \<script\>\`rm\`" in line


def test_a_run_without_failures_says_so() -> None:
    assert failures_page([], sums="24 imported", results="r.csv").startswith("Nothing failed: 24 imported.")
