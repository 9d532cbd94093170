"""Registration against VMware's own simulator: VMs unregistered there are found again in its datastores."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ingest.engine.ledger import Ledger, ledger_url
from ingest.engine.registering import RegisterPace
from ingest.stages.register_vms import RegisterOptions, register_vms
from ingest.stages.run_folder import RunFolder
from ingest.vsphere.placement import read_places
from ingest.vsphere.power import power_off, read_power
from ingest.vsphere.registering import read_registered, unregister_vm
from ingest.vsphere.session import VCenter, connect
from ingest.vsphere.tasks import await_task

pytestmark = pytest.mark.vcsim

OPTIONS = RegisterOptions(("*",), "DC0_C0", at_once=2)


def test_unregistered_vms_are_found_and_registered(start_vcsim, tmp_path: Path) -> None:
    simulator = start_vcsim("-dc", "1", "-cluster", "1", "-host", "2", "-standalone-host", "0", "-vm", "4", "-ds", "2")
    run = RunFolder(tmp_path / "run-1")
    run.path.mkdir()
    with connect(simulator.endpoint) as vcenter:
        before = _registered(vcenter)
        victims = sorted(before)[:3]
        for path in victims:
            _unregister(vcenter, before[path].moref)
        with Ledger(ledger_url(None, tmp_path)) as ledger:
            shown = register_vms(simulator.endpoint, run, OPTIONS, ledger)
            assert Counter(row.status for row in shown) == {"to-register": 3, "already": 1}
            rows = register_vms(
                simulator.endpoint, run, OPTIONS, ledger, dry_run=False, pace=RegisterPace(task_s=20, settle_s=1)
            )
            assert {row.path: row.status for row in rows} == {
                path: "registered" if path in victims else "already" for path in before
            }, rows
            assert {deed.state for deed in ledger.deeds.find(run_id="run-1")} == {"done"}
            again = register_vms(simulator.endpoint, run, OPTIONS, ledger, dry_run=False)
        after = _registered(vcenter)
        assert after.keys() == before.keys()
        assert [row.status for row in again] == [row.status for row in rows]
        assert {row.moref for row in rows} == {vm.moref for vm in after.values()}
        assert all(after[path].moref != before[path].moref for path in victims)


def _registered(vcenter: VCenter):
    (datacenter,) = read_places(vcenter).of_kind("Datacenter")
    return read_registered(vcenter, datacenter.moref)


def _unregister(vcenter: VCenter, moref: str) -> None:
    if read_power(vcenter, [moref]).vms[moref].power_state == "poweredOn":
        await_task(vcenter, power_off(vcenter, moref), "off", timeout_s=20)
    unregister_vm(vcenter, moref)
