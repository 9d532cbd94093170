"""A CloudStack that does what a test tells it to, and remembers what it was asked; a batch imported over it."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest.cloudstack.jobs import PENDING as RUNNING
from ingest.cloudstack.jobs import SUCCEEDED, wait_for_job
from ingest.engine.away import Away
from ingest.engine.importing import Batch, BatchResult, Pace
from ingest.engine.journal import RunJournal
from ingest.engine.ledger import Entry, Ledger, State, ledger_url
from ingest.engine.rows import PowerSwitch, RowImporter, Who, key_of
from ingest.engine.schedule.budget import FailureBudget
from ingest.engine.schedule.gates import Gates
from ingest.engine.schedule.traits import Shape, Shared, Traits
from ingest.engine.settlement import vm_id_of
from ingest.errors import Refused
from ingest.model.catalogue import (
    InstanceNic,
    Job,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
    VirtualMachine,
    Volume,
)
from ingest.model.request import ImportRequest, PlannedImport

FAST = Pace(timeout_s=0.2, settle_s=0.1, resubmit_s=(0.001, 0.001), away_s=0.0)

Answer = Exception | Job | None
PENDING = Job(jobid="", jobstatus=RUNNING)


def done(vm_id: str = "vm-id") -> Job:
    return Job(jobid="", jobstatus=1, jobresult={"virtualmachine": {"id": vm_id}})


def failed(text: str | None = "no suitable network") -> Job:
    result = {"errorcode": 530} | ({"errortext": text} if text is not None else {})
    return Job(jobid="", jobstatus=2, jobresultcode=530, jobresult=result)


def planned(*names: str, wave: int = 1) -> list[PlannedImport]:
    """Rows from line 2 on."""
    return [
        PlannedImport(row, name, f"vm-{row}", f"uuid-{row}", wave, ImportRequest("cluster", name, "offering"))
        for row, name in enumerate(names, start=2)
    ]


def unmanaged(name: str, *, powerstate: str = "PowerOn", capacity: int = 1 << 30) -> UnmanagedInstance:
    mac = "02:00:" + zlib.crc32(name.encode()).to_bytes(4).hex(":")
    return UnmanagedInstance(
        name=name,
        clusterid="cluster",
        powerstate=powerstate,
        disk=(
            UnmanagedDisk(id="1-2000", label="Hard disk 1", capacity=capacity, imagepath=f"[ds] {name}/{name}.vmdk"),
        ),
        nic=(UnmanagedNic(id="Network adapter 1", macaddress=mac),),
    )


class FakeCloudStack:
    """`sending` and `asking` hold, by VM, what each call meets, the last entry for ever after: an exception, or for
    `asking` a job, or None for a job the server does not know. Without an entry everything succeeds at once.
    `earlier` names the VMs of jobs sent by an earlier run, `asking` takes their ids too. `shown` replaces what the list
    of unmanaged VMs has of a name, `lost` are VMs that are not there in spite of a successful job, `others` the jobs of
    somebody else that run."""

    def __init__(
        self,
        sending: Mapping[str, Sequence[Exception | None]] | None = None,
        asking: Mapping[str, Sequence[Answer]] | None = None,
        while_sending: Callable[[ImportRequest], None] = lambda _: None,
    ) -> None:
        self.sending = dict(sending or {})
        self.asking = dict(asking or {})
        self.while_sending = while_sending
        self.earlier: dict[str, str] = {}
        self.shown: dict[str, list[UnmanagedInstance]] = {}
        self.lost: set[str] = set()
        self.others: list[str] = []
        self.machines: dict[str, tuple[VirtualMachine, list[Volume]]] = {}
        self.sent: list[ImportRequest] = []
        self.asked: list[str] = []
        self.log: list[tuple[str, str]] = []
        self._accepted: dict[str, str] = {}
        self._over: set[str] = set()

    def import_unmanaged_instance(self, request: ImportRequest) -> str:
        answers = self.sending.get(request.name, [None])
        answer = answers[min(sum(one.name == request.name for one in self.sent), len(answers) - 1)]
        self.sent.append(request)
        self.log.append(("send", request.name))
        self.while_sending(request)
        if answer is not None:
            raise answer
        if request.custom_job_id in self._accepted or request.custom_job_id in self.asking:
            raise Refused("Entity already exists ", command="importUnmanagedInstance", code=530)
        self._accepted[request.custom_job_id] = request.name
        return request.custom_job_id

    def query_job(self, job_id: str) -> Job | None:
        sent = (one.name for one in self.sent if one.custom_job_id == job_id)
        name = next(sent, self.earlier.get(job_id, ""))
        unscripted = [done(f"id-of-{name}")] if job_id in self._accepted else [None]
        answers = self.asking.get(job_id) or self.asking.get(name) or unscripted
        answer = answers[min(self.asked.count(job_id), len(answers) - 1)]
        self.asked.append(job_id)
        self.log.append(("ask", name))
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return None
        if answer.jobstatus != RUNNING:
            self._over.add(job_id)
        if answer.jobstatus == SUCCEEDED and name and name not in self.lost and not self._has(name):
            self.manage(name, vm_id_of(answer) or f"id-of-{name}")
        return answer.model_copy(update={"jobid": job_id})

    def list_async_jobs(self) -> list[Job]:
        ours = [job_id for job_id in self._accepted if job_id not in self._over]
        return [Job(jobid=job_id) for job_id in (*ours, *self.others)]

    def list_unmanaged_instances(self, cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        assert cluster_id == "cluster"
        assert name is not None
        self.log.append(("list", name))
        return [] if self._has(name) else self.shown.get(name, [unmanaged(name)])

    def list_virtual_machines(
        self, *, vm_id: str | None = None, zone_id: str | None = None, name: str | None = None
    ) -> list[VirtualMachine]:
        machines = [machine for machine, _ in list(self.machines.values())]
        return [one for one in machines if vm_id in (None, one.id) and name in (None, one.name)]

    def list_volumes(self, vm_id: str | None = None) -> list[Volume]:
        return self.machines[vm_id or ""][1]

    def manage(self, name: str, vm_id: str = "", *, half: bool = False) -> None:
        """CloudStack has the VM from now on, a half one without its volume."""
        vm_id = vm_id or f"id-of-{name}"
        (was,) = self.shown.get(name, [unmanaged(name)])
        machine = VirtualMachine(
            id=vm_id,
            name=name,
            instancename=name,
            state="Running" if was.powerstate == "PowerOn" else "Stopped",
            serviceofferingid="offering",
            nic=(InstanceNic(macaddress=was.nic[0].macaddress, isdefault=True),),
        )
        root = Volume(id=f"root-of-{name}", name="ROOT-1", type="ROOT", size=was.disk[0].capacity, path=name)
        self.machines[vm_id] = (machine, [] if half else [root])

    def _has(self, name: str) -> bool:
        return any(machine.instancename == name for machine, _ in list(self.machines.values()))

    def sent_names(self) -> list[str]:
        return [one.name for one in self.sent]


@dataclass(frozen=True)
class Polling:
    """Asks for one job until it is over."""

    fake: FakeCloudStack

    def wait(self, job_id: str, *, stop: threading.Event | None = None, timeout_s: float) -> Job:
        return wait_for_job(self.fake, job_id, every_s=0.001, timeout_s=timeout_s, stop=stop)


@dataclass
class Trial:
    """One run over a fake and a real ledger. No gates are closed, and any number of rows may fail."""

    ledger: Ledger
    journal: RunJournal
    fake: FakeCloudStack = field(default_factory=FakeCloudStack)
    stop: threading.Event = field(default_factory=threading.Event)
    abandon: threading.Event = field(default_factory=threading.Event)
    pace: Pace = FAST
    budget: FailureBudget = field(default_factory=lambda: FailureBudget(0, 0))
    power: PowerSwitch | None = None

    def importer(self, rows: Sequence[PlannedImport]) -> RowImporter:
        return RowImporter(
            self.fake,
            self.ledger,
            Polling(self.fake),
            Who("run", "ann", "digest"),
            planned={("cluster", one.vm): unmanaged(one.vm) for one in rows},
            stop=self.stop,
            abandon=self.abandon,
            pace=self.pace,
            power=self.power,
        )

    def run(self, *names: str) -> BatchResult:
        return self.run_rows(planned(*names))

    def run_rows(self, rows: Sequence[PlannedImport]) -> BatchResult:
        """All rows need the offering `small`."""
        small = Shared("offering", "offering", frozenset({"offering", "small"}))
        traits = Traits(Shape("fixed", (), (), (), "linux", "PowerOn"), (small,))
        return Batch(
            self.importer(rows),
            self.journal,
            stop=self.stop,
            budget=self.budget,
            gates=Gates(),
            traits={one.row: traits for one in rows},
            away=Away(self.pace.away_s, self.stop),
        ).run(rows)

    def entry(self, name: str) -> Entry:
        (found,) = self.ledger.entries(name=name)
        return found


@contextmanager
def trial_in(folder: Path) -> Iterator[Trial]:
    with Ledger(ledger_url(None, folder)) as ledger, RunJournal(folder / "journal.jsonl") as journal:
        yield Trial(ledger, journal)


def left_behind(
    folder: Path, one: PlannedImport, state: State, *, job_id: str = "old-job", vm_id: str = "", power_before: str = ""
) -> None:
    """What a run that is no more has left of a row in the ledger."""
    detail = {"power_before": power_before} if power_before else {}
    with Ledger(ledger_url(None, folder), holder="earlier") as ledger:
        ledger.claim(key_of(one), run_id="earlier", actor="bob", plan_digest="digest")
        ledger.note(key_of(one), "intended", job_id=job_id, detail=detail)
        if state != "intended":
            ledger.note(key_of(one), state, vm_id=vm_id)
