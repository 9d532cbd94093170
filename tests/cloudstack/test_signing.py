from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest

from ingest.cloudstack.signing import SignedForm, canonical_text, encode_value, signature_of, signed

SECRET = "an-example-secret-key"


def hmac_sha1_base64(text: bytes) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha1).digest()).decode()


def url_encoder_of_java(value: str) -> str:
    """java.net.URLEncoder, byte by byte from its documentation, and then %20 for the plus sign."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*_"
    text = "".join(
        chr(byte) if byte in plain else "+" if byte == 0x20 else f"%{byte:02X}" for byte in value.encode("utf-8")
    )
    return text.replace("+", "%20")


# The canonical text of each case is written by hand from the rules of the API documentation.
CASES = {
    "plain": (
        {"command": "listZones", "response": "json", "apiKey": "KeY"},
        b"apikey=key&command=listzones&response=json",
    ),
    "tilde, star, space, slash, plus, percent": (
        {"name": "~a*b c/d+e%f", "command": "listUsers"},
        b"command=listusers&name=%7ea*b%20c%2fd%2be%25f",
    ),
    "a vCenter name that holds an escaped slash": ({"name": "web%2f01"}, b"name=web%252f01"),
    "unreserved and brackets": ({"keyword": "A.b-c_d[0]=&,:;"}, b"keyword=a.b-c_d%5b0%5d%3d%26%2c%3a%3b"),
    "unicode": ({"displayname": "Büro-Ä 日本"}, b"displayname=b%c3%bcro-%c3%84%20%e6%97%a5%e6%9c%ac"),
    "map parameters keep their brackets": (
        {"nicnetworklist[0].network": "N-1", "nicnetworklist[0].nic": "Network adapter 1", "name": "web01"},
        b"name=web01&nicnetworklist[0].network=n-1&nicnetworklist[0].nic=network%20adapter%201",
    ),
    "sorted before lower-casing: upper case, bracket, lower case": (
        {"b": "1", "a[1].x": "2", "aZ": "3", "ab": "4", "B": "5", "a": "6"},
        b"b=5&a=6&az=3&a[1].x=2&ab=4&b=1",
    ),
    "empty value": ({"name": "", "id": "1"}, b"id=1&name="),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_the_signed_text_and_the_signature_are_the_documented_ones(case: str) -> None:
    parameters, text = CASES[case]
    assert canonical_text(parameters).encode() == text
    assert signature_of(parameters, SECRET) == hmac_sha1_base64(text)


def test_a_signature_known_in_advance() -> None:
    # printf 'command=listzones' | openssl dgst -sha1 -hmac secret -binary | base64
    assert signature_of({"command": "listZones"}, "secret") == "WMHT9Dom/W5h+tUwIaI5VTq3EJo="


def sent(form: SignedForm) -> dict[str, str]:
    """What a server reads from the form."""
    pairs = parse_qsl(form.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_form_is_read_as_it_was_meant(case: str) -> None:
    parameters, _ = CASES[case]
    form = signed(parameters, api_key="KEY", secret_key=SECRET, now=datetime(2026, 1, 1, tzinfo=UTC))
    read = sent(form)
    assert parameters.items() <= read.items()
    assert read.pop("signature") == form.signature == signature_of(read, SECRET)
    assert form.signature not in repr(form)


@pytest.mark.parametrize("value", ["".join(map(chr, range(256))), "日本語", "😀~", " ", ""])
def test_values_are_encoded_like_javas_url_encoder(value: str) -> None:
    assert encode_value(value) == url_encoder_of_java(value)


def test_the_order_of_the_parameters_does_not_matter() -> None:
    parameters = {"zoneid": "z", "command": "listHosts", "apikey": "k"}
    backwards = dict(reversed(parameters.items()))
    assert signature_of(parameters, SECRET) == signature_of(backwards, SECRET)


def test_signed_parameters_carry_key_version_expiry_and_signature() -> None:
    noon_in_berlin = datetime(2026, 8, 21, 12, 0, 0, 900, tzinfo=timezone(timedelta(hours=2)))
    form = signed({"command": "listZones"}, api_key="KEY", secret_key=SECRET, now=noon_in_berlin)
    text = b"apikey=key&command=listzones&expires=2026-08-21t10%3a10%3a00%2b0000&signatureversion=3"
    assert form.signature == hmac_sha1_base64(text)
    assert sent(form) == {
        "command": "listZones",
        "apikey": "KEY",
        "signatureversion": "3",
        "expires": "2026-08-21T10:10:00+0000",
        "signature": hmac_sha1_base64(text),
    }


def test_the_expiry_stays_below_the_servers_fifteen_minutes() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    expires = sent(signed({}, api_key="k", secret_key="s", now=now))["expires"]
    assert timedelta(0) < datetime.strptime(expires, "%Y-%m-%dT%H:%M:%S%z") - now <= timedelta(minutes=15)
