"""Rows of the stored plan and VMs at the recovery site: recognised by what is certain, refused where nothing is."""

from __future__ import annotations

import dataclasses
from typing import Any

from ingest.model.inventory import VirtualMachine
from ingest.plan.sheet import Row
from ingest.runbook.matching import Matches, match_rows
from tests.plan import small_site as site
from tests.runbook.books import plan, said

OTHER = "60000000-0000-4000-8000-000000000001"


def there(vm: VirtualMachine, **changes: Any) -> VirtualMachine:
    """The VM registered at another vCenter: another moref, other disk ids, on another datastore, switched off."""
    number = int(vm.moref.removeprefix("vm-")) + 700
    disks = tuple(
        dataclasses.replace(
            disk, disk_id=f"{number}-{disk.key}", datastore_name="dr1", file_name=disk.file_name.replace("ds1", "dr1")
        )
        for disk in vm.disks
    )
    facts: dict[str, Any] = {"moref": f"vm-{number}", "power_state": "poweredOff", "host": "esx2", "disks": disks}
    return dataclasses.replace(vm, **(facts | changes))


def matched(stored: list[VirtualMachine], now: list[VirtualMachine]) -> Matches:
    return match_rows(plan(*stored).rows, plan(*now).rows)


def pairs(matches: Matches) -> dict[str, tuple[str, str]]:
    return {match.stored["vm"]: (match.now["moref"], match.how) for match in matches.pairs}


def test_the_instance_uuid_comes_first_whatever_else_changed() -> None:
    vms = [site.web01(), site.app02(), site.db_03()]
    done = matched(vms, [there(vm) for vm in reversed(vms)])
    assert pairs(done) == {
        "web01": ("vm-701", "instance UUID"),
        "app02": ("vm-702", "instance UUID"),
        "db_03": ("vm-703", "instance UUID"),
    }
    assert (done.missing, done.strangers, done.findings) == ((), (), ())


def test_a_copy_with_a_new_identity_is_recognised_by_name_files_or_sizes_and_that_is_said() -> None:
    stored = [site.web01(), site.db_03(), site.app02()]
    macs = (site.nic(1, "aa"),)
    now = [
        there(site.web01(), instance_uuid=OTHER),
        there(site.db_03(), instance_uuid=OTHER[:-1] + "2", name="renamed", nics=macs),
        there(
            site.app02(),
            instance_uuid=OTHER[:-1] + "3",
            name="other",
            disks=tuple(
                dataclasses.replace(disk, disk_id=f"702-{disk.key}", file_name=f"[dr1] new/{disk.key}.vmdk")
                for disk in site.app02().disks
            ),
        ),
    ]
    done = matched(stored, now)
    assert pairs(done) == {
        "web01": ("vm-701", "name"),
        "db_03": ("vm-703", "disk files"),
        "app02": ("vm-702", "disk sizes"),
    }
    told = said(done.findings)
    assert f"MATCH-002 web01: recognised by its name; its instance UUID is {OTHER}" in told
    assert "MATCH-004 db_03: is called renamed at the recovery site" in told
    assert "MATCH-004 db_03: MACs differ: 00:50:56:00:00:03, 00:50:56:00:00:aa" in told


def test_a_vm_that_only_has_the_name_is_another_vm() -> None:
    own = site.machine(9, "web01", nics=(site.nic(1, "99"),), disks=(site.disk(1, 20, 9),))
    done = matched([site.web01()], [own])
    assert done.pairs == ()
    assert said(done.findings) == [
        "MATCH-003 web01: which VM it is cannot be told: a VM of that name is there, but neither a MAC nor the disks "
        "are the same",
        "MATCH-005 web01: no row of the stored plan is this VM",
    ]


def test_of_two_with_one_identity_none_is_taken() -> None:
    first, second = there(site.web01()), there(site.web01(), moref="vm-801", name="web01-restored")
    done = match_rows(plan(site.web01()).rows, [*plan(first).rows, *plan(second).rows])
    assert done.pairs == ()
    assert said(done.findings)[0] == (
        "MATCH-003 web01: which VM it is cannot be told: 2 VMs and 1 row have its instance UUID"
    )


def test_what_changed_since_the_plan_is_named() -> None:
    grown = (site.disk(1, 30, 701), site.disk(2, 5, 701))
    done = matched([site.web01()], [there(site.web01(), cpus=4, memory_mib=8192, disks=grown)])
    assert said(done.findings) == [
        "MATCH-004 web01: had 2 CPUs, has 4",
        "MATCH-004 web01: had 4096 MiB of memory, has 8192",
        "MATCH-004 web01: Hard disk 1 was 20 GiB, is 30 GiB",
        "MATCH-004 web01: Hard disk 2 was absent, is 5 GiB",
    ]


def test_a_row_without_a_vm_is_critical_only_where_it_was_to_be_imported() -> None:
    sheet = plan(site.web01(), site.db_03())
    next(row for row in sheet.rows if row["vm"] == "db_03")["import"] = "no"
    done = match_rows(sheet.rows, [])
    assert [row["vm"] for row in done.missing] == ["db_03", "web01"]
    assert said(done.findings) == ["MATCH-001 web01: no VM has its instance UUID, its name or its disks"]
    assert {one.level for one in done.findings} == {"critical"}


def test_one_disk_of_a_usual_size_tells_nothing() -> None:
    unnamed = [
        Row({"vm": name, "import": "yes", "disk1_label": "Hard disk 1", "disk1_size_gib": "20"}) for name in "ab"
    ]
    assert match_rows(unnamed[:1], unnamed[1:]).pairs == ()
