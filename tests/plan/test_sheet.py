"""The CSV contract: what goes in comes out, whatever a spreadsheet did to it in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SheetError
from ingest.plan.columns import PLAN_COLUMNS, column_of, header, width
from ingest.plan.sheet import Row, Sheet, escape, parse_sheet, read_sheet, render_sheet, sheet_bytes, unescape

NASTY = [
    "=1+1",
    "+49",
    "-x",
    "@cmd",
    "'=x",
    "''=x",
    "'plain",
    "007",
    "a;b,c\td",
    'say "hi"',
    "two\nlines",
    "#no comment",
    "",
    "naïve %2f",
]


@pytest.mark.parametrize("value", NASTY)
def test_escape_is_undone_exactly(value: str) -> None:
    assert unescape(escape(value)) == value
    assert not escape(value).startswith(("=", "+", "-", "@", "#"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_round_trip_keeps_everything(delimiter: str, newline: str) -> None:
    rows = [Row({"vm": value, "my own": "x", "note": "y"}) for value in NASTY if value]
    sheet = Sheet(["my own", "vm", "note"], rows, [(0, "# top"), (2, "# middle"), (len(rows), "# end")], delimiter)
    sheet.newline = newline
    again = parse_sheet(render_sheet(sheet), required=("vm",))
    assert [row.cells for row in again.rows] == [row.cells for row in rows]
    assert again.columns == sheet.columns
    assert again.comments == sheet.comments
    assert (again.delimiter, again.newline) == (delimiter, newline)
    assert render_sheet(again) == render_sheet(sheet)


def test_line_numbers_are_those_of_the_file() -> None:
    text = 'vm,note\n# a comment\na,1\n\nb,"two\nlines"\nc,3\n'
    sheet = parse_sheet(text, required=("vm",))
    assert [(row["vm"], row.line) for row in sheet.rows] == [("a", 3), ("b", 5), ("c", 7)]


def test_lines_given_before_writing_are_those_read_after(tmp_path: Path) -> None:
    rows = [Row({"vm": name, "note": "x\ny" if name == "b" else ""}) for name in "abc"]
    sheet = Sheet(["vm", "note"], rows, [(0, "# top"), (1, "# middle")])
    sheet.number_lines()
    path = tmp_path / "plan.csv"
    path.write_bytes(sheet_bytes(sheet))
    assert [row.line for row in read_sheet(path, required=("vm",)).rows] == [row.line for row in rows] == [3, 5, 7]


def test_byte_order_mark_is_kept_or_kept_away(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    for raw in (b"\xef\xbb\xbfvm;x\r\na;1\r\n", b"vm,x\na,1\n"):
        path.write_bytes(raw)
        assert sheet_bytes(read_sheet(path, required=("vm",))) == raw


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "has no header line"),
        (b"# only a comment\n", "has no header line"),
        (b"vm,vm\n", "column 'vm' stands twice"),
        (b"name\nx\n", "missing column vm"),
        (b"vm,x\na,1,2\n", r":2: has 3 cells, the header has 2: '2' has no column"),
        (b'vm,x\na,"open\n', ":2: a quoted cell that starts here never ends"),
        (b"vm,x\n\na,\xff\n", ":3: is not UTF-8"),
    ],
)
def test_bad_sheets_name_place_and_cure(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(raw)
    with pytest.raises(SheetError) as caught:
        read_sheet(path, required=("vm",))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.cure
    assert path.read_bytes() == raw


def test_missing_file() -> None:
    with pytest.raises(SheetError, match=r"nowhere\.csv: cannot be read"):
        read_sheet(Path("nowhere.csv"))


def test_header_groups_numbered_columns_by_device() -> None:
    names = header(2, 3)
    at = names.index("nic1_network")
    assert names[at : at + 4] == ["nic1_network", "nic1_ip", "nic2_network", "nic2_ip"]
    assert width(names, "nic") == 2
    assert width(names, "disk") == 3
    assert len(names) == len(set(names))
    assert "nic1_mac" in header(0, 0)


def test_every_column_is_found_again_by_its_sheet_name() -> None:
    assert {column_of(name).name for name in header(1, 1) if column_of(name)} == {c.name for c in PLAN_COLUMNS}
    assert column_of("my own column") is None
