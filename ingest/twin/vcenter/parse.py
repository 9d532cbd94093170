"""A SOAP request, read into the same light values that answers are made of.

Everything is checked against the declared parameters, as a server does: an unknown method, parameter or member, a
missing required one, a wrong number are faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from ingest.twin.vcenter.faults import invalid_request, method_not_found
from ingest.twin.vcenter.schema import Slot, UnknownType, is_a, is_managed, members, method
from ingest.twin.vcenter.values import Data, Ref, Value

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_INTEGERS = frozenset({"int", "long", "short", "byte"})
# Not in the service description: pyvmomi reads every property with it.
_FETCH = (Slot("prop", "string", array=False, optional=False, version="", simple=True),)


@dataclass(frozen=True, slots=True)
class Request:
    """One call: method name, the object it is for, its arguments by name (absent ones are missing)."""

    method: str
    this: Ref
    arguments: dict[str, Value]
    result: Slot | None


def parse_request(body: bytes) -> Request:
    """The call in a SOAP envelope. Raises VimFault."""
    call = _call_element(body)
    name = _local(call.tag)
    target = call.find("{*}_this")
    if target is None:
        raise invalid_request(f"{name}: no _this")
    this = _reference(target)
    if name == "Fetch":
        return Request(name, this, _arguments(call, _FETCH), None)
    declared = method(name)
    if declared is None or not _offers(this, declared.owner):
        raise method_not_found(this, name)
    return Request(name, this, _arguments(call, declared.parameters), declared.result)


def _call_element(body: bytes) -> Element:
    parser = XMLParser()  # noqa: S314  a loopback server; expat limits entity amplification itself
    try:
        parser.feed(body)
        envelope = parser.close()
    except ParseError as error:
        raise invalid_request(f"The request is not well-formed XML: {error}") from error
    soap_body = envelope.find(f"{_ENVELOPE}Body")
    if soap_body is None or len(soap_body) != 1:
        raise invalid_request("The request is not a SOAP envelope with one call in its body")
    return soap_body[0]


def _offers(this: Ref, owner: str) -> bool:
    try:
        return is_a(this.kind, owner)
    except UnknownType:
        return False


def _arguments(call: Element, parameters: tuple[Slot, ...]) -> dict[str, Value]:
    found = _fields([item for item in call if _local(item.tag) != "_this"], {slot.name: slot for slot in parameters})
    for slot in parameters:
        if not slot.optional and slot.name not in found:
            raise invalid_request(f"{_local(call.tag)}: parameter {slot.name} is missing")
    return found


def _fields(elements: list[Element], declared: dict[str, Slot]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in elements:
        name = _local(element.tag)
        slot = declared.get(name)
        if slot is None:
            raise invalid_request(f"Unexpected element {name}")
        value = _value(element, slot)
        if slot.array:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _value(element: Element, slot: Slot) -> Value:
    if slot.managed:
        return _reference(element)
    text = (element.text or "").strip()
    kind = _local(element.get(_XSI_TYPE, slot.type).replace(":", "}"))
    if slot.simple or slot.enum:
        return _scalar(text, element.text or "", kind)
    try:
        if not is_a(kind, slot.type):
            raise invalid_request(f"{slot.name}: {kind} is not a {slot.type}")
        return Data(kind, **_fields(list(element), members(kind)))
    except UnknownType as error:
        raise invalid_request(f"{slot.name}: unknown type {kind}") from error


def _scalar(text: str, raw: str, kind: str) -> Value:
    try:
        if kind in _INTEGERS:
            return int(text)
        if kind == "boolean":
            return {"true": True, "1": True, "false": False, "0": False}[text]
        if kind in ("double", "float"):
            return float(text)
        if kind == "dateTime":
            return datetime.fromisoformat(text)
    except (KeyError, ValueError) as error:
        raise invalid_request(f"{text!r} is not a {kind}") from error
    return raw


def _reference(element: Element) -> Ref:
    kind = element.get("type", "")
    try:
        known = is_managed(kind)
    except UnknownType:
        known = False
    if not known:
        raise invalid_request(f"{kind!r} is not a managed object type")
    return Ref(kind, (element.text or "").strip())


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
