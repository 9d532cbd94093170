"""What a command starts beside itself ends with it, also when that is killed; a closed terminal ends one in order."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.cli.beside import begin, stop
from ingest.errors import IngestError

SERVES = ["http.server", "0", "--bind", "127.0.0.1"]
BEGINS = f"""
import os, sys, time
from pathlib import Path
from ingest.cli.beside import begin
process = begin({SERVES!r}, os.environ, Path("log"))
while "Serving" not in Path("log").read_text():
    time.sleep(0.02)
print(process.pid, flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
WAITS = """
import fcntl, signal, sys, termios, time
from pathlib import Path
from ingest.cli import main
from ingest.cli.output import talk

def wait(_arguments):
    try:
        Path("begun").touch()
        time.sleep(600)
    except KeyboardInterrupt:
        talk.print("nobody reads this")
        print("nor this", flush=True)
        Path("ended").touch()
        return 5
    return 0

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.Handlers[sys.argv[1]])
main.run_command = wait
main.main([])
"""
PATIENCE_S = 60.0


def _until(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether there is such a process that is not over, if nobody has asked how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_it_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", BEGINS], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    try:
        assert _runs(pid)
        starter.kill()
        starter.wait()
        end = time.monotonic() + PATIENCE_S
        while _runs(pid):
            assert time.monotonic() < end, "it goes on"
            time.sleep(0.05)
    finally:
        starter.stdout.close()
        if _runs(pid):
            os.kill(pid, signal.SIGKILL)


def test_it_is_stopped_and_what_it_said_is_in_the_log(tmp_path: Path) -> None:
    process = begin(SERVES, os.environ, tmp_path / "log")
    while "Serving HTTP on 127.0.0.1" not in (tmp_path / "log").read_text(encoding="utf-8"):
        assert process.poll() is None
        time.sleep(0.02)
    stop(process, "server", (signal.SIGTERM, PATIENCE_S))
    assert process.returncode == -signal.SIGTERM
    stop(process, "server", (signal.SIGTERM, PATIENCE_S))


def test_what_does_not_obey_is_killed(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(DEAF, encoding="utf-8")
    process = begin(["deaf"], os.environ | {"PYTHONPATH": str(tmp_path)}, tmp_path / "log")
    while "deaf" not in (tmp_path / "log").read_text(encoding="utf-8"):
        assert process.poll() is None
        time.sleep(0.02)
    stop(process, "server", (signal.SIGTERM, 0.2))
    assert process.returncode == -signal.SIGKILL


def test_what_cannot_be_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Undying:
        pid, stdin = 4242, None

        def poll(self) -> None: ...

        def wait(self, patience_s: float) -> None:
            raise subprocess.TimeoutExpired("it", patience_s)

    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: sent.append((pid, number)))
    with pytest.raises(IngestError, match="pid 4242") as told:
        stop(Undying(), "Prefect server", (signal.SIGINT, 0.1))  # type: ignore[arg-type]
    assert told.value.cure == "kill -9 4242"
    assert sent == [(4242, signal.SIGINT), (4242, signal.SIGKILL)]


@pytest.mark.parametrize("handler", ["SIG_DFL", "SIG_IGN"])  # as nohup starts a command: SIG_IGN
def test_a_closed_terminal_ends_a_command_in_order(tmp_path: Path, handler: str) -> None:
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, handler],
        cwd=tmp_path,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    )
    try:
        os.close(its_end)
        _until(tmp_path / "begun")
        os.close(terminal)
        if handler == "SIG_IGN":
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            return
        assert process.wait(PATIENCE_S) == 5
        assert (tmp_path / "ended").exists()
    finally:
        process.kill()
        process.wait()
