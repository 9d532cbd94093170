"""`ingest doctor`: test both sides and say what to fix. Changes nothing."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.output import Format, show, talk
from ingest.report.tables import record
from ingest.settings import load_settings

COLUMNS = ("side", "test", "verdict", "seen", "cure")


def doctor(
    *,
    config: Path | None = None,
    format: Format = "table",
) -> int:
    """Test connection, login, TLS, permissions and APIs of both sides; say what to fix. Changes nothing.

    Exit code 0 when an import can start, 2 when something must be configured, 6 when a server cannot be reached.

    Parameters
    ----------
    config
        TOML file with settings.
    format
        Format of the list on stdout.
    """
    from ingest.doctor import examine

    with talk.status("examining both sides"):
        found = examine(load_settings(config))
    show([record(one) for one in found], COLUMNS, format)
    failed = [one for one in found if one.verdict == "fail"]
    talk.print(
        "next: ingest plan" if not failed else f"{len(failed)} to fix, the first: {failed[0].cure}", markup=False
    )
    return max((one.exit_code for one in failed), default=0)
