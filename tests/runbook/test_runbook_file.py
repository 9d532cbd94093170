"""A runbook file: defaults where nothing is said, and every mistake at once with line and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ingest.data_files import data_file
from ingest.errors import RulesError
from ingest.runbook.model import TcpCheck
from ingest.runbook.runbook_file import parse_runbook, read_runbook
from tests.runbook.books import HEAD, book


def refusal(text: str) -> str:
    with pytest.raises(RulesError) as caught:
        parse_runbook(text, place="book.yaml")
    return str(caught.value)


def test_what_is_left_out_has_a_sensible_default() -> None:
    wave = book("waves: [{name: all, select: {}, checks: [{kind: tcp, port: 22}]}]").waves[0]
    assert (wave.gate, wave.rto, wave.timeout, wave.start.vms) == ("stop", None, None, "was-running")
    assert wave.start.delay == timedelta(0)
    (check,) = wave.checks
    assert isinstance(check, TcpCheck)
    assert (check.nic, check.timeout, check.longest) == (1, timedelta(seconds=5), timedelta(seconds=455))


def test_every_mistake_is_told_at_once_with_its_line_and_key() -> None:
    text = (
        "name: x\n"
        "rto: 90\n"
        "waves:\n"
        "  - name: a\n"
        "    select: {nmae: web*}\n"
        "    gate: halt\n"
        "    rto: soon\n"
        "    checks:\n"
        "      - {kind: tpc, port: 22}\n"
        "      - {kind: tcp, port: 70000}\n"
        "    steps: [{say: LUNs are writable}]\n"
        "networks: {subnets: [{old: 10.1.0.0/16, new: 10.9.0.0/24}]}\n"
        "sites: [{name: s, datastores: x}]\n"
    )
    told = refusal(text)
    for expected in (
        "book.yaml:1: the key plan is missing",
        "book.yaml:2: rto: '90' is no span of time",
        "book.yaml:5: waves[0].select.nmae: unknown key nmae, did you mean name?",
        "book.yaml:6: waves[0].gate: ",
        "book.yaml:7: waves[0].rto: 'soon' is no span of time",
        "book.yaml:9: waves[0].checks[0]: unknown kind tpc, did you mean tcp?",
        "book.yaml:10: waves[0].checks[1].port: ",
        "book.yaml:11: waves[0].steps[0]: the key who is missing",
        "book.yaml:12: networks.subnets[0]: 10.1.0.0/16 and 10.9.0.0/24 differ in size",
        "book.yaml:13: sites[0]: the key cluster is missing",
    ):
        assert expected in told, told


def test_a_name_stands_for_one_thing() -> None:
    told = refusal(
        HEAD + "people: [{role: ops}, {role: ops}]\n"
        "waves:\n"
        "  - {name: a, select: {}}\n"
        "  - {name: a, select: {}, steps: [{name: a, say: go, who: ops}]}\n"
    )
    assert "book.yaml:7: waves[1].name: the name 'a' stands twice" in told
    assert "book.yaml:7: waves[1].steps[0].name: the name 'a' stands twice" in told
    assert "book.yaml:4: people[1].role: the name 'ops' stands twice" in told


@pytest.mark.parametrize("text", ["", "- a list", "waves: [", "name: x\nplan: p\nrto: 1h\nwaves: []\n"])
def test_what_is_no_runbook_is_refused(text: str) -> None:
    assert "book.yaml" in refusal(text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        read_runbook(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: Köln".encode("latin-1"))
    with pytest.raises(RulesError, match="not UTF-8"):
        read_runbook(tmp_path / "latin.yaml")


def test_a_key_leads_back_to_its_line_and_a_plan_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(HEAD + "waves:\n  - name: a\n    select: {}\n    prerequisites: [b]\n")
    file = read_runbook(path)
    assert file.place("waves[0].prerequisites[0]") == f"{path}:7: waves[0].prerequisites[0]"
    assert file.beside(file.runbook.plan) == tmp_path / "plan.csv"


def test_the_shipped_runbook_can_be_read() -> None:
    assert [wave.name for wave in read_runbook(data_file("runbooks/demo.yaml")).runbook.waves]
