"""Every kind of fault, as it is written in a script.

A fault says when (`server`, `command`, `vm`, `nth`, `probability`, `after_seconds`, `step`), what (`kind` and its own
keys) and how often (`times`). `docs/how-to/faults.md` has the table.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from ingest.twin.cloudstack.steps import Step
from ingest.twin.faults.fate import Side

When: TypeAlias = Literal["before", "after"]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
CLOUDSTACK: frozenset[Side] = frozenset({"cloudstack"})
VCENTER: frozenset[Side] = frozenset({"vcenter"})
BOTH = CLOUDSTACK | VCENTER


class Trigger(BaseModel):
    """When a fault strikes, and how often.

    `command` (API command or SOAP method) and `vm` (name) are patterns with `*` and `?`. It strikes from the `nth`
    matching call on, `times` times (0: until taken back), each time with `probability`, never before `after_seconds`
    of twin time have passed since it was set. With `step` it strikes when an import has done that step. What can
    happen without a call does so by itself when neither `command`, `nth`, `probability` nor `step` is given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    sides: ClassVar[frozenset[Side]] = BOTH
    needs: ClassVar[Literal["call", "call or step", "step", "nothing"]] = "nothing"

    kind: str
    name: str = ""
    server: Side | None = None
    command: str = "*"
    vm: str = "*"
    nth: PositiveInt | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    after_seconds: NotNegative = 0.0
    step: Step | None = None
    times: Annotated[int, Field(ge=0)] = 1

    @property
    def on_calls(self) -> bool:
        """Whether it waits for calls."""
        waits = self.needs.startswith("call") or bool({"command", "nth", "probability"} & self.model_fields_set)
        return waits and self.step is None

    @property
    def alone(self) -> bool:
        """Whether it happens by itself."""
        return not self.on_calls and self.step is None

    @model_validator(mode="after")
    def _possible(self) -> Trigger:
        if self.step is not None and self.needs == "call":
            raise ValueError(f"{self.kind} happens to a call, not at a step of an import")
        if self.step is None and self.needs == "step":
            raise ValueError(f"{self.kind} happens at a step of an import: add step")
        if self.step is not None and (self.command != "*" or self.server == "vcenter"):
            raise ValueError("step is about imports: leave out command and server")
        if self.server is not None and self.server not in self.sides:
            raise ValueError(f"{self.kind} happens on {', '.join(self.sides)} only")
        return self


class Delay(Trigger):
    """The call, or the import at that step, takes so much longer."""

    needs = "call or step"
    kind: Literal["delay"]
    seconds: Seconds


class Silence(Trigger):
    """From this call on the server accepts everything and answers nothing, until the time is over."""

    needs = "call"
    kind: Literal["silence"]
    seconds: Seconds


class Reset(Trigger):
    """The connection is reset (RST): before the call is processed, or after, when its answer is lost."""

    needs = "call"
    kind: Literal["reset"]
    when: When = "after"


class Status(Trigger):
    """A proxy answers with an HTML page: instead of passing the call on, or instead of the answer."""

    needs = "call"
    kind: Literal["status"]
    status: Annotated[int, Field(ge=500, le=599)] = 503
    when: When = "before"


class RateLimit(Trigger):
    """CloudStack's 429, for root admins as well."""

    sides = CLOUDSTACK
    needs = "call"
    kind: Literal["rate-limit"]
    retry_ms: PositiveInt = 1000


class Throttling(Trigger):
    """API throttling is switched on. As on the real server, it spares root admins."""

    kind: Literal["throttling"]
    interval: PositiveInt = 1
    max: PositiveInt = 25
    seconds: NotNegative = 0.0


class JobFails(Trigger):
    """The import fails after that step, with the clean-up that belongs there.

    With `code` the job ends with exactly that code and text; without it with 530 and the server's words around `text`.
    """

    needs = "step"
    kind: Literal["job-fails"]
    code: PositiveInt | None = None
    text: str = "Failed on purpose"


class Capacity(Trigger):
    """The import finds no capacity and ends with 533, nothing written."""

    kind: Literal["capacity"]
    step: Literal["checked"] = "checked"
    text: str = "Insufficient capacity exception: unable to create a deployment"


class JobLost(Trigger):
    """The job's row vanishes: asking for it gives 431. The work goes on unless told otherwise."""

    kind: Literal["job-lost"]
    goes_on: bool = True


class JobExpiry(Trigger):
    """The rows of all ended jobs vanish, as after `job.expire.minutes`."""

    kind: Literal["job-expiry"]


class CloudStackRestart(Trigger):
    """The management server goes away: connections reset and refused, jobs failed without a result.

    With `finishes_later` it was only taken for dead: imports go on, their jobs stay failed.
    """

    kind: Literal["cloudstack-restart"]
    seconds: NotNegative = 0.0
    finishes_later: bool = False


class VCenterRestart(Trigger):
    """vCenter goes away: connections reset and refused, all sessions gone."""

    kind: Literal["vcenter-restart"]
    seconds: NotNegative = 0.0


class SessionExpiry(Trigger):
    """All vCenter sessions end, and with them their views, filters and page tokens."""

    kind: Literal["session-expiry"]


class CloudStackPageSize(Trigger):
    """`default.page.size` becomes this."""

    kind: Literal["cloudstack-page-size"]
    rows: PositiveInt
    seconds: NotNegative = 0.0


class VCenterPageSize(Trigger):
    """vCenter gives at most so many objects in one answer."""

    kind: Literal["vcenter-page-size"]
    objects: PositiveInt
    seconds: NotNegative = 0.0


class SlowListing(Trigger):
    """listUnmanagedInstances takes so long for each VM."""

    kind: Literal["slow-listing"]
    seconds_per_vm: PositiveFloat
    seconds: NotNegative = 0.0


class HostDown(Trigger):
    """Hosts of this name (pattern) are Disconnected in CloudStack and notResponding in vCenter, then back."""

    kind: Literal["host-down"]
    host: str
    seconds: NotNegative = 0.0


class DatastoreFull(Trigger):
    """Datastores of this name (pattern) have no free space in vCenter."""

    kind: Literal["datastore-full"]
    datastore: str
    seconds: NotNegative = 0.0


class ClockJump(Trigger):
    """The wall clock of both servers is set forward, or back when negative."""

    kind: Literal["clock-jump"]
    seconds: Annotated[float, Field(allow_inf_nan=False)]


class VmVanishes(Trigger):
    """Somebody removes the VM from vCenter's inventory."""

    kind: Literal["vm-vanishes"]


class VmRenamed(Trigger):
    """Somebody renames the VM; `{name}` in `to` is its name so far."""

    kind: Literal["vm-renamed"]
    to: str


class VmMoves(Trigger):
    """The VM moves to this host, or to the next one of its cluster."""

    kind: Literal["vm-moves"]
    to: str = ""


class VmPower(Trigger):
    """Somebody switches the VM on or off, or suspends it."""

    kind: Literal["vm-power"]
    to: Literal["poweredOn", "poweredOff", "suspended"]


class AddressTaken(Trigger):
    """Somebody's new instance takes an address of that CloudStack network: `ip`, or without it the VM's MACs."""

    kind: Literal["address-taken"]
    network: str
    ip: str = ""


class TaskTrouble(Trigger):
    """The next vCenter task on the VM fails, never ends, or stops with a question."""

    kind: Literal["vcenter-task"]
    outcome: Literal["fail", "hang", "question"] = "fail"


Fault: TypeAlias = Annotated[
    Delay
    | Silence
    | Reset
    | Status
    | RateLimit
    | Throttling
    | JobFails
    | Capacity
    | JobLost
    | JobExpiry
    | CloudStackRestart
    | VCenterRestart
    | SessionExpiry
    | CloudStackPageSize
    | VCenterPageSize
    | SlowListing
    | HostDown
    | DatastoreFull
    | ClockJump
    | VmVanishes
    | VmRenamed
    | VmMoves
    | VmPower
    | AddressTaken
    | TaskTrouble,
    Field(discriminator="kind"),
]
