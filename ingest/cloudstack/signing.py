"""The signature of a CloudStack API call, as the server computes it (CloudStack: ApiServer.verifyRequest)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

# The server refuses requests that expire more than 15 minutes ahead when it enforces time stamps.
LIFETIME = timedelta(minutes=10)


def encode_value(value: str) -> str:
    """A value as Java's URLEncoder writes it in UTF-8, with `%20` for the space: only `A-Z a-z 0-9 . - * _` stay."""
    return quote(value, safe="*").replace("~", "%7E")


def canonical_text(parameters: Mapping[str, str]) -> str:
    """The text that is signed: `name=value` pairs, sorted by the raw name, names unencoded, all in lower case."""
    return "&".join(f"{name}={encode_value(parameters[name])}" for name in sorted(parameters)).lower()


def signature_of(parameters: Mapping[str, str], secret_key: str) -> str:
    """The base64 HMAC-SHA1 of the parameters; they must already hold apiKey, expires and signatureVersion."""
    digest = hmac.new(secret_key.encode(), canonical_text(parameters).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def signed(parameters: Mapping[str, str], *, api_key: str, secret_key: str, now: datetime) -> dict[str, str]:
    """The parameters with key, expiry and signature added, ready for form encoding. `now` must know its time zone."""
    expires = (now + LIFETIME).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    complete = {**parameters, "apikey": api_key, "signatureversion": "3", "expires": expires}
    return {**complete, "signature": signature_of(complete, secret_key)}
