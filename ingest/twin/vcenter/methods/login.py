"""The service content, the clock, and sessions."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.faults import VimFault, invalid_login
from ingest.twin.vcenter.service_objects import content, settings_options
from ingest.twin.vcenter.values import Value


def _service_content(call: Call) -> Value:
    return content(call.service.world, call.service.api_version)


def _current_time(call: Call) -> Value:
    return call.service.world.clock.moment()


def _login(call: Call) -> Value:
    world = call.service.world
    user, password = call.argument("userName", ""), call.argument("password", "")
    # vSphere ignores the case of user names.
    right_user = hmac.compare_digest(user.casefold().encode(), world.vcenter_user.casefold().encode())
    right_password = hmac.compare_digest(password.encode(), world.vcenter_password.encode())
    if not (right_user and right_password):
        raise invalid_login()
    call.opened = call.service.sessions.open(user, call.address, call.agent)
    return call.opened.describe()


def _logout(call: Call) -> Value:
    call.service.sessions.close(call.user_session)
    return None


def _session_is_active(call: Call) -> Value:
    key, user = call.argument("sessionID"), call.argument("userName")
    return any(item.key == key and item.user == user for item in call.service.sessions.all())


def _terminate_session(call: Call) -> Value:
    open_sessions = {item.key: item for item in call.service.sessions.all()}
    for key in call.argument("sessionId", []):
        if key not in open_sessions:
            raise VimFault("NotFound", "The object or item referred to could not be found.")
        call.service.sessions.close(open_sessions[key])
    return None


def _query_options(call: Call) -> Value:
    name = call.argument("name") or ""
    found = [item for item in settings_options(call.service.world) if _matches(item, name)]
    if not found:
        raise VimFault("InvalidName", "The name is not valid.", name=name)
    return found


def _matches(option: Value, name: str) -> bool:
    key: str = option.get("key")  # type: ignore[union-attr]  # settings_options builds data objects only
    return not name or key == name or (name.endswith(".") and key.startswith(name))


LOGIN: dict[str, Callable[[Call], Value]] = {
    "RetrieveServiceContent": _service_content,
    "CurrentTime": _current_time,
    "Login": _login,
    "Logout": _logout,
    "SessionIsActive": _session_is_active,
    "TerminateSession": _terminate_session,
    "QueryOptions": _query_options,
}
