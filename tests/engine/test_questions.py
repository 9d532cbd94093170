"""Whether a VM was moved or copied is answered while it starts, whoever starts it; nothing else is ever answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ingest.engine.power import PowerOrder, PowerPace, switch_on
from ingest.engine.questions import Answered, answer_questions, answering
from ingest.twin.registration import register
from ingest.twin.serving import Twin
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import VM, World
from ingest.twin.worlds.recovery import recovery_site
from ingest.vsphere.power import power_on, read_power
from ingest.vsphere.questions import MovedOrCopied, Question
from ingest.vsphere.session import VCenter, connect
from tests.plan.twin_site import vcenter_of


def site() -> World:
    world = recovery_site(3, seed=4, own=1)
    compute = next(iter(world.computes.values()))
    host = next(host.moref for host in world.hosts.values() if host.compute == compute.moref)
    home = world.datacenters[compute.datacenter].vm_folder
    for stored in list(world.unregistered.values()):
        register(world, stored, name=stored.vm.name, folder=home, host=host, pool=compute.resource_pool)
    return world


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(site()) as running:
        yield running


@pytest.fixture
def vcenter(twin: Twin) -> Iterator[VCenter]:
    with connect(vcenter_of(twin)) as session:
        yield session


def replicas(twin: Twin) -> list[VM]:
    return [vm for vm in twin.world.vms.values() if vm.services]


def start_and_wait(vcenter: VCenter, vms: list[VM]) -> None:
    """Begin to switch on; returns when each has asked."""
    for vm in vms:
        power_on(vcenter, vm.moref)
    waiting = threading.Event()
    for _ in range(400):
        if all(row.question for row in read_power(vcenter, [vm.moref for vm in vms]).vms.values()):
            return
        waiting.wait(0.02)
    raise AssertionError("never asked")


@pytest.mark.parametrize("policy", ["moved", "copied"])
def test_vms_start_as_moved_or_copied(twin: Twin, vcenter: VCenter, policy: MovedOrCopied) -> None:
    vms = replicas(twin)
    before = {vm.moref: (vm.bios_uuid, vm.nics[0].mac) for vm in vms}
    told: list[Answered] = []
    orders = [PowerOrder(vm.name, vm.moref) for vm in vms]
    start_and_wait(vcenter, vms)
    with answering(vcenter, lambda: list(before), policy, every_s=0.02, told=told.append):
        waiting = threading.Event()
        for _ in range(400):
            if all(vm.power_state == "poweredOn" for vm in vms):
                break
            waiting.wait(0.02)
    outcomes = switch_on(vcenter, orders, pace=PowerPace(every_s=0.02))
    assert [(one.now, one.problem) for one in outcomes] == [("poweredOn", "")] * 3
    kept = {vm.moref for vm in vms if (vm.bios_uuid, vm.nics[0].mac) == before[vm.moref]}
    assert kept == (set(before) if policy == "moved" else set())
    assert {(one.moref, one.choice) for one in told} == {(moref, f"I {policy} it") for moref in before}
    answers = twin.world.cloud.journal.of("vcenter-answer")
    assert sorted(str(facts["moref"]) for facts in answers) == sorted(before)


def test_other_questions_are_left_to_people(twin: Twin, vcenter: VCenter) -> None:
    vm = replicas(twin)[0]
    with twin.world.lock:
        vm.question = "msg.cdromdisconnect.locked:The guest has locked the CD-ROM door. Disconnect anyway?"
        twin.world.touch(vm)
    (one,) = answer_questions(vcenter, [vm.moref])
    assert (one.choice, one.problem) == ("", "")
    assert "locked the CD-ROM" in one.text
    assert twin.world.cloud.journal.of("vcenter-answer") == []
    assert vm.question


def test_labels_of_other_releases() -> None:
    choices = (("0", "button.uuid.cancel"), ("1", "button.uuid.movedTheVM"), ("2", "button.uuid.copiedTheVM"))
    question = Question("vm-1", "web", "1", "msg.uuid.altered:...", choices, True)
    assert [question.key_for("moved"), question.key_for("copied")] == ["1", "2"]
    assert Question("vm-1", "web", "1", "", (("0", "I _moved it"),), True).key_for("moved") == "0"
    assert Question("vm-1", "web", "1", "", (("0", "Cancel"), ("1", "OK")), True).key_for("moved") == ""


def test_the_right_that_is_missing_is_named() -> None:
    settings = VCenterSettings(no_privilege=frozenset({"VirtualMachine.Interact.AnswerQuestion"}))
    with Twin(site(), vcenter_settings=settings) as twin, connect(vcenter_of(twin)) as vcenter:
        vms = replicas(twin)[:1]
        start_and_wait(vcenter, vms)
        (one,) = answer_questions(vcenter, [vms[0].moref])
        assert one.choice == ""
        assert "VirtualMachine.Interact.AnswerQuestion" in one.problem
        told: list[Answered] = []
        with answering(vcenter, lambda: [vms[0].moref], every_s=0.01, told=told.append):
            threading.Event().wait(0.3)
        assert len(told) == 1, "said once, not every time it is looked at"
