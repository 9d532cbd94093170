"""What is expected of an import, and what differs: each field once, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.engine.proof import before, differences, in_words
from ingest.model.catalogue import (
    InstanceNic,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
    VirtualMachine,
    Volume,
)
from ingest.model.request import ImportRequest

GIB = 1 << 30
LISTED = UnmanagedInstance(
    name="web01",
    powerstate="PowerOn",
    disk=(
        UnmanagedDisk(id="7-2000", label="Hard disk 1", capacity=20 * GIB, imagepath="[ds1] web/data.vmdk", position=0),
        UnmanagedDisk(
            id="7-2001", label="Hard disk 2", capacity=GIB, imagepath="[ds1] web/root-000001.vmdk", controller="pvscsi"
        ),
    ),
    nic=(
        UnmanagedNic(id="Network adapter 1", macaddress="00:50:56:AA:00:01", adaptertype="Vmxnet3"),
        UnmanagedNic(id="Network adapter 2", macaddress="00:50:56:aa:00:02", ipaddresses=("10.0.0.7",)),
    ),
)
REQUEST = ImportRequest(
    "c-1",
    "web01",
    "so-1",
    hostname="web",
    display_name="Web",
    account="shop",
    domain_id="d-1",
    project_id="ignored",
    nic_networks=(("Network adapter 1", "n-1"), ("Network adapter 2", "n-2")),
    nic_addresses=(("Network adapter 1", "10.9.9.9"), ("Network adapter 2", "auto")),
    data_disk_offerings=(("7-2000", "do-1"),),
)
NICS = (
    InstanceNic(networkid="n-1", macaddress="00:50:56:aa:00:01", type="L2", isdefault=True),
    InstanceNic(networkid="n-2", macaddress="00:50:56:aa:00:02", type="Shared", ipaddress="10.0.0.7", deviceid=1),
)
ROOT = Volume(id="1", name="ROOT-5", type="ROOT", size=GIB, path="root-000001")
DATA = Volume(
    id="2", name="DATA-5-7-2000", type="DATADISK", size=20 * GIB, path="data", deviceid=1, diskofferingid="do-1"
)
MACHINE = VirtualMachine(
    id="v-1",
    name="web",
    displayname="Web",
    instancename="web01",
    state="Running",
    account="shop",
    domainid="d-1",
    serviceofferingid="so-1",
    details={"rootDiskController": "pvscsi", "nicAdapter": "Vmxnet3"},
    nic=NICS,
)


def said(
    machine: dict[str, Any] | None = None,
    volumes: tuple[Volume, ...] = (ROOT, DATA),
    request: ImportRequest = REQUEST,
    listed: UnmanagedInstance = LISTED,
) -> str:
    """The differences in words; those that are not grave begin with `~`."""
    found = differences(before(listed, request), MACHINE.model_copy(update=machine or {}), volumes, request)
    return "; ".join(f"{'' if one.grave else '~'}{one}" for one in found)


def test_what_is_expected() -> None:
    expected = before(LISTED, REQUEST)
    assert (expected.instance_name, expected.hostname, expected.state) == ("web01", "web", "Running")
    assert (expected.account, expected.domain_id, expected.project_id) == ("shop", "d-1", "")
    assert [(nic.mac, nic.network_id, nic.address) for nic in expected.nics] == [
        ("00:50:56:aa:00:01", "n-1", "10.9.9.9"),
        ("00:50:56:aa:00:02", "n-2", "10.0.0.7"),
    ]
    assert [(disk.label, disk.is_root, disk.file, disk.offering_id) for disk in expected.disks] == [
        ("Hard disk 2", True, "root-000001", ""),
        ("Hard disk 1", False, "data", "do-1"),
    ]
    assert before(LISTED, replace(REQUEST, hostname="")).hostname == "web01"


def test_a_whole_import_differs_in_nothing() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"instancename": "web02"}, "instance name: web02 instead of web01"),
        ({"instancename": "i-2-34-VM"}, "~instance name: i-2-34-VM instead of web01"),
        ({"name": "web01"}, "host name: web01 instead of web"),
        ({"displayname": "web01"}, "~display name: web01 instead of Web"),
        ({"serviceofferingid": "so-2"}, "compute offering: so-2 instead of so-1"),
        ({"account": "admin"}, "owner: admin instead of shop"),
        ({"domainid": "d-2"}, "domain: d-2 instead of d-1"),
        ({"state": "Stopped"}, "~state: Stopped instead of Running"),
        ({"state": "Error"}, "state: Error instead of Running"),
        ({"details": {"rootDiskController": "ide"}}, "root disk controller: ide instead of pvscsi"),
        ({"details": {}}, ""),
        ({"nic": NICS[:1]}, "Network adapter 2: nothing instead of 00:50:56:aa:00:02"),
        (
            {"nic": (NICS[0].model_copy(update={"networkid": "n-3"}), NICS[1])},
            "network of Network adapter 1: n-3 instead of n-1",
        ),
        (
            {"nic": (NICS[0], NICS[1].model_copy(update={"ipaddress": "10.0.0.8"}))},
            "address of Network adapter 2: 10.0.0.8 instead of 10.0.0.7",
        ),
        (
            {"nic": (NICS[0].model_copy(update={"isdefault": False}), NICS[1])},
            "order of Network adapter 1: not the default NIC instead of default NIC",
        ),
        (
            {"nic": (*NICS, InstanceNic(macaddress="00:50:56:aa:00:03", deviceid=2))},
            "NIC: 00:50:56:aa:00:03 instead of nothing",
        ),
    ],
)
def test_a_machine_that_differs(changed: dict[str, Any], words: str) -> None:
    assert said(changed) == words


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ((ROOT,), "volume of Hard disk 1: nothing instead of 20 GiB in data"),
        ((DATA,), "volume of Hard disk 2: nothing instead of 1 GiB in root-000001"),
        ((ROOT.model_copy(update={"size": 2 * GIB}), DATA), "size of Hard disk 2: 2 GiB instead of 1 GiB"),
        ((ROOT.model_copy(update={"path": "root"}), DATA), "file of Hard disk 2: root instead of root-000001"),
        ((ROOT, DATA.model_copy(update={"name": "renamed"})), ""),
        ((ROOT, DATA.model_copy(update={"diskofferingid": "x"})), "disk offering of Hard disk 1: x instead of do-1"),
        ((ROOT, DATA.model_copy(update={"deviceid": 3})), "device number of Hard disk 1: 3 instead of 1"),
        (
            (ROOT, DATA, DATA.model_copy(update={"id": "3", "name": "more"})),
            "volume more: 20 GiB in data instead of nothing",
        ),
    ],
)
def test_volumes_that_differ(volumes: tuple[Volume, ...], words: str) -> None:
    assert said(volumes=volumes) == words


def test_a_forced_import_may_change_a_mac() -> None:
    nics = (NICS[0], NICS[1].model_copy(update={"macaddress": "02:01:00:00:00:01"}))
    forced = replace(REQUEST, forced=True)
    assert said({"nic": nics}, request=forced) == (
        "~MAC of Network adapter 2: 02:01:00:00:00:01 instead of 00:50:56:aa:00:02"
    )
    assert said({"nic": nics}) == (
        "Network adapter 2: nothing instead of 00:50:56:aa:00:02; NIC: 02:01:00:00:00:01 instead of nothing"
    )


def test_an_address_the_server_chooses_is_any() -> None:
    silent = LISTED.model_copy(update={"nic": (LISTED.nic[0], LISTED.nic[1].model_copy(update={"ipaddresses": ()}))})
    assert said(listed=silent) == ""
    without = (NICS[0], NICS[1].model_copy(update={"ipaddress": ""}))
    assert said({"nic": without}, listed=silent) == "address of Network adapter 2: nothing instead of auto"


def test_projects_and_templates_are_compared_when_they_are_named() -> None:
    request = replace(REQUEST, account="", domain_id="", project_id="p-1", template_id="t-1")
    assert said({"projectid": "p-1", "templateid": "t-1"}, request=request) == ""
    assert said(request=request) == "project: nothing instead of p-1; template: nothing instead of t-1"


def test_a_suspended_vm_may_be_in_either_state() -> None:
    suspended = LISTED.model_copy(update={"powerstate": "PowerUnknown"})
    assert said({"state": "Stopped"}, listed=suspended) == ""
    assert said({"state": "Starting"}, listed=suspended) == "state: Starting instead of Stopped"


def test_only_what_is_gone_is_missing() -> None:
    expected = before(LISTED, REQUEST)
    found = differences(expected, MACHINE.model_copy(update={"name": "x"}), [ROOT], REQUEST)
    assert [one.missing for one in found] == [False, True]
    assert in_words(found[1:]) == "volume of Hard disk 1: nothing instead of 20 GiB in data"
