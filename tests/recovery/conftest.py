"""A PostgreSQL for the ledger of a recovery."""

from __future__ import annotations

from tests.engine.postgresql import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]
