"""A CloudStack that does what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingest.engine.importing import Pace
from ingest.model.catalogue import Job
from ingest.model.request import ImportRequest, PlannedImport

FAST = Pace(every_s=0.001, timeout_s=0.05, settle_s=0.02, resubmit_s=(0.001, 0.001))

Answer = Exception | Job | None
PENDING = Job(jobid="", jobstatus=0)


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


class FakeCloudStack:
    """`sending` and `asking` hold, by VM, what each call meets, the last entry for ever after: an exception, or for
    `asking` a job, or None for a job the server does not know. Without an entry everything succeeds at once."""

    def __init__(
        self,
        sending: dict[str, Sequence[Exception | None]] | None = None,
        asking: dict[str, Sequence[Answer]] | None = None,
        while_sending: Callable[[ImportRequest], None] = lambda _: None,
    ) -> None:
        self.sending = sending or {}
        self.asking = asking or {}
        self.while_sending = while_sending
        self.sent: list[ImportRequest] = []
        self.asked: list[str] = []

    def import_unmanaged_instance(self, request: ImportRequest) -> str:
        answers = self.sending.get(request.name, [None])
        answer = answers[min(sum(one.name == request.name for one in self.sent), len(answers) - 1)]
        self.sent.append(request)
        self.while_sending(request)
        if answer is not None:
            raise answer
        return request.custom_job_id

    def query_job(self, job_id: str) -> Job | None:
        name = next(one.name for one in self.sent if one.custom_job_id == job_id)
        answers = self.asking.get(name, [done(f"id-of-{name}")])
        answer = answers[min(self.asked.count(job_id), len(answers) - 1)]
        self.asked.append(job_id)
        if isinstance(answer, Exception):
            raise answer
        return answer.model_copy(update={"jobid": job_id}) if answer else None

    def sent_names(self) -> list[str]:
        return [one.name for one in self.sent]
