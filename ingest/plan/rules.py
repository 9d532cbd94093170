"""The operator's mapping file: ordered rules, each a `match` and a `set`; later rules refine earlier ones.

A small useful set of defaults works with no rules at all: see `ingest.plan.enrich`. Values are names or UUIDs of
CloudStack objects. The format is described in `data/rules.yaml`.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.errors import RulesError
from ingest.model.inventory import VirtualMachine

Patterns = str | list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Match(_Strict):
    """All given criteria must hold. Text criteria are globs, one or a list (any of them); case matters not.

    `vlan` matches when any NIC of the VM has that VLAN id, `portgroup` when any NIC is on that port group.
    """

    name: Patterns | None = None
    folder: Patterns | None = None
    datacenter: Patterns | None = None
    cluster: Patterns | None = None
    host: Patterns | None = None
    portgroup: Patterns | None = None
    guest: Patterns | None = None
    power_state: Patterns | None = None
    vlan: int | list[int] | None = None

    def fits(self, vm: VirtualMachine) -> bool:
        """Whether the VM meets every criterion."""
        texts: dict[str, list[str]] = {
            "name": [vm.name],
            "folder": [vm.path.rsplit("/", 1)[0]],
            "datacenter": [vm.datacenter],
            "cluster": [vm.cluster],
            "host": [vm.host],
            "portgroup": [nic.network_name for nic in vm.nics],
            "guest": [vm.guest_id, vm.guest_full_name],
            "power_state": [vm.power_state],
        }
        for criterion, values in texts.items():
            patterns = getattr(self, criterion)
            if patterns is not None and not _any_glob(values, patterns):
                return False
        if self.vlan is None:
            return True
        wanted = {self.vlan} if isinstance(self.vlan, int) else set(self.vlan)
        return any(nic.vlan is not None and nic.vlan.id in wanted for nic in vm.nics)


class NetworkChoice(_Strict):
    """The CloudStack `network` for NICs that match `portgroup` and `vlan`; `ip` is `auto` or an address."""

    network: str
    portgroup: Patterns | None = None
    vlan: int | None = None
    ip: str = ""


class Set(_Strict):
    """What a rule decides. Anything not given stays as earlier rules or the defaults have it."""

    skip: str | None = Field(default=None, description="leave the VM out, for this reason")
    wave: int | None = Field(default=None, ge=1, le=999)
    account: str | None = None
    domain: str | None = None
    project: str | None = None
    service_offering: str | None = None
    cpu_speed_mhz: int | None = Field(default=None, gt=0)
    disk_offering: str | None = None
    template: str | None = None
    host_name: str | None = Field(default=None, description="pattern; {name} is the repaired VM name")
    networks: list[NetworkChoice] = Field(default_factory=list)


class Rule(_Strict):
    """One rule. `name` is how reasons cite it; without one it is `rule <number>`."""

    name: str = ""
    match: Match = Match()
    set: Set


class Rules(_Strict):
    """The whole file."""

    version: int = 1
    rules: list[Rule] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Decided:
    """What the rules say about one VM: value and the name of the rule that set it, by setting."""

    values: dict[str, tuple[Any, str]]
    networks: tuple[tuple[NetworkChoice, str], ...]

    def value(self, setting: str) -> Any:
        """The decided value, or None."""
        return self.values.get(setting, (None, ""))[0]

    def source(self, setting: str) -> str:
        """The name of the rule that decided, or ''."""
        return self.values.get(setting, (None, ""))[1]


def decide(rules: Rules, vm: VirtualMachine) -> Decided:
    """Apply the rules in order: later ones win setting by setting; network choices of later rules are asked first."""
    values: dict[str, tuple[Any, str]] = {}
    networks: list[tuple[NetworkChoice, str]] = []
    for number, rule in enumerate(rules.rules, start=1):
        if not rule.match.fits(vm):
            continue
        name = rule.name or f"rule {number}"
        for setting, value in rule.set:
            if setting == "networks":
                networks[:0] = [(choice, name) for choice in value]
            elif value is not None:
                values[setting] = (value, name)
    return Decided(values, tuple(networks))


def read_rules(path: Path) -> Rules:
    """The rules of a YAML file. Raises RulesError naming file, line and key for anything malformed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RulesError(
            f"cannot be read: {error.strerror}", place=str(path), cure="give the path of a rules file, or none at all"
        ) from None
    except UnicodeDecodeError:
        raise RulesError("is not UTF-8 text", place=str(path), cure="save it as UTF-8") from None
    return parse_rules(text, place=str(path))


def parse_rules(text: str, *, place: str = "rules") -> Rules:
    """The rules of a YAML text; errors as `read_rules`."""
    try:
        document = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RulesError(f"is not YAML: {error.problem}", place=f"{place}:{line}", cure="mend that line") from None
    except yaml.YAMLError as error:
        raise RulesError(f"is not YAML: {error}", place=place, cure="mend the file") from None
    try:
        rules = Rules.model_validate(document or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        loc = tuple(part for part in first["loc"] if part not in ("str", "int", "list[str]", "list[int]"))
        raise RulesError(
            f"{'.'.join(str(part) for part in loc)}: {_words(first['type'], first['msg'])}",
            place=f"{place}:{_line_of(tree, loc)}",
            cure="data/rules.yaml shows every key with an example",
        ) from None
    if rules.version != 1:
        raise RulesError(f"version {rules.version} is not known", place=place, cure="this program reads version 1")
    return rules


def _words(kind: str, message: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else message


def _line_of(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The line of a key path; the deepest part that exists."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _any_glob(values: list[str], patterns: Patterns) -> bool:
    wanted = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(value.lower(), pattern.lower()) for value in values for pattern in wanted)


def network_fits(choice: NetworkChoice, portgroup: str, vlan_id: int | None) -> bool:
    """Whether a network choice applies to a NIC on this port group and VLAN."""
    if choice.vlan is not None and choice.vlan != vlan_id:
        return False
    return choice.portgroup is None or _any_glob([portgroup], choice.portgroup)
