"""The database under the ledger: durable, one writer at a time, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from ingest.engine.ledger.schema import HEAD, prepare
from ingest.engine.ledger.writing import Writing
from ingest.engine.together import Order, Together
from ingest.errors import LedgerError, UsageError

Result = TypeVar("Result")
Clock = Callable[[], float]
Work = Callable[[Writing], object]

BUSY_S = 30
RETRIES_S = (0.1, 0.5, 2.0, 5.0)
"""Pauses before a write is tried again: a database that restarts must not cost an import its outcome."""
_WRITES = "ledger_writes"
_LOCKED_HEAD = select(HEAD.c.number, HEAD.c.hash).with_for_update()
_DATABASE_CLOCK = select(func.extract("epoch", func.clock_timestamp()))


class Database:
    """An open ledger database; safe to share between threads. Raises LedgerError for whatever the database says.

    `clock` gives seconds of the epoch; without it PostgreSQL's clock counts, which all machines share, and on SQLite
    this machine's, the only one that uses the file.
    """

    def __init__(self, url: str, clock: Clock | None) -> None:
        self.url = parsed_url(url)
        self.place = self.url.set(query={}).render_as_string(hide_password=True)
        self._clock = clock or (time.time if self.sqlite else None)
        self._together = Together(self._write_all)
        self._engine = self._open()
        self._writer = self._engine.execution_options(**{_WRITES: True})
        try:
            with self._said(), self._transaction(self._writer) as connection:
                prepare(connection)
        except BaseException:
            self.close()
            raise

    @property
    def sqlite(self) -> bool:
        """Whether this is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"

    def now(self) -> float:
        """Seconds of the epoch, by the ledger's clock."""
        if self._clock:
            return self._clock()
        with self.reading() as connection:
            return self._time(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees what is committed."""
        with self._said(), self._transaction(self._engine) as connection:
            yield connection

    def write(self, work: Callable[[Writing], Result]) -> Result:
        """Do `work` in a transaction, after and before all other writers; durable when this returns.

        Threads that come at the same time share one. When anything goes wrong in it each has its own: nobody suffers
        for what another wrote. Tried again when the database went away meanwhile.
        """
        return cast("Result", self._together.do(work))

    def _write_all(self, orders: Sequence[Order[Work]]) -> None:
        try:
            results = self._committed([order.work for order in orders])
        except SQLAlchemyError as error:
            if len(orders) == 1 or _passes(error):
                for order in orders:
                    order.error, order.done = self._error(error), True
                return
        except Exception as error:  # noqa: BLE001  whatever a work ends with belongs to who ordered it
            if len(orders) == 1:
                orders[0].error, orders[0].done = error, True
                return
        else:
            for order, result in zip(orders, results, strict=True):
                order.result, order.done = result, True
            return
        for order in orders:
            self._write_all([order])

    def _committed(self, works: Sequence[Work]) -> list[object]:
        """The results, once they are on disk. If it is not known whether the transaction was committed, the history
        tells: the lines that were written are there or they are not."""
        lines: list[str] = []
        results: list[object] = []
        for pause_s in (*RETRIES_S, None):
            try:
                with self._transaction(self._writer) as connection:
                    writing = self._begin(connection)
                    if lines and writing.has_line(lines[-1]):
                        break
                    results[:] = [work(writing) for work in works]
                    lines[:] = writing.finish()
                break
            except SQLAlchemyError as error:
                if pause_s is None or not _passes(error):
                    raise
                time.sleep(pause_s)
        return results

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with engine.begin() as connection:
            if self.sqlite:
                # Not by a listener of the engine: one alone makes SQLAlchemy look for more around each statement.
                connection.exec_driver_sql("BEGIN IMMEDIATE" if engine is self._writer else "BEGIN")
            yield connection

    def _begin(self, connection: Connection) -> Writing:
        number, last = connection.execute(_LOCKED_HEAD).one()
        return Writing(connection, self._time(connection), number, last)

    def _time(self, connection: Connection) -> float:
        if self._clock:
            return self._clock()
        # Not now(), which stands still within a transaction: this one may have waited for another writer.
        return float(connection.execute(_DATABASE_CLOCK).scalar_one())

    def _open(self) -> Engine:
        if self.sqlite:
            if self.url.database:
                _make_folder(Path(self.url.database).parent)
            engine = create_engine(self.url, connect_args={"timeout": BUSY_S})
            event.listen(engine, "connect", _prepare_sqlite)
        else:
            engine = create_engine(
                self.url,
                pool_pre_ping=True,
                pool_size=5,
                max_overflow=10,
                pool_timeout=BUSY_S,
                connect_args={"connect_timeout": 10, "application_name": "ingest"},
            )
            event.listen(engine, "connect", _prepare_postgresql)
        return engine

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._error(error) from None

    def _error(self, error: SQLAlchemyError) -> LedgerError:
        # Not str(error): that has the statement and its values.
        words = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
        return LedgerError(
            " ".join(words.split()),
            place=f"ledger {self.place}",
            cure="check INGEST_RUN_LEDGER, and that the database runs, lets this user in and has space; then run again",
        )


def parsed_url(text: str) -> URL:
    """The URL of a database a ledger can be in. Raises UsageError for any other."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # whose text may show the password
        url = None
    names = {
        "postgresql": "postgresql+psycopg",
        "postgres": "postgresql+psycopg",
        "postgresql+psycopg": "postgresql+psycopg",
        "sqlite": "sqlite",
    }
    if url is None or url.drivername not in names:
        raise UsageError(
            "is not the URL of a database the ledger can use",
            place="ledger",
            cure="sqlite:////folder/ledger.db, a path, or postgresql://user@host/database (INGEST_RUN_LEDGER)",
        )
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageError(
            "a ledger in memory forgets what it is for", place="ledger", cure="name a file: sqlite:////folder/ledger.db"
        )
    return url.set(drivername=names[url.drivername])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"cannot be made: {error.strerror}", place=str(folder), cure="choose another place: INGEST_RUN_LEDGER"
        ) from None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions itself, and not the kind we need
    connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    # The change to WAL does not wait for others as everything else does.
    deadline = time.monotonic() + BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """Some servers are set to answer before a commit is on disk; ours must be."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] == "off":
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _passes(error: SQLAlchemyError) -> bool:
    """Whether a later try may work: the connection broke, the server restarts, the file is locked."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError))
