"""Recordings: read back as they are by pyvmomi, and served by VMware's own simulator."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import SoapAdapter, vim, vmodl

from ingest.errors import UsageError
from ingest.twin.recording import write_recording
from ingest.twin.world import World

from .conftest import read_all

query = vmodl.query.PropertyCollector
VCSIM = Path(os.environ.get("VCSIM") or Path(__file__).parents[3] / ".tools" / "vcsim")
COMPARED = {
    vim.VirtualMachine: ["name", "parent", "parentVApp", "config.template", "config.instanceUuid", "runtime.host",
                         "runtime.powerState", "guest.net", "customValue", "network", "datastore"],
    vim.HostSystem: ["name", "parent", "config.network.portgroup"],
    vim.Network: ["name", "parent"],
    vim.dvs.DistributedVirtualPortgroup: ["key", "tag", "config.defaultPortConfig", "config.distributedVirtualSwitch"],
    vim.DistributedVirtualSwitch: ["name", "uuid", "portgroup"],
    vim.Datastore: ["name", "parent"],
    vim.Folder: ["name", "parent", "childEntity"],
    vim.ComputeResource: ["name", "parent", "resourcePool", "host"],
    vim.ResourcePool: ["name", "parent", "vm"],
}  # fmt: skip


def read_document(path: Path) -> Any:
    return SoapAdapter.Deserialize(path.read_bytes(), query.ObjectContent)


@pytest.fixture
def recording(world: World, tmp_path: Path) -> Path:
    assert write_recording(world, tmp_path / "recording") == 54
    return tmp_path / "recording"


def test_every_document_reads_as_an_object_content(recording: Path, world: World) -> None:
    documents = [read_document(path) for path in sorted(recording.glob("*.xml"))]
    assert len(documents) == 54
    names = {item.obj._moId: {prop.name: prop.val for prop in item.propSet} for item in documents}
    assert names["ServiceInstance"]["content"].eventManager._moId == "EventManager"
    assert names["vm-100"]["name"] == "vm100"
    assert len(names["vm-100"]["config"].hardware.device) == 35
    assert names["datacenter-3"]["vmFolder"]._moId == "group-v4"
    assert {moref for moref in names if moref.startswith("vm-")} == set(world.vms)


def test_file_names_tell_number_class_and_id(recording: Path) -> None:
    files = sorted(path.name for path in recording.iterdir())
    assert files[0] == "0000-ServiceInstance-ServiceInstance.xml"
    assert "VmwareDistributedVirtualSwitch-dvs-60" in files
    text = (recording / "VmwareDistributedVirtualSwitch-dvs-60" / "FetchDVPorts.xml").read_text(encoding="utf-8")
    assert text.count("<returnval>") == 39


def test_nothing_is_overwritten(recording: Path, world: World) -> None:
    with pytest.raises(UsageError, match="not empty"):
        write_recording(world, recording)


def rows(si: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for kind, paths in COMPARED.items():
        for moref, row in read_all(si, kind, paths)[0].items():
            found.setdefault(moref, {}).update((path, str(value)) for path, value in row.items())
    return found


def devices(si: Any) -> list[tuple[str, ...]]:
    """Class, key, label, controller and backing class of every device of every VM."""
    found = []
    for moref, row in read_all(si, vim.VirtualMachine, ["config.hardware.device"])[0].items():
        for item in row.get("config.hardware.device", []):
            facts = (type(item), item.key, item.deviceInfo.label, item.controllerKey, type(item.backing))
            found.append((moref, *map(str, facts)))
    return sorted(found)


@pytest.fixture
def vcsim(recording: Path) -> Iterator[Any]:
    """A session on VMware's simulator serving the recording."""
    if not os.access(VCSIM, os.X_OK):
        pytest.skip(f"{VCSIM} is not there: run tests/vcsim/build.sh (needs Go)")
    command = [str(VCSIM), "-l", "127.0.0.1:0", "-until-eof", "-load", str(recording)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        address = urlsplit(process.stdout.readline().strip().partition("=")[2])
        pem = ssl.get_server_certificate((str(address.hostname), int(address.port or 0)), timeout=10)
        context = ssl.create_default_context(cadata=pem)
        context.check_hostname = False
        instance = SmartConnect(host=address.hostname, port=address.port, user="u", pwd="p", sslContext=context)
        yield instance
        Disconnect(instance)
        instance._stub.DropConnections()
        process.terminate()


@pytest.mark.vcsim
def test_vcsim_shows_the_same_inventory(vcsim: Any, si: Any) -> None:
    mine, theirs = rows(si), rows(vcsim)
    assert theirs == mine
    assert devices(vcsim) == devices(si)
    assert len(devices(si)) > 100
