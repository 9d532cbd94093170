"""Facts a snapshot needs that the twin's lists do not show: limits and use of owners, address ranges of networks."""

from __future__ import annotations

from collections import Counter

from ingest.model.catalogue import Catalogue, IpRange
from ingest.model.snapshot import Snapshot
from ingest.twin.cloud import Cloud

_SHOWN = {"user_vm": "vm", "cpu": "cpu", "memory": "memory", "volume": "volume", "primary_storage": "primarystorage"}


def completed(snapshot: Snapshot, cloud: Cloud) -> Snapshot:
    """The snapshot with what its lists left out; what they did show stays."""
    catalogue = _with_limits(snapshot.catalogue, cloud)
    if catalogue.ip_ranges is None:
        ranges = tuple(
            IpRange(id=network.id, networkid=network.id, startip=network.startip, endip=network.endip)
            for network in cloud.networks.values()
            if network.startip
        )
        catalogue = catalogue.model_copy(update={"ip_ranges": ranges})
    return snapshot.model_copy(update={"catalogue": catalogue})


def _with_limits(catalogue: Catalogue, cloud: Cloud) -> Catalogue:
    if any(one.vmtotal or one.cpulimit.isdigit() for one in (*catalogue.accounts, *catalogue.domains)):
        return catalogue
    used = _used(cloud)
    limits = {(limit.ownerid, limit.resource): str(limit.max) for limit in cloud.limits}

    def fields(owner_id: str, account_ids: set[str]) -> dict[str, object]:
        shown: dict[str, object] = {}
        for resource, start in _SHOWN.items():
            total = sum(used[account_id, resource] for account_id in account_ids)
            shown[f"{start}limit"] = limits.get((owner_id, resource), "Unlimited")
            shown[f"{start}total"] = total >> 30 if resource == "primary_storage" else total
        return shown

    def below(path: str) -> set[str]:
        inside = {one.id for one in cloud.domains.values() if one.path == path or one.path.startswith(f"{path}/")}
        return {account.id for account in cloud.accounts.values() if account.domainid in inside}

    own = {project.id: project.accountid for project in cloud.projects.values()}
    return catalogue.model_copy(
        update={
            "accounts": tuple(one.model_copy(update=fields(one.id, {one.id})) for one in catalogue.accounts),
            "domains": tuple(one.model_copy(update=fields(one.id, below(one.path))) for one in catalogue.domains),
            "projects": tuple(one.model_copy(update=fields(own[one.id], {own[one.id]})) for one in catalogue.projects),
        }
    )


def _used(cloud: Cloud) -> Counter[tuple[str, str]]:
    used: Counter[tuple[str, str]] = Counter()
    for instance in cloud.instances.values():
        if not instance.removed:
            used[instance.accountid, "user_vm"] += 1
            used[instance.accountid, "cpu"] += instance.cpunumber
            used[instance.accountid, "memory"] += instance.memory
    for volume in cloud.volumes.values():
        if not volume.removed:
            owner = cloud.instances[volume.instanceid].accountid
            used[owner, "volume"] += 1
            used[owner, "primary_storage"] += volume.size_bytes
    return used
