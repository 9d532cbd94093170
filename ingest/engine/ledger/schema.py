"""The tables of the ledger, and how an older ledger becomes a newer one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from ingest.errors import LedgerError

METADATA = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _moment(name: str) -> Column[float]:
    """Seconds of the epoch, 0 for never."""
    return Column(name, Double, nullable=False, server_default="0")


VERSION = Table("ledger_version", METADATA, Column("version", Integer, nullable=False))

RUN = Table(
    "ledger_run",
    METADATA,
    Column("run_id", Text, primary_key=True),
    *(_text(name) for name in ("actor", "host", "endpoint", "plan_digest", "folder")),
    *(_text(name) for name in ("started_at", "ended_at", "status")),
)

# A holder that is not in here, or past `expires_at`, is dead: what it has may be taken over.
HOLDER = Table(
    "ledger_holder",
    METADATA,
    Column("holder", Text, primary_key=True),
    _text("process"),
    _moment("expires_at"),
)

VM = Table(
    "ledger_vm",
    METADATA,
    Column("vm_key", Text, primary_key=True),
    *(_text(name) for name in ("instance_uuid", "cluster_id", "moref", "name", "state", "holder")),
    *(_text(name) for name in ("run_id", "actor", "plan_digest", "job_id", "request_digest", "vm_id", "error")),
    Column("detail", Text, nullable=False, server_default="{}"),
    *(_moment(name) for name in ("intended_at", "submitted_at", "finished_at", "updated_at")),
    Index("ledger_vm_by_holder", "holder"),
    Index("ledger_vm_by_run", "run_id"),
    Index("ledger_vm_by_name", "name"),
)

# What was done besides imports: VMs registered and started, sign-offs, waves. One row for each thing there is to do.
DEED = Table(
    "ledger_deed",
    METADATA,
    *(Column(name, Text, nullable=False) for name in ("endpoint", "kind", "subject")),
    *(_text(name) for name in ("name", "state", "holder", "run_id", "actor", "error")),
    Column("detail", Text, nullable=False, server_default="{}"),
    *(_moment(name) for name in ("intended_at", "finished_at", "updated_at")),
    PrimaryKeyConstraint("endpoint", "kind", "subject"),
    Index("ledger_deed_by_holder", "holder"),
    Index("ledger_deed_by_run", "run_id"),
)

HISTORY = Table(
    "ledger_history",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("line_id", Text, nullable=False, unique=True),
    *(_text(name) for name in ("at", "vm_key", "vm", "what", "state", "run_id", "actor", "holder", "plan_digest")),
    *(_text(name) for name in ("job_id", "request_digest", "vm_id", "error")),
    Column("detail", Text, nullable=False, server_default="{}"),
    *(_text(name) for name in ("previous", "hash")),
    Index("ledger_history_by_vm", "vm_key"),
    Index("ledger_history_by_run", "run_id"),
)

# One row: the end of the history. On PostgreSQL whoever writes locks it first, so that writers go one after another.
HEAD = Table(
    "ledger_head",
    METADATA,
    Column("number", BigInteger, nullable=False),
    _text("hash"),
)

SLOT = Table(
    "ledger_slot",
    METADATA,
    Column("endpoint", Text, nullable=False),
    Column("number", Integer, nullable=False),
    _text("token"),
    _text("holder"),
    PrimaryKeyConstraint("endpoint", "number"),
)

Migration = Callable[[Connection], None]


def _deeds(connection: Connection) -> None:
    """Version 2. Spelled out: a migration makes what its version had, whatever the tables above become later."""
    texts = ("name", "state", "holder", "run_id", "actor", "error")
    moment = Double().compile(dialect=connection.dialect)
    columns = [
        *(f"{name} TEXT NOT NULL" for name in ("endpoint", "kind", "subject")),
        *(f"{name} TEXT DEFAULT '' NOT NULL" for name in texts),
        "detail TEXT DEFAULT '{}' NOT NULL",
        *(f"{name} {moment} DEFAULT '0' NOT NULL" for name in ("intended_at", "finished_at", "updated_at")),
        "PRIMARY KEY (endpoint, kind, subject)",
    ]
    connection.exec_driver_sql(f"CREATE TABLE ledger_deed ({', '.join(columns)})")
    connection.exec_driver_sql("CREATE INDEX ledger_deed_by_holder ON ledger_deed (holder)")
    connection.exec_driver_sql("CREATE INDEX ledger_deed_by_run ON ledger_deed (run_id)")


MIGRATIONS: Sequence[Migration] = (_deeds,)
"""The first one makes version 2 of version 1, and so on. A new ledger is made from the tables above as they are."""

# Any number will do, as long as it is always the same: PostgreSQL's lock for making or migrating the tables.
_ADVISORY_LOCK = 7_240_116_533


def prepare(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Make the tables, or bring them up to date, within the caller's transaction.

    Raises LedgerError when a newer program has been here: an older one would misread what it wrote.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    newest = 1 + len(migrations)
    version = version_of(connection)
    if version > newest:
        raise LedgerError(
            f"the ledger has version {version}, this program knows versions up to {newest}",
            place="ledger",
            cure="run the newer release that made it; nothing was changed",
        )
    if version == 0:
        METADATA.create_all(connection)
        connection.execute(insert(VERSION).values(version=newest))
        connection.execute(insert(HEAD).values(number=0, hash=""))
        return
    for migration in migrations[version - 1 :]:
        migration(connection)
    if version < newest:
        connection.execute(update(VERSION).values(version=newest))


def version_of(connection: Connection) -> int:
    """The version of the tables, 0 when there are none."""
    if not inspect(connection).has_table(VERSION.name):
        return 0
    return int(connection.execute(select(VERSION.c.version)).scalar_one())
