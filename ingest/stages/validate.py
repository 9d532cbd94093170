"""Stage 4: the checks.

Writes `findings.csv` and `findings.html`, what was found and foreseen into the computed columns of the plan, and the
calls: `calls.json` for the importer (what was checked is exactly what is sent) with `seen.jsonl` (what the snapshot
says of their VMs), `calls.csv` for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ingest.engine.journal import outcomes_in
from ingest.errors import UsageError
from ingest.model.outcome import Finding
from ingest.model.request import PlannedImport
from ingest.model.snapshot import read_snapshot
from ingest.plan.causes import CAUSES
from ingest.plan.cells import is_yes, power_policy
from ingest.plan.own_checks import read_own_checks
from ingest.plan.predict.verdict import Verdict
from ingest.plan.resolve import ResolvedRow, import_request, wave_of
from ingest.plan.sheet import read_sheet, sheet_bytes
from ingest.plan.validate import (
    Examined,
    apply_findings,
    apply_next_start,
    apply_verdicts,
    blocked_lines,
    examine,
)
from ingest.report.html import RowOnPage, render_findings
from ingest.report.tables import csv_bytes, csv_rows, record
from ingest.stages.run_folder import (
    CALLS_CSV,
    CALLS_JSON,
    FINDINGS,
    FINDINGS_PAGE,
    JOURNAL,
    PLAN,
    SEEN_ROWS,
    SNAPSHOT,
    TAKEN_OUT,
    RunFolder,
)
from ingest.stages.seen_rows import seen_lines

_CALL = TypeAdapter(PlannedImport)
_CALLS = TypeAdapter(list[PlannedImport])
_FINDINGS = TypeAdapter(list[Finding])
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
    findings_html: Path
    calls_csv: Path

    @property
    def levels(self) -> Counter[str]:
        """Number of findings by level."""
        return Counter(finding.level for finding in self.findings)


def validate(
    folder: RunFolder, plan: Path | None = None, *, checks: Path | None = None, confirm_guesses: bool = False
) -> Validated:
    """Check a plan (the folder's own, or one the operator edited) against the folder's snapshot.

    `checks` is a suite of the operator's own expectations; `confirm_guesses` takes every guess for confirmed.

    Raises SheetError for a sheet that cannot be read; an edited plan is copied into the folder, never changed in place.
    """
    source = plan or folder.need(PLAN, made_by="enrich_csv")
    snapshot = read_snapshot(folder.need(SNAPSHOT, made_by="list_unmanaged"))
    sheet = read_sheet(source)
    own = read_own_checks(checks) if checks else []
    examined = examine(sheet, snapshot, place=str(source), confirm_guesses=confirm_guesses, own_checks=own)
    apply_findings(sheet, list(examined.findings))
    apply_verdicts(sheet, examined.verdicts)
    apply_next_start(sheet, examined.rows)
    ready = planned_imports(examined.rows, examined.findings)
    plan_csv = folder.write(PLAN, sheet_bytes(sheet))
    folder.write(SEEN_ROWS, seen_lines(snapshot, ready))
    _keep_what_was_sent(folder, ready)
    return Validated(
        findings=examined.findings,
        verdicts=examined.verdicts,
        ready=tuple(ready),
        blocked=len(examined.blocked),
        plan_csv=plan_csv,
        findings_csv=folder.write(FINDINGS, csv_bytes(FINDING_COLUMNS, map(record, examined.findings))),
        findings_html=folder.write(FINDINGS_PAGE, _page(folder, plan_csv, examined)),
        calls_csv=_write_calls(folder, ready, examined.verdicts),
    )


def _page(folder: RunFolder, plan: Path, examined: Examined) -> bytes:
    """The findings for people."""
    records = [{name: str(value) for name, value in record(finding).items()} for finding in examined.findings]
    mine: dict[int, list[dict[str, str]]] = {}
    for finding, cells in zip(examined.findings, records, strict=True):
        mine.setdefault(finding.row, []).append(cells)
    blocked = examined.blocked
    shown = [
        RowOnPage(
            line=row.row.line,
            vm=row.row["vm"],
            verdict="blocked" if row.row.line in blocked else "ready",
            style="blocked" if row.row.line in blocked else "accept",
            says=_foreseen_in_words(examined.verdicts[row.row.line]),
            findings=tuple(mine.get(row.row.line, [])),
            doubts=tuple(part for part in row.row["reason"].split("; ") if "(likely" in part or "(guess" in part),
            next_start=tuple(filter(None, row.row["next_start"].split("; "))),
        )
        for row in examined.rows
    ]
    return render_findings(
        title=f"Plan {folder.path.name}, checked", rows=shown, findings=records, why=CAUSES, plan=str(plan)
    )


def _foreseen_in_words(verdict: Verdict) -> str:
    """What the server is expected to say, '' when it is expected to accept."""
    if verdict.answer == "accept":
        return ""
    would = {"refuse": "The server would refuse", "unknown": "The server's answer is not known"}[verdict.answer]
    return f"{would}: {verdict.words}"


def read_calls(folder: RunFolder) -> list[PlannedImport]:
    """The calls this stage approved, in the order of (wave, row)."""
    return _calls_in(folder.need(CALLS_JSON, made_by="validate"))


def _calls_in(path: Path) -> list[PlannedImport]:
    """The calls of a file as `_write_calls` writes it, parsed one by one: of 10,000 parsed at once, Python would keep
    40 MiB for as long as the run lasts."""
    try:
        with path.open("rb") as file:
            return list(_one_by_one(file))
    except ValueError:  # somebody else wrote it, or it is torn or wrong
        pass
    try:
        return _CALLS.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{path.name} is not as the stage validate writes it: {first['msg']}",
            place=":".join([str(path), *map(str, first["loc"])]),
            cure="run the stage validate again: `ingest check`",
        ) from None


def _one_by_one(lines: Iterable[bytes]) -> Iterator[PlannedImport]:
    """The items of a JSON list with an indent of 1. Raises ValueError (pydantic's is one) for any other text."""
    item: list[bytes] = []
    line = b""
    for line in lines:
        if item and line in (b" },\n", b" }\n"):
            yield _CALL.validate_json(b"".join([*item, b"}"]))
            item = []
        elif item or line == b" {\n":
            item.append(line)
        elif line not in (b"[\n", b"]\n", b"[]\n"):
            raise ValueError(f"not a list of items: {line[:80]!r}")
    if line not in (b"]\n", b"[]\n"):
        raise ValueError("the list has no end")


def read_taken_out(folder: RunFolder) -> list[PlannedImport]:
    """Calls that may have been sent, of rows that were taken out of the plan afterwards; settlement needs them."""
    path = folder.file(TAKEN_OUT)
    return _calls_in(path) if path.exists() else []


def _keep_what_was_sent(folder: RunFolder, ready: Sequence[PlannedImport]) -> None:
    """Before the calls are written anew: what was sent cannot be unsent by an edit."""
    journal = folder.file(JOURNAL)
    if not journal.exists():
        return
    begun = {outcome.row for outcome in outcomes_in(journal)}
    now = {call.row for call in ready}
    known = {call.row: call for call in (*read_taken_out(folder), *read_calls(folder))}
    out = [call for row, call in sorted(known.items()) if row in begun and row not in now]
    if out or folder.file(TAKEN_OUT).exists():
        folder.write(TAKEN_OUT, _CALLS.dump_json(out, indent=1) + b"\n")


def read_validated(folder: RunFolder) -> Validated:
    """What an earlier run of this stage left in the folder, without the server's foreseen answers."""
    ready = read_calls(folder)
    plan_csv = folder.need(PLAN, made_by="enrich_csv")
    findings_csv = folder.need(FINDINGS, made_by="validate")
    wanted = sum(is_yes(row["import"]) for row in read_sheet(plan_csv).rows)
    return Validated(
        findings=tuple(_FINDINGS.validate_python(csv_rows(findings_csv.read_bytes()))),
        verdicts={},
        ready=tuple(ready),
        blocked=wanted - len(ready),
        plan_csv=plan_csv,
        findings_csv=findings_csv,
        findings_html=folder.file(FINDINGS_PAGE),
        calls_csv=folder.file(CALLS_CSV),
    )


def _write_calls(folder: RunFolder, ready: list[PlannedImport], verdicts: Mapping[int, Verdict]) -> Path:
    folder.write(CALLS_JSON, _CALLS.dump_json(ready, indent=1) + b"\n")
    rows = ({**call_row(one), **_foreseen(verdicts[one.row])} for one in ready)
    return folder.write(CALLS_CSV, csv_bytes(CALL_COLUMNS, rows))


def _foreseen(verdict: Verdict) -> dict[str, object]:
    return {"verdict": verdict.answer, "server_says": verdict.words}


def planned_imports(rows: Sequence[ResolvedRow], findings: Sequence[Finding]) -> list[PlannedImport]:
    """The rows without critical findings as calls, by wave, then by line."""
    blocked = blocked_lines(findings, rows)
    planned = [
        PlannedImport(
            row=resolved.row.line,
            vm=resolved.row["vm"],
            moref=resolved.row["moref"],
            instance_uuid=resolved.row["instance_uuid"],
            wave=wave_of(resolved.row),
            request=import_request(resolved),
            power=power_policy(resolved.row),
            start=is_yes(resolved.row["start"]),
        )
        for resolved in rows
        if resolved.row.line not in blocked
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
