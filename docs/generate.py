"""Writes the reference pages that follow from the code: columns, checks, settings, commands, events,
the world file.

`make docs` runs it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console

from ingest.cli.main import COMMANDS, GROUPS, app
from ingest.engine.event_lines import COMMON, EVENTS, FIELDS
from ingest.engine.picture import UNDERWAY
from ingest.plan.causes import CAUSES
from ingest.plan.checks import CHECKS
from ingest.plan.columns import PLAN_COLUMNS, REQUIRED
from ingest.plan.rules import DiskChoice, Match, NetworkChoice, Rule, Set
from ingest.runbook.catalogue import RULES as RUNBOOK_RULES
from ingest.runbook.model import (
    HttpCheck,
    IpCheck,
    NetworkMap,
    Networks,
    Person,
    Runbook,
    Site,
    Start,
    Step,
    SubnetMap,
    TcpCheck,
    ToolsCheck,
    Wave,
)
from ingest.runbook.selection import Selection
from ingest.runbook.spans import in_words
from ingest.settings import SECTIONS, may_be_public, secret_name, variable
from ingest.twin.worldfile import FORMAT_VERSION, MAXIMUM_BYTES, MAXIMUM_YAML_BYTES, json_schema

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by `make docs` from the code; edit the code instead. -->\n\n"


def columns_page() -> str:
    """The columns of the plan."""
    lines = [
        NOTE + "# Columns of the plan\n",
        "*Seen* columns are facts; they are compared again before an import, a difference is drift (`VM-004`).",
        "*Wanted* columns are yours. *Computed* columns say what was chosen, why, what was found and what came of it.",
        "`#` stands for a number: `nic1_network`, `disk2_offering`. Columns of your own are kept as they are.\n",
        f"Needed in every sheet: {', '.join(f'`{name}`' for name in REQUIRED)}.\n",
        "| Column | Kind | Meaning |",
        "| --- | --- | --- |",
        *(f"| `{column.name}` | {column.kind} | {column.help} |" for column in PLAN_COLUMNS),
    ]
    return "\n".join(lines) + "\n"


def checks_page() -> str:
    """The rule catalogue."""
    lines = [
        NOTE + "# Checks\n",
        "Critical findings block the row. A rule that can be accepted stops a row until its id stands in the row's",
        "column `accept`. *Mirrors* names the class of CloudStack that decides, or a safety rule of ours.",
        "On the command line: `ingest explain HOST-003`.\n",
        "| Rule | Level | Column | What it says | Why | Cure | Mirrors | Can be accepted |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for check in CHECKS:
        column = "of the device" if check.show.startswith("@") else f"`{check.show}`"
        cells = [f"`{check.id}`", check.level, column, check.message, CAUSES[check.id], check.fix, check.mirrors]
        lines.append(f"| {' | '.join(cells)} | {'yes' if check.waivable else 'no'} |")
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """Every key of a rules file."""
    lines = [
        NOTE + "# Rules\n",
        "A rules file is YAML: `version: 1` and `rules`, a list. A rule applies when everything under `match` fits;",
        "`set` then decides. Later rules refine earlier ones, setting by setting. A *pattern* is a glob (`web*`), or",
        "`re:` and a regular expression that fits the whole text; case does not matter; a list fits when one does.",
        "[Map VMs with rules](../how-to/rules.md) shows it at work, `data/rules.yaml` every key with an example.\n",
    ]
    for title, model in (
        ("Rule", Rule),
        ("match", Match),
        ("set", Set),
        ("An entry of set.networks", NetworkChoice),
        ("An entry of set.disks", DiskChoice),
    ):
        lines += [f"## {title}\n", "| Key | Meaning |", "| --- | --- |"]
        lines += [f"| `{name}` | {info.description} |" for name, info in model.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


_RUNBOOK_PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Runbook", Runbook),
    ("An entry of people", Person),
    ("An entry of sites", Site),
    ("networks", Networks),
    ("An entry of networks.table", NetworkMap),
    ("An entry of networks.subnets", SubnetMap),
    ("An entry of waves", Wave),
    ("select, critical, and entries of start.order", Selection),
    ("start", Start),
    ("An entry of steps", Step),
    ("A check of kind tcp", TcpCheck),
    ("A check of kind http", HttpCheck),
    ("A check of kind tools", ToolsCheck),
    ("A check of kind ip", IpCheck),
)


def runbook_page() -> str:
    """Every key of a runbook, and what can be found wrong with one."""
    lines = [
        NOTE + "# Runbook\n",
        "A runbook is YAML. Spans of time have a unit: `90s`, `15min`, `1h 30min`. Targets (`rto`) count from the",
        "start of the recovery. A *pattern* is a glob (`web*`), or `re:` and a regular expression that fits the whole",
        "text; case does not matter; a list fits when one does. [Runbooks](../how-to/runbooks.md) shows one at work,",
        "`data/runbooks/demo.yaml` every key with an example.\n",
    ]
    for title, model in _RUNBOOK_PARTS:
        lines += [f"## {title}\n", "| Key | Meaning | Default |", "| --- | --- | --- |"]
        for name, info in model.model_fields.items():
            lines.append(f"| `{name}` | {info.description} | {_runbook_default(info)} |")
        lines.append("")
    lines += ["## Findings\n", "| Rule | Level | What | Why it matters | Cure |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{one.id}` | {one.level} | {one.title} | {one.why} | {one.fix} |" for one in RUNBOOK_RULES]
    return "\n".join(lines) + "\n"


def _runbook_default(info: FieldInfo) -> str:
    if info.is_required():
        return "**needed**"
    default = info.default
    if isinstance(default, timedelta):
        return f"`{in_words(default)}`"
    return f"`{default}`" if default not in (None, "") and info.default_factory is None else ""


def settings_page() -> str:
    """Every setting with its variable."""
    lines = [
        NOTE + "# Settings\n",
        "Value by value, the first that is found wins:\n",
        "1. the environment variable;",
        "2. the TOML file: `INGEST_CONFIG`, else `ingest.toml` in the working folder, tables `[cloudstack]`,",
        "   `[vcenter]`, `[run]`, `[health]`;",
        "3. secrets only, and only inside flows: the Prefect Secret block of the given name;",
        "4. the default.\n",
        "Secrets in the TOML file are refused. An unknown variable that starts with `INGEST_` is refused too.\n",
        "| Variable | TOML | Default | Prefect Secret block |",
        "| --- | --- | --- | --- |",
    ]
    for section, model in SECTIONS.items():
        lines.extend(_setting_rows(section, model))
    return "\n".join(lines) + "\n"


def _setting_rows(section: str, model: type[BaseModel], prefix: str = "") -> list[str]:
    rows = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            rows.extend(_setting_rows(section, info.annotation, f"{name}."))
            continue
        secret = "Secret" in str(info.annotation)
        toml = "refused" if secret and not may_be_public(info) else f"`[{section}] {prefix}{name}`"
        toml += ", without a password" if may_be_public(info) else ""
        block = f"`{secret_name(section, name)}`" if secret else ""
        rows.append(f"| `{variable(section, prefix + name)}` | {toml} | {_default(info)} | {block} |")
    return rows


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**needed**"
    return f"`{info.default}`" if info.default not in (None, "") else ""


def commands_page() -> str:
    """The help of every command, and the exit codes."""
    lines = [
        NOTE + "# Commands\n",
        "Data goes to stdout, talk to stderr. Exit codes:\n",
        "| Code | Meaning |",
        "| --- | --- |",
        "| 0 | all done: every row imported, every test ok |",
        "| 2 | usage or configuration: wrong option, setting, file, password, key or certificate |",
        "| 3 | critical findings block rows |",
        "| 4 | some rows failed, or their outcome is unknown; `twin record`: some things could not be read |",
        "| 5 | stopped: cancelled or interrupted |",
        "| 6 | a server could not be reached, or did not do what was asked |\n",
    ]
    for words in (
        *([name] for name in COMMANDS if name not in GROUPS),
        *(["runbook", name] for name in ("check", "print")),
        *(["twin", name] for name in ("serve", "record", "journal", "fault", "calm", "clock")),
    ):
        lines.append(f"## ingest {' '.join(words)}\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(lines)


def _help(words: list[str]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=110, force_terminal=False, color_system=None)
    app.help_print(words, console=console)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def events_page() -> str:
    """Events as JSON lines."""
    lines = [
        NOTE + "# Events\n",
        "`ingest run --events FILE` appends what happens to the file as it happens, a JSON object a line, UTF-8; `-`",
        "is stdout, which then has nothing else. The table on the terminal stays. A reader that is slow, or goes away,",
        "does not hold an import up. Whatever happened, `end` is the last line; it is missing after a crash only.\n",
        "| Event | When | Fields |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| `{name}` | {when} | {', '.join(f'`{field}`' for field in fields)} |"
        for name, (when, fields) in EVENTS.items()
    ]
    lines += [f"\nEvery event has {', '.join(f'`{field}`' for field in COMMON)} as well.\n"]
    lines += ["| Field | Meaning |", "| --- | --- |", *(f"| `{name}` | {text} |" for name, text in FIELDS.items())]
    lines += ["\nStates before the outcome:\n", "| State | Meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in UNDERWAY.items()]
    lines.append("\nA row that waits has no event yet. A row may skip states: one that is held is never `sent`.")
    return "\n".join(lines) + "\n"


def world_file_page() -> str:
    """Both forms of the world file, key by key."""
    schema = json_schema()
    short, complete = (one["$ref"] for one in schema["oneOf"])
    lines = [
        NOTE + "# World file\n",
        "What the twin serves (`ingest twin serve --world FILE`): YAML, or JSON, which is YAML too. Two forms:\n",
        "- `kind: description` (the default), for people: a generated site with changes of their own;",
        "  `data/demo-world.yaml` shows and explains it.",
        "- `kind: world`, for programs: everything, CloudStack's side and the twin's keys and password included.",
        "  `ingest twin record` writes it, readable for its owner only.\n",
        f"Every file says `version: {FORMAT_VERSION}`; another version is refused, and so are unknown keys, wrong",
        "types and references to things that are not there, each with file, line and cure. What a new release adds has",
        "a default, so that older files still load and the version stays. It rises when a key changes its meaning; a",
        "release that raises it reads files of the version before and writes the new one.\n",
        f"A file has at most {MAXIMUM_BYTES >> 20} MiB, {MAXIMUM_YAML_BYTES >> 20} MiB when it is not JSON. The same",
        "as a JSON Schema, for editors and other programs: [world-file.schema.json](world-file.schema.json).\n",
        "Keys without a default are needed. In the complete form the tables are objects by id (vSphere: the managed",
        "object id), and each object stands under its own id.\n",
    ]
    seen: set[str] = set()
    for title, reference in (("Description", short), ("World", complete)):
        lines.append(f"## {title}\n")
        lines.extend(_definitions(reference, schema["$defs"], seen))
    return "\n".join(lines)


def _definitions(reference: str, known: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The section of a definition, then those of what it refers to."""
    name = reference.rpartition("/")[2]
    definition = known[name]
    if name in seen or "properties" not in definition:
        return
    seen.add(name)
    yield f"### {_spoken(name)}\n"
    if definition.get("description"):
        yield definition["description"].replace("\n", " ").replace("  ", "\n\n") + "\n"
    yield "| Key | Type | Default |"
    yield "| --- | --- | --- |"
    needed = definition.get("required", ())
    for key, value in definition["properties"].items():
        default = "**needed**" if key in needed else _shown(value.get("default"))
        kind = _type(value).replace("|", "\\|")  # patterns have bars, and so have tables
        yield f"| `{key}` | {kind} | {default} |"
    yield ""
    for value in definition["properties"].values():
        for one in _references(value):
            yield from _definitions(one, known, seen)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _spoken(name: str) -> str:
    """`ingest__twin__cloud__Host` as people say it: there are two kinds of hosts, and of networks."""
    sides = {"cloud": "CloudStack", "world": "vSphere"}
    module, _, short = name.rpartition("__")
    return f"{short} ({sides[module.rpartition('__')[2]]})" if module else short


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _spoken(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {', '.join(_type(one) for one in schema['prefixItems'])}"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    return str(kind) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "pattern": "like `{}`",
    }
    said = ", ".join(text.format(schema[key]) for key, text in words.items() if key in schema)
    return f" ({said})" if said else ""


def _shown(value: Any) -> str:
    """A default; what is empty is not worth showing."""
    return "" if value in (None, "", [], {}) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def world_file_schema() -> str:
    """The JSON Schema of the world file."""
    return json.dumps(json_schema(), indent=1) + "\n"


PAGES = {
    "columns.md": columns_page,
    "checks.md": checks_page,
    "rules.md": rules_page,
    "runbook.md": runbook_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "world-file.md": world_file_page,
    "world-file.schema.json": world_file_schema,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        sys.stderr.write(f"wrote {REFERENCE / name}\n")


if __name__ == "__main__":
    main()
