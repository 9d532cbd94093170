"""Asks a running twin's control endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from ingest.errors import RemoteError, Unauthorised, UsageError
from ingest.twin.control import TOKEN_HEADER, TOKEN_VARIABLE, URL_VARIABLE

_TIMEOUT_S = 30.0


class ControlClient:
    """Talks to the endpoint at `url`. Raises Unauthorised, UsageError (the twin's own words) or RemoteError."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> ControlClient:
        """The one that `ingest twin serve --control` printed. Raises UsageError when it is not set."""
        missing = [name for name in (URL_VARIABLE, TOKEN_VARIABLE) if not environment.get(name)]
        if missing:
            raise UsageError(
                f"{' and '.join(missing)} not set",
                place="environment",
                cure="start the twin with `ingest twin serve --control` and paste the lines it prints",
            )
        return cls(environment[URL_VARIABLE], environment[TOKEN_VARIABLE])

    def call(self, method: str, path: str = "", body: object = None) -> Any:
        """The decoded answer."""
        with requests.Session() as session:
            session.trust_env = False  # the twin is on this machine, whatever proxy others go through
            try:
                answer = session.request(
                    method, self._url + path, json=body, headers={TOKEN_HEADER: self._token}, timeout=_TIMEOUT_S
                )
                data = answer.json()
            except requests.JSONDecodeError:
                raise RemoteError(
                    f"answered {answer.status_code} without JSON", place=self._url, cure="is this the twin's endpoint?"
                ) from None
            except requests.RequestException as error:
                raise RemoteError(
                    f"cannot be reached: {type(error).__name__}", place=self._url, cure="is the twin still running?"
                ) from None
        if answer.status_code == 401:
            raise Unauthorised(data["error"], place=self._url, cure=f"set {TOKEN_VARIABLE} as the twin printed it")
        if answer.status_code >= 400:
            raise UsageError(data["error"], place=data.get("place", ""), cure=data.get("cure", ""))
        return data
