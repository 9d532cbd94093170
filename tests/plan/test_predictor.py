"""Verdicts on calls of the small site: what rows take from each other, and what is not known in advance."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ingest.model.request import ImportRequest
from ingest.model.snapshot import Snapshot
from ingest.plan.enrich import enrich
from ingest.plan.predict import Predictor, Verdict
from ingest.plan.predict.rows import verdicts
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from tests.plan import small_site as site

STRANGER = "0f8fad5b-d9cb-469f-a165-70867728950e"


def calls(snapshot: Snapshot) -> dict[str, ImportRequest]:
    """The planned calls by VM."""
    sheet = enrich(snapshot, Rules())
    return {row.row["vm"]: import_request(row) for row in resolve(rows_to_import(sheet), snapshot)}


def call(**changes: Any) -> ImportRequest:
    return dataclasses.replace(calls(site.snapshot())["web01"], **changes)


def judge(snapshot: Snapshot, *requests: ImportRequest) -> list[Verdict]:
    predictor = Predictor(snapshot)
    return [predictor.judge(request) for request in requests]


def test_a_plan_that_passes() -> None:
    snapshot = site.snapshot()
    assert [one.answer for one in judge(snapshot, *calls(snapshot).values())] == ["accept"] * 3


def test_a_vm_is_imported_once() -> None:
    first, second = judge(site.snapshot(), call(), call(hostname="other"))
    assert first.answer == "accept"
    assert (second.check, second.code, second.stage) == ("A16", 530, "job")
    assert second.text == "Failed to find unmanaged vm with name: web01 in cluster: cluster-1"


def test_a_row_that_is_not_sent_takes_nothing() -> None:
    predictor = Predictor(site.snapshot())
    assert predictor.judge(call(), sent=False).answer == "accept"
    assert predictor.judge(call()).answer == "accept"


def test_of_two_equal_host_names_in_a_network_the_first_passes() -> None:
    planned = calls(site.snapshot())
    verdicts_ = judge(site.snapshot(), planned["web01"], dataclasses.replace(planned["db_03"], hostname="web01"))
    assert [one.check for one in verdicts_] == ["", "A43"]


def test_texts_with_internal_numbers_are_known_up_to_those() -> None:
    (verdict,) = judge(site.snapshot(), call(service_offering_id="so-ops-only"))
    assert verdict.says(
        'There\'s no way to confirm Account [{"accountName":"shop","id":7,"uuid":"acc-shop"}] has access to '
        'Service offering {"id":12,"name":"ops-only","uuid":"so-ops-only"}'
    )
    assert not verdict.says(verdict.text.replace("ops-only", "all-of-us").replace("…", "3"))
    assert verdict.words.startswith("530 There's no way")


def test_a_failed_nic_leaves_its_macs_behind() -> None:
    snapshot = site.snapshot()
    app02 = calls(snapshot)["app02"]
    bad = dataclasses.replace(app02, nic_addresses=(("Network adapter 2", "10.0.200.1"),))
    outside = dataclasses.replace(app02, nic_addresses=(("Network adapter 2", "10.0.200.255"),))
    refused, failed, again, forced = judge(snapshot, bad, outside, app02, dataclasses.replace(app02, forced=True))
    assert (refused.check, failed.check, again.check) == ("A45", "C3", "C3")
    assert "forced flag is disabled" in again.text
    assert forced.answer == "accept"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service_offering_id": STRANGER}, "serviceofferingid 0f8fad5b"),
        ({"template_id": STRANGER}, "templateid 0f8fad5b"),
        ({"nic_networks": (("Network adapter 1", STRANGER),)}, "network 0f8fad5b"),
        ({"cluster_id": "3"}, "clusterid 3 is not among those the API lists"),
    ],
)
def test_ids_the_lists_do_not_show_may_still_exist(changes: dict[str, Any], reason: str) -> None:
    (verdict,) = judge(site.snapshot(), call(**changes))
    assert verdict.answer == "unknown"
    assert reason in verdict.words


def test_words_that_are_no_id_exist_nowhere() -> None:
    (verdict,) = judge(site.snapshot(), call(service_offering_id="large"))
    assert (verdict.check, verdict.stage, verdict.code) == ("S4", "sync", 431)


def test_a_vm_that_is_not_listed_may_be_found_unless_vcenter_says_why_not() -> None:
    hidden = site.snapshot(site.web01(), site.app02(), shown=[site.app02()])
    assert judge(hidden, call())[0].answer == "unknown"
    absent = site.snapshot(site.app02())
    assert judge(absent, call())[0].check == "A16"
    asleep = site.snapshot(dataclasses.replace(site.web01(), connection_state="disconnected"), shown=[site.app02()])
    assert judge(asleep, call())[0].check == "A16"


def test_rows_after_an_undecided_one_are_undecided_where_it_matters() -> None:
    snapshot = site.snapshot(ip_ranges=None)
    planned = calls(snapshot)
    same_name = dataclasses.replace(planned["web01"], hostname=planned["app02"].hostname)
    undecided, depends, untouched = judge(snapshot, planned["app02"], same_name, planned["db_03"])
    assert undecided.doubts == ("the address range of shared-200 is not listed",)
    assert depends.answer == "unknown"
    assert "depends on a row before" in depends.words
    assert untouched.answer == "accept"


def test_two_hosts_with_vms_of_one_name_that_differ() -> None:
    (first,) = (one for one in site.catalogue().unmanaged if one.name == "web01")
    second = first.model_copy(update={"hostid": "host-2", "memory": 0})
    snapshot = site.snapshot(unmanaged=(first, second))
    (verdict,) = judge(snapshot, call())
    assert verdict.answer == "unknown"
    assert "2 hosts have a VM called web01" in verdict.words


def test_use_of_storage_is_listed_in_whole_gib_so_the_last_one_is_doubtful() -> None:
    def shop(limit: int, **more: int) -> tuple[Any, ...]:
        return site.replaced(site.catalogue().accounts, "shop", primarystoragelimit=str(limit), **more)

    exact, doubtful, short = (
        judge(site.snapshot(accounts=accounts), call())[0]
        for accounts in (
            shop(20),
            shop(25, primarystoragetotal=5, volumetotal=1),
            shop(24, primarystoragetotal=5, volumetotal=1),
        )
    )
    assert exact.answer == "accept"
    assert (doubtful.answer, short.answer) == ("unknown", "refuse")
    assert short.shortage is not None
    assert (short.check, short.shortage.holder, short.shortage.resource) == ("A30", "account shop", "primary_storage")


def test_a_row_that_names_what_does_not_exist_makes_no_call() -> None:
    snapshot = site.snapshot()
    sheet = enrich(snapshot, Rules())
    sheet.rows[0]["service_offering"] = "nonsense"
    line = sheet.rows[0].line
    found = verdicts(resolve(rows_to_import(sheet), snapshot), snapshot)
    assert found[line].answer == "unknown"
    assert "no call can be made: compute offering 'nonsense' does not exist" in found[line].words
    assert {verdict.answer for other, verdict in found.items() if other != line} == {"accept"}


def test_facts_survive_the_saved_snapshot() -> None:
    accounts = site.replaced(site.catalogue().accounts, "shop", vmlimit="3", vmtotal=1)
    snapshot = site.snapshot(accounts=accounts, callers=accounts[:1])
    assert Snapshot.model_validate_json(snapshot.model_dump_json(exclude_defaults=True)) == snapshot
