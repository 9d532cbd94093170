"""Everything of a CloudStack, as far as the key may see it."""

from __future__ import annotations

import pytest

from ingest.cloudstack.census import read_census
from ingest.errors import Transient, Unauthorised
from ingest.model.catalogue import Account, Catalogue, VirtualMachine
from tests.cloudstack.api_server import Asked, Reply, free_port, payload, refusal, rows
from tests.cloudstack.conftest import Connect, Serve

KEYS = {
    "listZones": "zone",
    "listPods": "pod",
    "listNetworks": "network",
    "listVirtualMachines": "virtualmachine",
    "listVolumes": "volume",
}


def answering(asked: Asked) -> Reply:
    if asked.command == "listCapabilities":
        return payload(asked.command, {"capability": {"cloudstackversion": "4.22.0.0"}})
    if asked.command == "listConfigurations":
        where = asked.parameters.get("zoneid", "all")
        return rows(asked, "configuration", [{"name": asked.parameters["name"], "value": f"of {where}"}])
    if asked.command == "listVlanIpRanges":
        return refusal(asked.command, 431, "no", cserrorcode=9999)
    if asked.command == "listOsTypes":
        return refusal(asked.command, 432, "The API [listOsTypes] does not exist", wrapper="errorresponse")
    key = KEYS.get(asked.command, "")
    return rows(asked, key, [{"id": "b", "name": "b"}, {"id": "a", "name": "a"}]) if key else payload(asked.command, {})


def test_lists_keep_the_servers_order_and_refused_ones_are_named(serve: Serve, connect: Connect) -> None:
    server = serve(answering)
    steps: list[str] = []
    census = read_census(connect(server), ["default.page.size"], ["wait"], progress=steps.append)
    assert census.cloudstack_version == "4.22.0.0"
    for group in (census.zones, census.pods, census.networks, census.virtual_machines, census.volumes):
        assert [one.id for one in group] == ["b", "a"]
    assert [one.what for one in census.unread] == ["address ranges of networks", "guest operating systems"]
    assert "no" in census.unread[0].why
    assert "432" in census.unread[1].why
    assert (census.configuration, census.zone_configuration) == (
        {"default.page.size": "of all"},
        {"b": {"wait": "of b"}, "a": {"wait": "of a"}},
    )
    assert len(steps) == 23
    assert "listUnmanagedInstances" not in server.commands


def test_a_key_the_server_does_not_take_is_an_error(serve: Serve, connect: Connect) -> None:
    server = serve(lambda asked: refusal(asked.command, 401, "unable to verify user credentials"))
    with pytest.raises(Unauthorised):
        read_census(connect(server), [])
    assert server.commands == ["listCapabilities"]


def test_a_server_that_is_away_is_an_error(connect: Connect) -> None:
    with pytest.raises(Transient):
        read_census(connect(f"http://127.0.0.1:{free_port()}/client/api"), [])


def test_logins_and_details_are_never_saved() -> None:
    account = Account.model_validate(
        {"id": "a", "name": "a", "user": [{"id": "u", "username": "jane", "email": "j@x"}]}
    )
    machine = VirtualMachine.model_validate({"id": "v", "name": "v", "details": {"password": "hunter2"}})
    assert account.user[0].username == "jane"
    text = Catalogue(accounts=(account,), virtual_machines=(machine,)).model_dump_json()
    assert "jane" not in text
    assert "hunter2" not in text
