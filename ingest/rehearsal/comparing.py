"""What changed since the last rehearsal, and whether that is for the worse. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.rehearsal.results import Change, Rehearsal, RehearsedRow, RehearsedWave, Worth
from ingest.runbook.spans import in_words

TOLERANCE = 0.1
"""Durations differ by this share from one rehearsal to the next without meaning anything."""
_NOTHING_S = 5.0


def changes(before: Rehearsal, now: Rehearsal, *, tolerance: float = TOLERANCE) -> tuple[Change, ...]:
    """The differences, what got worse first.

    Worse are: a row that went well and fails now; a target that was met and is missed now; waves or the whole that
    take longer by more than the tolerance, as long as they have the same rows. A new row that fails is told, but
    nothing of it was better before.
    """
    found = [*_rows(before, now), *_waves(before, now, tolerance)]
    if now.stopped and not before.stopped:
        found.append(Change(worth="worse", what="end", subject="", before="came to its end", now=now.stopped))
    elif before.stopped and not now.stopped:
        found.append(Change(worth="better", what="end", subject="", before=before.stopped, now="came to its end"))
    order: dict[Worth, int] = {"worse": 0, "better": 1, "neither": 2}
    return tuple(sorted(found, key=lambda one: (order[one.worth], one.what, one.subject)))


def _rows(before: Rehearsal, now: Rehearsal) -> Iterator[Change]:
    earlier = {row.key: row for row in before.rows}
    for row in now.rows:
        known = earlier.pop(row.key, None)
        if known is None:
            yield Change(worth="neither", what="row", subject=row.vm, before="not there", now=_said(row))
        elif known.ok != row.ok:
            worth: Worth = "better" if row.ok else "worse"
            yield Change(worth=worth, what="row", subject=row.vm, before=_said(known), now=_said(row))
        elif not row.ok and known.why != row.why:
            yield Change(worth="neither", what="row", subject=row.vm, before=_said(known), now=_said(row))
    for row in earlier.values():
        yield Change(worth="neither", what="row", subject=row.vm, before=_said(row), now="not there")


def _said(row: RehearsedRow) -> str:
    return f"{row.status}: {row.why}" if row.why else row.status


def _waves(before: Rehearsal, now: Rehearsal, tolerance: float) -> Iterator[Change]:
    earlier = {wave.name: wave for wave in before.waves}
    pairs = [(earlier[wave.name], wave) for wave in now.waves if wave.name in earlier]
    for old, new in (*pairs, (before.whole, now.whole)):
        yield from _wave(old, new, tolerance)


def _wave(old: RehearsedWave, new: RehearsedWave, tolerance: float) -> Iterator[Change]:
    what, subject = ("wave", new.name) if new.name else ("RTO", "the whole")
    if old.met != new.met and None not in (old.met, new.met):
        target = in_words(new.target_s or 0.0)
        yield Change(
            worth="better" if new.met else "worse",
            what=what,
            subject=subject,
            before=f"{_met(old)} ({_seconds(old)} of {in_words(old.target_s or 0.0)})",
            now=f"{_met(new)} ({_seconds(new)} of {target})",
        )
        return
    if old.rehearsed_s is None or new.rehearsed_s is None:
        return
    more_s = new.rehearsed_s - old.rehearsed_s
    if abs(more_s) <= max(tolerance * old.rehearsed_s, _NOTHING_S):
        return
    same = old.rows == new.rows
    worth: Worth = "neither" if not same else "worse" if more_s > 0 else "better"
    rows = "" if same else f" ({old.rows} rows, now {new.rows})"
    yield Change(worth=worth, what=what, subject=subject, before=_seconds(old), now=f"{_seconds(new)}{rows}")


def _met(wave: RehearsedWave) -> str:
    return "target met" if wave.met else "target missed"


def _seconds(wave: RehearsedWave) -> str:
    return "not over" if wave.rehearsed_s is None else in_words(wave.rehearsed_s)
