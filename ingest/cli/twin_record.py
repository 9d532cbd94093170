"""`ingest twin record`: the site of the settings as a world file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from ingest.cli.output import talk
from ingest.counting import counted
from ingest.errors import UsageError


def record(
    file: Path,
    *,
    config: Path | None = None,
    scrub: bool = False,
    no_cloudstack: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Read vCenter and CloudStack into a world file, to rehearse on a copy of your site. Changes nothing there.

    The file holds no API keys, passwords, certificates or mail addresses of the site; the copy has keys and a password
    of its own. It does hold names, addresses and notes of VMs, unless --scrub. Exit codes: 0 all recorded, 4 recorded
    without some lists or properties this account may not read (they are named), 2 and 6 nothing recorded.

    Parameters
    ----------
    file
        World file to write (JSON), for `ingest twin serve --world`. Replaced when it is there.
    config
        TOML file with settings.
    scrub
        Replace the letters of all names, the same name everywhere by the same one; drop notes, replace custom field
        values and public addresses. Kept: lengths, digits and signs of names, MACs, VLANs, private addresses, ids.
    no_cloudstack
        Read vCenter only; the CloudStack side is made to fit.
    """
    from ingest.record import record as read_site
    from ingest.settings import load_settings
    from ingest.twin.worldfile import save_world

    settings = load_settings(config)
    cloudstack = None if no_cloudstack else settings.cloudstack
    with talk.status("reading") as status:
        found = read_site(
            settings.vcenter, cloudstack, scrubbed=scrub, progress=lambda text: status.update(escape(text))
        )
    try:
        save_world(found.world, file)
    except OSError as error:
        cure = "name a file in a folder that exists and may be written"
        raise UsageError(f"cannot be written: {error.strerror}", place=str(file), cure=cure) from None
    for what, why in found.missing:
        talk.print(f"[yellow]not recorded:[/] {escape(what)}: {escape(why)}")
    cloud = found.world.cloud
    talk.print(
        f"{counted(len(found.world.vms), 'VM')}, {len(cloud.instances)} of CloudStack's, "
        f"{counted(len(cloud.networks), 'network')}, {len(found.missing)} things not readable"
    )
    talk.print(f"next: ingest twin serve --world {escape(str(file))}")
    return 4 if found.missing else 0
