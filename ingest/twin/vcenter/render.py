"""XML text of values, as a vCenter writes it.

No namespace prefixes inside the answer except `xsi` and `xsd`, which the envelope declares. A value whose type is not
the declared one carries `xsi:type`; references say `ManagedObjectReference` there. Unset members and empty arrays are
left out. A member the type does not have is a mistake of this package and raises.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

from ingest.twin.vcenter.schema import Slot, members
from ingest.twin.vcenter.values import Data, Fault, Raw, Ref, Value, computed

ANY = Slot("value", "anyType", array=False, optional=True, version="", simple=True)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT_LIMIT = 1 << 31


def escape(text: str) -> str:
    """Text for element content. Characters XML cannot carry become U+FFFD, a carriage return a reference."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if not text.isprintable():
        text = _NOT_XML.sub("\ufffd", text).replace("\r", "&#13;")
    return text


def render(tag: str, value: Value, slot: Slot) -> str:
    """`value` as the element `tag` of a parent that declares `slot`; an array becomes repeated elements."""
    value = computed(value)
    if value is None:
        return ""
    if isinstance(value, list):
        if slot.type == "anyType" and not slot.array:
            raise TypeError(f"{tag}: a list needs a declared item type")
        return "".join([render(tag, item, slot) for item in value])
    if isinstance(value, str):
        kind = "" if slot.type != "anyType" else ' xsi:type="xsd:string"'
        return f"<{tag}{kind}>{escape(value)}</{tag}>"
    if isinstance(value, Data):
        return _render_data(tag, value, slot)
    if isinstance(value, Ref):
        kind = "" if slot.type != "anyType" else ' xsi:type="ManagedObjectReference"'
        return f'<{tag}{kind} type="{value.kind}">{escape(value.moref)}</{tag}>'
    if isinstance(value, Raw):
        return value.text
    kind = "" if slot.type != "anyType" else f' xsi:type="{_scalar_type(value)}"'
    return f"<{tag}{kind}>{scalar_text(value)}</{tag}>"


def render_any(tag: str, value: Value, slot: Slot) -> str:
    """`value` of a property declared as `slot`, as an element that stands in an `any` slot and so names its type."""
    value = computed(value)
    if value is None:
        return ""
    if slot.array:
        items = render(slot.type, value, slot)
        return f'<{tag} xsi:type="{slot.array_type}">{items}</{tag}>'
    if isinstance(value, Data) and not isinstance(value, Fault):
        return f'<{tag} xsi:type="{value.kind}">{inner(value)}</{tag}>'
    if isinstance(value, Data | Ref) or slot.type == "anyType":
        return render(tag, value, ANY)
    text = escape(value) if isinstance(value, str) else scalar_text(value)
    return f'<{tag} xsi:type="{slot.wire_type}">{text}</{tag}>'


def inner(data: Data) -> str:
    """The content of a data object, kept in it: constant devices are rendered once and shared."""
    if data.inner is None:
        declared = members(data.kind)
        given = data.members
        parts = [render(name, given[name], slot) for name, slot in declared.items() if name in given]
        if len(parts) != len(given):
            unknown = [name for name in given if name not in declared]
            raise AttributeError(f"{data.kind} has no member {', '.join(unknown)}")
        data.inner = "".join(parts)
    return data.inner


def _render_data(tag: str, data: Data, slot: Slot) -> str:
    if isinstance(data, Fault):
        return _render_localized_fault(tag, data, slot)
    kind = "" if data.kind == slot.type else f' xsi:type="{data.kind}"'
    return f"<{tag}{kind}>{inner(data)}</{tag}>"


def _render_localized_fault(tag: str, fault: Fault, slot: Slot) -> str:
    # Inside data objects a fault travels wrapped (LocalizedMethodFault), although pyvmomi declares the bare type.
    kind = ' xsi:type="LocalizedMethodFault"' if slot.type == "anyType" else ""
    return (
        f'<{tag}{kind}><fault xsi:type="{fault.kind}">{inner(fault)}</fault>'
        f"<localizedMessage>{escape(fault.message)}</localizedMessage></{tag}>"
    )


def scalar_text(value: Any) -> str:
    """A scalar as XML Schema writes it."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _scalar_type(value: Any) -> str:
    if isinstance(value, bool):
        return "xsd:boolean"
    if isinstance(value, int):
        return "xsd:int" if -_INT_LIMIT <= value < _INT_LIMIT else "xsd:long"
    if isinstance(value, float):
        return "xsd:double"
    if isinstance(value, datetime):
        return "xsd:dateTime"
    return "xsd:base64Binary"
