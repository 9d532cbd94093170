"""The events of a command as JSON lines, in a file or on stdout, for programs that watch it."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.engine.event_lines import end_record, line_of, record_of
from ingest.engine.events import Event, listening
from ingest.engine.picture import Picture
from ingest.errors import IngestError, UsageError

log = logging.getLogger("ingest.cli")

STDOUT = Path("-")
_PATIENCE_S = 10.0  # for a reader that is slow, at the end


@dataclass
class Ending:
    """What the last line says; the command fills it in when it knows it."""

    exit_code: int = 0
    message: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def events_written(target: Path | None) -> Iterator[Ending]:
    """Append the events of this process to a file while the block runs, `-` for stdout, None for nowhere.

    The last line says how it ended, also when the block is left by an exception. Raises UsageError when the file
    cannot be opened.
    """
    ending = Ending()
    if target is None:
        yield ending
        return
    writer = _Writer(_opened(target))
    try:
        with listening(writer):
            yield ending
    except BaseException as error:
        ending.exit_code, ending.message = _code_and_words(error)
        raise
    finally:
        writer.close(ending)


def _opened(target: Path) -> int:
    if target == STDOUT:
        sys.stdout.flush()
        return os.dup(sys.stdout.fileno())
    try:
        return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", place=str(target), cure="name another file after --events"
        ) from None


def _code_and_words(error: BaseException) -> tuple[int, str]:
    if isinstance(error, IngestError):
        return error.exit_code, error.message
    return (5, "stopped") if isinstance(error, KeyboardInterrupt) else (1, type(error).__name__)


class _Writer:
    """Takes events and writes them on a thread of its own, so that no import waits for whoever reads them.

    Straight to the descriptor: what is written is there at once, and nothing is left in a buffer when the reader of a
    pipe hangs at the end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._picture = Picture()
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="event-lines", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        self._picture(event)
        record = record_of(event, self._picture.figures(), run=self._picture.run, at=datetime.now(UTC))
        self._lines.put(line_of(record))

    def close(self, ending: Ending) -> None:
        facts = dict(ending.facts)
        counts = dict(self._picture.figures().counts)
        facts.setdefault("counts", counts)
        record = end_record(
            self._picture.run, datetime.now(UTC), exit_code=ending.exit_code, message=ending.message, **facts
        )
        self._lines.put(line_of(record))
        self._lines.put(None)
        self._thread.join(_PATIENCE_S)

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[os.write(self._descriptor, line) :]
        except OSError as error:  # the reader has gone away, the disk is full: the import goes on
            log.warning("the events are not written any more: %s", error.strerror)
        finally:
            os.close(self._descriptor)
