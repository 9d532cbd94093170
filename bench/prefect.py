"""What Prefect costs: its overhead per imported VM, and how its database and the ledger grow.

Overhead: the same planned rows through the engine alone and through the flow's import stage on a Prefect server, as in
the benchmark imports, for runs of several sizes; on PostgreSQL too, where its programs are installed. The server shares
the machine with the client and the twin; its own work is not charged to the client.

Growth: whole runs of import-vms, plan included, each with an empty Prefect database and an empty ledger; the size of
both before and after. These figures do not depend on how busy the machine is.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import import_runs
from bench.imports import BATCH_SIZE, JOB_S, SHORT_JOB_S, Case, Measurement, home_folder, median_of
from bench.measuring import in_fresh_process
from bench.table import ratio, show
from bench.twin_process import TwinOrder, TwinProcess
from ingest.cli.local_server import prefect_server
from tests.engine.postgresql import new_database, running_postgresql

IN_FLIGHT = 25
LARGEST_OVERHEAD = 1000
"""The overhead of larger runs is not measured: with jobs of 2 s they take a quarter of an hour each."""
_SETTLED_S, _LOOKS = 3.0, 3


@dataclass(frozen=True, slots=True)
class Databases:
    """A running Prefect server and a ledger of one kind; both functions give bytes as they are now."""

    kind: str
    ledger: str
    prefect_bytes: Callable[[], int]
    ledger_bytes: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Growth:
    """One whole run: what it added to an otherwise empty server and ledger."""

    kind: str
    vms: int
    prefect_before: int
    prefect_after: int
    ledger_before: int
    ledger_after: int


def main(repeat: int = 1, sizes: Sequence[int] = (10, 100, 1000)) -> None:
    with running_postgresql() as postgresql:
        kinds = ("SQLite", "PostgreSQL") if postgresql else ("SQLite",)
        if not postgresql:
            print("PostgreSQL is absent: measured on SQLite only")
        overheads = [
            one for vms in sizes if vms <= LARGEST_OVERHEAD for one in _overhead(vms, kinds, postgresql, repeat)
        ]
        if overheads:
            _show_overheads(overheads)
        growths = [_growth(kind, vms, postgresql) for kind in kinds for vms in sizes]
        _show_growths(growths)


def _overhead(vms: int, kinds: Sequence[str], postgresql: str, repeat: int) -> Iterator[tuple[str, int, Measurement]]:
    order = TwinOrder(vms, shape="clean", import_s=0.5 * JOB_S, jitter_s=JOB_S)
    with home_folder() as home:
        planned = home / "planned"
        planned.mkdir()
        with TwinProcess(order) as twin:
            in_fresh_process(import_runs.plan, twin.environment, planned)
        yield "engine alone", vms, median_of(Case("engine", IN_FLIGHT), order, planned, home, repeat)
        for kind in kinds:
            with _databases(kind, home / kind, postgresql):
                yield f"flow, {kind}", vms, median_of(Case("flow", IN_FLIGHT), order, planned, home, repeat)


def _show_overheads(found: Sequence[tuple[str, int, Measurement]]) -> None:
    show(
        f"prefect: the same rows with and without it; jobs of {JOB_S:g} s +- 50 %, {IN_FLIGHT} in flight",
        ("case", "VMs", "makespan s", "CPU ms/VM", "peak MiB", "imported"),
        [
            (
                name,
                str(vms),
                f"{one.makespan_s:.2f}",
                f"{one.cpu_ms:.1f}",
                f"{one.peak_mib:.0f}",
                str(one.imported),
            )
            for name, vms, one in found
        ],
    )
    print()
    alone = {vms: one for name, vms, one in found if name == "engine alone"}
    for name, vms, one in found:
        if one is not alone[vms]:
            ratio(f"{name}, {vms} VMs: seconds per VM", one.makespan_s / vms, alone[vms].makespan_s / vms, " s")
            ratio(f"{name}, {vms} VMs: client CPU per VM", one.cpu_ms, alone[vms].cpu_ms, " ms")


def _growth(kind: str, vms: int, postgresql: str) -> Growth:
    order = TwinOrder(vms, shape="clean", import_s=0.5 * SHORT_JOB_S, jitter_s=SHORT_JOB_S)
    with home_folder() as home, TwinProcess(order) as twin, _databases(kind, home / "databases", postgresql) as both:
        before, ledger_before = both.prefect_bytes(), both.ledger_bytes()
        environment = twin.environment | {
            "INGEST_RUN_FOLDER": str(home / "runs"),
            "INGEST_RUN_STATE": str(home / "state"),
            "INGEST_RUN_LEDGER": both.ledger,
        }
        imported = in_fresh_process(import_runs.whole_run, environment, IN_FLIGHT, BATCH_SIZE)
        if imported != vms:
            raise AssertionError(f"{imported} of {vms} VMs imported")
        return Growth(kind, vms, before, _at_rest(both.prefect_bytes), ledger_before, both.ledger_bytes())


def _show_growths(found: Sequence[Growth]) -> None:
    kib = 1024
    show(
        f"prefect: databases before and after one run of import-vms, batches of at most {BATCH_SIZE} VMs",
        ("database", "VMs", "Prefect before KiB", "after KiB", "growth KiB", "ledger before KiB", "growth KiB"),
        [
            (
                one.kind,
                str(one.vms),
                f"{one.prefect_before / kib:.0f}",
                f"{one.prefect_after / kib:.0f}",
                f"{(one.prefect_after - one.prefect_before) / kib:.0f}",
                f"{one.ledger_before / kib:.0f}",
                f"{(one.ledger_after - one.ledger_before) / kib:.0f}",
            )
            for one in found
        ],
    )
    print()
    for kind in dict.fromkeys(one.kind for one in found):
        few, *_, many = [one for one in found if one.kind == kind] * 2
        if many.vms > few.vms:
            more = 1000 / (many.vms - few.vms) / (1 << 20)
            prefect = more * (many.prefect_after - many.prefect_before - few.prefect_after + few.prefect_before)
            ledger = more * (many.ledger_after - many.ledger_before - few.ledger_after + few.ledger_before)
            ratio(f"{kind}: growth for 1,000 VMs more, Prefect / ledger", prefect, ledger, " MiB")


@contextmanager
def _databases(kind: str, home: Path, postgresql: str) -> Iterator[Databases]:
    """A Prefect server, which the environment of this process names then, and an empty ledger."""
    given = os.environ.pop("PREFECT_API_URL", None)
    with ExitStack() as stack:
        if kind == "SQLite":
            stack.enter_context(prefect_server(home))
            ledger = home / "ledger.db"
            yield Databases(
                kind, str(ledger), lambda: _sqlite_bytes(home / "prefect.db"), lambda: _sqlite_bytes(ledger)
            )
        else:
            prefect, own = (stack.enter_context(new_database(postgresql)) for _ in range(2))
            stack.enter_context(prefect_server(home, database=prefect.replace("postgresql:", "postgresql+asyncpg:")))
            yield Databases(kind, own, lambda: _postgresql_bytes(prefect), lambda: _postgresql_bytes(own))
    if given:
        os.environ["PREFECT_API_URL"] = given


def _at_rest(size: Callable[[], int]) -> int:
    """The size once it no longer grows: the server still records what the run told it."""
    sizes = [size()]
    while len(sizes) < _LOOKS or len(set(sizes[-_LOOKS:])) > 1:
        time.sleep(_SETTLED_S)
        sizes.append(size())
    return sizes[-1]


def _sqlite_bytes(file: Path) -> int:
    """Pages in use, those still in the write-ahead log among them; 0 before there is a file."""
    if not file.exists():
        return 0
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30) as connection:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def _postgresql_bytes(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row
    return int(row[0])
