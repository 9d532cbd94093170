"""How often an account may call (CloudStack: ApiRateLimitServiceImpl)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Self

from ingest.twin.clock import Clock
from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.refusals import ApiException


@dataclass(frozen=True, slots=True)
class RateSettings:
    """At most `most` calls within `interval_seconds`."""

    interval_seconds: int
    most: int

    @classmethod
    def of(cls, cloud: Cloud) -> Self:
        """The settings of the management server."""
        return cls(
            configuration.number(cloud, "api.throttling.interval"), configuration.number(cloud, "api.throttling.max")
        )


class RateLimiter:
    """Requests per account within a fixed interval; counted in memory, so a restart forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, accountid: str, settings: RateSettings) -> None:
        """Count one request. Raises ApiException 429 with the milliseconds left when there were too many."""
        with self._lock:
            start, requests = self._window(accountid, settings)
            self._windows[accountid] = (start, requests + 1)
        if requests + 1 > settings.most:
            left_ms = max(1, self._left_ms(start, settings))
            raise ApiException(
                429, f"The given user has reached his/her account api limit, please retry after [{left_ms}] ms."
            )

    def state(self, accountid: str, settings: RateSettings) -> tuple[int, int]:
        """Requests counted, and milliseconds until the count starts again."""
        with self._lock:
            start, requests = self._window(accountid, settings)
        return requests, self._left_ms(start, settings)

    def reset(self, accountid: str) -> None:
        """Forget the requests of one account, or of all for ''."""
        with self._lock:
            if accountid:
                self._windows.pop(accountid, None)
            else:
                self._windows.clear()

    def _window(self, accountid: str, settings: RateSettings) -> tuple[float, int]:
        now = self._clock.monotonic()
        start, requests = self._windows.get(accountid, (now, 0))
        return (now, 0) if now - start >= settings.interval_seconds else (start, requests)

    def _left_ms(self, start: float, settings: RateSettings) -> int:
        return round(1000 * (start + settings.interval_seconds - self._clock.monotonic()))
