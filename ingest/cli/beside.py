"""Processes of our own beside a command, such as a local Prefect server: they end with the command, however it ends.

`python -m ingest.cli.beside MODULE ARGUMENTS` runs a module as `python -m` does, until it is told to end or whoever
started it is gone: killed, out of memory, a closed terminal. The end of a pipe says so.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from ingest.errors import IngestError

_ALONE = ((signal.SIGTERM, 25.0), (signal.SIGTERM, 5.0))


def begin(arguments: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `python -m` with these arguments, its output in `log`.

    It has a process group of its own: Ctrl-C in the terminal is for the command, which may still need it, and ends it
    with `stop`.
    """
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  our own interpreter, our own arguments
            [sys.executable, "-m", __name__, *arguments],
            env=environment,
            stdin=subprocess.PIPE,  # nothing is ever written to it; it ends with this process
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], what: str, *signals: tuple[signal.Signals, float]) -> None:
    """End a process and what it started, by the process group that is its own: signals, each with seconds to obey.

    What is left then is killed. Raises IngestError when even that does not help.
    """
    try:
        for number, patience_s in (*signals, (signal.SIGKILL, 5.0)):
            if process.poll() is not None:
                return
            os.killpg(process.pid, number)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
        if process.poll() is None:
            raise IngestError(f"the local {what} (pid {process.pid}) does not end", cure=f"kill -9 {process.pid}")
    finally:
        if process.stdin:
            process.stdin.close()


def _end_with(starter: int) -> None:
    while os.read(starter, 1):
        pass
    for number, patience_s in _ALONE:
        _send(number)
        time.sleep(patience_s)
    _send(signal.SIGKILL)


def _send(number: signal.Signals) -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), number)
    else:
        os.kill(os.getpid(), number)


def _main() -> None:
    starter = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_end_with, args=(starter,), name="starter-watch", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
