"""The undo flow on a real Prefect server against the twin: a preview first, then given back, then nothing to do."""

from __future__ import annotations

import pytest

from flows.import_vms import run_import
from flows.undo_import import undo_import
from ingest.cli.local_server import PrefectServer
from ingest.errors import UsageError
from ingest.twin.serving import Twin
from tasks.parameters import Approval, Limits

pytestmark = pytest.mark.server


def test_a_run_is_previewed_and_given_back(server: PrefectServer, twin: Twin) -> None:
    twin.world.cloud.import_seconds = 0.02
    folder = str(run_import(dry_run=False, limits=Limits(max_concurrent_imports=8)).folder)
    with twin.world.lock:
        kept = [one.instancename for one in twin.world.cloud.instances.values()][3:]
    for name in kept:
        assert undo_import(vm=name, return_state=True).message == "preview: 1 to-undo"
        break
    state = undo_import(folder, return_state=True)
    assert state.message == "preview: 24 to-undo"
    assert not any(one.removed for one in twin.world.cloud.instances.values())
    state = undo_import(folder, vm=kept[0], dry_run=False, approval=Approval(mode="auto_approve"), return_state=True)
    assert state.message == "1 undone"
    assert sum(one.removed for one in twin.world.cloud.instances.values()) == 1
    with pytest.raises(UsageError, match="neither a run's folder nor a VM"):
        undo_import()
