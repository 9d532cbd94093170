"""CSV and JSON for people: opened by a spreadsheet as they are, and read back as they were."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest

from ingest.report.tables import csv_bytes, csv_rows, json_bytes, record

CELLS = [
    "plain",
    "",
    "=1+1",
    "+49 30",
    "-5",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'=1+1",
    "''@x",
    "'plain",
    "a,b;c",
    'say "hi"',
    "two\nlines",
    "naïve ü 日本",
    " =x",
]


def raw_cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_is_a_formula_and_every_cell_comes_back(cell: str) -> None:
    content = csv_bytes(["a", "b"], [{"a": cell, "b": "x"}])
    assert not raw_cells(content)[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert csv_rows(content) == [{"a": cell, "b": "x"}]


def test_spreadsheets_know_the_encoding_and_the_line_ends() -> None:
    content = csv_bytes(["ü"], [{"ü": "ö"}])
    assert content == b"\xef\xbb\xbf" + "ü\r\nö\r\n".encode()


def test_columns_are_those_given_in_their_order() -> None:
    content = csv_bytes(["b", "a", "none"], [{"a": 1, "b": True, "more": "left out", "none": None}])
    assert raw_cells(content) == [["b", "a", "none"], ["True", "1", ""]]
    assert csv_bytes(["a"], []) == b"\xef\xbb\xbfa\r\n"
    assert csv_rows(csv_bytes(["a"], [])) == []


def test_negative_numbers_stay_numbers_for_those_who_read_them_back() -> None:
    assert csv_rows(csv_bytes(["n"], [{"n": -1.5}])) == [{"n": "-1.5"}]


def test_json_is_the_same_for_the_same_document() -> None:
    assert json_bytes({"b": 1, "a": ["ü"]}) == json_bytes({"a": ["ü"], "b": 1})
    text = json_bytes({"a": "ü"}).decode()
    assert json.loads(text) == {"a": "ü"}
    assert "ü" in text
    assert text.endswith("}\n")


def test_a_record_is_one_level_deep() -> None:
    @dataclass(frozen=True, slots=True)
    class Inner:
        x: int

    @dataclass(frozen=True, slots=True)
    class Outer:
        name: str
        inner: Inner

    assert record(Outer("n", Inner(1))) == {"name": "n", "inner": Inner(1)}
