"""Compute and disk offerings of the CloudStack side: fixed sizes, and the two custom kinds."""

from __future__ import annotations

from ingest.twin.cloud import Cloud, DiskOffering, ServiceOffering
from ingest.twin.worlds.parts import Parts
from ingest.twin.worlds.vocabulary import FIXED_SIZES

SPEED_MHZ = 2000
CONSTRAINED_CPUS = (1, 32)
CONSTRAINED_MEMORY_MIB = (512, 131072)
FIXED_DISK_GIB = (20, 100)


def furnish_offerings(cloud: Cloud, parts: Parts) -> None:
    """Every usual size as a fixed offering, one custom constrained (cpu and memory open within limits), one custom
    unconstrained (all open), a custom disk offering and two fixed ones.

    Each compute offering has its own hidden disk offering, which CloudStack uses for the root disk.
    """
    for cpus, memory_mib in FIXED_SIZES:
        name = f"fixed-{cpus}x{memory_mib // 1024}g"
        _compute(cloud, parts, ServiceOffering("", name, cpus, SPEED_MHZ, memory_mib, ""))
    constrained = ServiceOffering("", "custom-constrained", None, SPEED_MHZ, None, "")
    constrained.mincpunumber, constrained.maxcpunumber = CONSTRAINED_CPUS
    constrained.minmemory, constrained.maxmemory = CONSTRAINED_MEMORY_MIB
    _compute(cloud, parts, constrained)
    _compute(cloud, parts, ServiceOffering("", "custom-unconstrained", None, None, None, ""))
    _disk(cloud, DiskOffering(parts.uuid(), "disk-custom", 0, iscustomized=True))
    for size_gib in FIXED_DISK_GIB:
        _disk(cloud, DiskOffering(parts.uuid(), f"disk-{size_gib}g", size_gib, iscustomized=False))


def _compute(cloud: Cloud, parts: Parts, offering: ServiceOffering) -> None:
    root = DiskOffering(parts.uuid(), offering.name, 0, iscustomized=True, hidden=True)
    _disk(cloud, root)
    offering.id, offering.diskofferingid = parts.uuid(), root.id
    cloud.service_offerings[offering.id] = offering


def _disk(cloud: Cloud, offering: DiskOffering) -> None:
    cloud.disk_offerings[offering.id] = offering
