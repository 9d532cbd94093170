"""Any sheet comes back as it was written, and what other programs make of a plan is read as they meant it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SheetError
from ingest.plan.enrich import enrich
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row, Sheet, parse_sheet, read_sheet, render_sheet, sheet_bytes
from tests.plan import small_site as site

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NASTY = st.sampled_from(
    ["=1+1", "'=x", "-", "@", "#", "'", '"', "a;b", "a,b", "a\tb", "a\nb", "a\r\nb", "a\rb", "\r", " x ", "007", "\x85"]
)
CELLS = TEXTS | NASTY
NAMES = ("vm", "import", "hostname", "account", "moref")


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    own = draw(st.lists(CELLS.filter(lambda name: name.strip() not in ("", *NAMES)), max_size=4, unique=True))
    columns = draw(st.permutations([*NAMES, *own]))
    rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, CELLS)), max_size=4))
    for number, cells in enumerate(rows):
        cells["moref"] = f"vm-{number}"  # a row says which VM it is
    note = TEXTS.filter(lambda text: not {"\r", "\n"} & set(text)).map("# {}".format)
    places = st.integers(0, len(rows))
    comments = sorted(draw(st.lists(st.tuples(places, note | st.just("")), max_size=3)), key=lambda one: one[0])
    delimiter, newline = draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n"]))
    return Sheet(list(columns), [Row(cells) for cells in rows], comments, delimiter, draw(st.booleans()), newline)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(sheet=sheets())
def test_what_is_written_is_read(sheet: Sheet, tmp_path_factory: pytest.TempPathFactory) -> None:
    sheet.number_lines()
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    path.write_bytes(sheet_bytes(sheet))
    assert read_sheet(path, required=("vm",)) == sheet


def plan() -> Sheet:
    """A plan with columns of the operator's own, full of what programs like to change."""
    sheet = enrich(site.snapshot(), Rules())
    sheet.add_columns(["ticket", "note", "date"])
    for row, cells in zip(
        sheet.rows,
        [
            ("00042", "=HYPERLINK(0)", "2026-01-02"),
            ("12345678901234567890", 'two\nlines, "quoted"; and more', "1-2"),
            ("1e5", "+49 89 1", "3/4"),
            ("-0", "ünïcode", "TRUE"),
        ],
        strict=False,
    ):
        row["ticket"], row["note"], row["date"] = cells
    return sheet


def as_written(sheet: Sheet) -> list[list[str]]:
    """The cells as another program sees them: header, then rows."""
    return list(csv.reader(io.StringIO(render_sheet(sheet), newline="")))


def by_pandas(sheet: Sheet, separator: str) -> bytes:
    header, *rows = as_written(sheet)
    return pd.DataFrame(rows, columns=header).to_csv(sep=separator, index=False).encode("utf-8-sig")


def by_excel(sheet: Sheet) -> bytes:
    """BOM, `;`, CRLF between rows, LF inside cells, quotes where needed, doubled inside."""
    special = set(';"\n\r')
    cells = [
        [f'"{quoted}"' if special & set(cell) else cell for cell in row for quoted in (cell.replace('"', '""'),)]
        for row in as_written(sheet)
    ]
    return ("\ufeff" + "".join(";".join(row) + "\r\n" for row in cells)).encode()


def by_libreoffice(sheet: Sheet) -> bytes:
    """No BOM, `,`, LF, every text quoted."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(as_written(sheet))
    return out.getvalue().encode()


@pytest.mark.parametrize("program", ["pandas ;", "pandas tab", "Excel", "LibreOffice"])
def test_what_other_programs_write_is_read(program: str, tmp_path: Path) -> None:
    sheet = plan()
    written = {
        "pandas ;": lambda: by_pandas(sheet, ";"),
        "pandas tab": lambda: by_pandas(sheet, "\t"),
        "Excel": lambda: by_excel(sheet),
        "LibreOffice": lambda: by_libreoffice(sheet),
    }[program]()
    path = tmp_path / "plan.csv"
    path.write_bytes(written)
    again = read_sheet(path)
    assert again.columns == sheet.columns
    assert [row.cells for row in again.rows] == [{name: row[name] for name in sheet.columns} for row in sheet.rows]
    path.write_bytes(sheet_bytes(again))
    assert read_sheet(path).rows == again.rows


def test_numbers_pandas_read_as_numbers_stay_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_bytes(sheet_bytes(plan()))
    pd.read_csv(path, dtype=str, keep_default_na=False).to_csv(path, index=True)
    assert [row["ticket"] for row in read_sheet(path).rows[:4]] == ["00042", "12345678901234567890", "1e5", "-0"]


def test_a_comment_a_spreadsheet_had_to_quote_stays_one() -> None:
    sheet = parse_sheet('vm;note\n"# first; then the ""rest""";\na;1\n', required=("vm",))
    assert sheet.comments == [(0, '# first; then the "rest"')]
    assert [(row["vm"], row.line) for row in sheet.rows] == [("a", 3)]


def test_cells_without_a_name_are_kept_or_refused() -> None:
    assert parse_sheet("vm,,\na,,\n", required=("vm",)).columns == ["vm", "", ""]
    assert parse_sheet(",vm\n0,a\n", required=("vm",)).rows[0][""] == "0"
    with pytest.raises(SheetError, match=":2: a cell has no column name above it"):
        parse_sheet("vm,,\na,b,\n", required=("vm",))


def test_the_delimiter_is_the_one_that_finds_columns() -> None:
    sheet = parse_sheet('"a,b,c,d,e";vm;"x\n,,,"\r\n1;web01;2\r\n', required=("vm",))
    assert (sheet.delimiter, sheet.newline, sheet.columns) == (";", "\r\n", ["a,b,c,d,e", "vm", "x\n,,,"])
