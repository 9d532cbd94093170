"""The health checks of a wave: made of what the runbook says and where its VMs answer, run all at once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from ingest.cloudstack.client import CloudStackClient
from ingest.errors import IngestError, UsageError
from ingest.health import (
    Check,
    CheckResult,
    HeartbeatCheck,
    HttpCheck,
    IpCheck,
    Patience,
    ReadGuests,
    TcpCheck,
    run_checks,
)
from ingest.health.connecting import route_of
from ingest.model.guest import GuestState
from ingest.recovery.course import VmOnCourse
from ingest.recovery.results import CheckDone
from ingest.recovery.timing import Timing
from ingest.runbook.addresses import DECIDED_LATER
from ingest.runbook.model import AnyCheck, HealthCheck, Wave
from ingest.runbook.model import HttpCheck as HttpWanted
from ingest.runbook.model import IpCheck as IpWanted
from ingest.runbook.model import TcpCheck as TcpWanted
from ingest.settings import Settings
from ingest.vsphere.guests import read_guests
from ingest.vsphere.session import VCenter

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class ToCheck:
    """A VM that runs: where it stands in the course, and its id in CloudStack."""

    vm: VmOnCourse
    vm_id: str


def check_wave(
    settings: Settings,
    vcenter: VCenter,
    client: CloudStackClient,
    wave: Wave,
    vms: Sequence[ToCheck],
    *,
    timing: Timing,
    stop: threading.Event,
    told: Callable[[int, tuple[CheckDone, ...]], None] = lambda _row, _checks: None,
) -> dict[int, tuple[CheckDone, ...]]:
    """What came of the checks of these VMs, by row. Guests are reached as the settings say (INGEST_HEALTH_PROXY).

    Every kind of check of the runbook has its own patience; they run side by side. When `stop` is set, those that have
    not passed by then have failed. `told` hears of a VM when all of its checks are over.
    """
    route = route_of(settings.health.proxy)
    lock = threading.Lock()  # one session of vCenter for all groups

    def guests(morefs: Collection[str]) -> Mapping[str, GuestState]:
        with lock:
            return read_guests(vcenter, morefs)

    done: dict[int, dict[int, CheckDone]] = defaultdict(dict)
    telling = threading.Lock()

    def note(one: ToCheck, number: int, check: CheckDone) -> None:
        with telling:
            mine = done[one.vm.row]
            mine[number] = check
            if len(mine) == len(one.vm.checks):
                told(one.vm.row, tuple(mine[number] for number in sorted(mine)))

    def group(number: int, wanted: AnyCheck) -> None:
        patience = _patience(wanted, timing)
        mine = [one for one in vms if number in one.vm.checks]
        addresses = _addresses(client, guests, mine, wanted, patience, stop)
        checks: dict[Check, list[ToCheck]] = {}
        for one in mine:
            address = addresses.get(one.vm.row, "")
            try:
                check = _check(one.vm, wanted, address)
            except UsageError as error:
                note(one, number, CheckDone(kind=wanted.kind, target=address, ok=False, words=error.message))
                continue
            if check is None:
                words = "its address is not known: neither the plan nor CloudStack nor the guest tells"
                note(one, number, CheckDone(kind=wanted.kind, target="", ok=False, words=words))
            else:
                checks.setdefault(check, []).append(one)

        def over(result: CheckResult) -> None:
            for one in checks[result.check]:
                note(one, number, _done(wanted, result, timing))

        run_checks(
            list(checks),
            patience=patience,
            at_once=_AT_ONCE,
            guests=guests,
            route=route,
            stop=stop,
            told=over,
        )

    with ThreadPoolExecutor(max(1, len(wave.checks)), thread_name_prefix="checks") as pool:
        for future in [pool.submit(group, number, wanted) for number, wanted in enumerate(wave.checks)]:
            future.result()
    return {one.vm.row: tuple(done[one.vm.row][number] for number in sorted(done[one.vm.row])) for one in vms}


def _patience(wanted: HealthCheck, timing: Timing) -> Patience:
    pause_s = timing.real_s(wanted.pause.total_seconds())
    return Patience(
        # A connection takes real time, however fast a twin's clock runs.
        timeout_s=wanted.timeout.total_seconds(),
        deadline_s=timing.real_s(wanted.longest.total_seconds()),
        first_pause_s=pause_s,
        longest_pause_s=pause_s,
    )


def _check(vm: VmOnCourse, wanted: AnyCheck, address: str) -> Check | None:
    """None for a check that needs an address nobody knows."""
    if isinstance(wanted, TcpWanted):
        return TcpCheck(address, wanted.port) if address else None
    if isinstance(wanted, HttpWanted):
        if "{ip}" in wanted.url and not address:
            return None
        url = wanted.url.replace("{ip}", address).replace("{vm}", vm.vm).replace("{hostname}", vm.hostname or vm.vm)
        return HttpCheck(url, statuses=(wanted.status,), text=wanted.text)
    if isinstance(wanted, IpWanted):
        planned = vm.addresses.get(wanted.nic, "")
        return IpCheck(vm.moref, vm.vm, address="" if planned == DECIDED_LATER else planned)
    return HeartbeatCheck(vm.moref, vm.vm)


def _addresses(
    client: CloudStackClient,
    guests: ReadGuests,
    vms: Sequence[ToCheck],
    wanted: AnyCheck,
    patience: Patience,
    stop: threading.Event,
) -> dict[int, str]:
    """Where VMs answer, by row: as planned, else as CloudStack picked it, else what the guest reports, waited for."""
    if not isinstance(wanted, TcpWanted | HttpWanted):
        return {}
    found = {}
    unknown = []
    for one in vms:
        address = one.vm.addresses.get(wanted.nic, "")
        if address in ("", DECIDED_LATER):
            address = _picked(client, one.vm_id, wanted.nic)
        if address:
            found[one.vm.row] = address
        else:
            unknown.append(one)
    if unknown:
        run_checks(
            [IpCheck(one.vm.moref, one.vm.vm) for one in unknown],
            patience=patience,
            guests=guests,
            stop=stop,
        )
        said = guests([one.vm.moref for one in unknown])
        for one in unknown:
            guest = said.get(one.vm.moref)
            found[one.vm.row] = next((ip for ip in (guest.ips if guest else ()) if _is_usable(ip)), "")
    return found


def _picked(client: CloudStackClient, vm_id: str, nic: int) -> str:
    try:
        machines = client.list_virtual_machines(vm_id=vm_id)
    except IngestError:
        return ""
    nics = machines[0].nic if machines else ()
    return nics[nic - 1].ipaddress if len(nics) >= nic else ""


def _is_usable(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return isinstance(address, IPv4Address) and not address.is_link_local


def _done(wanted: AnyCheck, result: CheckResult, timing: Timing) -> CheckDone:
    words = f"{result.last_words} (no longer waited for)" if result.stopped else result.last_words
    return CheckDone(
        kind=wanted.kind,
        target=result.target,
        ok=result.ok,
        attempts=result.attempts,
        seconds=round(result.seconds * timing.speed, 1),
        words=words,
    )
