"""Spans of time: read as people write them, refused where they could be misread, and said again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ingest.runbook.spans import in_words, read_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15min", 900), ("15 minutes", 900), ("1h 30min", 5400), ("1h30m", 5400), ("1.5h", 5400), ("0s", 0)],
)
def test_spans_are_read(text: str, seconds: int) -> None:
    assert read_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", 90, 1.5, "-5min", "5 fortnights", "5min later", "min", "31d"])
def test_what_could_be_misread_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"span of time|longer than"):
        read_span(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (7530, "2 h 6 min"),
        (-200, "-3 min 20 s"),
    ],
)
def test_spans_are_said(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
