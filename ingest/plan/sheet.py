"""The CSV sheet: read what spreadsheets write, write what spreadsheets read, lose nothing in between.

Unknown columns, the order of columns, comment lines (`#` in the first character of a line) and blank lines survive a
round trip, and so do delimiter (`,`, `;`, tab), byte order mark and line ends. Cells that a spreadsheet would run as a
formula are written with a leading apostrophe, which is taken off again on reading.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import SheetError
from ingest.plan.columns import REQUIRED, column_of

MAXIMUM_BYTES = 256 << 20
# A cell that starts with one of these is run as a formula by spreadsheets; `#` would read as a comment line of ours.
_DANGEROUS = re.compile(r"^'*[=+\-@\t\r#]")
_ESCAPED = re.compile(r"^'+[=+\-@\t\r#]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_DELIMITERS = ",;\t"


@dataclass(slots=True)
class Row:
    """One VM: `cells` by column name, `line` its line number in the file (the first line is 1)."""

    cells: dict[str, str]
    line: int = 0

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def __setitem__(self, column: str, value: str) -> None:
        self.cells[column] = value


@dataclass(slots=True)
class Sheet:
    """A plan in memory. `comments` are (index of the row they precede, text); an index past the end is a trailer."""

    columns: list[str]
    rows: list[Row]
    comments: list[tuple[int, str]] = field(default_factory=list)
    delimiter: str = ","
    bom: bool = True
    newline: str = "\r\n"

    def add_columns(self, names: list[str]) -> None:
        """Append the columns that are missing, in the order given."""
        self.columns.extend(name for name in names if name not in self.columns)

    def number_lines(self) -> None:
        """Give every row the line number it will have when written."""
        position = {id(row): index for index, row in enumerate(self.rows)}
        line = 2 + sum(1 for index, _ in self.comments if index == 0) + _line_ends(self.columns)
        for row in self.rows:
            row.line = line
            following = position[id(row)] + 1
            line += 1 + sum(1 for index, _ in self.comments if index == following)
            line += _line_ends(row.cells.values())


def _line_ends(texts: Iterable[str]) -> int:
    return sum(len(_LINE_END.findall(text)) for text in texts)


def escape(value: str) -> str:
    """The cell as written: an apostrophe in front of what a spreadsheet would run as a formula."""
    return f"'{value}" if _DANGEROUS.match(value) else value


def unescape(value: str) -> str:
    """The value behind a written cell; undoes `escape` exactly."""
    return value[1:] if _ESCAPED.match(value) else value


def read_sheet(path: Path, *, required: tuple[str, ...] = REQUIRED) -> Sheet:
    """A plan from a CSV file.

    Raises SheetError with file, line and column for: a missing or unreadable file, another encoding than UTF-8, no
    header, a missing or doubled column, a row with too many cells, a quote that never closes.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SheetError(
            f"cannot be read: {error.strerror}", place=str(path), cure="write one with `ingest plan`"
        ) from None
    if len(raw) > MAXIMUM_BYTES:
        raise SheetError(f"is larger than {MAXIMUM_BYTES >> 20} MiB", place=str(path), cure="split the plan")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SheetError(
            "is not UTF-8 text", place=f"{path}:{line}", cure='save it as "CSV UTF-8" in the spreadsheet program'
        ) from None
    sheet = parse_sheet(text, place=str(path), required=required)
    sheet.bom = raw.startswith(b"\xef\xbb\xbf")
    return sheet


def parse_sheet(text: str, *, place: str = "sheet", required: tuple[str, ...] = REQUIRED) -> Sheet:
    """A plan from CSV text; errors as `read_sheet`."""
    head, newline = _head(text)
    delimiter = _delimiter(head)
    records = _records(text, place, delimiter)
    header_at = next((i for i, (_, cells) in enumerate(records) if not isinstance(cells, str)), None)
    if header_at is None:
        raise SheetError("has no header line", place=place, cure="write a plan with `ingest plan`")
    line, first = records[header_at]
    columns = [_column_name(unescape(cell)) for cell in first]
    _check_header(columns, required, f"{place}:{line}")
    rows: list[Row] = []
    comments: list[tuple[int, str]] = []
    for line, cells in records:
        if isinstance(cells, str):
            comments.append((len(rows), cells))
        elif cells is not first and not any(cells):
            # `,,,` is how spreadsheets save a blank line. Findings and outcomes go by line number: it must stay.
            comments.append((len(rows), ""))
        elif cells is not first and cells[0].startswith("#") and not any(cells[1:]) and not _LINE_END.search(cells[0]):
            # A comment with a delimiter or a quote in it, as spreadsheets save it.
            comments.append((len(rows), cells[0]))
        elif cells is not first:
            extra = [cell for cell in cells[len(columns) :] if cell]
            if extra:
                raise SheetError(
                    f"has {len(cells)} cells, the header has {len(columns)}: '{extra[0][:40]}' has no column",
                    place=f"{place}:{line}",
                    cure="quote cells that contain the delimiter",
                )
            values = [unescape(cell) for cell in cells[: len(columns)]]
            values += [""] * (len(columns) - len(values))
            _check_nameless(columns, values, f"{place}:{line}")
            rows.append(Row(dict(zip(columns, values, strict=True)), line))
    return Sheet(columns, rows, comments, delimiter, newline=newline)


def _column_name(text: str) -> str:
    """Blanks around a name of ours are a slip, those around a name of the operator's own are kept."""
    return text.strip() if column_of(text.strip()) else text


def _records(text: str, place: str, delimiter: str) -> list[tuple[int, list[str] | str]]:
    """(line number, cells or a comment's text) of every non-empty record; comment lines never split a quoted cell."""
    records: list[tuple[int, list[str] | str]] = []
    lines = io.StringIO(text, newline="").readlines()
    at = 0

    def physical() -> str:
        nonlocal at
        at += 1
        return lines[at - 1]

    while at < len(lines):
        start = at + 1
        if lines[at].startswith("#") or not lines[at].strip():
            records.append((start, physical().rstrip("\r\n")))
            continue
        reader = csv.reader(iter(physical, None), delimiter=delimiter, strict=True)
        try:
            records.append((start, next(reader)))
        except IndexError:
            raise SheetError(
                "a quoted cell that starts here never ends", place=f"{place}:{start}", cure='close it with a "'
            ) from None
        except csv.Error as error:
            raise SheetError(f"is not CSV: {error}", place=f"{place}:{start}", cure="mend the quotes") from None
    return records


def _head(text: str) -> tuple[str, str]:
    """The header line, which quoted names may spread over several, and how it ends."""
    at = 0
    while at < len(text):
        end = _LINE_END.search(text, at)
        # A line end after an odd number of quotes is inside a cell.
        while end and not text.startswith("#", at) and text.count('"', at, end.start()) % 2:
            end = _LINE_END.search(text, end.end())
        line = text[at : end.start() if end else len(text)]
        if line.strip() and not line.startswith("#"):
            return line, end[0] if end else "\n"
        at = end.end() if end else len(text)
    return "", "\n"


def _delimiter(head: str) -> str:
    """The one that finds the most names of ours in the header, then the most names."""

    def found(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
        return sum(column_of(unescape(name).strip()) is not None for name in names), len(names)

    return max(_DELIMITERS, key=found)


def _check_header(columns: list[str], required: tuple[str, ...], place: str) -> None:
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise SheetError(f"column '{doubled[0]}' stands twice", place=place, cure="keep one of them")
    missing = [name for name in required if name not in columns]
    if missing:
        raise SheetError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            place=place,
            cure="start from a plan written by `ingest plan`; keep its header line",
        )


def _check_nameless(columns: list[str], values: list[str], place: str) -> None:
    """One column may go without a name, such as the numbers pandas writes; cells of several would be mixed up."""
    nameless = [value for name, value in zip(columns, values, strict=True) if not name]
    if len(nameless) > 1 and any(nameless):
        raise SheetError("a cell has no column name above it", place=place, cure="name the columns that hold cells")


class _Lines:
    """A file for csv.writer, which writes a row at a time: rows get the sheet's own line end.

    The writer itself is told `\\r\\n`, because it quotes only cells with characters of the line end it knows.
    """

    def __init__(self, newline: str) -> None:
        self.out = io.StringIO(newline="")
        self._newline = newline

    def write(self, row: str) -> None:
        self.out.write(row.removesuffix("\r\n") + self._newline)


def render_sheet(sheet: Sheet) -> str:
    """The sheet as CSV text, without byte order mark."""
    lines = _Lines(sheet.newline)
    out = lines.out
    writer = csv.writer(lines, delimiter=sheet.delimiter, lineterminator="\r\n")
    waiting = sorted(sheet.comments, key=lambda comment: comment[0])

    def comments_before(index: float) -> None:
        while waiting and waiting[0][0] <= index:
            out.write(waiting.pop(0)[1] + sheet.newline)

    writer.writerow([escape(name) for name in sheet.columns])
    for index, row in enumerate(sheet.rows):
        comments_before(index)
        writer.writerow([escape(row[name]) for name in sheet.columns])
    comments_before(float("inf"))
    return out.getvalue()


def sheet_bytes(sheet: Sheet) -> bytes:
    """The sheet as it is written to a file: UTF-8, with byte order mark unless it was read without one."""
    return render_sheet(sheet).encode("utf-8-sig" if sheet.bom else "utf-8")
