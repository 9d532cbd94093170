"""The command line in this process: arguments in, exit code and both streams out; and a twin to point it at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.cli.main import run_command
from ingest.twin.generator import generate
from ingest.twin.serving import Twin


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """It ended with this code, one error message with these words and a cure, and no traceback."""
        assert self.code == code, (self.code, self.err)
        assert "Traceback" not in self.err + self.out
        assert self.err.count("error:") == 1, self.err
        assert "->" in self.err, f"no cure: {self.err}"
        flat = " ".join(self.err.split())
        for word in words:
            assert word in flat, flat


Ingest = Callable[..., Said]


@pytest.fixture
def ingest(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ingest:
    """Run a command in an empty folder; the environment holds no settings of ours but those a test sets."""
    for name in [name for name in os.environ if name.startswith("INGEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        code = run_command(arguments)
        streams = capfd.readouterr()
        return Said(code, streams.out, streams.err)

    return call


@pytest.fixture(scope="session")
def shared_twin() -> Iterator[Twin]:
    """A twin no test changes."""
    with Twin(generate(12, seed=11)) as running:
        yield running


@pytest.fixture
def site(ingest: Ingest, shared_twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Twin:
    """The settings of this process point at the shared twin."""
    for name, value in shared_twin.environment().items():
        monkeypatch.setenv(name, value)
    return shared_twin
