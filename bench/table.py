"""Plain text tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; every column but the first is set to the right."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    print(f"\n{title}")
    for row in (columns, ["-" * width for width in widths], *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]).rstrip(), flush=True)


def ratio(name: str, value: float, base: float, unit: str = "", note: str = "") -> None:
    """Print a ratio and both of its numbers."""
    factor = f"{value / base:.2f}x" if base else "-"
    print(f"{name}: {factor} ({value:.4g}{unit} / {base:.4g}{unit}){'  ' + note if note else ''}", flush=True)
