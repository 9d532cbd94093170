"""The command line: parse, call, print. The edge where errors become one message and an exit code."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.markup import escape

from ingest.cli.output import talk
from ingest.errors import IngestError
from ingest.quiet import no_telemetry

HELP = """Import unmanaged VMware VMs into Apache CloudStack.

Reading commands (discover, drift, plan, check, doctor) change nothing. `run` shows only, until it gets --yes.
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


# Imported when called: pandas, pyVmomi and Prefect take seconds, and `ingest --help` needs none of them.
COMMANDS = {
    "demo": "Import a demo site into an embedded CloudStack. Needs no server, account or key.\n\n"
    "Settings in the environment are left aside: nothing outside this machine is touched.",
    "doctor": "Test connection, login, TLS, permissions and APIs of both sides; say what to fix.\n\n"
    "Changes nothing. Exit code 0 when an import can start, 2 or 6 when not.",
    "discover": "Read the vCenter: networks and VMs, as files and on the screen. Changes nothing.",
    "drift": "Say what changed on the site since the last snapshot, or between two. Changes nothing.\n\n"
    "VMs and networks that are new, gone, renamed, moved, re-plugged; what CloudStack manages now. Two run folders are "
    "compared offline. Exit code 0, changes or not.",
    "plan": "Discover both sides, write the plan, check it. Changes nothing.\n\n"
    "One row per VM, every choice with its reason, every finding with its cure. Exit code 3 when rows are blocked by "
    "critical findings; the plan is written all the same.",
    "check": "Check an edited plan against the snapshot it was made from, offline.\n\n"
    "Changes nothing of yours: the checked copy goes into a folder of its own. Exit code 3 when rows are blocked.",
    "explain": "Explain a rule of the checks, such as HOST-003: why it is there and what to do. Needs no server.",
    "why": "Say why a VM is in CloudStack's list of unmanaged instances, or is not, from both sides.\n\n"
    "Changes nothing. Exit code 0 when CloudStack lists it, 3 when it does not.",
    "networks": "List the networks a plan misses; with --create make them from the edited list.\n\n"
    "Shows only, until --yes. Creating twice makes nothing twice. Exit codes: 0 nothing is missing or all was made, "
    "3 networks are missing or would be refused, 4 the server refused some.",
    "run": "Import VMs: with a plan exactly its rows. Shows only, until --yes.\n\n"
    "Without a plan a fresh one is made and followed. Exit codes: 0 every row imported, 3 rows blocked by findings, "
    "4 rows failed, 5 stopped, 6 a server went away.",
    "status": "Say where VMs stand, across all runs: state, holder, and the next command. Changes nothing.\n\n"
    "Without --run the VMs of all runs that are not finished. Needs the ledger only.",
    "history": "Show all that was ever noted of a VM, or of a run with its approval. Changes nothing.\n\n"
    "With --verify exit code 4 when the history is not what was written.",
    "evidence": "Pack a run into one file that shows when it was altered: plan, findings, calls, results, history.\n\n"
    "With --check say whether such a file is as it was made; exit code 4 when not.",
    "settle": "Say what became of rows whose outcome a run did not learn; with --yes give half-imported VMs back.\n\n"
    "Without --yes nothing is written to CloudStack. Exit codes: 0 every row is certain, 4 some need another look.",
    "undo": "Give imported VMs back: those of a run, or one. Shows only, until --yes.\n\n"
    "Never destroys anything: CloudStack forgets the VM, vCenter keeps it. Doing it twice changes nothing. Exit codes: "
    "0 all can be or were given back, 3 something stands against some, 4 some were not given back, 5 stopped.",
    "up": "Start a Prefect server, a worker and the twin on this machine, to try everything in the Prefect UI.\n\n"
    "Runs until Ctrl-C. Settings in the environment are left aside: nothing outside this machine is touched.",
    "setup": "Make work pool, queues, limits, blocks, variables, deployments and automations on a Prefect server.\n\n"
    "Doing it again brings up to date what has changed and leaves the rest.",
    "register": "Register VMs whose files lie on datastores, such as replicas, in vCenter. Shows only, until --yes.\n\n"
    "Doing it twice registers nothing twice; --undo takes back exactly what a run registered. Exit codes: "
    "0 all can be or were registered, 3 some cannot be, 4 some were not, 5 stopped.",
    "runbook": "A recovery described as waves with targets: check it, print it. Changes nothing.",
    "recover": "Bring a site back from its replicated datastores after a runbook. Shows only, until --yes.\n\n"
    "Registers, plans, and wave by wave imports, starts and checks. Goes on with --resume. Exit codes: 0 everything is "
    "back, 3 something is missing, 4 some VMs are not, 5 stopped: a gate, a signature, Ctrl-C; 6 a server went away.",
    "fail-back": "Give back what a recovery did, the last wave first. Shows only, until --yes.\n\n"
    "Stops what it started, gives back what it imported, with --unregister unregisters what it registered. Exit "
    "codes: 0 all can be or was given back, 3 something stands against some, 4 some was not given back, 5 stopped.",
    "rehearse": "Go through a plan or a runbook on a copy of the site, in accelerated time. Touches nothing real.\n\n"
    "Exit codes: 0 all would come through, 3 something got worse since the last rehearsal, 4 some rows would fail, "
    "5 it did not come to its end.",
    "drill": "Go through a plan on a copy of the site while things go wrong, and grade it. Touches nothing real.\n\n"
    "Exit codes: 0 passed (finished, no row lost, no VM imported twice), 4 not.",
    "twin": "An embedded vCenter and CloudStack that share one world, on loopback.",
}
GROUPS = ("runbook", "twin")
"""Commands that have commands of their own."""
for _name, _help in COMMANDS.items():
    _module = _name.replace("-", "_")
    app.command(f"ingest.cli.{_module}:{'app' if _name in GROUPS else _module}", name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code. A polite kill, or a terminal that is closed, ends like Ctrl-C: servers
    started here are stopped."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _hung_up)
    sys.exit(run_command(sys.argv[1:] if arguments is None else list(arguments)))


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _hung_up(_number: int, _frame: object) -> None:
    with Path(os.devnull).open("r+b") as nothing:
        for stream in (0, 1, 2):
            if stat.S_ISCHR(os.fstat(stream).st_mode):  # the terminal, where nothing can be written any more
                os.dup2(nothing.fileno(), stream)
    raise KeyboardInterrupt


def run_command(arguments: Sequence[str]) -> int:
    """Run a command; its exit code. Errors of the operator's making end in one message without a traceback."""
    no_telemetry(os.environ)
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
    known = [arguments[0]] if arguments and arguments[0] in COMMANDS else []
    return " ".join(["ingest", *known, "--help"])
