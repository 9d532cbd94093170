"""Where the ledger is: the setting `run.ledger`, a URL or a path, else a file among what outlives a run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url

from ingest.engine.ledger.ledger import Ledger
from ingest.engine.ledger.reading import past_durations
from ingest.errors import UsageError
from ingest.settings import RunSettings

FILE_NAME = "ledger.db"


def ledger_url(place: str | None, state: Path) -> str:
    """The URL of the ledger: `place` if it is one, else of the SQLite file at that path; by default in `state`."""
    if place and "://" in place:
        return place
    file = Path(place) if place else state / FILE_NAME
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def open_ledger(run: RunSettings, *, holder: str = "", must_exist: bool = False) -> Ledger:
    """The ledger the settings name, made if needed; with `must_exist` UsageError is raised instead."""
    if must_exist and not ledger_is_there(run):
        raise UsageError(
            "there is no ledger yet",
            place=f"ledger {_file(run)}",
            cure="the first import makes it; INGEST_RUN_LEDGER names another (docs/reference/settings.md)",
        )
    return Ledger(_url(run), holder=holder)


def durations_so_far(run: RunSettings, endpoint: str = "") -> list[float]:
    """Seconds earlier imports took, as the ledger the settings name knows them; [] when there is none. Only read."""
    return past_durations(_url(run), endpoint) if ledger_is_there(run) else []


def ledger_is_there(run: RunSettings) -> bool:
    """Whether there is a ledger to read. Of a database server it is known only when it is opened."""
    file = _file(run)
    return file is None or file.exists()


def _url(run: RunSettings) -> str:
    return ledger_url(run.ledger.get_secret_value() if run.ledger else None, run.state)


def _file(run: RunSettings) -> Path | None:
    url = _url(run)
    return Path(make_url(url).database or "") if url.startswith("sqlite:") else None
