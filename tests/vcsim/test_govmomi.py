"""VMware's own Go library as a client of the twin: strict about types, and not written by us or by pyvmomi's authors.

The program is `.tools/govmomiclient`, built by `tests/vcsim/build.sh`. Without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.twin.generator import REALISTIC, generate
from ingest.twin.serving import Twin

pytestmark = pytest.mark.vcsim

CLIENT = Path(__file__).parents[2] / ".tools" / "govmomiclient"
SIZE = 150


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    if not os.access(CLIENT, os.X_OK):
        pytest.skip(f"{CLIENT} is not there: run tests/vcsim/build.sh (needs Go)")
    with Twin(generate(SIZE, seed=31, shape=REALISTIC)) as running:
        yield running


def govmomi(twin: Twin, *flags: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The program against the twin; what it needs to know is in the environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "GOVC_URL": f"https://{twin.vcenter.host}:{twin.vcenter.port}/sdk",
        "GOVC_USERNAME": twin.world.vcenter_user,
        "GOVC_PASSWORD": twin.world.vcenter_password,
        "GOVC_TLS_CA_CERTS": str(twin.ca_file),
    }
    return subprocess.run(
        [str(CLIENT), *flags], env=environment | changes, capture_output=True, text=True, timeout=90, check=False
    )


def report(twin: Twin, *flags: str) -> Any:
    done = govmomi(twin, *flags)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def read(twin: Twin) -> Any:
    """What the program reads of the whole twin, in pages of 40."""
    return report(twin, "-pages", "40")


def test_it_logs_in_to_a_vcenter_of_the_worlds_version(twin: Twin, read: Any) -> None:
    assert read["about"]["apiType"] == "VirtualCenter"
    assert read["about"]["version"] == twin.world.vcenter_version
    assert read["about"]["instanceUuid"] == twin.world.vcenter_uuid


def test_every_vm_is_read_as_the_world_has_it(twin: Twin, read: Any) -> None:
    rows = {row["moref"]: row for row in read["vms"]}
    assert set(rows) == set(twin.world.vms)
    for vm in twin.world.vms.values():
        row = rows[vm.moref]
        assert (row["name"], row["powerState"]) == (vm.name, vm.power_state)
        readable = vm.connection_state not in ("inaccessible", "orphaned", "invalid")
        assert row["instanceUuid"] == (vm.instance_uuid if readable else "")
        disks = [(disk.key, disk.disk_id, disk.capacity_bytes, disk.file_name) for disk in vm.disks if readable]
        assert [(one["key"], one["id"], one["bytes"], one["file"]) for one in row["disks"]] == disks
        cards = [(nic.key, nic.mac, nic.card) for nic in vm.nics if readable]
        assert [(one["key"], one["mac"], one["class"]) for one in row["cards"]] == cards


def test_cards_are_on_the_networks_of_the_world_and_report_its_addresses(twin: Twin, read: Any) -> None:
    cards = {(row["moref"], card["key"]): card for row in read["vms"] for card in row["cards"]}
    compared = 0
    for vm in twin.world.vms.values():
        for nic in vm.nics:
            network = twin.world.networks.get(nic.network)
            if (vm.moref, nic.key) in cards and network is not None and nic.backing != "none":
                card = cards[vm.moref, nic.key]
                assert card["network"] == (network.opaque_id or network.moref)
                assert card["ips"] == list(nic.ips)
                compared += 1
    assert compared > SIZE / 2


def test_paths_lead_back_to_their_vm(twin: Twin, read: Any) -> None:
    in_folders = [row for row in read["vms"] if twin.world.vms[row["moref"]].folder]
    assert all(row["path"].endswith(f"/{row['name']}") for row in in_folders)
    named = [row["path"] for row in read["vms"]]
    # Two VMs of one name in one folder share a path: the server may find either.
    alone = [row for row in in_folders if named.count(row["path"]) == 1]
    assert [row["foundAs"] for row in alone] == [row["moref"] for row in alone]
    assert len(alone) > SIZE / 2


def test_one_page_or_many_is_the_same(twin: Twin, read: Any) -> None:
    assert report(twin)["vms"] == read["vms"]


def test_a_task_is_waited_for(twin: Twin) -> None:
    running = next(vm for vm in twin.world.vms.values() if vm.power_state == "poweredOn" and vm.vapp == "")
    first = report(twin, "-power-off", running.moref)["task"]
    assert first == {"state": "success", "fault": "", "after": "poweredOff"}
    assert running.power_state == "poweredOff"
    again = report(twin, "-power-off", running.moref)["task"]
    assert again == {"state": "error", "fault": "*types.InvalidPowerState", "after": "poweredOff"}


def test_a_wrong_password_is_told_in_vmwares_words(twin: Twin) -> None:
    done = govmomi(twin, GOVC_PASSWORD="wrong")
    assert done.returncode == 1
    assert "Cannot complete login due to an incorrect user name or password" in done.stderr
