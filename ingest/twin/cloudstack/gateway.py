"""From an HTTP request to an API answer: merge, verify, check, run, wrap (CloudStack: ApiServlet, ApiServer)."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from ingest.twin.cloud import Account, Cloud, User
from ingest.twin.cloudstack import configuration, wire
from ingest.twin.cloudstack.commands import Command
from ingest.twin.cloudstack.jobs import JobPlan
from ingest.twin.cloudstack.paging import Page, page_of, rendered
from ingest.twin.cloudstack.parameters import parse, unpack
from ingest.twin.cloudstack.ratelimit import RateSettings
from ingest.twin.cloudstack.records import Json, described_account
from ingest.twin.cloudstack.refusals import ApiException, RuntimeFailure, ServerError, Unverified
from ingest.twin.cloudstack.service import Call, Listing, Service
from ingest.twin.cloudstack.signature import verified_user
from ingest.twin.cloudstack.table import COMMANDS

_LOG = logging.getLogger("ingest.twin.cloudstack")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_READING = ("get", "list", "query", "find")
_MOST_FORM_KEYS = 5000


def merged(query: bytes, body: bytes) -> dict[str, str]:
    """Query string and form body as one mapping.

    The query string beats the body; of repeated names the last counts in the query string, the first in a body.
    Raises ValueError for more form keys than the servlet container takes.
    """
    parameters: dict[str, str] = {}
    form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FORM_KEYS)
    for name, value in form:
        parameters.setdefault(name, value)
    parameters.update(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True))
    return parameters


def form_of(cloud: Cloud, parameters: Mapping[str, str]) -> wire.Form:
    """How the answer to a call with these parameters is written."""
    return wire.Form(
        as_json=parameters.get("response") == "json",
        version=cloud.version,
        json_type=configuration.text(cloud, "json.content.type") or wire.JSON_TYPE,
    )


class Gateway:
    """Answers API requests for one service. Thread-safe; `answer` blocks as long as the command takes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(self, method: str, query: bytes, body: bytes, client: str = "127.0.0.1") -> wire.Reply:
        """The answer to one GET or POST of the machine at address `client`."""
        try:
            parameters = merged(query, body)
        except ValueError:
            return wire.page(400, "Unable to parse form content")
        name = parameters.get("command", "")
        command = COMMANDS.get(name)
        wrapper = wire.wrapper_name(name if command else "")
        form = form_of(self._service.cloud, parameters)
        try:
            return wire.success(wrapper, self._run(method, name, command, parameters, client), form)
        except ServerError as error:
            return wire.refusal(wrapper, error, form)
        except Exception:  # noqa: BLE001  the servlet answers 530 for whatever escapes a command; the log keeps the trace
            _LOG.exception("command %s failed unexpectedly", name)
        failure = RuntimeFailure("Internal error executing command, please contact your system administrator")
        return wire.refusal(wrapper, failure, form)

    def _run(self, method: str, name: str, command: Command | None, parameters: Mapping[str, str], client: str) -> Json:
        service = self._service
        with service.world.lock:
            requests = service.cloud.journal.requests
            requests[name] = requests.get(name, 0) + 1
            strict = configuration.flag(service.cloud, "enforce.post.requests.and.timestamps")
            if strict and method != "POST" and not name.startswith(_READING):
                raise ApiException(400, f"State changing command {name} needs to be sent using POST request")
            user, account = self._caller(parameters, client, demand_expiry=strict, known=command is not None)
            # verified_user refuses unknown commands, so there is one here.
            assert command is not None  # noqa: S101
            self._check_role(command, user, account)
            _check_characters(parameters)
            if command.asynchronous and service.cloud.in_maintenance:
                raise ApiException(
                    503,
                    "Maintenance or Shutdown has been initiated on this management server. Can not accept new jobs",
                )
            call = Call(user, account, parse(name, command.parameters, unpack(parameters), service.cloud))
            page = page_of(service.cloud, call.arguments) if command.is_list else Page(0, None)
            if command.locked:
                return self._outcome(command, call, page)
        return self._outcome(command, call, page)

    def _outcome(self, command: Command, call: Call, page: Page) -> Json:
        outcome = command.handler(self._service, call)
        if isinstance(outcome, Listing):
            return rendered(outcome, page)
        if isinstance(outcome, JobPlan):
            job_id = self._service.jobs.submit(
                outcome,
                accountid=call.account.id,
                userid=call.user.id,
                custom_id=call.arguments.text("customjobid"),
            )
            return {"jobid": job_id}
        return outcome

    def _caller(
        self, parameters: Mapping[str, str], client: str, *, demand_expiry: bool, known: bool
    ) -> tuple[User, Account]:
        cloud = self._service.cloud
        user = verified_user(
            cloud, parameters, self._service.world.clock.moment_of_clients(), demand_expiry=demand_expiry, known=known
        )
        if not _from_allowed_network(client, configuration.text(cloud, "api.allowed.source.cidr.list")):
            raise Unverified
        account = cloud.accounts[user.accountid]
        # Root admins are exempt from the limit.
        if configuration.flag(cloud, "api.throttling.enabled") and account.accounttype != 1:
            self._service.limiter.count(account.id, RateSettings.of(cloud))
        return user, account

    def _check_role(self, command: Command, user: User, account: Account) -> None:
        if not account.has_role:
            raise ApiException(
                401, f"The given command '{command.name}' either does not exist, is not available for user."
            )
        if user.apis is not None and command.name not in user.apis:
            who = described_account(self._service.cloud, account)
            raise ApiException(
                432, f"The API [{command.name}] does not exist or is not available for the account {who}."
            )


def _check_characters(parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        if _CONTROL.search(value):
            raise ApiException(
                431, f"Received value containing illegal ASCII non-printable characters for parameter {name}"
            )


def _from_allowed_network(client: str, cidrs: str) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return True
    networks = (ipaddress.ip_network(cidr.strip(), strict=False) for cidr in cidrs.split(",") if cidr.strip())
    return any(address.version == network.version and address in network for network in networks)
