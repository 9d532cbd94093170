"""The guest OS, size, limits, compute offering and host: A17-A23."""

from __future__ import annotations

import re

from ingest.plan import server
from ingest.plan.predict.hearing import Hearing, Refusal
from ingest.plan.predict.limits import charge, reserve
from ingest.plan.predict.printed import printed
from ingest.plan.predict.verdict import UNSAID

_JAVA_INTEGER = re.compile(r"[+-]?[0-9]+")


def check_guest(hearing: Hearing) -> None:
    """A18, A19: without a template the guest needs a mapping for the hypervisor's version."""
    machine = hearing.machine
    if hearing.template is not None or hearing.facts.os_mapped(machine):
        return
    tail = (
        f"for hypervisor: {machine.hypervisor} version: {machine.hypervisorversion}. templateid parameter can be used "
        "to assign template for VM"
    )
    os_type = hearing.facts.os_types.get(machine.osdisplayname)
    if os_type is not None:
        raise Refusal(
            "A18",
            530,
            f"Unable to find hypervisor guest OS ID: {os_type.id} details for unmanaged VM: {machine.name} {tail}",
        )
    raise Refusal(
        "A19",
        530,
        f"Unable to retrieve guest OS details for unmanaged VM: {machine.name} with OS name: {machine.osdisplayname}, "
        f"OS ID: {machine.osid} {tail}",
    )


def check_size(hearing: Hearing) -> None:
    """A20, A21: cores and memory are known, and within the limits of instances, CPU and memory."""
    machine, offering, owner = hearing.machine, hearing.offering, hearing.owner
    if machine.cpunumber <= 0:
        text = f"CPU cores [{machine.cpunumber}] is not valid for importing VM [{machine.name}]."
        raise Refusal("A20", 530, text)
    if machine.memory <= 0:
        raise Refusal("A20", 530, f"Memory [{machine.memory}] is not valid for importing VM [{machine.name}].")
    cores, memory = machine.cpunumber, machine.memory
    if machine.powerstate == "PowerOff":
        cores = cores if _is_dynamic(hearing) else offering.cpunumber or cores
        memory = memory if _is_dynamic(hearing) else offering.memory or memory
    problem = f"VM resource allocation error for account: {owner.id}."
    reserve(hearing, "user_vm", 1, check="A21", problem=problem)
    reserve(hearing, "cpu", cores, check="A21", problem=problem)
    reserve(hearing, "memory", memory, check="A21", problem=problem)
    charge(hearing, "user_vm", 1)
    charge(hearing, "cpu", cores)
    charge(hearing, "memory", memory)


def check_offering(hearing: Hearing) -> None:
    """A22: the offering takes the VM, with `cpuSpeed` of the details in place of its reservation."""
    offering, machine = hearing.offering, hearing.machine
    misfit = server.offering_misfit(offering, machine, _cpu_speed(hearing), hearing.facts.caps)
    if misfit is None:
        return
    raise Refusal(
        "A22",
        530,
        f"Failed to import Unmanaged VM [{machine.name}] because the service offering "
        f"[{printed('Service offering', offering.id, offering.name)}] is not compatible due to "
        f"[{_inner(hearing, misfit)}].",
    )


def check_host(hearing: Hearing) -> None:
    """A23: the VM's host has the tags of offering and template, unless the VM may be moved."""
    request, offering, template = hearing.request, hearing.offering, hearing.template
    if request.migrate_allowed:
        return
    host = hearing.facts.hosts.get(hearing.machine.hostid)
    template_tag = template.templatetag if template else ""
    if server.has_host_tags(host, offering.hosttags) and server.has_host_tags(host, template_tag):
        return
    raise Refusal(
        "A23",
        431,
        f"Service offering: {offering.id} or template: {template.id if template else UNSAID} is not compatible with "
        f"host: {hearing.machine.hostid} of unmanaged VM: {hearing.display_name}",
    )


def _is_dynamic(hearing: Hearing) -> bool:
    offering = hearing.offering
    return None in (offering.cpunumber, offering.cpuspeed, offering.memory)


def _cpu_speed(hearing: Hearing) -> int | None:
    """The speed the caller names; None when there is none or, as on the server, it cannot be read."""
    text = dict(hearing.request.details).get("cpuSpeed", "")
    if not _JAVA_INTEGER.fullmatch(text):
        return None
    return int(text) if -(2**31) <= int(text) < 2**31 else None


def _inner(hearing: Hearing, misfit: server.Misfit) -> str:
    offering_id, state = hearing.offering.id, hearing.machine.powerstate
    what = {"cores": "CPU cores", "memory": "memory", "speed": "CPU speed"}[misfit.size]
    if misfit.kind == "closed":
        return f"The {what} of this offering id:{offering_id} is not customizable. This is predefined in the Template."
    if misfit.kind == "outside":
        return f"Invalid {what} value, specify a value between {misfit.low} and {misfit.high}"
    unit, verb = {"cores": (" ", "do"), "memory": ("MB ", "does"), "speed": ("MHz ", "does")}[misfit.size]
    return (
        f"Service offering ({offering_id}) {misfit.offered}{unit}{what} {verb} not match VM {what} {misfit.machine}"
        f"{unit.strip()} and VM is not in powered off state (Power state: {state})"
    )
