"""Ledgers on both databases, and a small site on the twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.engine.ledger import ledger_url
from tests.engine.postgresql import postgresql_server, postgresql_url
from tests.engine.site import SmallSite, small_site

__all__ = ["postgresql_server", "postgresql_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that is not there yet."""
    if request.param == "sqlite":
        return ledger_url(None, tmp_path)
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site() as running:
        yield running
