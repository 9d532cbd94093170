"""The command `ingest`, and Python itself, as many processes at little cost: forked from one that has imported already
what takes seconds.

Great Expectations alone takes more than five CPU seconds to import, Prefect more than two; the suite starts the command
some hundred times, and a worker starts three interpreters for each flow run. What is run is the same:
`ingest.cli.main.main`, or the module after `python -m`, in a process of its own, with the caller's arguments, folder,
environment and streams, its exit code, and the caller's signals. Prefect reads its environment when it is imported: it
is imported beforehand for `python` only, and told to read it again.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import selectors
import signal
import socket
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ingest.cli.main import main

ENOUGH = 4 * 1024 * 1024

# What stands for the command, and for the interpreter. It imports nothing but the standard library's smallest.
CALLER = """#!{python} -SE
import json, os, signal, socket, sys
if {python_only!r} and sys.argv[1:2] != ["-m"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
caller = socket.socket(socket.AF_UNIX)
caller.connect({address!r})
words = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(caller, [len(words).to_bytes(8, "big")], [0, 1, 2])
caller.sendall(words)
answers = caller.makefile()
child = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(answers.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@dataclass(frozen=True, slots=True)
class Forked:
    """Two executables, each alone in its folder."""

    ingest: Path
    python: Path


@contextmanager
def forking(folder: Path) -> Iterator[Forked]:
    """Both, for the time of the block. What `ingest` starts with its interpreter is started by this `python`."""
    commands = Forked(folder / "for-ingest" / "ingest", folder / "for-python" / "python")
    for command in (commands.ingest, commands.python):
        command.parent.mkdir()
        address = str(command.parent.with_suffix(".socket"))
        only = command == commands.python
        command.write_text(CALLER.format(python=sys.executable, address=address, python_only=only), encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_"))}
    servers = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forked", str(commands.ingest), str(commands.python)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=clean,
        start_new_session=True,
    )
    assert servers.stdout is not None
    try:
        assert [servers.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        yield commands
    finally:
        os.killpg(servers.pid, signal.SIGKILL)
        servers.wait()
        servers.stdout.close()


def descendants(pid: int) -> list[int]:
    """The processes this one started, and all they started."""
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return [one for child in children for one in (*descendants(child), child)]


def _serve_both(command: Path, python: Path) -> None:
    import great_expectations  # noqa: F401  what takes long, and depends on no environment
    import pyVmomi  # noqa: F401
    import sqlalchemy  # noqa: F401

    import ingest.stages.validate  # noqa: F401

    sys.executable = str(python)
    if os.fork():
        _serve(command)
    else:
        import prefect.flow_engine
        import prefect.runner
        import prefect.server.api.server
        import prefect.workers.process  # noqa: F401

        _serve(python)


def _serve(command: Path) -> None:
    what, address = command.name, str(command.parent.with_suffix(".socket"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    gc.freeze()
    print("ready", flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                caller, _ = listener.accept()
                child = _begin(what, listener, caller, waiting)
                waiting.register(os.pidfd_open(child), selectors.EVENT_READ, ("over", child, caller))
                waiting.register(caller, selectors.EVENT_READ, ("gone", child, caller))
                continue
            news, child, caller = key.data
            if news == "gone":  # whoever called was killed: so is what it called
                waiting.unregister(caller)
                # A run's interpreter leads a process group, which goes with it; what a command started goes on.
                for process in [child, *(descendants(child) if what == "python" else [])]:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                continue
            waiting.unregister(key.fd)
            os.close(key.fd)
            with suppress(KeyError):
                waiting.unregister(caller)
            _, status = os.waitpid(child, 0)
            with suppress(OSError):
                caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            caller.close()


def _begin(what: str, listener: socket.socket, caller: socket.socket, waiting: selectors.DefaultSelector) -> int:
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    words = b""
    while len(words) < int.from_bytes(length, "big"):
        words += caller.recv(ENOUGH)
    child = os.fork()
    if child == 0:
        waiting.close()
        listener.close()
        caller.close()
        _run(what, words, streams)
    for stream in streams:
        os.close(stream)
    caller.sendall(f"{child}\n".encode())
    return child


def _run(what: str, words: bytes, streams: list[int]) -> NoReturn:
    """The command or the module itself, in the new process, which ends with it."""
    arguments, folder, environment = json.loads(words)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    code = 0
    try:
        if what == "ingest":
            sys.argv = ["ingest", *arguments]
            main()
        else:
            _module(arguments[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does it
        code = 1
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    # As the interpreter ends, but for taking apart every module there is, which takes a second.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _module(arguments: list[str]) -> None:
    """As `python -m` does it."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    sys.path[0] = str(Path.cwd())
    sys.argv = arguments
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve_both(*map(Path, sys.argv[1:]))
