"""Declared parameters, and their values once map syntax, presence, type and length were checked.

Source: CloudStack's ParamUnpackWorker (maps), ParamProcessWorker (types) and ParamGenericValidationWorker.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from ingest.twin.cloud import Cloud
from ingest.twin.cloudstack.refusals import ApiException, InvalidParameter, ServerError

LONGEST_TEXT = 255
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
_MAP_NAME = re.compile(r"([^\[\]]+)\[(-?\d+)\]\.(.+)")

Groups: TypeAlias = tuple[Mapping[str, str], ...]
Value: TypeAlias = str | int | bool | float | Groups | tuple[str, ...]


class Kind(enum.Enum):
    """Parameter types. ENTITY is an id that must be known; WORDS a comma list, ENTITIES a comma list of ids."""

    TEXT = "string"
    ENTITY = "uuid"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    MAP = "map"
    WORDS = "list"
    ENTITIES = "list of uuids"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `table` is the attribute of `Cloud` an id is looked up in; `special` are ids taken as they are."""

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    table: str = ""
    special: frozenset[str] = frozenset()
    since: str = ""


def text(name: str, *, required: bool = False, since: str = "") -> Parameter:
    """A text of at most 255 characters. `since` is the release it came with, as listApis shows it."""
    return Parameter(name, Kind.TEXT, required, since=since)


def entity(name: str, table: str, *, required: bool = False, special: Iterable[str] = (), since: str = "") -> Parameter:
    """The UUID of a row of `Cloud.<table>`, removed rows included.

    The row's internal number is accepted as well, but not for parameters that came later (`since`).
    """
    return Parameter(name, Kind.ENTITY, required, table, frozenset(special), since)


def integer(name: str, *, required: bool = False, since: str = "") -> Parameter:
    """A whole number."""
    return Parameter(name, Kind.INTEGER, required, since=since)


def boolean(name: str, *, since: str = "") -> Parameter:
    """True for the text `true` in any case, else false."""
    return Parameter(name, Kind.BOOLEAN, since=since)


def entities(name: str, table: str, *, required: bool = False, since: str = "") -> Parameter:
    """A comma list of UUIDs."""
    return Parameter(name, Kind.ENTITIES, required, table, since=since)


def words(name: str, *, since: str = "") -> Parameter:
    """A comma list of texts."""
    return Parameter(name, Kind.WORDS, since=since)


def map_of(name: str, *, required: bool = False, since: str = "") -> Parameter:
    """Groups of keys and values: `name[0].key=value`."""
    return Parameter(name, Kind.MAP, required, since=since)


def date(name: str, *, since: str = "") -> Parameter:
    """A date, with or without a time."""
    return Parameter(name, Kind.DATE, since=since)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The checked values of one call. Absent parameters read as '', None, False or ()."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def given(self, name: str) -> bool:
        """Whether the caller sent a usable value."""
        return name in self.values

    def text(self, name: str) -> str:
        """A text or an id, '' when absent."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        """A whole number, None when absent."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        """A boolean, False when absent."""
        return self.values.get(name) is True

    def words(self, name: str) -> tuple[str, ...]:
        """The members of a comma list."""
        value = self.values.get(name, ())
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()

    def groups(self, name: str) -> Groups:
        """The groups of a map parameter in index order."""
        value = self.values.get(name, ())
        return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, tuple) else ()

    def moment(self, name: str) -> float | None:
        """A date in seconds since the epoch."""
        value = self.values.get(name)
        return value if isinstance(value, float) else None


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Parameters after the map syntax was read: plain ones by lower-case name, maps by name and index."""

    plain: Mapping[str, str]
    maps: Mapping[str, Mapping[int, Mapping[str, str]]]


def unpack(parameters: Mapping[str, str]) -> Unpacked:
    """Separate `name[index].key=value` from plain parameters. Raises ApiException 430 for bad syntax (check S3).

    Names are case-insensitive; the key inside a map keeps its case.
    """
    plain: dict[str, str] = {}
    maps: dict[str, dict[int, dict[str, str]]] = {}
    for name, value in parameters.items():
        if "[" not in name:
            plain[name.lower()] = value
            continue
        match = _MAP_NAME.fullmatch(name)
        if match is None:
            raise ApiException(
                430,
                f"Unable to decode parameter {name}; if specifying an object array, please use "
                "parameter[index].field=XXX, e.g. userGroupList[0].group=httpGroup",
            )
        group = maps.setdefault(match[1].lower(), {}).setdefault(int(match[2]), {})
        group[match[3]] = value
    return Unpacked(plain, maps)


def parse(command: str, declared: Iterable[Parameter], sent: Unpacked, cloud: Cloud) -> Arguments:
    """The values of all declared parameters, checked in declared order (check S4). Raises ApiException 431."""
    values: dict[str, Value] = {}
    for parameter in declared:
        value = _value(command.lower(), parameter, sent, cloud)
        if value is not None:
            values[parameter.name] = value
    return Arguments(values)


def _value(command: str, parameter: Parameter, sent: Unpacked, cloud: Cloud) -> Value | None:
    if parameter.kind is Kind.MAP:
        groups = sent.maps.get(parameter.name)
        if not groups and parameter.required:
            raise missing_value(command, parameter.name, sent=False)
        return tuple(groups[index] for index in sorted(groups)) if groups else None
    raw = sent.plain.get(parameter.name)
    if raw is None:
        if parameter.required:
            raise missing_value(command, parameter.name, sent=False)
        return None
    if parameter.required and not raw.strip():
        raise missing_value(command, parameter.name, sent=True)
    return _typed(command, parameter, raw, cloud)


def missing_value(command: str, parameter: str, *, sent: bool) -> ServerError:
    """The refusal of a required parameter that is absent, or `sent` but empty; `command` in lower case."""
    if sent:
        return InvalidParameter(f"Invalid value provided for API arg: {parameter}")
    return ApiException(431, f"Unable to execute API command {command} due to missing parameter {parameter}")


def _typed(command: str, parameter: Parameter, raw: str, cloud: Cloud) -> Value | None:
    match parameter.kind:
        case Kind.BOOLEAN:
            return raw.lower() == "true"
        case Kind.TEXT:
            if len(raw) > LONGEST_TEXT:
                raise ApiException(
                    431,
                    f"Unable to execute API command {command} due to invalid value. "
                    f"Value greater than max allowed length {LONGEST_TEXT} for param: {parameter.name}",
                )
            return raw
        case Kind.INTEGER:
            return _integer(command, parameter, raw) if raw else None
        case Kind.ENTITY:
            return _row_id(command, parameter, raw, cloud) if raw else None
        case Kind.ENTITIES:
            return tuple(_row_id(command, parameter, part.strip(), cloud) for part in raw.split(",") if part.strip())
        case Kind.DATE:
            return _date(command, parameter, raw)
        case _:
            return tuple(part.strip() for part in raw.split(",") if part.strip())


def _integer(command: str, parameter: Parameter, raw: str) -> int:
    # Integer.valueOf takes less than int(): no blanks, no underscores, 32 bits.
    if not _WHOLE.fullmatch(raw) or not -(2**31) <= int(raw) < 2**31:
        raise _invalid(command, parameter, raw)
    return int(raw)


def _date(command: str, parameter: Parameter, raw: str) -> float:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise _invalid(command, parameter, raw) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _invalid(command: str, parameter: Parameter, raw: str) -> ApiException:
    return ApiException(
        431, f"Unable to execute API command {command} due to invalid value {raw} for parameter {parameter.name}"
    )


def _row_id(command: str, parameter: Parameter, raw: str, cloud: Cloud) -> str:
    table: Mapping[str, object] = getattr(cloud, parameter.table)
    if raw in table or raw in parameter.special:
        return raw
    numeric = not parameter.since and raw.isascii() and raw.isdigit()
    if numeric and 0 < int(raw) <= len(table):
        return list(table)[int(raw) - 1]
    raise unknown_entity(command, parameter.name, raw)


def unknown_entity(command: str, parameter: str, value: str) -> ApiException:
    """The refusal of an id nobody knows; `command` in lower case."""
    return ApiException(
        431,
        f"Unable to execute API command {command} due to invalid value. Invalid parameter {parameter} value={value} "
        "due to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for "
        "the field in api cmd class.",
    )
