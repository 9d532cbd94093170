"""The health checks of a wave: made of what the runbook says and where its VMs answer, each as soon as its VM runs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
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
from ingest.health.connecting import Route, route_of
from ingest.model.guest import GuestState
from ingest.recovery.course import VmOnCourse
from ingest.recovery.feed import Feed
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
_LOOK_S = 0.2


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
    running: Feed[ToCheck],
    *,
    timing: Timing,
    stop: threading.Event,
    told: Callable[[int, tuple[CheckDone, ...]], None],
) -> None:
    """Check VMs as they come, until the feed is closed and all checks are over. Guests are reached as the settings say
    (INGEST_HEALTH_PROXY).

    Every kind of check of the runbook has its own patience, which begins for each VM when it comes. When `stop` is set,
    what has not passed by then has failed. `told` hears of a VM when all of its checks are over.
    """
    lock, telling = threading.Lock(), threading.Lock()  # one session of vCenter for all groups

    def guests(morefs: Collection[str]) -> Mapping[str, GuestState]:
        with lock:
            return read_guests(vcenter, morefs)

    done: dict[int, dict[int, CheckDone]] = defaultdict(dict)

    def note(number: int, one: ToCheck, check: CheckDone) -> None:
        with telling:
            mine = done[one.vm.row]
            mine[number] = check
            if len(mine) == len(one.vm.checks):
                told(one.vm.row, tuple(mine[number] for number in sorted(mine)))

    groups = [
        _Group(
            wanted=wanted,
            patience=_patience(wanted, timing),
            client=client,
            guests=guests,
            route=route_of(settings.health.proxy),
            timing=timing,
            stop=stop,
            note=partial(note, number),
        )
        for number, wanted in enumerate(wave.checks)
    ]
    with ThreadPoolExecutor(max(1, len(groups)), thread_name_prefix="checks") as pool:
        futures = [pool.submit(group.run) for group in groups]
        while (come := running.take(_LOOK_S)) is not None:
            for one in come:
                for number in one.vm.checks:
                    groups[number].come.put(one)
        for group in groups:
            group.come.close()
        for future in futures:
            future.result()


@dataclass(slots=True)
class _Group:
    """One check of the runbook, and the VMs of the wave it concerns, on their way: come, with an address, checked."""

    wanted: AnyCheck
    patience: Patience
    client: CloudStackClient
    guests: ReadGuests
    route: Route
    timing: Timing
    stop: threading.Event
    note: Callable[[ToCheck, CheckDone], None]
    come: Feed[ToCheck] = field(default_factory=Feed)
    _found: Feed[tuple[ToCheck, str]] = field(default_factory=Feed)
    # By the very object: the checks of two VMs may be equal.
    _checks: dict[int, tuple[Check, ToCheck]] = field(default_factory=dict)

    def run(self) -> None:
        """Until no more VMs come, and all are checked."""
        with ThreadPoolExecutor(1, thread_name_prefix="addresses") as pool:
            finding = pool.submit(self._find_addresses)
            run_checks(
                [],
                patience=self.patience,
                at_once=_AT_ONCE,
                guests=self.guests,
                route=self.route,
                stop=self.stop,
                told=self._over,
                more=self._with_address,
            )
            finding.result()

    def _with_address(self, seconds: float) -> list[Check] | None:
        found = self._found.take(seconds)
        if found is None:
            return None
        checks = []
        for one, address in found:
            try:
                check = _check(one.vm, self.wanted, address)
            except UsageError as error:
                self.note(one, CheckDone(kind=self.wanted.kind, target=address, ok=False, words=error.message))
                continue
            if check is None:
                words = "its address is not known: neither the plan nor CloudStack nor the guest tells"
                self.note(one, CheckDone(kind=self.wanted.kind, target="", ok=False, words=words))
                continue
            self._checks[id(check)] = check, one
            checks.append(check)
        return checks

    def _over(self, result: CheckResult) -> None:
        _, one = self._checks.pop(id(result.check))
        self.note(one, _done(self.wanted, result, self.timing))

    # Addresses: as planned, else as CloudStack picked it, else what the guest reports, waited for

    def _find_addresses(self) -> None:
        asked: dict[int, tuple[Check, ToCheck]] = {}

        def unknown(seconds: float) -> list[Check] | None:
            come = self.come.take(seconds)
            if come is None:
                return None
            checks: list[Check] = []
            for one in come:
                address = self._known_address(one)
                if address is None:
                    check = IpCheck(one.vm.moref, one.vm.vm)
                    asked[id(check)] = check, one
                    checks.append(check)
                else:
                    self._found.put((one, address))
            return checks

        def reported(result: CheckResult) -> None:
            _, one = asked.pop(id(result.check))
            self._found.put((one, self._reported_address(one)))

        try:
            run_checks([], patience=self.patience, guests=self.guests, stop=self.stop, told=reported, more=unknown)
        finally:
            self._found.close()

    def _known_address(self, one: ToCheck) -> str | None:
        """'' where none is needed, None where nobody but the guest can tell."""
        if not isinstance(self.wanted, TcpWanted | HttpWanted):
            return ""
        address = one.vm.addresses.get(self.wanted.nic, "")
        if address in ("", DECIDED_LATER):
            address = _picked(self.client, one.vm_id, self.wanted.nic)
        return address or None

    def _reported_address(self, one: ToCheck) -> str:
        try:
            guest = self.guests([one.vm.moref]).get(one.vm.moref)
        except IngestError:
            return ""
        return next((ip for ip in (guest.ips if guest else ()) if _is_usable(ip)), "")


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
