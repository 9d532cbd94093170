"""One VM of the ledger in hand while it is settled or given back, so that no run works on it meanwhile."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.engine.ledger import Claim, Ledger, VmKey


@contextmanager
def in_hand(ledger: Ledger | None, key: VmKey | None, run_id: str) -> Iterator[Claim | None]:
    """The claim on a VM, whatever state it is in; None without a ledger or an identity. Given up afterwards."""
    if ledger is None or key is None:
        yield None
        return
    claim = ledger.claim(key, run_id=run_id, actor=somebody(), plan_digest="", to_undo=True)
    try:
        yield claim
    finally:
        if claim.held:
            ledger.release(key)


def somebody() -> str:
    """Who runs this process, and where."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
