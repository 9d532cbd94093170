"""The command `ingest` as many processes at little cost: forked from one that has imported already what takes seconds.

Great Expectations alone takes more than five CPU seconds to import, and the suite starts the command some hundred
times. What is run is the same: `ingest.cli.main.main` in a process of its own, with the caller's arguments, folder,
environment and streams, its exit code, and the caller's signals. Prefect is not imported beforehand, because it reads
its environment then.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import selectors
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from ingest.cli.main import main

ENOUGH = 4 * 1024 * 1024

# What lies on the PATH as `ingest`. It imports nothing but the standard library's smallest.
CALLER = """#!{python} -SE
import json, os, signal, socket, sys
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


@contextmanager
def forking_ingest(folder: Path) -> Iterator[Path]:
    """The path of an executable `ingest`, alone in its folder, for the time of the block."""
    address, command = str(folder / "socket"), folder / "bin" / "ingest"
    command.parent.mkdir()
    command.write_text(CALLER.format(python=sys.executable, address=address), encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INGEST_", "PREFECT_"))}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forked", address],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=clean,
    )
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"ready\n"
        yield command
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def _serve(address: str) -> None:
    import great_expectations  # noqa: F401  what takes long, and depends on no environment
    import pyVmomi  # noqa: F401
    import sqlalchemy  # noqa: F401

    import ingest.stages.validate  # noqa: F401

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
                child = _begin(listener, caller, waiting)
                waiting.register(os.pidfd_open(child), selectors.EVENT_READ, ("over", child, caller))
                waiting.register(caller, selectors.EVENT_READ, ("gone", child, caller))
                continue
            what, child, caller = key.data
            if what == "gone":  # whoever called was killed: so is what it called
                waiting.unregister(caller)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                continue
            waiting.unregister(key.fd)
            os.close(key.fd)
            with suppress(KeyError):
                waiting.unregister(caller)
            _, status = os.waitpid(child, 0)
            with suppress(OSError):
                caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            caller.close()


def _begin(listener: socket.socket, caller: socket.socket, waiting: selectors.DefaultSelector) -> int:
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    words = b""
    while len(words) < int.from_bytes(length, "big"):
        words += caller.recv(ENOUGH)
    child = os.fork()
    if child == 0:
        waiting.close()
        listener.close()
        caller.close()
        _run(words, streams)
    for stream in streams:
        os.close(stream)
    caller.sendall(f"{child}\n".encode())
    return child


def _run(words: bytes, streams: list[int]) -> NoReturn:
    """The command itself, in the new process, which ends with it."""
    arguments, folder, environment = json.loads(words)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    sys.argv = ["ingest", *arguments]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  as the interpreter does it
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


if __name__ == "__main__":
    _serve(sys.argv[1])
