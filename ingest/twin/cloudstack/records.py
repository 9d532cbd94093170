"""Small things said about database rows: internal numbers, descriptions, time stamps, objects without nulls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ingest.twin.cloud import Account, Cloud, Domain, Project

Json: TypeAlias = dict[str, Any]


def number_of(table: Mapping[str, object], row_id: str) -> int:
    """The internal number of a row: its place in the table, counted from 1; 0 when it is gone."""
    return next((place for place, key in enumerate(table, start=1) if key == row_id), 0)


def described(kind: str, table: Mapping[str, object], row_id: str, name: str, *, name_key: str = "name") -> str:
    """A row as CloudStack prints it inside error texts: `Cluster {"id":1,"name":"c1","uuid":"..."}`."""
    fields = {"id": number_of(table, row_id), name_key: name, "uuid": row_id}
    return f"{kind} {json.dumps(fields, separators=(',', ':'))}"


def described_account(cloud: Cloud, account: Account) -> str:
    """An account as error texts show it."""
    fields = {"accountName": account.name, "id": number_of(cloud.accounts, account.id), "uuid": account.id}
    return f"Account [{json.dumps(fields, separators=(',', ':'))}]"


def time_text(moment: float | None) -> str | None:
    """Seconds since the epoch as the API writes a date: `2026-08-21T14:06:28+0000`."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def compact(fields: Json) -> Json:
    """`fields` without nulls and empty texts, which the API leaves out."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def words(comma_list: str) -> frozenset[str]:
    """The members of a comma list, such as tags."""
    return frozenset(word.strip() for word in comma_list.split(",") if word.strip())


def project_of_account(cloud: Cloud, accountid: str) -> Project | None:
    """The project whose own account this is."""
    return next((project for project in cloud.projects.values() if project.accountid == accountid), None)


def owner_fields(cloud: Cloud, accountid: str) -> Json:
    """`account` or `project` and the domain of an owned object."""
    account = cloud.accounts.get(accountid)
    if account is None:
        return {}
    domain = cloud.domains.get(account.domainid)
    fields: Json = {
        "domainid": account.domainid,
        "domain": domain.name if domain else None,
        "domainpath": domain.path if domain else None,
    }
    project = project_of_account(cloud, accountid) if account.accounttype == 5 else None
    if project is not None:
        return fields | {"projectid": project.id, "project": project.name}
    return fields | {"account": account.name}


def domain_and_parents(cloud: Cloud, domainid: str) -> list[Domain]:
    """A domain, its parent, and so on up to the root."""
    chain: list[Domain] = []
    current = cloud.domains.get(domainid)
    while current is not None and current not in chain:
        chain.append(current)
        current = cloud.domains.get(current.parentid)
    return chain
