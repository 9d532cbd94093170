"""Any CloudStack API call: signed, sent, retried where that is safe, paged; answered with a payload or a typed error.

A call that changes something is sent once. What is known about it afterwards decides the error: nothing was sent
(Transient), the server said no (Refused), or nobody knows (UnknownOutcome).
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from ingest.cloudstack.answer import ASK_FIRST, URL_CURE, Payload, maximum_page_size, read_answer
from ingest.cloudstack.parameters import Parameter, wire
from ingest.cloudstack.signing import signed
from ingest.cloudstack.transport import Answer, Failure, Transport
from ingest.errors import NotTheApi, Refused, RemoteError, Transient, Unauthorised, UnknownOutcome, Untrusted
from ingest.model.endpoints import CloudStackEndpoint

log = logging.getLogger("ingest.cloudstack")

Row = dict[str, Any]

# The same rule as the server's own (CloudStack: ApiServlet, commands that may be sent by GET).
_READING = re.compile(r"^(get|list|query|find)[A-Z]")
_SLOW_COMMANDS = frozenset({"listUnmanagedInstances"})
_TRIES = 3
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_PAGE_SIZE = 500
_CLOCK_TOLERANCE_S = 60.0
_jitter = random.SystemRandom()


class SlowAnswer(Transient):
    """The server got a reading call but did not answer in time. It may still be at work, so it is not asked again."""


@lru_cache(1024)
def is_reading(command: str) -> bool:
    """Whether a command only reads, by its name, as the server itself decides it."""
    return _READING.match(command) is not None


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class ApiCaller:
    """Calls of one CloudStack API with one key. A context manager; threads may share it.

    `pool_size` is how many connections are kept open. `clock` gives the time for signatures, `sleep` waits between
    tries (for tests).
    """

    def __init__(
        self,
        endpoint: CloudStackEndpoint,
        *,
        pool_size: int = 100,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._transport = Transport(endpoint, pool_size=pool_size)
        self._clock = clock
        self._sleep = sleep
        self._page_size = _PAGE_SIZE

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def call(self, command: str, /, **parameters: Parameter) -> Payload:
        """The payload of one call: what stands inside the wrapper. Parameters that are None are not sent.

        Reading calls (get, list, query, find) are tried three times on lost connections, 429 and 502-504; a time-out
        after the request was sent is not repeated. Other calls are sent once.

        Raises Transient (for a changing call: nothing was sent), Untrusted, Unauthorised, NotTheApi, Refused, and
        UnknownOutcome for a changing call whose answer was lost or is unreadable.
        """
        return self.call_with(command, parameters)

    def call_with(self, command: str, parameters: dict[str, Parameter]) -> Payload:
        """As `call`, for parameters whose names are no Python names (`details[0].cpuSpeed`)."""
        form = wire(parameters)
        tries = _TRIES if is_reading(command) else 1
        attempt = 1
        while True:
            try:
                return self._once(command, form)
            except Transient as error:
                pause_s = error.retry_after_s
                if pause_s is None:
                    pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1) * _jitter.uniform(0.5, 1.5)
                if attempt >= tries or isinstance(error, SlowAnswer) or pause_s > _LONGEST_PAUSE_S:
                    raise
                log.warning("try %d of %d again in %.1f s: %s", attempt, tries, pause_s, error.message)
            self._sleep(pause_s)
            attempt += 1

    def list_all(self, command: str, key: str, /, **parameters: Parameter) -> list[Row]:
        """All rows of a list command, page by page; `key` names the array (`zone`). In the server's order.

        Begins anew with smaller pages when the server allows only those, and once when rows vanished meanwhile (what
        follows a vanished row moves up, past the reader). Raises NotTheApi when a page repeats the one before it.
        """
        rows, shrunk = self._pages(command, key, parameters)
        if shrunk:
            log.info("%s: rows vanished while reading, reading again", command)
            rows, _ = self._pages(command, key, parameters)
        return rows

    def _pages(self, command: str, key: str, parameters: dict[str, Parameter]) -> tuple[list[Row], bool]:
        rows: list[Row] = []
        before: list[Row] = []
        page, total, first_total, page_size = 1, 0, 0, self._page_size
        while True:
            try:
                payload = self.call_with(command, {**parameters, "page": page, "pagesize": page_size})
            except Refused as error:
                allowed = maximum_page_size(error)
                if allowed is None or not 0 < allowed < page_size:
                    raise
                log.info("%s: the server allows pages of %d rows", command, allowed)
                self._page_size = page_size = allowed
                rows, before, page, total = [], [], 1, 0
                continue
            found = self._rows(command, payload, key)
            total = payload.get("count", total)
            if page == 1:
                first_total = total
            if found and found == before:
                if total == len(found):  # this command does not page: the same rows, all of them
                    return rows, False
                raise NotTheApi(
                    f"page {page} of {command} repeats page {page - 1}",
                    place=self._endpoint.url,
                    cure="something between here and the management server serves stored answers; go around it",
                )
            rows += found
            # A few commands count the rows of the page instead of all, so a full page that says no more proves nothing.
            # Others drop rows after the page was cut, so a short page is not always the last one.
            unsure = len(found) == page_size and total in {0, len(found)}
            if not found or (len(rows) >= total and not unsure):
                return rows, len(rows) < first_total and total < first_total
            before = found
            page += 1

    def _rows(self, command: str, payload: Payload, key: str) -> list[Row]:
        rows = payload.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise NotTheApi(f"{command}: `{key}` is not a list of objects", place=self._endpoint.url, cure=URL_CURE)
        return rows

    def _once(self, command: str, form: dict[str, str]) -> Payload:
        began = time.monotonic()
        answer = self._exchange(command, form)
        took_s = time.monotonic() - began
        if isinstance(answer, Failure):
            log.debug("%s: %s (%s) after %.3f s", command, answer.kind, answer.reason, took_s)
            raise self._no_answer(command, answer)
        log.debug("%s: HTTP %d, %d bytes in %.3f s", command, answer.status, len(answer.body), took_s)
        try:
            return read_answer(command, answer, changes=not is_reading(command), place=self._endpoint.url)
        except Unauthorised as error:
            error.cure += self._clock_hint(answer)
            raise
        except Transient as error:
            if answer.status in {408, 504} and command in _SLOW_COMMANDS:
                cure = (
                    "raise the time-out of the proxy before CloudStack: this command takes minutes for hundreds of VMs"
                )
                raise SlowAnswer(error.message, place=error.place, cure=cure) from None
            raise

    def _exchange(self, command: str, form: dict[str, str]) -> Answer | Failure:
        # The signed form lives in this frame only, which is gone before any of our errors is raised.
        api_key = self._endpoint.api_key.get_secret_value()
        secret_key = self._endpoint.secret_key.get_secret_value()
        said = {**form, "command": command, "response": "json"}
        ready = signed(said, api_key=api_key, secret_key=secret_key, now=self._clock())
        secrets = (api_key, secret_key, ready.signature)
        return self._transport.post(ready.body, secrets=secrets, read_s=self._read_s(command))

    def _read_s(self, command: str) -> float:
        timeouts = self._endpoint.timeouts
        if command in _SLOW_COMMANDS:
            return timeouts.list_unmanaged_s
        return timeouts.read_s if is_reading(command) else timeouts.change_s

    def _no_answer(self, command: str, failure: Failure) -> RemoteError:
        place, reason = self._endpoint.url, failure.reason
        if failure.kind == "untrusted":
            return Untrusted(f"the certificate is not trusted: {reason}", place=place, cure=self._trust_cure(reason))
        if failure.kind == "not-tls":
            return NotTheApi(f"no TLS connection: {reason}", place=place, cure=f"https or http? {URL_CURE}")
        if not failure.sent:
            return Transient(
                f"cannot connect for {command}: {reason}",
                place=place,
                cure="check INGEST_CLOUDSTACK_URL and the network; `ingest doctor` tests both",
            )
        lost = f"{command} was sent, and its answer was lost: {reason}"
        if not is_reading(command):
            return UnknownOutcome(lost, place=place, cure=ASK_FIRST)
        if failure.kind == "timeout":
            setting = "LIST_UNMANAGED_S" if command in _SLOW_COMMANDS else "READ_S"
            return SlowAnswer(
                f"{command}: no answer within {self._read_s(command):g} s",
                place=place,
                cure=f"raise INGEST_CLOUDSTACK_TIMEOUTS__{setting}, or try again when the server is less busy",
            )
        kind = SlowAnswer if command in _SLOW_COMMANDS else Transient
        return kind(lost, place=place, cure="try again later")

    def _trust_cure(self, reason: str) -> str:
        if "ostname mismatch" in reason or "IP address mismatch" in reason:
            return "use the name that stands in the certificate in INGEST_CLOUDSTACK_URL"
        if self._endpoint.ca_file is not None:
            return f"INGEST_CLOUDSTACK_CA_FILE ({self._endpoint.ca_file}) must hold the CA that signed it"
        return "set INGEST_CLOUDSTACK_CA_FILE to a PEM file with the CA that signed it"

    def _clock_hint(self, answer: Answer) -> str:
        try:
            behind_s = (parsedate_to_datetime(answer.date) - self._clock()).total_seconds()
        except (ValueError, TypeError):  # no Date header, or one without a time zone
            return ""
        if abs(behind_s) < _CLOCK_TOLERANCE_S:
            return ""
        return (
            f"; this machine's clock is {abs(behind_s):.0f} s {'behind' if behind_s > 0 else 'ahead of'} the server's"
        )
