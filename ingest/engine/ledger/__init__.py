"""What is known of every VM, across runs and machines: who may work on it, what was sent, what came of it.

`Ledger` is a database, a SQLite file or PostgreSQL. A VM has one claim at a time; what is noted of it is durable before
the next step is taken, and stays in a history whose lines are chained by their hashes.
"""

from ingest.engine.ledger.deeds import Deeds
from ingest.engine.ledger.ledger import Ledger, Slot
from ingest.engine.ledger.place import durations_so_far, ledger_is_there, ledger_url, open_ledger
from ingest.engine.ledger.records import (
    Begun,
    Break,
    Claim,
    Deed,
    DeedKey,
    DeedKind,
    DeedState,
    Entry,
    HistoryLine,
    Link,
    RunRecord,
    State,
    VmKey,
)
from ingest.errors import ClaimLost, LedgerError

__all__ = [
    "Begun",
    "Break",
    "Claim",
    "ClaimLost",
    "Deed",
    "DeedKey",
    "DeedKind",
    "DeedState",
    "Deeds",
    "Entry",
    "HistoryLine",
    "Ledger",
    "LedgerError",
    "Link",
    "RunRecord",
    "Slot",
    "State",
    "VmKey",
    "durations_so_far",
    "ledger_is_there",
    "ledger_url",
    "open_ledger",
]
