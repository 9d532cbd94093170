"""From the words of a row to the call that is sent."""

from __future__ import annotations

import pytest

from ingest.errors import SheetError
from ingest.model.inventory import VirtualMachine
from ingest.model.request import ImportRequest
from ingest.plan.enrich import enrich
from ingest.plan.resolve import import_request, is_yes, resolve, rows_to_import, wave_of
from ingest.plan.rules import Rules
from ingest.plan.sheet import Row, Sheet
from tests.plan import small_site as site
from tests.plan.cases import edit


def request_for(vm: VirtualMachine, **cells: str) -> ImportRequest:
    snapshot = site.snapshot(vm)
    sheet = enrich(snapshot, Rules())
    edit(sheet, {f"{vm.name}/{column}": text for column, text in cells.items()})
    (row,) = [row for row in sheet.rows if row["moref"] == vm.moref]
    (resolved,) = resolve([row], snapshot)
    return import_request(resolved)


def test_a_whole_call() -> None:
    assert request_for(site.app02()) == ImportRequest(
        cluster_id="cluster-1",
        name="app02",
        service_offering_id="so-custom",
        hostname="app02",
        display_name="app02",
        account="shop",
        domain_id="domain-dev",
        nic_networks=(("Network adapter 1", "net-shop-100"), ("Network adapter 2", "net-shared-200")),
        nic_addresses=(("Network adapter 2", "10.0.200.20"),),
        data_disk_offerings=(("2-2001", "do-any"), ("2-2002", "do-any")),
    )


def test_uuids_mean_the_same_as_names() -> None:
    uuids = {
        "service_offering": "so-custom",
        "domain": "domain-dev",
        "nic1_network": "net-shop-100",
        "nic2_network": "net-shared-200",
        "disk2_offering": "do-any",
        "disk3_offering": "do-any",
    }
    assert request_for(site.app02(), **uuids) == request_for(site.app02())


def test_the_name_is_vcenters_the_host_name_the_rows() -> None:
    request = request_for(site.db_03(), display_name="The database")
    assert (request.name, request.hostname, request.display_name) == ("db_03", "db-03", "The database")


def test_the_cpu_speed_is_sent_only_where_the_offering_leaves_it_open() -> None:
    assert request_for(site.web01(), cpu_speed_mhz="2400").details == ()
    assert request_for(site.web01(), service_offering="small", cpu_speed_mhz="2400").details == ()
    opened = request_for(site.web01(), service_offering="open", cpu_speed_mhz="2400")
    assert opened.details == (("cpuSpeed", "2400"),)
    assert request_for(site.web01(), service_offering="open").details == ()


def test_the_root_disk_is_never_among_the_data_disks() -> None:
    request = request_for(site.app02(), root_disk="2-2001", disk1_offering="any-size")
    assert [disk for disk, _ in request.data_disk_offerings] == ["2-2000", "2-2002"]
    assert request_for(site.web01(), disk1_offering="any-size").data_disk_offerings == ()


def test_what_cloudstack_does_not_see_is_not_sent() -> None:
    vm = site.app02(
        disks=(site.disk(1, 40, 2), site.disk(2, 10, 2, backing="rdm"), site.disk(3, 10, 2)),
        nics=(site.nic(1, "02"), site.nic(2, "12", kind="unattached")),
    )
    request = request_for(vm, disk2_offering="any-size", nic2_network="shared-200", nic2_ip="auto")
    assert [disk for disk, _ in request.data_disk_offerings] == ["2-2002"]
    assert [card for card, _ in request.nic_networks] == ["Network adapter 1"]
    assert request.nic_addresses == ()


def test_owners() -> None:
    project = request_for(site.web01(), account="", domain="", project="apollo")
    assert (project.account, project.domain_id, project.project_id) == ("", "", "project-apollo")
    caller = request_for(site.web01(), account="", domain="")
    assert (caller.account, caller.domain_id, caller.project_id) == ("", "", "")


def test_flags_template_and_address() -> None:
    request = request_for(
        site.web01(),
        template="ubuntu",
        migrate_allowed="Yes",
        forced="x",
        nic1_network="shop-isolated",
        nic1_ip=" auto ",
    )
    assert (request.template_id, request.migrate_allowed, request.forced) == ("tmpl-ubuntu", True, True)
    assert request.nic_addresses == (("Network adapter 1", "auto"),)


def test_devices_are_found_by_label_and_id_not_by_place() -> None:
    """The operator may have sorted the numbered columns: label and id say which device a number means."""
    vm = site.app02()
    swapped = {
        "nic1_label": "Network adapter 2",
        "nic2_label": "Network adapter 1",
        "nic1_network": "shared-200",
        "nic2_network": "shop-100",
        "nic1_ip": "10.0.200.30",
        "nic2_ip": "",
        "disk2_id": "2-2002",
        "disk3_id": "2-2001",
        "disk2_offering": "gib-20",
    }
    request = request_for(vm, **swapped)
    assert dict(request.nic_networks) == {"Network adapter 1": "net-shop-100", "Network adapter 2": "net-shared-200"}
    assert request.nic_addresses == (("Network adapter 2", "10.0.200.30"),)
    assert dict(request.data_disk_offerings) == {"2-2001": "do-any", "2-2002": "do-20"}


@pytest.mark.parametrize("case", ["gone", "unlisted", "no offering"])
def test_a_row_that_is_not_ready_makes_no_call(case: str) -> None:
    sheet = enrich(site.snapshot(site.web01()), Rules())
    now = site.snapshot(site.web01())
    if case == "gone":
        now = site.snapshot(site.db_03())
    elif case == "unlisted":
        now = site.snapshot(site.web01(), shown=[])
    else:
        sheet.rows[0]["service_offering"] = "nowhere"
    (resolved,) = resolve(sheet.rows, now)
    with pytest.raises(ValueError, match="row 2 is not ready"):
        import_request(resolved)


def test_a_vm_is_found_by_identity_not_by_name() -> None:
    renamed = site.web01(name="web01-renamed")
    sheet = enrich(site.snapshot(site.web01()), Rules())
    (resolved,) = resolve(sheet.rows, site.snapshot(renamed))
    assert resolved.pair is not None
    assert resolved.pair.vm == renamed


@pytest.mark.parametrize("text", ["yes", "Y", " TRUE ", "1", "x"])
def test_yes(text: str) -> None:
    assert is_yes(text)


@pytest.mark.parametrize("text", ["no", "N", "false", "0", "", "  "])
def test_no(text: str) -> None:
    assert not is_yes(text)


def test_only_rows_that_say_yes_are_imported() -> None:
    rows = [Row({"vm": text, "import": text}, line) for line, text in enumerate(("yes", "no", "", "X"), start=2)]
    assert [row.line for row in rows_to_import(Sheet(["vm", "import"], rows))] == [2, 5]


def test_cells_that_cannot_be_read_are_all_named() -> None:
    rows = [
        Row({"import": "maybe", "forced": "", "wave": "1"}, 2),
        Row({"import": "no", "forced": "ja", "wave": "soon"}, 5),
        Row({"import": "yes", "migrate_allowed": "?", "wave": "²"}, 6),
    ]
    with pytest.raises(SheetError) as caught:
        rows_to_import(Sheet(["import", "forced", "migrate_allowed", "wave"], rows), place="my.csv")
    for cell in ("line 2, import: 'maybe'", "line 5, forced: 'ja'", "line 5, wave: 'soon'", "line 6, wave: '²'"):
        assert cell in caught.value.message
    assert str(caught.value).startswith("my.csv: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("text", "wave"), [("", 1), ("1", 1), ("07", 7), ("0", 1), ("12", 12)])
def test_waves(text: str, wave: int) -> None:
    assert wave_of(Row({"wave": text})) == wave
