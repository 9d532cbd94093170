"""How a command is declared: name, parameters in the order they are checked, and one handler."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.twin.cloudstack.parameters import Parameter, integer, text
from ingest.twin.cloudstack.service import Handler

_LIST_PARAMETERS = (text("keyword"), integer("page"), integer("pagesize"))


@dataclass(frozen=True, slots=True)
class Command:
    """One API command.

    `locked` handlers run under the world's lock; the others take it themselves, because they wait. `is_list`
    commands obey the paging rules; `asynchronous` ones return a JobPlan and are answered with a job id.
    """

    name: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    is_list: bool = False
    asynchronous: bool = False
    locked: bool = True
    since: str = ""


def listing(name: str, handler: Handler, *parameters: Parameter, locked: bool = True, since: str = "") -> Command:
    """A list command: keyword, page and pagesize come with it."""
    return Command(name, handler, (*parameters, *_LIST_PARAMETERS), is_list=True, locked=locked, since=since)


def plain(name: str, handler: Handler, *parameters: Parameter, since: str = "") -> Command:
    """A synchronous command that answers with one object. `since` is the release it came with."""
    return Command(name, handler, parameters, since=since)


def asynchronous(name: str, handler: Handler, *parameters: Parameter, since: str = "") -> Command:
    """A command that starts a job. `customjobid` exists on all of them, checked last, and is never documented."""
    return Command(name, handler, (*parameters, text("customjobid")), asynchronous=True, since=since)
