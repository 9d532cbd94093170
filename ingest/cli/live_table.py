"""The picture of a run as lines that fit a terminal of any size. Pure: a picture and a size in, lines out."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ingest.cli.output import STYLES
from ingest.engine.picture import NEED_A_HAND, Figures, Picture, RowPicture
from ingest.engine.schedule.eta import in_words

_STYLES = STYLES | {"running": "cyan", "sent": "cyan", "verifying": "cyan", "waiting": "dim", "ready": "dim"}
_STATE, _TIME, _ROW = 11, 8, 5
_WIDE = 60  # from here on the row of the sheet is shown
_ROOMY = 100  # from here on job ids are
_SHORT = 7  # terminals with fewer lines show the sums only


def frame(picture: Picture, width: int, height: int) -> list[Text]:
    """At most `height` lines of at most `width` cells: sums first, then the rows that matter most."""
    figures = picture.figures()
    head = heading(figures, width)
    if picture.stopping:
        grace = in_words(picture.stopping.grace_s)
        words = f"stopping: no row is begun any more; running imports have {grace} left at most"
        head.append(_line([(words, "yellow")], width))
    if height < _SHORT:
        return head[:height]
    rows = picture.rows(height - len(head) - 1)
    return [*head, *(_row(one, width) for one in _titled(rows, width))]


def heading(figures: Figures, width: int) -> list[Text]:
    """How far the run is, in three lines."""
    count = f" {figures.done}/{figures.total}  {figures.percent:.0f} %  {_clock(figures.elapsed_s)}"
    bar = max(min(width - cell_len("import ") - cell_len(count), 40), 0)
    full = round(bar * figures.percent / 100)
    return [
        _line([("import ", "bold"), ("━" * full, "green"), ("━" * (bar - full), "bright_black"), (count, "")], width),
        _line([(figures.sums, "bold" if figures.done else "")], width),
        _line([(f"{figures.rate}, left: {figures.time_left}", "")], width),
    ]


def _titled(rows: list[RowPicture], width: int) -> list[list[tuple[str, str]]]:
    """The rows as cells that stand below each other; the widest VM name decides, up to a third of the width."""
    if not rows:
        return []
    names = [one_line(one.vm) for one in rows]
    vm = min(max(map(cell_len, [*names, "VM"])), max(width // 3, 8))
    lead = _ROW + 1 if width >= _WIDE else 0

    def cells(row: str, name: str, state: str, seconds: str, note: str, style: str) -> list[tuple[str, str]]:
        first = [(f"{row:>{_ROW}} ", "dim")] if lead else []
        return [
            *first,
            (set_cell_size(_cut(name, vm), vm) + " ", ""),
            (f"{state:<{_STATE}} ", style),
            (f"{seconds:>{_TIME}}  ", ""),
            (note, "" if style else "dim"),
        ]

    table = [cells("row", "VM", "state", "for", "", "dim")]
    for one, name in zip(rows, names, strict=True):
        note = one_line(one.error) if one.state in NEED_A_HAND or one.error else ""
        if not note and one.job_id and width >= _ROOMY:
            note = f"job {one.job_id}"
        seconds = in_tenths(one.for_s) if one.state != "waiting" else ""
        table.append(cells(str(one.row), name, one.state, seconds, note, _STYLES.get(one.state, "")))
    return table


def _row(cells: list[tuple[str, str]], width: int) -> Text:
    return _line(cells, width)


def _line(parts: list[tuple[str, str]], width: int) -> Text:
    text = Text(no_wrap=True, end="")
    for part, style in parts:
        text.append(part, style=style or None)
    text.rstrip()
    text.truncate(width, overflow="ellipsis")
    return text


def _cut(text: str, width: int) -> str:
    """The text, or its beginning and its end when it is wider: names of one site tend to begin alike."""
    if cell_len(text) <= width:
        return text
    tail = text
    while cell_len(tail) > (width - 1) // 2:
        tail = tail[1:]
    return set_cell_size(text, width - 1 - cell_len(tail)) + "…" + tail


def one_line(text: str) -> str:
    """What a server or a person wrote, harmless on a terminal: one line, no control characters."""
    plain = " ".join(text.split())
    return "".join("?" if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn") else one for one in plain)


def in_tenths(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`."""
    return f"{seconds:.1f} s" if seconds < 9.95 else in_words(seconds)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
