"""Whether the process behind a claim is certainly gone, so that nobody need wait until its claim expires."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_mark() -> str:
    """This process, unmistakable among all that ran since the machine's start; '' where there is no /proc."""
    try:
        return " ".join((*_surroundings(), str(os.getpid()), _started(os.getpid())[1]))
    except OSError:
        return ""


def certainly_gone(mark: str) -> bool:
    """Whether the marked process has ended. False when it cannot be known: another machine, another container."""
    try:
        *surroundings, pid, started = mark.split(" ")
        if tuple(surroundings) != _surroundings():
            return False
        os.kill(int(pid), 0)
        state, now_started = _started(int(pid))
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return state in "ZX" or now_started != started


def _surroundings() -> tuple[str, str, str]:
    """Process ids mean something within one name space of one boot of one machine only."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())


def _started(pid: int) -> tuple[str, str]:
    """State letter and start time (in ticks since boot) of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The second field is the program's name in parentheses, which may hold anything.
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]
