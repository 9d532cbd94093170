"""Predicted and real answers side by side: the plan of a made-up site, spoilt in many ways, judged and then sent.

One source of chance makes the site's own oddities, what is wrong with its CloudStack, and what is wrong with each
call. The calls are sent in order, straight to the twin's gateway, each after the job of the one before.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest.cloudstack.parameters import import_parameters, wire
from ingest.model.request import ImportRequest
from ingest.model.snapshot import Snapshot
from ingest.plan.enrich import enrich
from ingest.plan.predict import Predictor, Verdict
from ingest.plan.resolve import import_request, resolve, rows_to_import
from ingest.plan.rules import Rules
from ingest.twin.cloud import Cloud, Domain, ResourceLimit, new_id
from ingest.twin.cloudstack.gateway import Gateway
from ingest.twin.cloudstack.service import Service
from ingest.twin.generator import CLEAN, REALISTIC, Rates, admin_keys, generate
from ingest.twin.world import World
from tests.plan.twin_site import running
from tests.twin.cloudstack.api import DirectApi

_NAMES = [field.name for field in dataclasses.fields(Rates)]
EVERY_ODDITY = dataclasses.replace(REALISTIC, rates=Rates(**dict.fromkeys(_NAMES, 0.98 / len(_NAMES))))
# Half of the VMs use the Shared network, whose addresses are the hardest to foresee.
SHARING = dataclasses.replace(CLEAN, rates=Rates(shared_network_nic=0.5), several_ips=0.2)
SHAPES = {"clean": CLEAN, "realistic": REALISTIC, "every oddity": EVERY_ODDITY, "sharing": SHARING}
RESOURCES = ("user_vm", "cpu", "memory", "volume", "primary_storage")


@dataclass(frozen=True)
class Compared:
    """One call: what was predicted, and what the server said ('' and 0 when it imported the VM).

    `blocked_by` are the checks that mirror the server's and block the row on its own.
    """

    request: ImportRequest
    spoilt_by: str
    verdict: Verdict
    code: int
    text: str
    blocked_by: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether it was accepted or refused as predicted; an unknown call may end either way."""
        return self.verdict.answer == "unknown" or (self.verdict.answer == "accept") == (self.code == 0)

    @property
    def same_words(self) -> bool:
        """Whether code and text are the predicted ones too."""
        if self.verdict.answer != "refuse":
            return self.agrees
        return self.verdict.code == self.code and self.verdict.says(self.text)

    @property
    def too_strict(self) -> bool:
        """Whether a check blocks what the server imports."""
        return bool(self.blocked_by) and not self.code

    def __str__(self) -> str:
        said = f"{self.code} {self.text}" if self.code else "imported"
        return (
            f"{self.request.name} (spoilt by {self.spoilt_by or 'nothing'})\n  predicted: {self.verdict.answer} "
            f"{self.verdict.check} {self.verdict.words}\n  server:    {said}\n"
            f"  blocked by {self.blocked_by}\n  {self.request}"
        )


def compare(size: int, seed: int, shape: str = "every oddity", spoilt: float = 0.5) -> list[Compared]:
    """The calls of one site of `size` VMs; a share `spoilt` of them is made wrong."""
    source = random.Random(seed)
    world = generate(size, seed=seed, shape=SHAPES[shape])
    spoil_vms(world, source)
    spoil_cloud(world, source)
    with running(world) as site:
        for request in _requests(site.snapshot())[: source.choice((0, 0, 5))]:
            site.send(request)
        snapshot = site.snapshot()
    calls = list(_calls(snapshot, world.cloud, source, spoilt))
    predictor = Predictor(snapshot)
    verdicts = [predictor.judge(request) for request, _ in calls]
    service = Service(world)
    try:
        api = DirectApi(Gateway(service), *admin_keys(world))
        answers = [send_direct(api, request) for request, _ in calls]
    finally:
        service.stop()
    return [
        Compared(request, spoilt_by, verdict, *answer)
        for (request, spoilt_by), verdict, answer in zip(calls, verdicts, answers, strict=True)
    ]


def send_direct(api: DirectApi, request: ImportRequest) -> tuple[int, str]:
    """Code and text of the refusal, at once or by the job; 0 and '' when the VM was imported."""
    body = api.body("importUnmanagedInstance", **wire(import_parameters(request)))
    if "jobid" not in body:
        return int(body["errorcode"]), str(body.get("errortext", ""))
    job = api.job(body["jobid"])
    if job["jobstatus"] == 1:
        return 0, ""
    return int(job["jobresult"]["errorcode"]), str(job["jobresult"].get("errortext", ""))


def _requests(snapshot: Snapshot) -> list[ImportRequest]:
    """The calls of the plan, those of rows that the checks would block included."""
    sheet = enrich(snapshot, Rules())
    for row in sheet.rows:
        row["import"] = "yes" if row["service_offering"] else "no"
    return [
        import_request(row)
        for row in resolve(rows_to_import(sheet), snapshot)
        if row.pair is not None and row.pair.listed is not None and row.offering is not None
    ]


def _calls(
    snapshot: Snapshot, cloud: Cloud, source: random.Random, spoilt: float
) -> Iterator[tuple[ImportRequest, str]]:
    made: list[ImportRequest] = []
    planned_requests = _requests(snapshot)
    if source.random() < 0.5:
        source.shuffle(planned_requests)
    for planned in planned_requests:
        request = _with_addresses(planned, snapshot, source)
        names: list[str] = []
        while source.random() < spoilt:
            name = source.choice(tuple(SPOILS))
            changes = SPOILS[name](Draft(request, made, snapshot, cloud, source))
            if changes:
                request = dataclasses.replace(request, **changes)
                names.append(name)
        made.append(request)
        yield request, ", ".join(names)


def _with_addresses(request: ImportRequest, snapshot: Snapshot, source: random.Random) -> ImportRequest:
    """Most plans leave addresses of Shared networks to people: somebody wrote them."""
    kinds = {network.id: network for network in snapshot.catalogue.networks}
    addresses = dict(request.nic_addresses)
    for nic, network_id in request.nic_networks:
        network = kinds[network_id]
        if network.type != "L2" and source.random() < (0.2 if nic in addresses else 0.8):
            start = network.cidr.rpartition(".")[0]
            addresses[nic] = source.choice(("auto", f"{start}.{source.randrange(256)}"))
    return dataclasses.replace(request, nic_addresses=tuple(addresses.items()))


# What is wrong with the site.


def spoil_vms(world: World, source: random.Random) -> None:
    """Sizes that are none, names CloudStack made itself, MACs that are none or another's."""
    vms = [vm for vm in world.vms.values() if not vm.template]
    for vm in source.sample(vms, len(vms) // 10):
        match source.randrange(7):
            case 0:
                vm.cpus = 0
            case 1:
                vm.memory_mib = 0
            case 2 if vm.disks:
                source.choice(vm.disks).capacity_bytes = source.choice((0, (20 << 30) + 1, 100 << 30))
            case 3:
                vm.custom_fields["cloud.vm.internal.name"] = f"i-2-{source.randrange(9)}-VM"
            case 4 if vm.nics:
                vm.nics[0].mac = source.choice(("00:50:56:00:00", "00505600000b"))
            case 5 if vm.nics:
                other = source.choice([one for one in vms if one.nics])
                source.choice(vm.nics).mac = other.nics[0].mac
            case _:
                vm.cpus = source.choice((1, 3, 40))
        world.touch(vm)


def spoil_cloud(world: World, source: random.Random) -> None:
    """Offerings of every kind, tags, limits, settings, owners and clusters that are not enabled."""
    cloud = world.cloud
    elsewhere = new_id()
    cloud.domains[elsewhere] = Domain(elsewhere, "elsewhere", "ROOT/elsewhere", next(iter(cloud.domains)), 1)
    custom = next(one for one in cloud.service_offerings.values() if one.name == "custom-constrained")
    zone = source.choice(list(cloud.zones))
    for name, changes in (
        ("gpu", {"hosttags": "gpu"}),
        ("elsewhere", {"domainids": [elsewhere]}),
        ("one-zone", {"zoneids": [zone]}),
        ("partly", {"cpunumber": 2}),
        ("memory-fixed", {"memory": 4096}),
        ("speed-only", {"cpunumber": 2, "memory": 2048, "cpuspeed": None}),
        ("small", {"maxcpunumber": 2, "maxmemory": 2048}),
        ("boundless", {"mincpunumber": None, "maxcpunumber": None, "minmemory": None, "maxmemory": None}),
    ):
        made: dict[str, Any] = {"id": new_id(), "name": name} | changes
        cloud.service_offerings[made["id"]] = dataclasses.replace(custom, **made)
    data = next(one for one in cloud.disk_offerings.values() if one.name == "disk-custom")
    for name, changes in (
        ("root-fast", {"tags": "fast", "hidden": True}),
        ("disk-fast", {"tags": "fast"}),
        ("disk-elsewhere", {"domainids": [elsewhere]}),
        ("disk-one-zone", {"zoneids": [zone]}),
        ("disk-tiny", {"disksize": 1, "iscustomized": False}),
        ("disk-none", {"disksize": 0, "iscustomized": False}),
    ):
        made = {"id": new_id(), "name": name} | changes
        cloud.disk_offerings[made["id"]] = dataclasses.replace(data, **made)
        if name == "root-fast":
            fast = dataclasses.replace(custom, id=new_id(), name="fast", diskofferingid=made["id"], storagetags="fast")
            cloud.service_offerings[fast.id] = fast
    for host in cloud.hosts.values():
        host.hosttags = source.choice(("", "", "gpu"))
    for pool in cloud.storage_pools.values():
        pool.tags = source.choice(("", "fast", "slow,fast"))
    for setting, values in (
        ("vm.instancename.flag", ("false", "false", "true")),
        ("admin.is.allowed.to.deploy.anywhere", ("false", "true")),
        ("vm.serviceoffering.cpu.cores.max", ("0", "0", "4")),
        ("vm.serviceoffering.ram.size.max", ("0", "0", "8192")),
    ):
        cloud.configuration[setting] = source.choice(values)
    if source.random() < 0.1:
        source.choice(list(cloud.clusters.values())).allocationstate = "Disabled"
    for account in cloud.accounts.values():
        if account.accounttype == 0 and source.random() < 0.1:
            account.state = source.choice(("disabled", "locked"))
    for network in cloud.networks.values():
        if network.type == "Shared" and source.random() < 0.3:
            network.endip = network.startip.rpartition(".")[0] + ".20"
    limit_owners(cloud, source)


def limit_owners(cloud: Cloud, source: random.Random) -> None:
    """Some accounts, projects and domains may have little of something."""
    most = {"user_vm": 8, "cpu": 30, "memory": 60_000, "volume": 15, "primary_storage": 1500}
    for account in cloud.accounts.values():
        if account.accounttype != 1 and source.random() < 0.2:
            resource = source.choice(RESOURCES)
            cloud.limits.append(ResourceLimit("account", account.id, resource, source.randrange(most[resource])))
    for domain in cloud.domains.values():
        if domain.parentid and source.random() < 0.2:
            resource = source.choice(RESOURCES)
            cloud.limits.append(ResourceLimit("domain", domain.id, resource, source.randrange(3 * most[resource])))


# What is wrong with a call.


@dataclass(frozen=True)
class Draft:
    """A call to be spoilt, the calls before it, and all there is."""

    request: ImportRequest
    before: list[ImportRequest]
    snapshot: Snapshot
    cloud: Cloud
    source: random.Random

    def another(self, objects: str) -> Any:
        """Any object of the catalogue's list."""
        return self.source.choice(getattr(self.snapshot.catalogue, objects))

    @property
    def earlier(self) -> ImportRequest | None:
        return self.source.choice(self.before) if self.before else None

    def entry(self, field: str, value: str) -> dict[str, Any]:
        """One entry of a map changed."""
        entries = list(getattr(self.request, field))
        if not entries:
            return {}
        place = self.source.randrange(len(entries))
        entries[place] = (entries[place][0], value)
        return {field: tuple(entries)}


Changes = dict[str, Any]


def _owner(draft: Draft) -> Changes:
    account = draft.another("accounts")
    return {"account": account.name, "domain_id": account.domainid, "project_id": ""}


def _project(draft: Draft) -> Changes:
    return {"account": "", "domain_id": "", "project_id": draft.another("projects").id}


def _wrong_owner(draft: Draft) -> Changes:
    return draft.source.choice(
        (
            {"account": "nobody", "domain_id": draft.another("domains").id},
            {"account": "admin", "domain_id": ""},
            {"account": "", "domain_id": draft.another("domains").id},
            {"domain_id": "nonsense", "account": "admin"},
            {"project_id": "nonsense"},
            {"account": "", "domain_id": "", "project_id": ""},
        )
    )


def _hostname(draft: Draft) -> Changes:
    earlier = draft.earlier
    taken = earlier.hostname or earlier.name if earlier else "web"
    names = ("1bad", "bad-", "under_score", "Fine-1", "", "x" * 64, taken, taken, taken, "y" * 256, "new\nline")
    return {"hostname": draft.source.choice(names)}


def _name(draft: Draft) -> Changes:
    earlier, listed = draft.earlier, draft.another("unmanaged")
    names = (earlier.name if earlier else "", "no such vm", listed.name, draft.request.name.upper(), "", " ", "z" * 300)
    return {"name": draft.source.choice(names)}


def _no_disks(draft: Draft) -> Changes:
    return {"data_disk_offerings": draft.source.choice(((), draft.request.data_disk_offerings[1:]))}


def _wrong_disk(draft: Draft) -> Changes:
    entries = draft.request.data_disk_offerings
    offering = draft.another("disk_offerings").id
    return draft.source.choice(
        (
            {"data_disk_offerings": (*entries, ("9-9999", offering))},
            {"data_disk_offerings": (*entries[:-1], ("9-9999", offering))},
            {"data_disk_offerings": (*entries, ("", offering))},
            {"data_disk_offerings": (*entries, ("9-9999", "nonsense"))},
            {"data_disk_offerings": (*entries, *entries)},
        )
    )


def _network(draft: Draft) -> Changes:
    return draft.entry("nic_networks", draft.another("networks").id)


def _wrong_network(draft: Draft) -> Changes:
    entries = draft.request.nic_networks
    return draft.source.choice(
        (
            {"nic_networks": entries[1:]},
            {"nic_networks": ()},
            {"nic_networks": (*entries, ("", draft.another("networks").id))},
            {"nic_networks": (*entries, ("Network adapter 1", "nonsense"))},
            {"nic_networks": (*entries, ("Network adapter 77", draft.another("networks").id))},
        )
    )


def _isolated(draft: Draft) -> Changes:
    """All NICs in networks of addresses."""
    networks = [one for one in draft.snapshot.catalogue.networks if one.type != "L2"]
    addresses = ("auto", "192.168.100.7", "192.168.100.1", "192.168.101.1", "10.0.0.1", "")
    chosen = [(nic, draft.source.choice(networks)) for nic, _ in draft.request.nic_networks]
    return {
        "nic_networks": tuple((nic, network.id) for nic, network in chosen),
        "nic_addresses": tuple((nic, address) for nic, _ in chosen if (address := draft.source.choice(addresses))),
    }


def _address(draft: Draft) -> Changes:
    addresses = ("auto", "AUTO", "1.2.3", "fe80::1", "01.2.3.4", "", "10.1.1.1")
    return {"nic_addresses": (*draft.request.nic_addresses, ("Network adapter 1", draft.source.choice(addresses)))}


def _earlier_address(draft: Draft) -> Changes:
    earlier = draft.earlier
    return {"nic_addresses": earlier.nic_addresses, "nic_networks": earlier.nic_networks} if earlier else {}


def _details(draft: Draft) -> Changes:
    details = (
        (("cpuSpeed", "2000"),),
        (("cpuSpeed", "0"),),
        (("cpuSpeed", "-5"),),
        (("cpuSpeed", "fast"),),
        (("cpuSpeed", "99999999999"),),
        (("miniops", "many"),),
        (("maxiops", "100"),),
        (("rootdisksize", "20"),),
        (("note", "hello"),),
    )
    return {"details": draft.source.choice(details)}


def _ids(draft: Draft) -> Changes:
    return draft.source.choice(
        (
            {"cluster_id": ""},
            {"cluster_id": "nonsense"},
            {"cluster_id": draft.another("clusters").id},
            {"service_offering_id": ""},
            {"service_offering_id": "nonsense"},
            {"template_id": "nonsense"},
        )
    )


def _job_id(draft: Draft) -> Changes:
    used = [one.custom_job_id for one in draft.before if one.custom_job_id]
    fresh = f"00000000-0000-4000-8000-{draft.source.randrange(1 << 48):012x}"
    return {"custom_job_id": draft.source.choice((fresh, fresh, fresh.upper() + "A", "nonsense", *used))}


SPOILS: dict[str, Callable[[Draft], Changes]] = {
    "owner": _owner,
    "project": _project,
    "wrong owner": _wrong_owner,
    "hostname": _hostname,
    "name": _name,
    "display name": lambda draft: {"display_name": draft.source.choice(("", "The web, once more", "d" * 256))},
    "compute offering": lambda draft: {"service_offering_id": draft.another("service_offerings").id},
    "other compute offering": lambda draft: {"service_offering_id": draft.another("service_offerings").id},
    "template": lambda draft: {"template_id": draft.source.choice(("", draft.another("templates").id))},
    "disk offering": lambda draft: draft.entry("data_disk_offerings", draft.another("disk_offerings").id),
    "no disk offering": _no_disks,
    "wrong disk": _wrong_disk,
    "network": _network,
    "wrong network": _wrong_network,
    "networks with addresses": _isolated,
    "address": _address,
    "an earlier row's address": _earlier_address,
    "details": _details,
    "ids": _ids,
    "job id": _job_id,
    "forced": lambda draft: {"forced": True},
    "migrate": lambda draft: {"migrate_allowed": True},
}
