from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.cloudstack.answer import maximum_page_size, read_answer
from ingest.cloudstack.transport import Answer
from ingest.errors import InMaintenance, NotTheApi, Refused, RemoteError, Transient, Unauthorised, UnknownOutcome

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=iso-8859-1"
CONTAINER_431 = b"<html><title>Error 431 Request Header Fields Too Large</title></html>"


def read(command: str, document: object, status: int = 200, *, changes: bool = False) -> dict[str, Any]:
    answer = Answer(status, JSON, json.dumps(document).encode())
    return read_answer(command, answer, changes=changes, place="https://cloud/client/api")


def error_of(command: str, answer: Answer, *, changes: bool = False) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        read_answer(command, answer, changes=changes, place="https://cloud/client/api")
    return caught.value


def said(code: int, text: str | None, **more: Any) -> Answer:
    content = {"uuidList": [], "errorcode": code, **more} | ({} if text is None else {"errortext": text})
    return Answer(code, JSON, json.dumps({"importunmanagedinstanceresponse": content}).encode())


@pytest.mark.parametrize(
    ("command", "content"),
    [
        ("listZones", {"count": 1, "zone": [{"id": "z"}]}),
        ("listZones", {}),
        ("listZones", {"count": 7}),
        ("createNetwork", {"network": {"id": "n"}}),
        ("importUnmanagedInstance", {"jobid": "j"}),
        ("queryAsyncJobResult", {"jobid": "j", "jobstatus": 0, "jobresultcode": 0}),
        ("queryAsyncJobResult", {"jobid": "j", "jobstatus": 1, "jobresult": {"virtualmachine": {"id": "v"}}}),
        ("queryAsyncJobResult", {"jobid": "j", "jobstatus": 2, "jobresult": {"errorcode": 530, "errortext": "no"}}),
        ("queryAsyncJobResult", {"jobid": "j", "jobstatus": 2, "jobresultcode": 530}),
    ],
)
def test_a_success_is_what_stands_in_the_wrapper(command: str, content: dict[str, Any]) -> None:
    assert read(command, {f"{command.lower()}response": content}) == content


def test_null_fields_are_as_if_absent_at_any_depth() -> None:
    document = {"listzonesresponse": {"count": None, "zone": [{"id": "z", "name": None, "x": {"y": None}}]}}
    assert read("listZones", document) == {"zone": [{"id": "z", "x": {}}]}


@pytest.mark.parametrize("code", [400, 430, 431, 530, 531, 532, 533, 534, 535, 536, 537])
@pytest.mark.parametrize("changes", [True, False])
def test_an_error_of_cloudstack_keeps_its_codes_and_words(code: int, changes: bool) -> None:
    words = "Account with  two spaces: 'a' \u00e9"
    error = error_of("importUnmanagedInstance", said(code, words, cserrorcode=4350), changes=changes)
    assert type(error) is Refused
    assert (error.text, error.code, error.cserrorcode, error.command) == (words, code, 4350, "importUnmanagedInstance")
    assert error.place == "https://cloud/client/api"


def test_an_error_without_text_and_number() -> None:
    error = error_of("importUnmanagedInstance", said(530, None))
    assert isinstance(error, Refused)
    assert (error.text, error.code, error.cserrorcode) == ("the management server gave no reason", 530, None)


def test_an_error_is_one_even_when_something_rewrote_the_status() -> None:
    answer = said(431, "no")
    error = error_of("importUnmanagedInstance", Answer(200, JSON, answer.body))
    assert isinstance(error, Refused)
    assert error.code == 431


def test_a_401_names_the_likely_causes_and_the_servers_words() -> None:
    text = "unable to verify user credentials and/or request signature"
    body = json.dumps({"importunmanagedinstanceresponse": {"uuidList": [], "errorcode": 401, "errortext": text}})
    error = error_of("importUnmanagedInstance", Answer(401, JSON, body.encode()), changes=True)
    assert type(error) is Unauthorised
    assert text in error.message
    for cause in ("API key", "secret key", "clock", "knows the command importUnmanagedInstance"):
        assert cause in error.cure


def test_a_432_has_the_wrapper_errorresponse_and_keeps_the_servers_words() -> None:
    text = "The API [listHosts] does not exist or is not available for the account Account [bob]."
    answer = Answer(432, JSON, json.dumps({"errorresponse": {"errorcode": 432, "errortext": text}}).encode())
    error = error_of("listHosts", answer)
    assert type(error) is Unauthorised
    assert text in error.message
    assert "role" in error.cure


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("The given user has reached his/her account api limit, please retry after [740] ms.", 0.74),
        ("The given user has reached his/her account api limit, please retry after 1500 ms.", 1.5),
        ("slow down", None),
    ],
)
def test_a_429_carries_the_wait_it_asks_for(text: str, wait_s: float | None) -> None:
    error = error_of("importUnmanagedInstance", said(429, text), changes=True)
    assert type(error) is Transient
    assert error.retry_after_s == wait_s


def test_a_503_of_cloudstack_means_that_nothing_was_started() -> None:
    text = "Maintenance or Shutdown has been initiated on this management server. Can not accept new jobs"
    error = error_of("importUnmanagedInstance", said(503, text), changes=True)
    assert type(error) is InMaintenance
    assert text in error.message


@pytest.mark.parametrize(
    ("status", "reading", "changing"),
    [
        (200, NotTheApi, UnknownOutcome),
        (204, NotTheApi, UnknownOutcome),
        (302, NotTheApi, NotTheApi),
        (401, NotTheApi, NotTheApi),
        (403, NotTheApi, NotTheApi),
        (404, NotTheApi, NotTheApi),
        (407, NotTheApi, NotTheApi),
        (408, Transient, UnknownOutcome),
        (413, NotTheApi, NotTheApi),
        (414, NotTheApi, NotTheApi),
        (429, Transient, Transient),
        (431, NotTheApi, NotTheApi),
        (500, NotTheApi, UnknownOutcome),
        (502, Transient, UnknownOutcome),
        (503, Transient, UnknownOutcome),
        (504, Transient, UnknownOutcome),
        (520, NotTheApi, UnknownOutcome),
    ],
)
def test_a_page_of_somebody_else(status: int, reading: type[RemoteError], changing: type[RemoteError]) -> None:
    answer = Answer(status, HTML, b"<html><head><title>Some\n &amp; Proxy</title></head><body>words</body></html>")
    for changes, kind in ((False, reading), (True, changing)):
        error = error_of("listZones", answer, changes=changes)
        assert type(error) is kind
        if status != 302:
            assert f"HTTP {status}" in error.message
            assert '"Some & Proxy"' in error.message


def test_cloudstacks_431_is_told_from_the_containers_by_the_body() -> None:
    assert type(error_of("listZones", Answer(431, HTML, CONTAINER_431))) is NotTheApi
    assert "too large" in error_of("listZones", Answer(414, HTML, b"<h1>414</h1>")).cure
    body = json.dumps({"listzonesresponse": {"errorcode": 431, "errortext": "Invalid"}}).encode()
    assert type(error_of("listZones", Answer(431, "text/plain", body))) is Refused


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        (b'{"listzonesresponse":{"count":2,"zone":[{"id":"a"', Transient),
        (b"", NotTheApi),
        (b"[]", NotTheApi),
        (b"null", NotTheApi),
        (b'"text"', NotTheApi),
        (b'{"status":"ok"}', NotTheApi),
        (b'{"listzonesresponse":[]}', NotTheApi),
        (b"\xff\xfe\x00", NotTheApi),
        (b"<?xml version='1.0'?><listzonesresponse/>", NotTheApi),
    ],
)
def test_a_body_that_is_no_answer(body: bytes, reading: type[RemoteError]) -> None:
    assert type(error_of("listZones", Answer(200, JSON, body))) is reading
    assert type(error_of("createNetwork", Answer(200, JSON, body), changes=True)) is UnknownOutcome


def test_a_long_page_is_quoted_in_part_only() -> None:
    error = error_of("listZones", Answer(200, HTML, b"<p>" + b"word " * 10_000))
    assert len(str(error)) < 500


def test_a_redirect_shows_where_to() -> None:
    answer = Answer(302, HTML, b"", location="https://login.example.org/sso")
    error = error_of("importUnmanagedInstance", answer, changes=True)
    assert type(error) is NotTheApi
    assert "https://login.example.org/sso" in error.message


def test_retry_after_of_a_gateway() -> None:
    error = error_of("listZones", Answer(503, HTML, b"<p>busy", retry_after="7"))
    assert isinstance(error, Transient)
    assert error.retry_after_s == 7
    dated = error_of("listZones", Answer(503, HTML, b"<p>busy", retry_after="Fri, 21 Aug 2026 10:00:00 GMT"))
    assert isinstance(dated, Transient)
    assert dated.retry_after_s is None


def test_the_allowed_page_size_is_read_from_the_refusal() -> None:
    text = "Page size can't exceed max allowed page size value: 250"
    assert maximum_page_size(Refused(text, command="listZones", code=431)) == 250
    assert maximum_page_size(Refused(text, command="listZones", code=530)) is None
    assert maximum_page_size(Refused("other", command="listZones", code=431)) is None
