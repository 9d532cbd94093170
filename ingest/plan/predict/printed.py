"""Objects as the server prints them inside its error texts; their internal numbers are not known outside."""

from __future__ import annotations

import json

from ingest.plan.predict.verdict import UNSAID


def printed(kind: str, object_id: str, name: str) -> str:
    """`Cluster {"id":…,"name":"c1","uuid":"..."}`."""
    return f'{kind} {{"id":{UNSAID},"name":{_quoted(name)},"uuid":{_quoted(object_id)}}}'


def printed_account(account_id: str, name: str) -> str:
    """`Account [{"accountName":"shop","id":…,"uuid":"..."}]`."""
    return f'Account [{{"accountName":{_quoted(name)},"id":{UNSAID},"uuid":{_quoted(account_id)}}}]'


def _quoted(text: str) -> str:
    return json.dumps(text) if text != UNSAID else f'"{UNSAID}"'
