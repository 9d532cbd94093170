"""The server's answers to a plan's calls, row after row."""

from __future__ import annotations

from collections import Counter

from ingest.model.catalogue import UnmanagedInstance
from ingest.model.request import ImportRequest
from ingest.model.snapshot import Snapshot
from ingest.plan.predict import commit, compute, disks, networks, parameters
from ingest.plan.predict.facts import Facts
from ingest.plan.predict.hearing import Hearing, Refusal, Undecidable
from ingest.plan.predict.state import Effects, State, initial_state
from ingest.plan.predict.verdict import Verdict
from ingest.plan.server import assigned_address, nic_uri


class Predictor:
    """Judges calls in the order they would run.

    A call that the server accepts takes host names, MACs, addresses and resources from those after it; a refused one
    takes what a failed import leaves behind. Where a call is undecided, later ones are judged both ways, and are
    unknown where that makes a difference. Rows that run at the same time may change places: that is not foreseen.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._facts = Facts(snapshot)
        self._state = initial_state(snapshot.catalogue)
        self._possible: State | None = None  # as if every undecided call had passed

    def judge(self, request: ImportRequest, *, sent: bool = True) -> Verdict:
        """The server's answer. `sent=False` asks what it would be and leaves no trace: the row stays out."""
        verdict, effects = _hear(request, self._facts, self._state)
        if self._possible is not None:
            other, _ = _hear(request, self._facts, self._possible)
            if other != verdict:
                doubts = (*verdict.doubts, *other.doubts, f"depends on a row before, which is undecided: {other.words}")
                verdict = Verdict("unknown", doubts=tuple(dict.fromkeys(doubts)))
        if sent:
            self._take(verdict, effects)
        return verdict

    def _take(self, verdict: Verdict, effects: Effects) -> None:
        if verdict.answer == "unknown" and self._possible is None:
            self._possible = self._state.copy()
        if self._possible is not None:
            self._possible.apply(effects)
        if verdict.answer != "unknown":
            self._state.apply(effects)


def _hear(request: ImportRequest, facts: Facts, state: State) -> tuple[Verdict, Effects]:
    """The answer, and what the call leaves behind."""
    machines = facts.listed(request.cluster_id, request.name)
    if len(machines) < 2:
        return _hear_one(request, facts, state, machines[0] if machines else None)
    # The server takes the first host of its database that has a VM of that name; which it is, nothing shows.
    heard = [_hear_one(request, facts, state, machine) for machine in machines]
    verdict, effects = heard[0]
    if all(other == verdict for other, _ in heard):
        return verdict, effects
    accepted = next((one for other, one in heard if other.answer != "refuse"), None)
    doubt = f"{len(machines)} hosts have a VM called {request.name}; which of them the server takes is not known"
    if accepted is not None:
        return Verdict("unknown", doubts=(doubt,)), accepted
    return _doubted(verdict, doubt), effects


def _doubted(verdict: Verdict, doubt: str) -> Verdict:
    return Verdict(verdict.answer, verdict.code, verdict.text, verdict.check, verdict.stage, (*verdict.doubts, doubt))


def _hear_one(
    request: ImportRequest, facts: Facts, state: State, machine: UnmanagedInstance | None
) -> tuple[Verdict, Effects]:
    hearing = Hearing(request, facts, state)
    effects = hearing.effects
    try:
        parameters.check_parameters(hearing)
        parameters.resolve_owner(hearing)
        parameters.check_job_id(hearing)
        parameters.check_meaning(hearing)
        _find(hearing, machine)
        compute.check_guest(hearing)
        compute.check_size(hearing)
        compute.check_offering(hearing)
        compute.check_host(hearing)
        disks.check_disks(hearing)
        networks.check_nics(hearing)
        commit.check_volumes(hearing)
        commit.write_nics(hearing)
        commit.move(hearing)
    except Refusal as refusal:
        verdict = Verdict(
            "refuse",
            refusal.code,
            refusal.text,
            refusal.check,
            refusal.stage,
            tuple(hearing.doubts),
            refusal.shortage,
        )
        return verdict, _left_behind(hearing)
    except Undecidable:
        return Verdict("unknown", doubts=tuple(hearing.doubts)), _imaginable(hearing, machine)
    effects.managed.append((hearing.cluster.id, facts.instance_name(hearing.machine)))
    effects.zone_names.append((hearing.cluster.zoneid, hearing.hostname))
    effects.names.extend((network.id, hearing.hostname) for network in hearing.networks)
    return Verdict("unknown" if hearing.doubts else "accept", doubts=tuple(hearing.doubts)), effects


def _find(hearing: Hearing, machine: UnmanagedInstance | None) -> None:
    """A16: the VM is on a host that answers, and is not managed."""
    request = hearing.request
    managed = (request.cluster_id, request.name) in hearing.state.managed
    if machine is not None and not managed:
        hearing.machine = machine
        return
    if not managed and hearing.facts.may_be_found(request.cluster_id, request.name):
        hearing.doubt(f"CloudStack does not list {request.name}, which is no proof: list it by name")
        raise Undecidable
    text = f"Failed to find unmanaged vm with name: {request.name} in cluster: {request.cluster_id}"
    raise Refusal("A16", 530, text)


def _imaginable(hearing: Hearing, machine: UnmanagedInstance | None) -> Effects:
    """What an undecided call could leave, whichever networks the server takes."""
    effects, facts, request = hearing.effects, hearing.facts, hearing.request
    zone_id = hearing.cluster.zoneid
    effects.managed.append((request.cluster_id, request.name))
    effects.zone_names.append((zone_id, hearing.hostname))
    mapped = dict(request.nic_networks)
    for nic in machine.nic if machine else ():
        own = [mapped[nic.id]] if nic.id in mapped else [one.id for one in facts.networks_of_uri(zone_id, nic_uri(nic))]
        for network_id in own:
            effects.names.append((network_id, hearing.hostname))
            effects.macs.append((network_id, nic.macaddress.lower()))
            effects.addresses.append((network_id, assigned_address(nic, hearing.addresses.get(nic.id, ""))))
    return effects


def _left_behind(hearing: Hearing) -> Effects:
    """What a refused call leaves: its job id, MACs of NICs written before the failure, addresses of Shared networks."""
    effects = hearing.effects
    shared = {network.id for network in hearing.networks if network.type == "Shared"}
    return Effects(
        macs=effects.macs,
        addresses=[pair for pair in effects.addresses if pair[0] in shared],
        picked=[network_id for network_id in effects.picked if network_id in shared],
        used=Counter(),
        job=effects.job,
    )
