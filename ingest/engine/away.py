"""A server that is away for a while, such as for a restart: everybody waits, and the run goes on when it is back."""

from __future__ import annotations

import logging
import random
import threading
import time

from ingest.engine.schedule.eta import in_words
from ingest.errors import NotTheApi, Transient

log = logging.getLogger("ingest.engine")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
_GLANCE_S = 0.1  # how often it is looked whether somebody was answered
_jitter = random.SystemRandom()


class Away:
    """How long the server has been away, as all batches of a run see it. Thread-safe.

    It is away from the first call it does not answer until one is answered, whoever made them; `patience_s` is how long
    it may be. Who waits asks again after half of the time it has been away so far, between 1 and 15 seconds, or as soon
    as somebody else was answered.
    """

    def __init__(self, patience_s: float, stop: threading.Event) -> None:
        self.patience_s = patience_s
        self._stop = stop
        self._lock = threading.Lock()
        self._since: float | None = None

    def answered(self) -> None:
        """A call was answered."""
        if self._since is None:  # of the many calls of a run nearly all; a late look does no harm
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            log.info("the server answers again after %s", in_words(time.monotonic() - since))

    def waited(self, error: Transient | NotTheApi) -> bool:
        """Wait before it is asked once more; False, at once, when that is enough or the run is told to stop."""
        with self._lock:
            first = self._since is None
            since = self._since = time.monotonic() if self._since is None else self._since
        gone_s = time.monotonic() - since
        if gone_s >= self.patience_s or self._stop.is_set():
            return False
        if first:
            log.warning("the server is away, up to %s are waited: %s", in_words(self.patience_s), error.message)
        asked_s = error.retry_after_s if isinstance(error, Transient) else None
        pause_s = min(max(gone_s / 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S) * _jitter.uniform(0.75, 1.25)
        until = time.monotonic() + min(asked_s or pause_s, self.patience_s - gone_s)
        while (left_s := until - time.monotonic()) > 0:
            if self._stop.wait(min(left_s, _GLANCE_S)):
                return False
            if self._since != since and asked_s is None:
                break
        return True
