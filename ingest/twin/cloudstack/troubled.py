"""Calls on their way to the gateway and back, when something is to happen to them."""

from __future__ import annotations

from collections.abc import Callable

from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack import wire
from ingest.twin.cloudstack.gateway import form_of, merged
from ingest.twin.cloudstack.refusals import ApiException
from ingest.twin.cloudstack.service import Service
from ingest.twin.cloudstack.steps import STEPS
from ingest.twin.cloudstack.table import COMMANDS
from ingest.twin.faults.fate import Cut, Interruption, TooManyRequests, Troubles, proxy_page


class TroubledCalls:
    """Answers calls as the gateway does, unless a fault has other plans."""

    def __init__(self, service: Service, troubles: Troubles | None) -> None:
        self._service = service
        self._troubles = troubles

    def answer(self, query: bytes, body: bytes, work: Callable[[], wire.Reply]) -> wire.Reply | None:
        """The answer to a call which `work` would give; None when its connection is to be reset."""
        troubles = self._troubles
        if troubles is None or not troubles.watching:
            return work()
        try:
            parameters = merged(query, body)
        except ValueError:
            return work()
        command = parameters.get("command", "")
        with self._service.world.lock:
            vm = vm_of_call(self._service.cloud, parameters)
        fate = troubles.of_call("cloudstack", command, vm, self._service.stopping)
        if fate.before is not None:
            return self._interrupted(fate.before, parameters)
        reply = work()
        return reply if fate.after is None else self._interrupted(fate.after, parameters)

    def _interrupted(self, interruption: Interruption, parameters: dict[str, str]) -> wire.Reply | None:
        if isinstance(interruption, Cut):
            return None
        if isinstance(interruption, TooManyRequests):
            command = parameters.get("command", "")
            text = (
                "The given user has reached his/her account api limit, "
                f"please retry after [{interruption.retry_ms}] ms."
            )
            return wire.refusal(
                wire.wrapper_name(command if command in COMMANDS else ""),
                ApiException(429, text),
                form_of(self._service.cloud, parameters),
            )
        headers = {"Cache-Control": "no-cache"}
        return wire.Reply(interruption.status, "text/html", proxy_page(interruption.status), headers)


def vm_of_call(cloud: Cloud, parameters: dict[str, str]) -> str:
    """The name of the VM a call is about, '' for none; call with the world's lock held."""
    command = parameters.get("command", "")
    if "UnmanagedInstance" in command:
        return parameters.get("name", "")
    if command == "queryAsyncJobResult":
        wanted = parameters.get("jobid", "")
        entries = (one.facts for one in reversed(cloud.journal.entries) if one.kind == "import-accepted")
        return next((str(facts["vm"]) for facts in entries if facts["job"] == wanted), "")
    if "VirtualMachine" in command:
        for name in ("id", "virtualmachineid"):
            instance = cloud.instances.get(parameters.get(name, ""))
            if instance is not None:
                return instance.instancename
    return ""


def follow_steps(service: Service, troubles: Troubles | None) -> None:
    """Let the faults know of every step of the imports."""
    if troubles is not None:
        for step in STEPS:
            service.steps.on(step, troubles.at_step)
