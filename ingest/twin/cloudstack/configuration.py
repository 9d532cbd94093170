"""Global settings: what the world's configuration says, else the management server's defaults."""

from __future__ import annotations

from ingest.twin.cloud import Cloud

DEFAULTS: dict[str, str] = {
    "admin.is.allowed.to.deploy.anywhere": "false",
    "allow.duplicate.networkname": "true",
    "api.throttling.enabled": "false",
    "api.throttling.interval": "1",
    "api.throttling.max": "25",
    "custom.diskoffering.size.max": "1024",
    "default.page.size": "500",
    "enforce.post.requests.and.timestamps": "false",
    "job.cancel.threshold.minutes": "60",
    "job.expire.minutes": "1440",
    "unmanage.vm.preserve.nics": "false",
    "wait": "1800",
    "vm.instancename.flag": "false",
    "vm.serviceoffering.cpu.cores.max": "0",
    "vm.serviceoffering.ram.size.max": "0",
}

# Limits of owners without one of their own, under the names CloudStack has for them. It ships 20 VMs for an account and
# the like; a site that imports in bulk has raised them.
DEFAULTS |= {
    f"max.{owner}.{resource}": "-1"
    for owner in ("account", "domain", "project")
    for resource in ("cpus", "memory", "networks", "primary.storage", "user.vms", "volumes")
}


def everything(cloud: Cloud) -> dict[str, str]:
    """All settings by name, sorted."""
    return dict(sorted((DEFAULTS | cloud.configuration).items()))


def flag(cloud: Cloud, name: str) -> bool:
    """A boolean setting."""
    return _value(cloud, name).lower() == "true"


def number(cloud: Cloud, name: str) -> int:
    """A numeric setting; an unusable value counts as the default, as CloudStack's NumbersUtil does."""
    try:
        return int(_value(cloud, name))
    except ValueError:
        return int(DEFAULTS[name])


def _value(cloud: Cloud, name: str) -> str:
    return cloud.configuration.get(name, DEFAULTS[name])
