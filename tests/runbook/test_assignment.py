"""Rows to waves: the first wave wins, the order of start, and everything that does not fit together."""

from __future__ import annotations

import pytest

from ingest.plan.resolve import rows_to_import, wave_of
from ingest.plan.sheet import parse_sheet, render_sheet
from ingest.runbook.assignment import assign_waves, summary, with_waves
from tests.plan import small_site as site
from tests.runbook.books import book, plan, said


def names(rows: object) -> list[str]:
    return [row["vm"] for row in rows]  # type: ignore[attr-defined]


def test_a_row_belongs_to_the_first_wave_that_selects_it() -> None:
    runbook = book(
        "waves: [{name: web, select: {name: 'web*'}}, {name: some, select: {name: '*0?'}}, {name: rest, select: {}}]"
    )
    done = assign_waves(runbook, plan())
    assert [names(one.rows) for one in done.waves] == [["web01"], ["app02", "db_03"], []]
    assert done.leftovers == ()
    assert said(done.findings) == [
        "WAVE-003 waves[2].select: wave rest: earlier waves have all of its 3 rows",
        "WAVE-002 web01: runs in web, though some would take it too",
    ]
    assert done.wave_of(done.waves[1].rows[0]) == 2


def test_rows_in_no_wave_are_findings_and_rows_left_out_are_not() -> None:
    sheet = plan()
    next(row for row in sheet.rows if row["vm"] == "db_03")["import"] = "no"
    done = assign_waves(book("waves: [{name: web, select: {name: 'web*'}}]"), sheet)
    assert names(done.leftovers) == ["app02"]
    assert said(done.findings) == ["WAVE-001 app02: no wave selects the row"]
    assert done.findings[0].row == done.leftovers[0].line


def test_vms_start_in_the_order_that_is_asked_for_and_only_those_that_ran() -> None:
    text = "start: {order: [{name: 'db*'}, {name: 'app*'}], vms: VMS}"
    for vms, started in (("was-running", ["db_03", "web01"]), ("all", ["db_03", "app02", "web01"]), ("none", [])):
        (wave,) = assign_waves(book(f"waves: [{{name: all, select: {{}}, {text.replace('VMS', vms)}}}]"), plan()).waves
        assert names(wave.rows) == ["db_03", "app02", "web01"]
        assert names(row for row in wave.rows if wave.is_started(row)) == started


def test_without_critical_every_row_is() -> None:
    text = "waves: [{name: a, select: {name: 'web*'}}, {name: b, select: {}, critical: {name: 'db*'}}]"
    first, second = assign_waves(book(text), plan()).waves
    assert names(row for row in first.rows if first.is_critical(row)) == ["web01"]
    assert names(row for row in second.rows if second.is_critical(row)) == ["db_03"]


def test_selections_that_take_hold_of_nothing_are_told_by_their_key() -> None:
    runbook = book(
        "waves:\n"
        "  - {name: a, select: {}, critical: {name: nobody}, start: {vms: all, order: [{name: nobody}]},\n"
        "     checks: [{kind: tools, select: {name: nobody}}]}\n"
        "  - {name: b, select: {name: 'web*'}}\n"
        "  - {name: c, select: {name: nobody}}\n"
    )
    done = [one for one in assign_waves(runbook, plan()).findings if one.rule != "WAVE-002"]
    assert [(one.rule, one.column) for one in done] == [
        ("WAVE-004", "waves[0].critical"),
        ("WAVE-004", "waves[0].start.order[0]"),
        ("WAVE-004", "waves[0].checks[0]"),
        ("WAVE-003", "waves[1].select"),
        ("WAVE-003", "waves[2].select"),
    ]


def test_a_check_that_could_only_fail_is_told() -> None:
    runbook = book(
        "waves:\n"
        "  - name: a\n"
        "    select: {}\n"
        "    checks:\n"
        "      - {kind: tcp, port: 22}\n"
        "      - {kind: tools}\n"
        "      - {kind: http, url: 'http://{hostname}/', select: {name: 'web*'}}\n"
        "      - {kind: tools, select: {name: 'app*'}}\n"
    )
    sheet = plan(site.web01(), site.app02(), site.db_03(nics=(site.nic(1, "03", ipv4=("10.1.0.3",)),)))
    findings = assign_waves(runbook, sheet).findings
    assert said(findings) == [
        "CHECK-001 web01: tcp check of a: nic1_ip and nic1_guest_ip have no address",
        "CHECK-002 waves[0].checks[3]: wave a: the tools check is of VMs that stay off: app02",
    ]


def test_an_address_cloudstack_picks_is_an_address() -> None:
    sheet = plan(site.web01())
    sheet.rows[0]["nic1_ip"] = "auto"
    assert assign_waves(book("waves: [{name: a, select: {}, checks: [{kind: tcp, port: 1}]}]"), sheet).findings == ()


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        ("{name: a, select: {}}, {name: b, select: {}, prerequisites: [a]}", []),
        (
            "{name: storage, select: {}, prerequisites: [storge]}",
            ["PRE-001 waves[0].prerequisites[0]: wave storage needs 'storge', which is no wave and no step"
             "; nearest: storage"],
        ),
        ("{name: a, select: {}, prerequisites: [a]}", ["PRE-002 waves[0].prerequisites[0]: wave a waits for itself"]),
        (
            "{name: a, select: {}, prerequisites: [b]}, {name: b, select: {}, prerequisites: [a]}",
            ["PRE-002 waves[0].prerequisites[0]: wave a needs the wave 'b', which ends only after that wave has begun "
             "(a circle: a -> b -> a)"],
        ),
        (
            "{name: a, select: {}, prerequisites: [done]}, "
            "{name: b, select: {}, steps: [{name: done, say: x, who: ops}]}",
            ["PRE-002 waves[0].prerequisites[0]: wave a needs the step 'done', which ends only after that wave has "
             "begun"],
        ),
        ("{name: a, select: {}, prerequisites: [go], steps: [{name: go, say: x, who: ops}]}", []),
    ],
)  # fmt: skip
def test_prerequisites_exist_and_end_before_the_wave(waves: str, expected: list[str]) -> None:
    found = assign_waves(book(f"people: [{{role: ops}}]\nwaves: [{waves}]"), None).findings
    assert said(found) == expected


def test_people_are_found_by_role() -> None:
    runbook = book(
        "people: [{role: storage team}]\n"
        "steps: [{say: call in, who: lead}]\n"
        "waves: [{name: a, select: {}, gate: ask, steps: [{say: x, who: storage tem}]}]"
    )
    assert said(assign_waves(runbook, None).findings) == [
        "PEOPLE-001 steps[0].who: 'lead' is no role of people",
        "PEOPLE-001 waves[0].steps[0].who: 'storage tem' is no role of people; nearest: storage team",
        "PEOPLE-001 waves[0].gate: the gate of a asks a person, and asks does not say whom",
    ]


def test_targets_are_held_against_predictions_from_the_start_of_the_recovery() -> None:
    runbook = book(
        "people: [{role: ops}]\n"
        "waves:\n"
        "  - {name: a, select: {name: 'web*'}, rto: 10min, steps: [{say: x, who: ops, takes: 5min}]}\n"
        "  - {name: b, select: {}, rto: 12min, start: {delay: 4min, vms: all}}\n"
    )
    unknown = assign_waves(runbook, plan())
    assert [(one.end_s, one.complete) for one in unknown.predictions] == [(300.0, False), (540.0, False)]
    assert unknown.findings == ()
    known = assign_waves(runbook, plan(), import_s=300, in_flight=1)
    assert [(one.end_s, one.complete) for one in known.predictions] == [(600.0, True), (1200.0, True)]
    assert [one for one in said(known.findings) if one.startswith("RTO")] == [
        "RTO-001 waves[1].rto: wave b: predicted to end after 20 min (10 min imports), the target is 12 min"
    ]
    assert summary(known).endswith("3 rows, 0 rows in no wave; predicted end after 20 min")
    quicker = assign_waves(runbook, plan(), import_s=150, in_flight=1)
    assert [one for one in said(quicker.findings) if one.startswith("RTO")] == [
        "RTO-001 waves[1].rto: wave b: predicted to end after 14 min (5 min imports, 1 min 30 s starts after the last "
        "import), the target is 12 min"
    ]


def test_targets_and_time_outs_do_not_contradict_each_other() -> None:
    runbook = book(
        "waves:\n"
        "  - {name: a, select: {}, rto: 2h}\n"
        "  - {name: b, select: {}, rto: 1h, timeout: 5min, checks: [{kind: tools, pause: 1min, retries: 10}]}\n"
        "  - {name: c, select: {}, rto: 5h}\n"
    )
    assert said(assign_waves(runbook, None).findings) == [
        "RTO-002 waves[1].rto: wave b is due after 1 h, before a (2 h)",
        "RTO-002 waves[1].checks[0]: wave b is given up after 5 min, its tools check may take 10 min 55 s",
        "RTO-002 waves[2].rto: wave c may take 5 h, the whole recovery only 4 h",
    ]


def test_the_plan_with_waves_runs_as_the_runbook_says_and_keeps_everything_else() -> None:
    sheet = plan()
    runbook = book("waves: [{name: db, select: {name: 'db*'}}, {name: web, select: {name: 'web*'}}]")
    written = parse_sheet(render_sheet(with_waves(sheet, assign_waves(runbook, sheet))))
    assert {row["vm"]: wave_of(row) for row in rows_to_import(written)} == {"db_03": 1, "web01": 2}
    app = next(row for row in written.rows if row["vm"] == "app02")
    assert (app["import"], app["reason"]) == ("no", "no wave of the runbook selects it")
    untouched = [name for name in sheet.columns if name not in ("wave", "import", "reason")]
    assert [[row[name] for name in untouched] for row in written.rows] == [
        [row[name] for name in untouched] for row in sheet.rows
    ]
