"""The command line: parse, call, print. The edge where errors become one message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.markup import escape

from ingest.cli.output import talk
from ingest.errors import IngestError
from ingest.quiet import no_telemetry

HELP = """Import unmanaged VMware VMs into Apache CloudStack.

Reading commands (discover, plan, check, doctor) change nothing. `run` shows what it would do until it gets --yes.
Exit codes: 0 all done, 2 usage or configuration, 3 findings block, 4 some rows failed, 5 stopped, 6 remote unreachable.
"""

app = App(
    name="ingest",
    help=HELP,
    help_format="plaintext",
    version=lambda: version("cloudstack-vmware-ingest"),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


def _commands() -> None:
    """Register every command; each module is small and imports what is heavy only when called."""
    from ingest.cli import check, demo, discover, doctor, plan, run, twin

    command: Callable[..., object]
    for command in (demo.demo, discover.discover, plan.plan, check.check, run.run, doctor.doctor):
        app.command(command)
    app.command(twin.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else list(arguments)))


def run_command(arguments: Sequence[str]) -> int:
    """Run a command; its exit code. Errors of the operator's making end in one message without a traceback."""
    no_telemetry(os.environ)
    if not app["--help"] or "demo" not in app:
        _commands()
    try:
        code = app(list(arguments))
    except CycloptsError as error:
        talk.print(f"[red]error:[/] {escape(str(error))}")
        talk.print(f"  -> {_help_of(arguments)}")
        return 2
    except IngestError as error:
        talk.print(f"[red]error:[/] {escape(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        talk.print("[yellow]stopped[/]")
        return 5
    return code if isinstance(code, int) else 0


def _help_of(arguments: Sequence[str]) -> str:
    known = [word for word in arguments[:2] if not word.startswith("-") and word in ("twin", "serve") or word in app]
    return " ".join(["ingest", *known, "--help"])
