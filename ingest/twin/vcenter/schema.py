"""What the vSphere API declares: types, their members, properties of managed objects, methods.

The declarations come from pyvmomi's type information, which is generated from the vSphere API definition, so the
twin knows a wrong path or member exactly as a real server does. Everything is cached: pyvmomi loads its types lazily
and slowly, a request touches only a few.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyVmomi import VmomiSupport

VIM_NAMESPACE = "urn:vim25"
_TEXT_TYPES = frozenset({"PropertyPath", "MethodName", "TypeName", "Link", "anyURI"})
_TYPES_LOCK = threading.RLock()


@dataclass(frozen=True, slots=True)
class Slot:
    """A declared place for a value: a member, a property, a parameter or a result.

    `type` is the name on the wire: `string`, `int`, ... for XML Schema types (`simple`), `anyType`, `ManagedObject` for
    any reference, otherwise the vSphere type. `managed` names the declared class of a reference.
    """

    name: str
    type: str
    array: bool
    optional: bool
    version: str
    simple: bool = False
    fault: bool = False
    managed: str = ""
    enum: bool = False

    @property
    def wire_type(self) -> str:
        """The type as `xsi:type` names it."""
        return f"xsd:{self.type}" if self.simple else self.type

    @property
    def array_type(self) -> str:
        """The `ArrayOf...` type of an array of this type."""
        return f"ArrayOf{self.type[0].upper()}{self.type[1:]}"


@dataclass(frozen=True, slots=True)
class Method:
    """A method as declared: the managed class it belongs to, its parameters in order, its result (None: void).

    `description_id` is how tasks of this method call themselves: `VirtualMachine.powerOff`.
    """

    name: str
    owner: str
    parameters: tuple[Slot, ...]
    result: Slot | None
    description_id: str


class UnknownType(KeyError):
    """A type name the vSphere API does not have."""


@cache
def python_type(name: str) -> Any:
    """pyvmomi's class of a vSphere type. Raises UnknownType."""
    with _TYPES_LOCK:
        try:
            return VmomiSupport.GetWsdlType(VIM_NAMESPACE, name)
        except KeyError as error:
            raise UnknownType(name) from error


def wsdl_name(python: Any) -> str:
    """The vSphere name of a pyvmomi class."""
    return str(VmomiSupport.GetWsdlName(python))


@cache
def is_a(name: str, base: str) -> bool:
    """True when type `name` is `base` or derived from it. Raises UnknownType."""
    return name == base or issubclass(python_type(name), python_type(base))


def _slot(name: str, python: Any, optional: bool, version: str) -> Slot:
    array = isinstance(python, type) and issubclass(python, list)
    item = python.Item if array else python
    if item is object:
        return Slot(name, "anyType", array, optional, version, simple=True)
    type_name = wsdl_name(item)
    if type_name in _TEXT_TYPES:
        return Slot(name, "string", array, optional, version, simple=True)
    if isinstance(item, type) and issubclass(item, VmomiSupport.ManagedObject):
        return Slot(name, "ManagedObjectReference", array, optional, version, managed=type_name)
    simple = VmomiSupport.GetQualifiedWsdlName(item)[0] == VmomiSupport.XMLNS_XSD
    fault = isinstance(item, type) and issubclass(item, VmomiSupport.GetVmodlType("vmodl.MethodFault"))
    enum = isinstance(item, type) and issubclass(item, VmomiSupport.Enum)
    return Slot(name, type_name, array, optional, version, simple=simple, fault=fault, enum=enum)


@cache
def members(kind: str) -> dict[str, Slot]:
    """Members of a data type, or properties of a managed class, in declared order. Raises UnknownType."""
    with _TYPES_LOCK:
        found = {}
        for info in python_type(kind)._GetPropertyList():
            if info.name in ("dynamicType", "dynamicProperty"):
                continue
            optional = bool(info.flags & VmomiSupport.F_OPTIONAL)
            found[info.name] = _slot(info.name, info.type, optional, info.version)
        return found


@cache
def method(name: str) -> Method | None:
    """The declaration of a method, None when the API has no such method."""
    with _TYPES_LOCK:
        try:
            info = VmomiSupport.GetWsdlMethod(VIM_NAMESPACE, name).info
        except KeyError:
            return None
        parameters = tuple(
            _slot(item.name, item.type, bool(item.flags & VmomiSupport.F_OPTIONAL), item.version)
            for item in info.params
        )
        declared = info.result
        result = None if declared is type(None) else _slot("returnval", declared, True, info.version)
        description_id = f"{info.type.__name__.removeprefix('vim.')}.{info.name[0].lower()}{info.name[1:]}"
        return Method(name, wsdl_name(info.type), parameters, result, description_id)


def is_managed(kind: str) -> bool:
    """True for the name of a managed class. Raises UnknownType."""
    return issubclass(python_type(kind), VmomiSupport.ManagedObject)


_VERSION_ID = re.compile(r"\d+(\.\d+)+$")


@cache
def api_versions(product_version: str) -> tuple[tuple[str, str], ...]:
    """(version id, pyvmomi version name) of every API version a vCenter of that product version speaks, newest first.

    vCenter 8.0.2 speaks API 8.0.2.0 and everything older.
    """
    ceiling = _numbers(product_version)
    known = [
        (str(version_id), str(name))
        for name, version_id in VmomiSupport.versionIdMap.items()
        if name.startswith("vim.version.") and _VERSION_ID.match(version_id)
    ]
    spoken = [item for item in known if _numbers(item[0])[: len(ceiling)] <= ceiling]
    return tuple(sorted(spoken, key=lambda item: _numbers(item[0]), reverse=True))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@cache
def in_version(declared: str, spoken: str) -> bool:
    """True when something declared in API version `declared` exists in version `spoken`."""
    return bool(VmomiSupport.IsChildVersion(spoken, declared))
