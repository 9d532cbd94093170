"""A tiny twin, both servers, and the plainest clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect

from ingest.twin.faults.script import Script
from ingest.twin.serving import Twin
from ingest.twin.world import Folder, World
from tests.twin.cloudstack.api import Api
from tests.twin.cloudstack.tiny import tiny_world

Until = Callable[[Callable[[], object]], None]


def whole_tiny_world() -> World:
    """The tiny world with the folders a vCenter shows."""
    world = tiny_world()
    world.folders["group-d1"] = Folder("group-d1", "Datacenters", "", "")
    for name in ("v1", "h1", "n1", "s1"):
        world.folders[f"group-{name}"] = Folder(f"group-{name}", name, "datacenter-1", "datacenter-1")
    return world


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(whole_tiny_world()) as running:
        yield running


@pytest.fixture
def admin(twin: Twin) -> Api:
    return Api(twin.cloudstack.url, "admin-key", "admin-secret", verify=str(twin.ca_file))


@pytest.fixture
def si(twin: Twin) -> Iterator[Any]:
    """A logged-in service instance of pyvmomi."""
    instance = connect(twin)
    yield instance
    try:
        Disconnect(instance)
    except Exception:  # noqa: BLE001  whatever the test left of the session
        pass
    finally:
        instance._stub.DropConnections()


def connect(twin: Twin) -> Any:
    return SmartConnect(
        host=twin.vcenter.host,
        port=twin.vcenter.port,
        user=twin.world.vcenter_user,
        pwd=twin.world.vcenter_password,
        sslContext=twin.vcenter.certificate.client_context(),
    )


def strike(twin: Twin, **fault: Any) -> str:
    """Set one fault; its name."""
    return twin.faults.set(Script.model_validate({"faults": [fault]}))[0]


def fired(twin: Twin) -> list[str]:
    """The kinds of the faults that fired, from the journal."""
    return [str(facts["what"]) for facts in twin.world.cloud.journal.of("fault")]


def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
