"""Stage 4: the checks.

Writes `findings.csv`, the columns `finding`, `fix`, `verdict` and `server_says` of the plan, and the calls:
`calls.json` for the importer (what was checked is exactly what is sent), `calls.csv` for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ingest.model.outcome import Finding
from ingest.model.request import PlannedImport
from ingest.model.snapshot import Snapshot, read_snapshot
from ingest.plan.predict import Verdict
from ingest.plan.resolve import import_request, resolve, rows_to_import, wave_of
from ingest.plan.sheet import Sheet, read_sheet, sheet_bytes
from ingest.plan.validate import apply_findings, apply_verdicts, blocked_lines, examine
from ingest.report.tables import csv_bytes, record
from ingest.stages.run_folder import CALLS_CSV, CALLS_JSON, FINDINGS, PLAN, SNAPSHOT, RunFolder

_CALLS = TypeAdapter(list[PlannedImport])
CALL_COLUMNS = (
    *("row", "vm", "wave", "clusterid", "hostname", "serviceofferingid", "account", "domainid", "projectid"),
    *(
        "templateid",
        "nicnetworklist",
        "nicipaddresslist",
        "datadiskofferinglist",
        "details",
        "migrateallowed",
        "forced",
    ),
    *("verdict", "server_says"),
)
FINDING_COLUMNS = ("row", "vm", "column", "rule", "level", "value", "message", "fix")


@dataclass(frozen=True, slots=True)
class Validated:
    """The findings, the server's answers by line, and the rows that may be imported, in the order of (wave, row)."""

    findings: tuple[Finding, ...]
    verdicts: Mapping[int, Verdict]
    ready: tuple[PlannedImport, ...]
    blocked: int
    plan_csv: Path
    findings_csv: Path
    calls_csv: Path

    @property
    def levels(self) -> Counter[str]:
        """Number of findings by level."""
        return Counter(finding.level for finding in self.findings)


def validate(folder: RunFolder, plan: Path | None = None) -> Validated:
    """Check a plan (the folder's own, or one the operator edited) against the folder's snapshot.

    Raises SheetError for a sheet that cannot be read; an edited plan is copied into the folder, never changed in place.
    """
    source = plan or folder.need(PLAN, made_by="enrich_csv")
    snapshot = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged"))
    sheet = read_sheet(source)
    examined = examine(sheet, snapshot, place=str(source))
    findings = list(examined.findings)
    apply_findings(sheet, findings)
    apply_verdicts(sheet, examined.verdicts)
    ready = planned_imports(sheet, snapshot, findings)
    return Validated(
        findings=examined.findings,
        verdicts=examined.verdicts,
        ready=tuple(ready),
        blocked=len(blocked_lines(findings)),
        plan_csv=folder.write(PLAN, sheet_bytes(sheet)),
        findings_csv=folder.write(FINDINGS, csv_bytes(FINDING_COLUMNS, map(record, findings))),
        calls_csv=_write_calls(folder, ready, examined.verdicts),
    )


def read_calls(folder: RunFolder) -> list[PlannedImport]:
    """The calls this stage approved, in the order of (wave, row)."""
    return _CALLS.validate_json(folder.need(CALLS_JSON, made_by="validate").read_bytes())


def _write_calls(folder: RunFolder, ready: list[PlannedImport], verdicts: Mapping[int, Verdict]) -> Path:
    folder.write(CALLS_JSON, _CALLS.dump_json(ready, indent=1) + b"\n")
    rows = ({**call_row(one), **_foreseen(verdicts[one.row])} for one in ready)
    return folder.write(CALLS_CSV, csv_bytes(CALL_COLUMNS, rows))


def _foreseen(verdict: Verdict) -> dict[str, object]:
    return {"verdict": verdict.answer, "server_says": verdict.words}


def planned_imports(sheet: Sheet, snapshot: Snapshot, findings: list[Finding]) -> list[PlannedImport]:
    """The rows without critical findings as calls, by wave, then by line."""
    blocked = blocked_lines(findings)
    rows = [row for row in rows_to_import(sheet) if row.line not in blocked]
    planned = [
        PlannedImport(
            row=resolved.row.line,
            vm=resolved.row["vm"],
            moref=resolved.row["moref"],
            instance_uuid=resolved.row["instance_uuid"],
            wave=wave_of(resolved.row),
            request=import_request(resolved),
        )
        for resolved in resolve(rows, snapshot)
    ]
    return sorted(planned, key=lambda one: (one.wave, one.row))


def call_row(one: PlannedImport) -> dict[str, object]:
    """What would be sent for a row, for people: the dry run."""
    request = one.request
    return {
        "row": one.row,
        "vm": one.vm,
        "wave": one.wave,
        "clusterid": request.cluster_id,
        "hostname": request.hostname,
        "serviceofferingid": request.service_offering_id,
        "account": request.account,
        "domainid": request.domain_id,
        "projectid": request.project_id,
        "templateid": request.template_id,
        "nicnetworklist": " ".join(f"{nic}={network}" for nic, network in request.nic_networks),
        "nicipaddresslist": " ".join(f"{nic}={ip}" for nic, ip in request.nic_addresses),
        "datadiskofferinglist": " ".join(f"{disk}={offering}" for disk, offering in request.data_disk_offerings),
        "details": " ".join(f"{key}={value}" for key, value in request.details),
        "migrateallowed": request.migrate_allowed,
        "forced": request.forced,
    }
