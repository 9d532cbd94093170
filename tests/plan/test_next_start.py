"""What changes at the first start through CloudStack."""

from __future__ import annotations

import dataclasses

import pytest

from ingest.model.inventory import VirtualMachine
from ingest.plan.enrich import enrich
from ingest.plan.next_start import next_start
from ingest.plan.resolve import resolve
from ingest.plan.rules import Rules
from tests.plan import small_site as site


def told(vm: VirtualMachine, **cells: str) -> tuple[str, ...]:
    snapshot = site.snapshot(vm)
    (row,) = enrich(snapshot, Rules()).rows
    row.cells.update(cells)
    (resolved,) = resolve([row], snapshot)
    return next_start(resolved)


def test_a_running_vm_of_a_custom_offering() -> None:
    sentences = told(site.web01())
    assert "Network adapter 1 moves from PG-100 to a port group of CloudStack for shop-100 (vlan://100)" in sentences
    assert "the console works only after that stop and start" in sentences
    assert not any(sentence.startswith(("CPUs", "memory")) for sentence in sentences)
    assert any("limits and reservations follow custom" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("vm", "cells", "says"),
    [
        (
            dataclasses.replace(site.web01(), power_state="poweredOff", cpus=4),
            {"service_offering": "small"},
            "CPUs 4 -> 2",
        ),
        (
            dataclasses.replace(site.web01(), power_state="poweredOff", memory_mib=1024),
            {"service_offering": "small"},
            "memory 1024 -> 4096 MiB",
        ),
        (dataclasses.replace(site.web01(), cpu_reservation_mhz=777), {}, "instead of a reservation of 777 MHz"),
        (site.app02(), {"disk2_offering": "gib-20"}, "though its offering says 20 GiB"),
        (site.web01(), {"forced": "yes"}, "gets a new one"),
        (site.web01(disks=(site.disk(1, 10, 1, controller="sata"),)), {}, "another controller than sata"),
    ],
)
def test_changes(vm: VirtualMachine, cells: dict[str, str], says: str) -> None:
    assert says in "; ".join(told(vm, **cells))


def test_a_row_without_an_offering_says_nothing() -> None:
    assert told(site.web01(), service_offering="") == ()
