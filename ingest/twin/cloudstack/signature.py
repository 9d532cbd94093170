"""Who signs a request, and whether the signature holds (CloudStack: ApiServer.verifyRequest)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ingest.twin.cloud import Cloud, User
from ingest.twin.cloudstack.refusals import Unverified

_UNENCODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-*_")
_EXPIRY_FORMATS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z")
_LONGEST_EXPIRY = timedelta(minutes=15)


def encoded(value: str) -> str:
    """`value` as Java's URLEncoder writes it in UTF-8, with a blank as %20: `~` is encoded, `*` is not."""
    return "".join(chr(byte) if byte in _UNENCODED else f"%{byte:02X}" for byte in value.encode())


def canonical_text(parameters: Mapping[str, str]) -> str:
    """The text that is signed: names sorted as sent, names unencoded, values encoded, all in lower case."""
    signed = (name for name in sorted(parameters) if name.lower() != "signature")
    return "&".join(f"{name}={encoded(parameters[name])}" for name in signed).lower()


def signature_of(parameters: Mapping[str, str], secret_key: str) -> str:
    """The base64 signature that the server expects for decoded `parameters`."""
    digest = hmac.new(secret_key.encode(), canonical_text(parameters).encode(), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def verified_user(
    cloud: Cloud, parameters: Mapping[str, str], now: datetime, *, demand_expiry: bool, known: bool
) -> User:
    """The user whose key signed the request.

    `demand_expiry` is the setting `enforce.post.requests.and.timestamps`; `known` says whether the command exists,
    since an unknown one ends here too when a key is used. Raises Unverified for anything wrong.
    """
    sent = {name.lower(): value for name, value in parameters.items()}
    if "apikey" not in sent or "signature" not in sent or not known:
        raise Unverified
    _check_expiry(sent, now, demand_expiry=demand_expiry)
    user = next((user for user in cloud.users.values() if user.api_key == sent["apikey"]), None)
    if user is None or not user.enabled or cloud.accounts[user.accountid].state != "enabled":
        raise Unverified
    expected = signature_of(parameters, user.secret_key)
    if not hmac.compare_digest(expected.encode(), sent["signature"].encode()):
        raise Unverified
    return user


def _check_expiry(sent: Mapping[str, str], now: datetime, *, demand_expiry: bool) -> None:
    if sent.get("signatureversion") != "3":
        if demand_expiry:
            raise Unverified
        return
    expires = _moment(sent.get("expires", ""))
    if expires is None or expires < now:
        raise Unverified
    if demand_expiry and expires > now + _LONGEST_EXPIRY:
        raise Unverified


def _moment(text: str) -> datetime | None:
    for form in _EXPIRY_FORMATS:
        try:
            return datetime.strptime(text, form).astimezone(UTC)
        except ValueError:
            continue
    return None
