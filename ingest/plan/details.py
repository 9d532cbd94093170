"""The column `details`: `key=value; key=value` in one cell, keys in their exact case."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.plan.server import LARGEST_INTEGER

IGNORED = {
    "cpuSpeed": "it comes from the column cpu_speed_mhz",
    "rootDiskController": "CloudStack overwrites it with the root disk's controller",
    "nicAdapter": "CloudStack overwrites it with the NICs' adapter",
    "dataDiskController": "CloudStack overwrites it with the data disks' controller",
}
"""Keys that have no effect of their own."""

_NUMBERS = ("miniops", "maxiops")


def write_details(details: Mapping[str, str]) -> str:
    """The cell for these details; `;` inside a value is doubled."""
    return "; ".join(f"{key}={value.replace(';', ';;')}" for key, value in details.items())


def read_details(cell: str) -> dict[str, str]:
    """The details of a cell. Raises ValueError with what is wrong."""
    found: dict[str, str] = {}
    for part in cell.replace(";;", "\0").split(";"):
        if not part.strip():
            continue
        key, equals, value = part.replace("\0", ";").partition("=")
        if not equals or not key.strip():
            raise ValueError(f"'{part.strip()}' is not key=value")
        if key.strip() in found:
            raise ValueError(f"'{key.strip()}' stands twice")
        found[key.strip()] = value.strip()
    return found


def details_objection(cell: str, *, has_template: bool) -> str:
    """What the server fails at in these details; '' when nothing.

    CloudStack: VolumeOrchestrator.importVolume fails at IOPS that are no numbers, after the VM row exists;
    UserVmManagerImpl.importVM looks for a template when there is a `rootdisksize`.
    """
    try:
        details = read_details(cell)
    except ValueError as error:
        return str(error)
    for key in _NUMBERS:
        value = details.get(key, "0")
        if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= LARGEST_INTEGER):
            return f"{key}: '{value}' is no number"
    if "rootdisksize" in details and not has_template:
        return "rootdisksize: the import fails with it unless a template is named"
    return ""


def details_doubt(details: Mapping[str, str], *, fixed_offering: bool) -> str:
    """Which of these details has no effect or a bad one; '' when none (CloudStack: UserVmManagerImpl.importVM)."""
    sizes = [key for key in ("cpuNumber", "memory") if key in details]
    if sizes and fixed_offering:
        return f"{sizes[0]}: CloudStack would store it beside the size of the fixed offering, which contradicts it"
    if sizes:
        return f"{sizes[0]}: CloudStack takes the VM's own size, whatever stands here"
    ignored = next((key for key in IGNORED if key in details), "")
    return f"{ignored}: {IGNORED[ignored]}" if ignored else ""
