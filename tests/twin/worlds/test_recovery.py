"""Recovery sites: replicas that nobody knows, in a site of its own that can take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.twin.files import datastore_files
from ingest.twin.worldfile import load_world, save_world
from ingest.twin.worlds.integrity import dangling
from ingest.twin.worlds.recovery import Guests, recovery_site


def test_a_site_of_300_replicas() -> None:
    world = recovery_site(300, seed=9, guests=Guests(hang=2, late=3, broken=4))
    assert (len(world.unregistered), len(world.vms)) == (300, 12)
    assert list(dangling(world)) == []
    replicas = [stored.vm for stored in world.unregistered.values()]
    assert {(vm.power_state, vm.swap_left, vm.uuid_location) for vm in replicas} == {
        ("poweredOff", True, "another site")
    }
    assert sum(vm.guest_hangs for vm in replicas) == 2
    assert sum(vm.guest_delay_s > 0 for vm in replicas) == 3
    assert sum(any(service.status == 500 for service in vm.services) for vm in replicas) == 4
    assert len({vm.instance_uuid for vm in replicas}) == 300
    clusters = {cluster.name for cluster in world.cloud.clusters.values()}
    assert {compute.name for compute in world.computes.values()} <= {name.rpartition("/")[2] for name in clusters}
    files = [path for moref in world.datastores for path in datastore_files(world, moref)]
    assert sum(path.endswith(".vswp") for path in files) == 312
    assert sum(path.endswith(".vmx") and path.startswith(".snapshot/") for path in files) == 3
    assert sum(path.endswith(".vmx") and not path.startswith(".") for path in files) == 312


def test_equal_arguments_give_equal_sites_that_survive_a_file(tmp_path: Path) -> None:
    world = recovery_site(12, seed=3, guests=Guests(late=1))
    assert world == recovery_site(12, seed=3, guests=Guests(late=1))
    assert world != recovery_site(12, seed=4, guests=Guests(late=1))
    save_world(world, tmp_path / "recovery.json")
    assert load_world(tmp_path / "recovery.json") == world


def test_more_odd_guests_than_replicas() -> None:
    with pytest.raises(ValueError, match="3 odd guests of 2 replicas"):
        recovery_site(2, guests=Guests(hang=1, late=2))


def test_guests_in_a_description(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(
        "version: 1\ngenerate: {vms: 1}\nreplicated: ['*']\nvms:\n"
        "  - {name: web, guest_delay_s: 5, services: [{port: 80, status: 500, text: gone}, {port: 22, kind: tcp}]}\n"
        "  - {name: dead, guest_hangs: true}\n"
    )
    world = load_world(path)
    vms = {stored.vm.name: stored.vm for stored in world.unregistered.values()}
    assert (vms["web"].guest_delay_s, vms["dead"].guest_hangs) == (5.0, True)
    assert [(one.port, one.kind, one.status, one.text) for one in vms["web"].services] == [
        (80, "http", 500, "gone"), (22, "tcp", 200, "ok")
    ]  # fmt: skip
