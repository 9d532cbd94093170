"""A small signing client, written from the text of CloudStack's signature rules and from nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import requests

from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.wire import Reply


def sign(parameters: dict[str, str], secret: str, *, tilde: str = "%7E") -> str:
    pairs = [f"{name}={quote(parameters[name], safe='*').replace('~', tilde)}" for name in sorted(parameters)]
    digest = hmac.new(secret.encode(), "&".join(pairs).lower().encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class Response(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...
    def json(self) -> Any: ...


class Api:
    """Calls of one user. `call` gives the response, `body` the inside of its wrapper, `job` a finished job."""

    def __init__(self, url: str, key: str, secret: str, *, verify: str | bool = True) -> None:
        self.url, self.key, self.secret, self.verify = url, key, secret, verify

    def signed(self, command: str, expires_in: float = 600, **parameters: str) -> dict[str, str]:
        expires = datetime.now(UTC) + timedelta(seconds=expires_in)
        sent = {
            "command": command,
            "response": "json",
            "apiKey": self.key,
            "signatureVersion": "3",
            "expires": expires.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        } | parameters
        return sent | {"signature": sign(sent, self.secret)}

    def send(self, parameters: dict[str, str], method: str = "POST") -> Response:
        if method == "POST":
            return requests.post(self.url, data=parameters, timeout=30, verify=self.verify)
        return requests.get(self.url, params=parameters, timeout=30, verify=self.verify)

    def call(self, command: str, method: str = "POST", **parameters: str) -> Response:
        return self.send(self.signed(command, **parameters), method)

    def body(self, command: str, **parameters: str) -> dict[str, Any]:
        answer = self.call(command, **parameters).json()
        assert len(answer) == 1
        return next(iter(answer.values()))

    def rows(self, command: str, key: str, **parameters: str) -> list[dict[str, Any]]:
        return self.body(command, **parameters).get(key, [])

    def names(self, command: str, key: str, **parameters: str) -> list[str]:
        return [row["name"] for row in self.rows(command, key, **parameters)]

    def job(self, job_id: str, timeout_s: float = 30) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            job = self.body("queryAsyncJobResult", jobid=job_id)
            if job.get("jobstatus") != 0:
                return job
            time.sleep(0.01)
        raise AssertionError(f"job {job_id} did not end within {timeout_s} s")

    def run(self, command: str, **parameters: str) -> dict[str, Any]:
        """The finished job of an asynchronous command that is accepted."""
        body = self.body(command, **parameters)
        assert "jobid" in body, body
        return self.job(body["jobid"])


@dataclass(frozen=True)
class Direct:
    """A reply that never saw a socket."""

    reply: Reply

    @property
    def status_code(self) -> int:
        return self.reply.status

    @property
    def text(self) -> str:
        return self.reply.body.decode()

    def json(self) -> Any:
        return json.loads(self.reply.body)


class DirectApi(Api):
    """The same calls, handed to the gateway without a server: for hundreds of cases."""

    def __init__(self, gateway: Gateway, key: str, secret: str) -> None:
        super().__init__("", key, secret)
        self.gateway = gateway

    def send(self, parameters: dict[str, str], method: str = "POST") -> Response:
        wire = urlencode(parameters).encode()
        query, body = (b"", wire) if method == "POST" else (wire, b"")
        return Direct(self.gateway.answer(method, query, body))
