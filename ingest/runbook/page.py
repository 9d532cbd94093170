"""The runbook as a page for people: printed before it is needed, filled in by hand while it is used.

Everything on it is said in words here; the template only lays it out.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model.outcome import Finding
from ingest.plan.sheet import Row
from ingest.report.html import render_page
from ingest.runbook.addresses import DECIDED_LATER, address_of
from ingest.runbook.assignment import Assignment
from ingest.runbook.model import HttpCheck, IpCheck, Runbook, Step, TcpCheck, ToolsCheck, Wave
from ingest.runbook.prediction import Prediction
from ingest.runbook.rows import nic_numbers
from ingest.runbook.spans import in_words
from ingest.runbook.wave_rows import WaveRows

_MOST_FINDINGS = 20
_GATES = {
    "continue": "The next wave begins all the same. Write down what failed; it is mended while later waves run.",
    "stop": "Nothing more begins. Find the cause, mend it, and go on with this wave; or declare the recovery failed.",
    "ask": "{who} decides: go on, wait for what failed, or stop. Write the decision and the name below.",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line and what it is for. `writes` when it changes a server."""

    line: str
    why: str
    writes: bool = False


@dataclass(frozen=True, slots=True)
class VmOnPage:
    """One VM of a wave: place in the order of starts ('' when it stays off), name, and what people need of it.

    `critical` is marked only where not all of them are.
    """

    order: str
    vm: str
    critical: bool
    networks: tuple[str, ...]
    addresses: tuple[str, ...]
    owner: str


@dataclass(frozen=True, slots=True)
class WaveOnPage:
    """One wave in words."""

    number: int
    name: str
    about: str
    rto: str
    predicted: str
    timeout: str
    selects: str
    critical: str
    prerequisites: tuple[str, ...]
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    starts: str
    checks: tuple[str, ...]
    gate: str
    gate_says: str
    vms: tuple[VmOnPage, ...]


def render_runbook(
    runbook: Runbook, assignment: Assignment, *, file: str, plan: str = "", findings: Sequence[Finding] = ()
) -> bytes:
    """The page, UTF-8 HTML: self-contained, for the screen and for A4 paper, each wave on paper of its own.

    `file` and `plan` are the paths the commands on it name. Without a plan waves have no VMs. `findings` are shown on
    the first page: whoever prints a runbook that does not fit should see it there.
    """
    telling = sorted((one for one in findings if one.level != "info"), key=lambda one: one.level != "critical")
    return render_page(
        "runbook.html",
        title=runbook.name,
        runbook=runbook,
        rto=in_words(runbook.rto),
        plan=plan,
        before=[step for step in runbook.steps if step.when == "before"],
        after=[step for step in runbook.steps if step.when == "after"],
        waves=[
            _wave(runbook, one, prediction, with_plan=bool(plan))
            for one, prediction in zip(assignment.waves, assignment.predictions, strict=True)
        ],
        moves=_moves(runbook),
        begin=begin_commands(file, plan or runbook.plan),
        trouble=trouble_commands(),
        findings=telling[:_MOST_FINDINGS],
        more=max(len(telling) - _MOST_FINDINGS, 0),
        span=in_words,
    )


def begin_commands(file: str, plan: str) -> tuple[Command, ...]:
    """The commands of a recovery, in order."""
    where, sheet = shlex.quote(file), shlex.quote(plan)
    recover = f"ingest recover {where} --plan {sheet}"
    return (
        Command("ingest doctor", "both servers can be reached, keys and rights are as they should be"),
        Command(f"ingest runbook check {where} --plan {sheet}", "the runbook and the plan fit together"),
        Command(recover, "shows what is missing, and what would be registered and imported; changes nothing"),
        Command(
            f"{recover} --yes",
            "registers, then wave by wave imports, starts and checks; asks for every sign-off of this page",
            writes=True,
        ),
    )


def trouble_commands() -> tuple[Command, ...]:
    """What to type when something went wrong."""
    return (
        Command(
            "ingest recover --resume RUN --yes",
            "goes on with a recovery that stopped, on this machine or another; does nothing twice",
            writes=True,
        ),
        Command("ingest status", "where every VM stands, and the next command for it"),
        Command("ingest settle RUN", "what became of VMs whose outcome is unknown"),
        Command("ingest why VM", "why CloudStack lists a VM, or does not"),
        Command("ingest fail-back RUN", "shows how everything would be given back; with --yes does it"),
        Command(
            "ingest run PLAN",
            "without a runbook: shows what an import of a plan would do; with --yes imports, wave by wave",
        ),
    )


def _wave(runbook: Runbook, one: WaveRows, prediction: Prediction, *, with_plan: bool) -> WaveOnPage:
    wave = one.wave
    who = wave.asks or "The recovery lead"
    return WaveOnPage(
        number=one.number,
        name=wave.name,
        about=wave.about,
        rto=in_words(wave.rto) if wave.rto else "",
        predicted=_predicted(prediction),
        timeout=in_words(wave.timeout) if wave.timeout else "",
        selects=_selection(wave.select.model_dump(exclude_none=True), "every VM no earlier wave took"),
        critical=_selection(wave.critical.model_dump(exclude_none=True), "all") if wave.critical else "all",
        prerequisites=tuple(_prerequisite(runbook, name) for name in wave.prerequisites),
        before=tuple(step for step in wave.steps if step.when == "before"),
        after=tuple(step for step in wave.steps if step.when == "after"),
        starts=_starts(wave),
        checks=tuple(_check(check) for check in wave.checks),
        gate=wave.gate,
        gate_says=_GATES[wave.gate].format(who=who[0].upper() + who[1:]),
        vms=tuple(_vms(runbook, one)) if with_plan else (),
    )


def _predicted(prediction: Prediction) -> str:
    if not prediction.end_s:
        return ""
    return f"{'' if prediction.complete else 'at least '}{in_words(prediction.end_s)}"


def _prerequisite(runbook: Runbook, name: str) -> str:
    if any(wave.name == name for wave in runbook.waves):
        return f"wave {name} ended well"
    steps = [*runbook.steps, *(step for wave in runbook.waves for step in wave.steps)]
    said = next((step.say for step in steps if step.name == name), "")
    return f"signed: {said} ({name})" if said else f"{name} (nothing has that name)"


def _selection(criteria: dict[str, object], everything: str) -> str:
    """`name web*, db*; cluster c1`."""
    parts = []
    for name, wanted in criteria.items():
        if isinstance(wanted, dict):
            text = ", ".join(f"{key} {_listed(value)}" for key, value in wanted.items())
            parts.append(text if name == "columns" else f"{name} {text}")
        else:
            parts.append(f"{name} {_listed(wanted)}")
    return "; ".join(parts) or everything


def _listed(wanted: object) -> str:
    return ", ".join(str(one) for one in wanted) if isinstance(wanted, list) else str(wanted)


def _starts(wave: Wave) -> str:
    which = {
        "was-running": "VMs that ran when the plan was made are started",
        "all": "every VM is started",
        "none": "no VM is started",
    }[wave.start.vms]
    if wave.start.vms == "none":
        return which
    order = [_selection(one.model_dump(exclude_none=True), "all") for one in wave.start.order]
    if order:
        which += f": first {', then '.join(order)}, then the others"
    return which + (f"; {in_words(wave.start.delay)} apart" if wave.start.delay else "")


def _check(check: TcpCheck | HttpCheck | ToolsCheck | IpCheck) -> str:
    if isinstance(check, TcpCheck):
        what = f"a connection to port {check.port} is accepted"
    elif isinstance(check, HttpCheck):
        text = f" with the text “{check.text}”" if check.text else ""
        what = f"{check.url} answers {check.status}{text}"
    elif isinstance(check, ToolsCheck):
        what = "VMware Tools send their heartbeat"
    else:
        what = f"VMware Tools report the address of NIC {check.nic}"
    whom = _selection(check.select.model_dump(exclude_none=True), "")
    return f"{what}{f' ({whom})' if whom else ''}; given up after {in_words(check.longest)}"


def _vms(runbook: Runbook, one: WaveRows) -> list[VmOnPage]:
    found = []
    order = 0
    for row in one.rows:
        started = one.is_started(row)
        order += started
        found.append(
            VmOnPage(
                order=str(order) if started else "",
                vm=row["vm"],
                critical=one.wave.critical is not None and one.is_critical(row),
                networks=tuple(filter(None, (row[f"nic{n}_network"] for n in nic_numbers(row)))),
                addresses=tuple(filter(None, (_address(runbook, row, n) for n in nic_numbers(row)))),
                owner=row["project"] or row["account"],
            )
        )
    return found


def _address(runbook: Runbook, row: Row, nic: int) -> str:
    address = address_of(row, nic, runbook.networks.subnets)
    return "chosen at import" if address == DECIDED_LATER else address


def _moves(runbook: Runbook) -> list[tuple[str, str]]:
    """(old, new) of everything that is re-mapped."""
    lines = []
    for line in runbook.networks.table:
        lines.append((_selection(line.model_dump(exclude_none=True, exclude={"new"}), ""), f"network {line.new}"))
    return [*lines, *((f"addresses {one.old}", f"{one.new}, host part kept") for one in runbook.networks.subnets)]
