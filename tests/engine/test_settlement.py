"""Imports lost, failed, half done and done, at every step, on the twin: what settlement says, and that it is true."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ingest.engine.proof import in_words
from ingest.engine.settlement import Settled
from ingest.engine.verification import verify
from ingest.errors import Unauthorised
from ingest.twin.cloudstack.refusals import ApiException, RuntimeFailure
from ingest.twin.cloudstack.steps import STEPS, Step
from tests.engine.site import JOB, REQUEST, SmallSite
from tests.twin.cloudstack.tiny import add_vm, ident

# What a VM is when its import ends after a step without a result, and the worst of what it lacks then.
AFTER: dict[Step, tuple[Settled, str]] = {
    "accepted": ("failed", ""),
    "started": ("failed", ""),
    "found": ("failed", ""),
    "checked": ("failed", ""),
    "committed": ("incomplete", "volume of Hard disk 1"),
    "volumes": ("incomplete", "Network adapter 1"),
    "nics": ("imported", ""),
    "moved": ("imported", ""),
    "completed": ("imported", ""),
}


def test_a_whole_import(site: SmallSite) -> None:
    expected = site.expected()
    site.run()
    found = site.settle(expected)
    [instance] = site.world.cloud.instances
    assert (found.state, found.vm_id, found.differences) == ("imported", instance, ())


def test_nothing_chosen_is_nothing_sent(site: SmallSite) -> None:
    assert site.settle(site.expected(), job_id="").state == "absent"
    assert site.world.cloud.journal.requests.get("queryAsyncJobResult") is None


@pytest.mark.parametrize("step", STEPS)
def test_a_job_that_was_lost_in_a_restart(site: SmallSite, step: Step) -> None:
    expected = site.expected()
    site.lose_at(step)
    site.run()
    found = site.settle(expected)
    state, lacks = AFTER[step]
    assert found.state == state, found
    assert lacks in found.error
    assert "the management server gave no reason" in found.error
    assert bool(found.vm_id) == (state != "failed")


@pytest.mark.parametrize("step", STEPS)
def test_a_job_whose_row_is_gone(site: SmallSite, step: Step) -> None:
    """As a day later, or when the row was deleted: only the VM can tell."""
    expected = site.expected()
    site.lose_at(step)
    site.run()
    site.world.cloud.jobs.clear()
    found = site.settle(expected)
    state, lacks = AFTER[step]
    assert found.state == ("absent" if state == "failed" else state)
    assert lacks in found.error


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("forgotten", [False, True])
def test_work_that_outlives_its_job_is_waited_for(site: SmallSite, step: Step, forgotten: bool) -> None:
    expected = site.expected()
    held, go_on = threading.Event(), threading.Event()

    def hold(*_: str) -> None:
        held.set()
        assert go_on.wait(10)

    site.server.service.steps.on(step, hold)
    site.client.import_unmanaged_instance(REQUEST)
    assert held.wait(10)
    site.server.lose_jobs(finishes_later=True)
    if forgotten:
        site.world.cloud.jobs.clear()
    if not forgotten or AFTER[step][0] != "failed":
        # While work goes on unseen, nothing is said to be absent for good that a little patience finds.
        threading.Timer(0.05, go_on.set).start()
        assert site.settle(expected, patience_s=5).state == "imported"
    go_on.set()
    site.quiet()
    assert site.settle(expected).state == "imported"
    assert len(site.world.cloud.journal.imports) == 1


@pytest.mark.parametrize(
    ("step", "error", "state"),
    [
        ("started", RuntimeFailure("vCenter is away"), "failed"),
        ("committed", RuntimeFailure("pool is gone"), "failed"),
        ("volumes", RuntimeFailure("no such network"), "failed"),
        ("moved", RuntimeFailure("no such statistics"), "failed"),
        # The one failure that leaves the VM imported: only the answer could not be made.
        ("completed", ApiException(530, "host is gone"), "imported"),
    ],
)
def test_a_job_that_failed(site: SmallSite, step: Step, error: Exception, state: Settled) -> None:
    expected = site.expected()

    def fail(*_: str) -> None:
        raise error

    site.server.service.steps.on(step, fail)
    site.run()
    found = site.settle(expected, patience_s=60)
    assert found.state == state
    assert str(getattr(error, "text", "")) in found.error or step == "moved"
    assert (found.cause is not None) == (state == "failed")


def test_a_success_that_is_not_whole(site: SmallSite) -> None:
    expected = site.expected()
    site.world.vms["vm-1"].nics.clear()
    site.run()
    found = site.settle(expected)
    assert found.state == "incomplete"
    assert found.error == "Network adapter 1: nothing instead of 00:50:56:00:01:01"


def test_a_job_that_runs(site: SmallSite) -> None:
    expected = site.expected()
    go_on = threading.Event()
    site.server.service.steps.on("found", lambda *_: go_on.wait(10) and None)
    site.client.import_unmanaged_instance(REQUEST)
    assert site.settle(expected).state == "running"
    go_on.set()
    site.quiet()
    assert site.settle(expected).state == "imported"


def test_a_request_still_on_its_way_is_not_absent(site: SmallSite) -> None:
    expected = site.expected()
    late = threading.Timer(0.1, site.client.import_unmanaged_instance, (REQUEST,))
    late.start()
    found = site.settle(expected, patience_s=5)
    late.join()
    site.quiet()
    # It is proven absent before it arrives, or found: sent again with the same id, it cannot run twice.
    assert found.state in ("absent", "running", "imported")
    assert site.settle(expected).state == "imported"


def test_absent_needs_the_vm_in_the_list(site: SmallSite) -> None:
    expected = site.expected()
    assert site.settle(expected).state == "absent"
    for host in site.world.cloud.hosts.values():
        host.state = "Down"
    found = site.settle(expected)
    assert (found.state, found.error) == ("unknown", "CloudStack neither manages the VM nor lists it as unmanaged")


def test_absent_needs_that_no_other_import_runs(site: SmallSite) -> None:
    expected = site.expected()
    add_vm(site.world, 9, "other")
    go_on = threading.Event()
    site.server.service.steps.on("found", lambda *_: go_on.wait(10) and None)
    other = replace(REQUEST, name="other", data_disk_offerings=(), custom_job_id=JOB.replace("1", "9"))
    job = site.client.import_unmanaged_instance(other)
    found = site.settle(expected)
    assert (found.state, found.error) == ("unknown", f"imports of others are running: {job}")
    go_on.set()
    site.quiet()
    assert site.settle(expected).state == "absent"


def test_a_namesake_in_another_cluster_is_not_it(site: SmallSite) -> None:
    expected = site.expected()
    add_vm(site.world, 5, "web01", host="host-3")
    site.world.cloud.storage_pools[ident("pool-ds1")].clusterid = ident("cluster2")
    namesake = replace(
        REQUEST,
        cluster_id=ident("cluster2"),
        hostname="elsewhere",
        data_disk_offerings=(),
        custom_job_id=JOB.replace("1", "5"),
    )
    site.run(namesake)
    assert len(site.world.cloud.journal.imports) == 1
    assert site.settle(expected).state == "absent"


def test_a_renamed_host_is_found_among_all(site: SmallSite) -> None:
    expected = site.expected()
    site.run()
    [instance] = site.world.cloud.instances.values()
    instance.name = "somebody-renamed-it"
    found = verify(site.client, expected, REQUEST, zone_id=ident("zone"))
    assert (found.state, in_words(found.differences)) == (
        "incomplete",
        "host name: somebody-renamed-it instead of web01",
    )


def test_a_vm_imported_twice_is_told(site: SmallSite) -> None:
    expected = site.expected()
    go_on = threading.Barrier(2, timeout=10)
    site.server.service.steps.on("found", lambda *_: go_on.wait() and None)
    elsewhere = (("Network adapter 1", ident("l2-100-again")),)
    site.client.import_unmanaged_instance(REQUEST)
    site.client.import_unmanaged_instance(replace(REQUEST, nic_networks=elsewhere, custom_job_id=JOB.replace("1", "2")))
    site.quiet()
    instances = site.world.cloud.instances
    assert len(instances) == 2
    site.world.cloud.jobs.clear()
    found = site.settle(expected)
    assert found.state == "incomplete"
    assert {found.vm_id, *found.others} == set(instances)
    assert "imported more than once" in found.error


def test_a_mac_no_vm_shows_is_a_leftover(site: SmallSite) -> None:
    expected = site.expected()

    def fail(*_: str) -> None:
        raise RuntimeFailure("full")

    end = site.server.service.steps.on("nics", fail)
    site.run()
    end()
    again = replace(REQUEST, custom_job_id=JOB.replace("1", "3"))
    site.run(again)
    found = site.settle(expected, again, job_id=again.custom_job_id)
    assert found.state == "failed"
    assert found.cause is not None
    assert (found.cause.id, found.cause.subject) == ("mac-leftover", "00:50:56:00:01:01")


def test_a_server_that_is_away_settles_nothing(site: SmallSite) -> None:
    expected = site.expected()
    site.run()
    site.server.stop()
    found = site.settle(expected)
    assert found.state == "unknown"
    assert "cannot connect" in found.error or "lost" in found.error


def test_a_wrong_key_is_no_outcome(site: SmallSite) -> None:
    expected = site.expected()
    site.run()
    for user in site.world.cloud.users.values():
        user.enabled = False
    with pytest.raises(Unauthorised):
        site.settle(expected)


def test_a_vm_that_was_given_back_meanwhile(site: SmallSite) -> None:
    expected = site.expected()
    site.run()
    [instance] = site.world.cloud.instances.values()
    instance.removed = True
    found = site.settle(expected)
    assert (found.state, found.error) == (
        "failed",
        "the import succeeded, but CloudStack does not have the VM any more",
    )
