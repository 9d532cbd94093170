"""Writes the reference pages that follow from the code: columns, checks, settings, commands. `make docs` runs it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console

from ingest.cli.main import COMMANDS, app
from ingest.plan.checks import CHECKS
from ingest.plan.columns import PLAN_COLUMNS, REQUIRED
from ingest.settings import SECTIONS, secret_name, variable

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
        "column `accept`. *Mirrors* names the class of CloudStack that decides, or a safety rule of ours.\n",
        "| Rule | Level | Column | What it says | Cure | Mirrors | Can be accepted |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for check in CHECKS:
        column = "of the device" if check.show.startswith("@") else f"`{check.show}`"
        cells = [f"`{check.id}`", check.level, column, check.message, check.fix, check.mirrors]
        lines.append(f"| {' | '.join(cells)} | {'yes' if check.waivable else 'no'} |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting with its variable."""
    lines = [
        NOTE + "# Settings\n",
        "Value by value, the first that is found wins:\n",
        "1. the environment variable;",
        "2. the TOML file: `INGEST_CONFIG`, else `ingest.toml` in the working folder, tables `[cloudstack]`,",
        "   `[vcenter]`, `[run]`;",
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
        toml = "refused" if secret else f"`[{section}] {prefix}{name}`"
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
        "| 4 | some rows failed, or their outcome is unknown |",
        "| 5 | stopped: cancelled or interrupted |",
        "| 6 | a server could not be reached, or did not do what was asked |\n",
    ]
    for words in (
        *([name] for name in COMMANDS if name != "twin"),
        *(["twin", name] for name in ("serve", "journal", "fault", "calm", "clock")),
    ):
        lines.append(f"## ingest {' '.join(words)}\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(lines)


def _help(words: list[str]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=110, force_terminal=False, color_system=None)
    app.help_print(words, console=console)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


PAGES = {
    "columns.md": columns_page,
    "checks.md": checks_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        sys.stderr.write(f"wrote {REFERENCE / name}\n")


if __name__ == "__main__":
    main()
