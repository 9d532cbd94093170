"""Prefect workers, which are quickly there and their flow runs, too; see `tests.cli.forked`."""

from __future__ import annotations

from pathlib import Path


def worker_command(python: Path, *options: str) -> list[str]:
    """A Prefect worker for the pool `ingest`, by this interpreter."""
    return [str(python), "-m", "prefect", "worker", "start", "--pool", "ingest", "--type", "process", *options]
