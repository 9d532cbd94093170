"""Clean worlds can be imported as they are: the twin's CloudStack, with the server's own checks, takes every VM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from ingest.cloudstack.client import CloudStackClient
from ingest.cloudstack.jobs import SUCCEEDED, wait_for_job
from ingest.model.catalogue import Job, UnmanagedInstance
from ingest.model.endpoints import CloudStackEndpoint
from ingest.model.request import ImportRequest
from ingest.twin.generator import CLEAN, REALISTIC, admin_keys, generate
from ingest.twin.serving import Twin
from ingest.twin.world import VM, World
from ingest.twin.worldfile import load_world

DEMO = Path(__file__).parents[3] / "data" / "demo-world.yaml"


@contextmanager
def cloudstack(world: World) -> Iterator[CloudStackClient]:
    world.cloud.import_seconds = world.cloud.import_jitter_seconds = 0
    api_key, secret_key = admin_keys(world)
    with Twin(world) as twin:
        endpoint = CloudStackEndpoint(
            url=twin.cloudstack.url,
            api_key=SecretStr(api_key),
            secret_key=SecretStr(secret_key),
            ca_file=twin.ca_file,
        )
        with CloudStackClient(endpoint) as client:
            yield client


def plain_request(world: World, vm: VM, listed: UnmanagedInstance) -> ImportRequest:
    """The import nobody thought about: networks found by VLAN, the custom offering, the owner of the VM's folder."""
    cloud = world.cloud
    tenant = world.folders[vm.folder].name if vm.folder else ""
    project = next((p.id for p in cloud.projects.values() if p.name == tenant), "")
    account = next((a for a in cloud.accounts.values() if a.name == tenant and a.accounttype == 0), None)
    custom = next(d.id for d in cloud.disk_offerings.values() if d.name == "disk-custom")
    return ImportRequest(
        cluster_id=listed.clusterid,
        name=vm.name,
        service_offering_id=next(o.id for o in cloud.service_offerings.values() if o.name == "custom-constrained"),
        account=account.name if account else "",
        domain_id=account.domainid if account else "",
        project_id=project,
        data_disk_offerings=tuple((disk.id, custom) for disk in listed.disk[1:]),
    )


def import_all(world: World) -> dict[str, Job | None]:
    """What became of a plain import of every VM, by moref; None for VMs CloudStack does not list."""
    with cloudstack(world) as client:
        clusters = list(world.cloud.clusters)
        listed = {
            (one.name, one.hostname): one for cluster in clusters for one in client.list_unmanaged_instances(cluster)
        }
        found = {moref: listed.get((vm.name, world.hosts[vm.host].name)) for moref, vm in world.vms.items()}
        sent = {
            moref: client.import_unmanaged_instance(plain_request(world, world.vms[moref], one))
            for moref, one in found.items()
            if one is not None
        }
        done = {moref: wait_for_job(client, job_id, every_s=0.05, timeout_s=60) for moref, job_id in sent.items()}
        return {moref: done.get(moref) for moref in world.vms}


def reason(job: Job | None) -> str:
    """'' for an import that worked, else the server's words."""
    if job is None:
        return "not listed"
    if job.jobstatus == SUCCEEDED:
        return ""
    return str((job.jobresult or {}).get("errortext", ""))


def test_every_vm_of_a_clean_world_is_imported() -> None:
    world = generate(100, seed=1, shape=replace(CLEAN, datacenters=2))
    jobs = import_all(world)
    assert {reason(job) for job in jobs.values()} == {""}
    assert len(world.cloud.instances) == 100
    nics = sum(len(vm.nics) for vm in world.vms.values())
    assert sum(len(instance.nics) for instance in world.cloud.instances.values()) == nics
    disks = sum(len(vm.disks) for vm in world.vms.values())
    assert len(world.cloud.volumes) == disks


def test_of_the_demo_the_generated_vms_are_imported_and_the_others_refused_for_their_reason() -> None:
    world = load_world(DEMO)
    jobs = import_all(world)
    reasons: dict[str, str] = {}
    for moref, job in jobs.items():
        reasons[world.vms[moref].name] = reason(job)
    assert list(reasons.values()).count("") >= 45
    expected = {
        "File Server 2": "valid hostname",
        "billing_db.prod": "valid hostname",
        "scada-gw01": "Suitable network for nic",
        "firewall01": "Suitable network for nic",
        "scanner01": "Suitable network for nic",
        "intranet01": "needs a valid IP address",
        "mail-gw01": "Multiple network adapter",
        "ubuntu-22-golden": "not listed",
    }
    assert {name: words in reasons[name] for name, words in expected.items()} == dict.fromkeys(expected, True)


def test_realistic_worlds_are_refused_in_part_only() -> None:
    world = generate(120, seed=6, shape=REALISTIC)
    done = Counter(reason(job) == "" for job in import_all(world).values())
    assert done[True] > 60
    assert done[False] > 15
