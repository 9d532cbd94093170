"""Bodies on the wire: JSON or XML, success or refusal (CloudStack: ApiResponseSerializer, ApiServlet)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ServerError

JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def wrapper_name(command: str) -> str:
    """The name of the outer object: `listzonesresponse`, or `errorresponse` without a known command."""
    return f"{command.lower()}response" if command else "errorresponse"


@dataclass(frozen=True, slots=True)
class Form:
    """How answers are written: XML unless `as_json`, with the content type an administrator may change for JSON."""

    as_json: bool
    version: str
    json_type: str = JSON_TYPE


def success(wrapper: str, payload: Json, form: Form) -> Reply:
    """A successful answer."""
    return _reply(200, wrapper, payload, form, headers={})


def refusal(wrapper: str, error: ServerError, form: Form) -> Reply:
    """A refused call: the HTTP status is the error code, 432 always comes as `errorresponse`."""
    named = [{"uuid": uuid, "description": description} for uuid, description in error.uuids]
    payload: Json = {"uuidList": named, "errorcode": error.code}
    headers: dict[str, str] = {}
    if error.cserrorcode is not None:
        payload["cserrorcode"] = error.cserrorcode
        headers["X-Description"] = _header_text(error.text)
    payload["errortext"] = error.text
    name = "errorresponse" if error.code == 432 else wrapper
    return _reply(error.code, name, payload, form, headers=headers)


def page(status: int, reason: str) -> Reply:
    """An HTML page of the servlet container, for what never reaches the API."""
    title = f"Error {status} {reason}"
    body = f"<html>\n<head><title>{title}</title></head>\n<body><h2>HTTP ERROR {status} {reason}</h2></body>\n</html>\n"
    return Reply(status, "text/html;charset=iso-8859-1", body.encode())


def _reply(status: int, wrapper: str, payload: Json, form: Form, *, headers: Mapping[str, str]) -> Reply:
    if form.as_json:
        body = json.dumps({wrapper: payload}, ensure_ascii=False, separators=(",", ":")).encode()
        return Reply(status, form.json_type, body, headers)
    head = f'<?xml version="1.0" encoding="UTF-8"?><{wrapper} cloud-stack-version="{form.version}">'
    text = f"{head}{_xml(payload)}</{wrapper}>"
    return Reply(status, "text/xml; charset=UTF-8", text.encode(), headers)


def _xml(fields: Json) -> str:
    parts: list[str] = []
    for name, value in fields.items():
        # A list is written as repeated elements, without an element around it.
        for item in value if isinstance(value, list) else [value]:
            inner = _xml(item) if isinstance(item, dict) else escape(_plain(item))
            parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _header_text(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line.encode("latin-1", "replace").decode("latin-1")
