"""Giving a VM back, on the twin: what stands against it, what becomes of it, and that it is safe to do twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.engine.undo import Managed, Undone, UndoPace, preview, remove_network, undo
from ingest.errors import UnknownOutcome
from ingest.twin.cloud import Instance, Volume
from tests.engine.site import REQUEST, SmallSite
from tests.twin.cloudstack.tiny import ident

PACE = UndoPace(every_s=0.01, timeout_s=5, listing_s=0.05)


@dataclass
class Notes:
    """A ledger that remembers."""

    lines: list[tuple[Any, str, str]] = field(default_factory=list)

    def note(
        self,
        vm: Any,
        state: str,
        *,
        job_id: str = "",
        request_digest: str = "",
        vm_id: str = "",
        error: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self.lines.append((vm, state, vm_id))


@pytest.fixture
def imported(site: SmallSite) -> Instance:
    site.run()
    [instance] = site.world.cloud.instances.values()
    return instance


def volumes_of(site: SmallSite) -> list[Volume]:
    return sorted(site.world.cloud.volumes.values(), key=lambda volume: volume.deviceid)


def managed(instance: Instance) -> Managed:
    return Managed(instance.id, instance.instancename, (ident("cluster"),))


def given_back(site: SmallSite, instance: Instance, **more: Any) -> Undone:
    return undo(site.client, managed(instance), stop=threading.Event(), pace=PACE, **more)


def test_a_vm_is_given_back_once(site: SmallSite, imported: Instance) -> None:
    notes = Notes()
    assert preview(site.client, imported.id) == ()
    done = given_back(site, imported, ledger=notes, key="web01")
    assert (done.status, done.error) == ("undone", "")
    assert site.listed().name == "web01"
    again = given_back(site, imported, ledger=notes, key="web01")
    assert again.status == "already"
    assert notes.lines == [("web01", "undone", imported.id)] * 2
    assert site.world.cloud.journal.requests["unmanageVirtualMachine"] == 1
    assert "vm-1" in site.world.vms


def snapshot_of_volume(site: SmallSite, _: Instance) -> None:
    volumes_of(site)[0].snapshots.append("s-1")


def chain(*files: str) -> Callable[[SmallSite, Instance], None]:
    def change(site: SmallSite, _: Instance) -> None:
        volumes_of(site)[0].chaininfo = ["[ds1] x/top-000001.vmdk", *files]

    return change


def attribute(name: str, value: Any) -> Callable[[SmallSite, Instance], None]:
    return lambda _, instance: setattr(instance, name, value)


def preserved_nics(site: SmallSite, _: Instance) -> None:
    site.world.cloud.zone_configuration[ident("zone")] = {"unmanage.vm.preserve.nics": "true"}


@pytest.mark.parametrize(
    ("change", "reason", "blocks"),
    [
        (attribute("state", "Migrating"), "state", True),
        (attribute("isoid", "iso-1"), "iso", True),
        (snapshot_of_volume, "volume-snapshots", True),
        (attribute("snapshots", ["before"]), "vm-snapshots", False),
        (chain("[ds1] x/web01.vmdk"), "chain", True),
        (chain("[ds1] x/web01-000002.vmdk"), "chain", True),
        (chain("[ds1] x/other.vmdk"), "chain", False),
        (preserved_nics, "preserved-nics", False),
    ],
)
def test_what_stands_against_it(
    site: SmallSite, imported: Instance, change: Callable[[SmallSite, Instance], None], reason: str, blocks: bool
) -> None:
    change(site, imported)
    [objection] = preview(site.client, imported.id)
    assert (objection.reason, objection.blocks) == (reason, blocks)
    done = given_back(site, imported)
    assert done.status == ("refused" if blocks else "undone"), done
    assert done.objections == (objection,)
    assert imported.removed == (not blocks)
    sent = site.world.cloud.journal.requests.get("unmanageVirtualMachine", 0)
    assert sent == (not blocks)


def test_a_chain_would_really_hide_the_vm(site: SmallSite, imported: Instance) -> None:
    """What the preview blocks is what the server does."""
    chain("[ds1] x/web01-000002.vmdk")(site, imported)
    site.client.unmanage_virtual_machine(imported.id)
    site.quiet()
    end = threading.Event()
    while not imported.removed:
        end.wait(0.005)
    assert site.client.list_unmanaged_instances(ident("cluster"), "web01") == []
    assert given_back(site, imported).status == "unlisted"


def test_what_only_the_server_knows(site: SmallSite, imported: Instance) -> None:
    imported.kubernetes_cluster = "k1"
    done = given_back(site, imported)
    assert done.status == "refused"
    assert "it belongs to the Kubernetes cluster k1" in done.error


def test_an_answer_that_is_lost_is_followed_by_its_job_id(
    site: SmallSite, imported: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lossy:
        """The client, but the answer to the call does not arrive."""

        def __getattr__(self, name: str) -> Any:
            return getattr(site.client, name)

        def unmanage_virtual_machine(self, vm_id: str, *, custom_job_id: str | None = None) -> str:
            site.client.unmanage_virtual_machine(vm_id, custom_job_id=custom_job_id)
            raise UnknownOutcome("lost")

    lossy: Any = Lossy()
    done = undo(lossy, managed(imported), stop=threading.Event(), pace=PACE)
    assert done.status == "undone"
    assert site.world.cloud.jobs[done.job_id].status == 1


def test_a_call_that_never_arrived_leaves_it_unknown(site: SmallSite, imported: Instance) -> None:
    class Deaf:
        def __getattr__(self, name: str) -> Any:
            return getattr(site.client, name)

        def unmanage_virtual_machine(self, vm_id: str, *, custom_job_id: str | None = None) -> str:
            raise UnknownOutcome("lost")

    deaf: Any = Deaf()
    done = undo(deaf, managed(imported), stop=threading.Event(), pace=PACE)
    assert (done.status, done.error) == ("unknown", "lost")
    assert not imported.removed


def test_a_network_is_deleted_once_it_is_empty(site: SmallSite, imported: Instance) -> None:
    stop, network = threading.Event(), ident("l2-100")
    assert remove_network(site.client, network, stop=stop, pace=PACE) == ("in-use", "in use by web01")
    assert given_back(site, imported).status == "undone"
    assert remove_network(site.client, network, stop=stop, pace=PACE) == ("deleted", "")
    assert remove_network(site.client, network, stop=stop, pace=PACE) == ("already", "")
    assert REQUEST.nic_networks[0][1] == network
