"""Evidence of a run from its folder and the ledger. Writes one zip file."""

from __future__ import annotations

import contextlib
import getpass
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ingest.engine.evidence import Evidence, pack
from ingest.engine.ledger import Ledger, RunRecord
from ingest.errors import SettingsError
from ingest.settings import Settings
from ingest.stages.atomic import write_atomically
from ingest.stages.run_folder import (
    APPROVAL,
    CALLS_CSV,
    CALLS_JSON,
    COURSE,
    FAIL_BACK,
    FINDINGS,
    FINDINGS_PAGE,
    INVENTORY,
    JOURNAL,
    NETWORKS_CREATED,
    PLAN,
    RECOVERY_JSON,
    RECOVERY_PAGE,
    REGISTERED_CSV,
    REPORT,
    RESULTS,
    RUNBOOK,
    SNAPSHOT,
    STORED_PLAN,
    TAKEN_OUT,
    UNREGISTERED,
    RunFolder,
)

PACKED = (
    *(PLAN, FINDINGS, FINDINGS_PAGE, CALLS_JSON, TAKEN_OUT, CALLS_CSV, APPROVAL),
    *(NETWORKS_CREATED, JOURNAL, RESULTS, REPORT),
    *(RUNBOOK, STORED_PLAN, REGISTERED_CSV, COURSE, RECOVERY_JSON, RECOVERY_PAGE, FAIL_BACK, UNREGISTERED),
)
LEFT_OUT = (SNAPSHOT, INVENTORY)
"""Everything both servers said, which may be much, and holds the notes people wrote on VMs."""


def make_evidence(folder: RunFolder, ledger: Ledger | None, secrets: list[str], out: Path) -> Evidence:
    """Pack what is there of a run; raises UsageError when there is not even a plan."""
    folder.need(PLAN, made_by="validate")
    run_id = folder.path.resolve().name
    history = ledger.history(run_id=run_id) if ledger else []
    links = ledger.links(history[0].number, history[-1].number) if ledger and history else []
    known = ledger.runs(run_id) if ledger else []
    unknown = RunRecord(run_id, getpass.getuser(), socket.gethostname(), "", "", str(folder.path), "")
    evidence = pack(
        known[0] if known else unknown,
        dict(_contents(folder, PACKED)),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        history=history,
        links=links,
        left_out=dict(_contents(folder, LEFT_OUT)),
        secrets=secrets,
    )
    write_atomically(out, evidence.content)
    return evidence


def known_secrets(settings: Settings) -> list[str]:
    """Every secret of the settings, as far as they are set."""
    found = []
    with contextlib.suppress(SettingsError):
        found += [settings.cloudstack.api_key.get_secret_value(), settings.cloudstack.secret_key.get_secret_value()]
    with contextlib.suppress(SettingsError):
        found.append(settings.vcenter.password.get_secret_value())
    if settings.run.ledger:
        with contextlib.suppress(ArgumentError, ValueError):  # a path
            found.append(make_url(settings.run.ledger.get_secret_value()).password or "")
    return [secret for secret in found if secret]


def _contents(folder: RunFolder, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if folder.file(name).exists():
            yield name, folder.file(name).read_bytes()
