"""Cells as people write them, and every mistake of a sheet at once."""

from __future__ import annotations

import pytest

from ingest.errors import SheetError
from ingest.plan.cells import cell_errors, power_policy, whole_number
from ingest.plan.details import read_details, write_details
from ingest.plan.guesses import edited, open_guesses, write_proposed
from ingest.plan.resolve import rows_to_import
from ingest.plan.sheet import Row, Sheet


def sheet(*rows: dict[str, str]) -> Sheet:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return Sheet(columns, [Row(dict(row), line) for line, row in enumerate(rows, start=2)])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        (" 2 ", 2),
        ("2.0", 2),
        ("007", 7),
        ("", None),
        ("2.5", None),
        ("-1", None),
        ("\u00b2", None),
        ("9" * 30, None),
    ],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"import": "perhaps"}, ["import"]),
        ({"import": "yes", "forced": "?", "start": "later"}, ["forced", "start"]),
        ({"wave": "soon"}, ["wave"]),
        ({"wave": "1000"}, ["wave"]),
        ({"power": "Shutdown "}, []),
        ({"power": "kill"}, ["power"]),
        ({"import": "yes", "instance_uuid": "", "moref": ""}, ["instance_uuid"]),
        ({"import": "no", "instance_uuid": "", "moref": ""}, []),
        ({"import": "yes", "instance_uuid": "", "moref": "vm-1"}, []),
    ],
)
def test_cells_that_cannot_be_read(cells: dict[str, str], told: list[str]) -> None:
    assert [error.column for error in cell_errors(sheet(cells))] == told


def test_a_vm_has_one_row() -> None:
    twice = {"import": "yes", "instance_uuid": "u", "moref": "vm-1"}
    other = {"import": "yes", "instance_uuid": "u", "moref": "vm-2"}
    errors = cell_errors(sheet(twice, other, twice, twice))
    assert [(error.line, error.message) for error in errors] == [
        (4, "the VM has a row in line 2 already"),
        (5, "the VM has a row in line 2 already"),
    ]


def test_all_mistakes_are_told_at_once_with_a_limit() -> None:
    with pytest.raises(SheetError) as caught:
        rows_to_import(sheet(*({"import": "maybe", "wave": "soon"} for _ in range(15))), place="my.csv")
    lines = str(caught.value).splitlines()
    assert lines[0] == "my.csv: line 2, import: 'maybe' is neither yes nor no -> write yes or no"
    assert len(lines) == 22
    assert "(and 10 more)" in lines[-2]


def test_the_power_policy_of_a_row() -> None:
    assert [power_policy(Row({"power": text})) for text in ("", " OFF", "shutdown")] == ["leave", "off", "shutdown"]


@pytest.mark.parametrize("details", [{}, {"cpuSpeed": "2000"}, {"a": "x;y;;z", "b": "", "c": "="}, {"k": "=;"}])
def test_details_survive_the_cell(details: dict[str, str]) -> None:
    assert read_details(write_details(details)) == details


@pytest.mark.parametrize("cell", ["word", "=x", "a=1;a=2"])
def test_details_that_cannot_be_read(cell: str) -> None:
    with pytest.raises(ValueError, match=r"is not key=value|stands twice"):
        read_details(cell)


def test_a_changed_cell_is_the_operators() -> None:
    row = Row({"hostname": "web01", "service_offering": "Small", "guesses": "service_offering", "vm": "x"})
    row["proposed"] = write_proposed(row.cells)
    assert not edited(row, "hostname")
    assert open_guesses(row) == ["service_offering"]
    row["service_offering"] = "Large"
    assert edited(row, "service_offering")
    assert open_guesses(row) == []
    row["service_offering"] = ""
    assert edited(row, "service_offering")


@pytest.mark.parametrize("proposed", ["", "no json", "[1]"])
def test_without_a_proposal_every_value_is_the_operators_and_a_guess_stays_one(proposed: str) -> None:
    row = Row({"hostname": "web01", "guesses": "hostname", "proposed": proposed})
    assert edited(row, "hostname")
    assert not edited(row, "display_name")
    assert open_guesses(row) == ["hostname"]
