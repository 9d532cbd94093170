"""Trouble on demand: delays, HTTP errors, answers cut off, silence, lost sessions."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to calls of one method ("*" for all), `times` times (0: until taken back).

    `delay_s` before the answer. `status`: answer with this HTTP status instead of working. `cut_after_bytes`: do the
    work, send so many bytes of the answer, then close the connection (0: close without any answer). `lose_session`:
    the caller's session ends just before the call.
    """

    method: str = "*"
    delay_s: float = 0.0
    status: int = 0
    cut_after_bytes: int | None = None
    lose_session: bool = False
    times: int = 1


class Disturbances:
    """The disturbances waiting for their call. Thread-safe; may be changed while the server runs."""

    def __init__(self) -> None:
        self._active: list[tuple[Disturbance, list[int]]] = []
        self._lock = threading.Lock()

    def add(self, disturbance: Disturbance) -> None:
        """Let it happen from now on."""
        with self._lock:
            self._active.append((disturbance, [disturbance.times]))

    def clear(self) -> None:
        """Take everything back."""
        with self._lock:
            self._active.clear()

    def take(self, method: str) -> list[Disturbance]:
        """What happens to this call; counts as one of their times."""
        if not self._active:
            return []
        with self._lock:
            found = [entry for entry in self._active if entry[0].method in ("*", method)]
            for entry in found:
                entry[1][0] -= 1
                if entry[1][0] == 0:
                    self._active.remove(entry)
        return [disturbance for disturbance, _ in found]
