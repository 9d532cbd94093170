"""What an import knows of the snapshot, read line by line from a file of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.engine.schedule.traits import Landscape
from ingest.errors import UsageError
from ingest.model.catalogue import Catalogue, Cluster, Network, UnmanagedInstance
from ingest.model.inventory import Disk, Inventory, Nic, VirtualMachine
from ingest.model.request import ImportRequest, PlannedImport
from ingest.model.snapshot import Snapshot
from ingest.stages.seen_rows import SeenRows, seen_lines

COUNT = 1200


def name(number: int) -> str:
    # Names as sites have them: line breaks of other alphabets must not end a line of the file.
    return f"web {number:04d}\u2028é"


def machine(number: int) -> VirtualMachine:
    nic = Nic(4000, "Network adapter 1", f"00:50:56:00:00:{number % 256:02x}", "Vmxnet3", "VirtualVmxnet3", "standard")
    return VirtualMachine(
        f"vm-{number}", name(number), f"uuid-{number}", "/DC/vm/web", "DC", "dc-1", "C1", "domain-c1",
        f"esx{number % 7}", f"host-{number % 7}",
        power_state="poweredOff",
        connection_state="connected",
        nics=(nic,),
        disks=(Disk(2000, "disk", f"1-{number}", 1 << 30, "flat", "", "gold", "ds-gold", "pvscsi", 0, 0),),
    )  # fmt: skip


def call(number: int) -> PlannedImport:
    request = ImportRequest("c-1", name(number), "small", nic_networks=(("Network adapter 1", "shared"),))
    return PlannedImport(number + 2, name(number), f"vm-{number}", f"uuid-{number}", 1, request)


CALLS = [call(number) for number in range(COUNT)]
SNAPSHOT = Snapshot(
    taken_at="now",
    inventory=Inventory("vc", "vCenter", "8", "VirtualCenter", "vc-uuid", vms=tuple(map(machine, range(COUNT)))),
    catalogue=Catalogue(
        clusters=(Cluster(id="c-1", name="vc/DC/C1", zoneid="z-1"),),
        networks=(Network(id="shared", name="public", type="Shared"),),
        unmanaged=tuple(
            UnmanagedInstance(name=name(number), clusterid="c-1", memory=number + 1) for number in range(1, COUNT)
        ),
    ),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seen") / "seen.jsonl"
    path.write_bytes(seen_lines(SNAPSHOT, CALLS))
    return path


def test_every_row_comes_back_as_the_snapshot_had_it_also_to_many_threads_at_once(file: Path) -> None:
    landscape = Landscape(SNAPSHOT)
    with SeenRows(file) as seen, ThreadPoolExecutor(8) as pool:
        traits = list(pool.map(lambda one: seen.traits[one.row], CALLS))
        listed = list(pool.map(lambda one: seen.listed.get(("c-1", one.vm)), CALLS))
        assert seen.zones == {"c-1": "z-1"}
        races = [seen.races(one.row) for one in CALLS]
        assert (len(seen.traits), len(seen.listed)) == (COUNT, COUNT)
    assert traits == [landscape.traits(one) for one in CALLS]
    assert races == [one.races for one in traits]
    assert len(set(races)) > 1
    assert [one.memory if one else None for one in listed] == [None, *range(2, COUNT + 1)]


def test_a_vm_the_file_does_not_know_is_not_there(file: Path) -> None:
    with SeenRows(file) as seen:
        assert seen.listed.get(("c-1", "another")) is None
        with pytest.raises(KeyError):
            seen.traits[1]


def test_a_file_that_ends_in_mid_line_is_refused_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    whole = seen_lines(SNAPSHOT, [CALLS[0], replace(CALLS[1], row=9)])
    path.write_bytes(whole[:-30])
    with SeenRows(path) as seen, pytest.raises(UsageError, match=r"torn(.|\n)*ingest run PLAN"):
        seen.traits[9]
    path.write_bytes(b'{"row": 1}\n{}\n')
    with pytest.raises(UsageError, match="torn or of another version"):
        SeenRows(path)
