"""From what pyVmomi and the network raise to the program's own errors."""

from __future__ import annotations

import ssl
from http.client import HTTPException, RemoteDisconnected
from typing import Any
from xml.parsers.expat import ExpatError, errors

from pyVmomi import vim, vmodl

from ingest.errors import NotTheApi, Refused, RemoteError, Transient, Unauthorised
from ingest.model.endpoints import VCenterEndpoint
from ingest.vsphere.tls import untrusted

BROKEN_TRANSPORT = (OSError, HTTPException, ExpatError)

_CUT_SHORT = {
    errors.codes[name]
    for name in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_UNCLOSED_TOKEN, errors.XML_ERROR_PARTIAL_CHAR)
}
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
_TRY_LATER = {429, 502, 503, 504}


_PRIVILEGES = {
    "Datastore.Browse": "Datastore > Browse datastore",
    "VirtualMachine.Inventory.Register": "Virtual machine > Edit inventory > Register",
    "VirtualMachine.Inventory.Unregister": "Virtual machine > Edit inventory > Unregister",
    "VirtualMachine.Interact.AnswerQuestion": "Virtual machine > Interaction > Answer question",
    "VirtualMachine.Interact.PowerOn": "Virtual machine > Interaction > Power on",
    "VirtualMachine.Interact.PowerOff": "Virtual machine > Interaction > Power off",
    "Resource.AssignVMToPool": "Resource > Assign virtual machine to resource pool",
}
"""What vCenter's role editor calls them."""


def _missing_privilege(privilege: str, where: str) -> str:
    if privilege.startswith("System.") or not privilege:
        return "give the user the read-only role on the root folder, propagated"
    label = f" ({_PRIVILEGES[privilege]})" if privilege in _PRIVILEGES else ""
    return f"give the user a role with {privilege}{label} on {where or 'that object'} or above, propagated"


def transport_error(error: BaseException, endpoint: VCenterEndpoint) -> RemoteError:
    """The error for a connection, HTTP or XML failure: Untrusted, NotTheApi or Transient."""
    place = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(endpoint, error.verify_message or str(error))
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return not_the_api(endpoint, "the port does not speak TLS")
    if isinstance(error, TimeoutError):
        return Transient(
            f"no answer within {endpoint.timeout_s:g} s", place=place, cure="check host, port and firewall"
        )
    if isinstance(error, RemoteDisconnected) or (isinstance(error, OSError) and not isinstance(error, HTTPException)):
        return Transient(f"unreachable: {error}", place=place, cure="check host, port and firewall")
    if isinstance(error, ExpatError):
        if error.code in _CUT_SHORT:
            return Transient("the answer ended before it was complete", place=place)
        return not_the_api(endpoint, f"the answer is not SOAP ({error})")
    if type(error) is HTTPException:  # pyVmomi's own: "<status> <reason>"
        status = str(error).split(" ", 1)[0]
        return status_error(int(status) if status.isdigit() else 0, endpoint)
    return Transient(f"the connection broke: {type(error).__name__}", place=place)


def status_error(status: int, endpoint: VCenterEndpoint) -> RemoteError:
    """The error for an HTTP status that is neither 200 nor a SOAP fault."""
    if status in _TRY_LATER:
        return Transient(f"HTTP status {status}", place=f"{endpoint.host}:{endpoint.port}")
    return not_the_api(endpoint, f"HTTP status {status}")


def not_the_api(endpoint: VCenterEndpoint, reason: str) -> NotTheApi:
    return NotTheApi(
        f"this is not a vCenter: {reason}",
        place=f"{endpoint.host}:{endpoint.port}",
        cure="check INGEST_VCENTER_HOST and INGEST_VCENTER_PORT; a proxy in between must pass /sdk on",
    )


def refusal(fault: Any, endpoint: VCenterEndpoint, command: str) -> RemoteError:
    """The error for a fault of the vSphere API, with the server's own words."""
    place = f"{endpoint.host}:{endpoint.port}"
    name = type(fault)._wsdlName
    text = (getattr(fault, "msg", "") or "").strip() or name
    if isinstance(fault, vim.fault.NoPermission):
        privilege = str(getattr(fault, "privilegeId", "") or "")
        return Unauthorised(
            f"{command}: the user lacks the privilege {privilege or '(not said)'}: {text}",
            place=place,
            cure=_missing_privilege(privilege, getattr(getattr(fault, "object", None), "_moId", "")),
        )
    if isinstance(fault, vmodl.fault.HostCommunication | vmodl.fault.RequestCanceled):
        return Transient(f"{command}: {name}: {text}", place=place)
    return Refused(f"{name}: {text}", command=command, code=500, place=place)
