"""Global settings: what the world's configuration says, else the management server's defaults."""

from __future__ import annotations

from ingest.twin.cloud import Cloud

DEFAULTS: dict[str, str] = {
    "admin.is.allowed.to.deploy.anywhere": "false",
    "allow.duplicate.networkname": "true",
    "api.allowed.source.cidr.list": "0.0.0.0/0,::/0",
    "api.throttling.enabled": "false",
    "api.throttling.interval": "1",
    "api.throttling.max": "25",
    "custom.diskoffering.size.max": "1024",
    "default.page.size": "500",
    "enforce.post.requests.and.timestamps": "false",
    "job.cancel.threshold.minutes": "60",
    "job.expire.minutes": "1440",
    "json.content.type": "application/json; charset=UTF-8",
    "network.throttling.rate": "200",
    "resource.count.running.vms.only": "false",
    "unmanage.vm.preserve.nics": "false",
    "wait": "1800",
    "vm.instancename.flag": "false",
    "vm.serviceoffering.cpu.cores.max": "0",
    "vm.serviceoffering.ram.size.max": "0",
    "vmware.reserve.cpu": "false",
}

# Limits of owners without one of their own, under the names CloudStack has for them. It ships 20 VMs for an account and
# the like; a site that imports in bulk has raised them.
DEFAULTS |= {
    f"max.{owner}.{resource}": "-1"
    for owner in ("account", "domain", "project")
    for resource in ("cpus", "memory", "networks", "primary.storage", "user.vms", "volumes")
}


# The settings a zone may override.
ZONE_SCOPED = frozenset({"network.throttling.rate", "unmanage.vm.preserve.nics", "vmware.reserve.cpu"})


def everything(cloud: Cloud, zoneid: str = "") -> dict[str, str]:
    """All settings by name, sorted; for a zone only those it may override, with its own values."""
    values = DEFAULTS | cloud.configuration
    if zoneid:
        values = {name: value for name, value in values.items() if name in ZONE_SCOPED}
        values |= cloud.zone_configuration.get(zoneid, {})
    return dict(sorted(values.items()))


def text(cloud: Cloud, name: str, zoneid: str = "") -> str:
    """A setting as it is stored; with a zone the zone's own value if it has one."""
    own = cloud.zone_configuration.get(zoneid, {})
    return own.get(name, cloud.configuration.get(name, DEFAULTS[name]))


def flag(cloud: Cloud, name: str, zoneid: str = "") -> bool:
    """A boolean setting."""
    return text(cloud, name, zoneid).lower() == "true"


def number(cloud: Cloud, name: str, zoneid: str = "") -> int:
    """A numeric setting; an unusable value counts as the default, as CloudStack's NumbersUtil does."""
    try:
        return int(text(cloud, name, zoneid))
    except ValueError:
        return int(DEFAULTS[name])
