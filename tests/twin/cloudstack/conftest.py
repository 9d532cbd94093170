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
def service(world: World) -> Iterator[Service]:
    running = Service(world)
    yield running
    running.stop()


@pytest.fixture
def gateway(service: Service) -> Gateway:
    """The whole API without sockets: starting and stopping a server costs more than most tests."""
    return Gateway(service)


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
