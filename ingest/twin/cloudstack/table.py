"""Every command of the twin by its exact, case-sensitive name, and `listApis`, which describes them."""

from __future__ import annotations

from ingest.twin.cloudstack import (
    assign,
    import_command,
    lists_accounts,
    lists_infrastructure,
    lists_instances,
    lists_ip_ranges,
    lists_management,
    lists_networks,
    lists_offerings,
    lists_snapshots,
    lists_system_vms,
    networks,
    newer_imports,
    power,
    tags,
    throttling,
    unmanage,
    unmanaged_command,
)
from ingest.twin.cloudstack.commands import Command, plain
from ingest.twin.cloudstack.parameters import LONGEST_TEXT, Kind, text
from ingest.twin.cloudstack.records import Json, compact
from ingest.twin.cloudstack.service import Call, Service

# A list of ids is a list to a client.
_TYPES = {Kind.ENTITIES: "list"}


def list_apis(service: Service, call: Call) -> Json:
    """The APIs the caller may use. The base parameter of asynchronous calls, customjobid, is not shown."""
    name = call.arguments.text("name")
    allowed = call.user.apis
    shown = [
        _described(command)
        for command in COMMANDS.values()
        if name in ("", command.name) and (allowed is None or command.name in allowed)
    ]
    return {"count": len(shown), "api": shown} if shown else {}


def _described(command: Command) -> Json:
    reads = command.name.startswith(("get", "list", "query", "find"))
    return compact(
        {
            "name": command.name,
            "since": command.since,
            "isasync": command.asynchronous,
            "httprequesttype": "GET" if reads else "POST",
            "params": [
                compact(
                    {
                        "name": parameter.name,
                        "type": _TYPES.get(parameter.kind, parameter.kind.value),
                        "required": parameter.required,
                        "since": parameter.since,
                        "length": LONGEST_TEXT if parameter.kind is Kind.TEXT else None,
                    }
                )
                for parameter in command.parameters
                if parameter.name != "customjobid"
            ],
            "response": [],
        }
    )


_ALL: tuple[Command, ...] = (
    *lists_infrastructure.COMMANDS,
    *lists_offerings.COMMANDS,
    *lists_accounts.COMMANDS,
    *lists_networks.COMMANDS,
    *lists_ip_ranges.COMMANDS,
    *lists_instances.COMMANDS,
    *lists_management.COMMANDS,
    *lists_system_vms.COMMANDS,
    *lists_snapshots.COMMANDS,
    *unmanaged_command.COMMANDS,
    *import_command.COMMANDS,
    *unmanage.COMMANDS,
    *networks.COMMANDS,
    *power.COMMANDS,
    *tags.COMMANDS,
    *assign.COMMANDS,
    *newer_imports.COMMANDS,
    *throttling.COMMANDS,
    plain("listApis", list_apis, text("name")),
)

COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
