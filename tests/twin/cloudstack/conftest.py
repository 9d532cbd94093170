from collections.abc import Iterator

import pytest

from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api, DirectApi
from tests.twin.cloudstack.tiny import tiny_world


@pytest.fixture
def world() -> World:
    return tiny_world()


@pytest.fixture
def gateway(world: World) -> Iterator[Gateway]:
    """The whole API without sockets: starting and stopping a server costs more than most tests."""
    service = Service(world)
    yield Gateway(service)
    service.stop()


@pytest.fixture
def server(world: World) -> Iterator[CloudStackServer]:
    with CloudStackServer(world) as running:
        yield running


@pytest.fixture
def admin(gateway: Gateway) -> Api:
    return DirectApi(gateway, "admin-key", "admin-secret")


@pytest.fixture
def bob(gateway: Gateway) -> Api:
    return DirectApi(gateway, "bob-key", "bob-secret")
