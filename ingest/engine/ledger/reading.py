"""What earlier imports took, out of a ledger that is only read: nothing is made, migrated, claimed or written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, Select, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from ingest.engine.ledger.database import BUSY_S, parsed_url
from ingest.engine.ledger.schema import RUN, VM
from ingest.errors import LedgerError


def durations_query(endpoint: str, limit: int) -> Select[Any]:
    """Seconds from `submitted` to `imported`, the newest first, of one endpoint or of all ('')."""
    chosen = select(VM.c.finished_at - VM.c.submitted_at)
    if endpoint:
        chosen = chosen.join(RUN, RUN.c.run_id == VM.c.run_id).where(RUN.c.endpoint == endpoint)
    chosen = chosen.where(VM.c.state == "imported", VM.c.submitted_at > 0, VM.c.finished_at >= VM.c.submitted_at)
    return chosen.order_by(VM.c.finished_at.desc()).limit(limit)


def past_durations(url: str, endpoint: str = "", limit: int = 500) -> list[float]:
    """As `Ledger.durations`, by a connection that may only read. Raises LedgerError when it cannot."""
    place = parsed_url(url)
    engine = _reading(place)
    try:
        with engine.connect() as connection:
            return [float(seconds) for seconds in connection.execute(durations_query(endpoint, limit)).scalars()]
    except SQLAlchemyError as error:
        raise LedgerError(
            f"cannot be read: {str(error).splitlines()[0]}",
            place=place.set(query={}).render_as_string(hide_password=True),
            cure="check INGEST_RUN_LEDGER; a rehearsal can do without it: --import-seconds",
        ) from None
    finally:
        engine.dispose()


def _reading(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        file = quote(str(Path(url.database or "").absolute()))
        return create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=BUSY_S)
        )
    options = {"options": "-c default_transaction_read_only=on", "connect_timeout": 10, "application_name": "ingest"}
    return create_engine(url, connect_args=options)
