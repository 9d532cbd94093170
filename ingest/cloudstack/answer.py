"""What an answer of the CloudStack API means: the payload, or the typed error. The only parser of answers.

Shapes and codes: CloudStack's ApiServlet, ApiServer, ApiErrorCode, ApiResponseSerializer. A success is
`{"<command>response": {...}}`; an error has the same wrapper, or `errorresponse`, around `errorcode`, `cserrorcode`
and `errortext`. What is not such JSON was written by the web container, a proxy or another service.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from ingest.cloudstack.transport import Answer
from ingest.errors import InMaintenance, NotTheApi, Refused, RemoteError, Transient, Unauthorised, UnknownOutcome

Payload = dict[str, Any]

ASK_FIRST = "find out what became of it (the job, then the VM) before sending it again"
URL_CURE = "check INGEST_CLOUDSTACK_URL: it must be the API itself, like https://cloud.example.org:8443/client/api"

_WAIT_MS = re.compile(r"retry after \[?(\d+)\]? ?ms")
_MAXIMUM_PAGE_SIZE = re.compile(r"max allowed page size value: (\d+)")
_GATEWAY = frozenset({408, 502, 503, 504})
_TOO_LARGE = frozenset({413, 414, 431})
_GIST_CHARACTERS = 120


def read_answer(command: str, answer: Answer, *, changes: bool, place: str = "") -> Payload:
    """The payload inside the wrapper; {} for an empty list.

    Raises Unauthorised (401, 432), Transient (429, CloudStack's 503 and, for reading calls, a gateway's 408, 502-504
    and JSON that was cut off), Refused (every other error of CloudStack), NotTheApi (anything else), and for calls
    that change something UnknownOutcome where the server may have acted although its answer is unreadable.
    """
    payload = _payload(command, answer.body)
    if payload is None:
        raise _not_readable(command, answer, changes, place)
    if answer.status < 300 and "errorcode" not in payload:
        return payload
    raise _said_no(command, answer, payload, place)


def maximum_page_size(error: Refused) -> int | None:
    """The page size the server allows, when that is why it refused (CloudStack: BaseListCmd)."""
    found = _MAXIMUM_PAGE_SIZE.search(error.text)
    return int(found[1]) if error.code == 431 and found else None


def _payload(command: str, body: bytes) -> Payload | None:
    try:
        # The API leaves null fields out; dropping those of a rewriting proxy keeps one meaning for "not there".
        document = json.loads(body, object_pairs_hook=_without_nulls)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    for wrapper in (f"{command.lower()}response", "errorresponse"):
        if isinstance(document.get(wrapper), dict):
            return dict(document[wrapper])
    return None


def _without_nulls(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def _said_no(command: str, answer: Answer, payload: Payload, place: str) -> RemoteError:
    code = _number(payload.get("errorcode")) or answer.status
    text = str(payload.get("errortext", "")) or "the management server gave no reason"
    if code == 401:
        return Unauthorised(
            f"{command} refused with 401: {text}",
            place=place,
            cure="check the API key and the secret key (INGEST_CLOUDSTACK_API_KEY, INGEST_CLOUDSTACK_SECRET_KEY), that "
            "the user is enabled, that this machine's clock is right (requests expire), and that this CloudStack "
            f"knows the command {command}",
        )
    if code == 432:
        return Unauthorised(
            f"{command} refused with 432: {text}",
            place=place,
            cure=f"give the role of this API key the right to {command}, or use a root admin's key",
        )
    if code == 429:
        found = _WAIT_MS.search(text)
        wait_s = int(found[1]) / 1000 if found else _retry_after_s(answer)
        return Transient(f"{command}: {text}", retry_after_s=wait_s, place=place, cure="ask less often")
    if code == 503:
        kind = InMaintenance if "Maintenance or Shutdown" in text else Transient
        return kind(f"{command}: {text}", retry_after_s=_retry_after_s(answer), place=place, cure="try again later")
    return Refused(text, command=command, code=code, cserrorcode=_number(payload.get("cserrorcode")), place=place)


def _not_readable(command: str, answer: Answer, changes: bool, place: str) -> RemoteError:
    status = answer.status
    what = f"{command} was answered with HTTP {status} and {_gist(answer)}"
    if status == 429:
        return Transient(what, retry_after_s=_retry_after_s(answer), place=place, cure="ask less often")
    if 300 <= status < 400:
        return NotTheApi(
            f"{command} was redirected to {answer.location or 'nowhere'}",
            place=place,
            cure=f"redirects are not followed; {URL_CURE}",
        )
    if 400 <= status < 500 and status != 408:
        cure = "a proxy or the web container found the request too large" if status in _TOO_LARGE else URL_CURE
        return NotTheApi(what, place=place, cure=cure)
    if changes:
        return UnknownOutcome(what, place=place, cure=ASK_FIRST)
    if status in _GATEWAY:
        cure = "try again later; the management server is restarting, or a proxy before it waits too short"
        return Transient(what, retry_after_s=_retry_after_s(answer), place=place, cure=cure)
    if answer.body.lstrip().startswith(b"{") and status < 300 and not _is_json(answer.body):
        return Transient(f"the answer to {command} was cut off", place=place, cure="try again later")
    return NotTheApi(what, place=place, cure=URL_CURE)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _gist(answer: Answer) -> str:
    """A few words of a page that is not ours to understand."""
    text = answer.body[:20_000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    words = " ".join(html.unescape(title[1] if title else re.sub(r"<[^>]*>", " ", text)).split())
    kind = answer.content_type.partition(";")[0] or "no content type"
    shown = words[:_GIST_CHARACTERS] + ("..." if len(words) > _GIST_CHARACTERS else "")
    return f'{kind} instead of JSON: "{shown}"' if words else f"an empty body ({kind})"


def _retry_after_s(answer: Answer) -> float | None:
    return float(answer.retry_after) if answer.retry_after.isdecimal() else None


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None
