"""getApiLimit and resetApiLimit: what the rate limiter has counted (CloudStack: the API rate limit plugin)."""

from __future__ import annotations

from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.commands import Command, plain
from ingest.twin.cloudstack.parameters import entity
from ingest.twin.cloudstack.ratelimit import RateSettings
from ingest.twin.cloudstack.records import Json
from ingest.twin.cloudstack.refusals import ApiException, PermissionDenied
from ingest.twin.cloudstack.service import Call, Service


def get_api_limit(service: Service, call: Call) -> Json:
    """The caller's own count."""
    _require_throttling(service.cloud)
    settings = RateSettings.of(service.cloud)
    issued, left_ms = service.limiter.state(call.account.id, settings)
    fields = {
        "accountid": call.account.id,
        "account": call.account.name,
        "apiIssued": issued,
        "apiAllowed": settings.most - issued,
        "expireAfter": left_ms,
    }
    return {"apilimit": fields}


def reset_api_limit(service: Service, call: Call) -> Json:
    """The count of one account, or of all, starts again; for root admins."""
    _require_throttling(service.cloud)
    if call.account.accounttype != 1:
        raise PermissionDenied("Only root admin can reset API limits")
    service.limiter.reset(call.arguments.text("account"))
    return {"success": True}


def _require_throttling(cloud: Cloud) -> None:
    if not configuration.flag(cloud, "api.throttling.enabled"):
        raise ApiException(432, "This api is only available when api.throttling.enabled = true.")


COMMANDS: tuple[Command, ...] = (
    plain("getApiLimit", get_api_limit),
    plain("resetApiLimit", reset_api_limit, entity("account", "accounts")),
)
