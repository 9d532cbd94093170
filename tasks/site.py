"""The site's settings inside a flow. Resolved inside the task that needs them; never passed through parameters.

A named site: its two credentials blocks, and the values the variable `ingest_sites` has for it. Without a name:
environment, TOML file, then Prefect Secret blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect.blocks.system import Secret
from prefect.variables import Variable

from ingest.errors import SettingsError
from ingest.settings import RunSettings, Settings, load_settings
from tasks.blocks import CloudStackCredentials, VCenterCredentials, block_title, credentials

SITES_VARIABLE = "ingest_sites"


def block_secret(name: str) -> str | None:
    """The value of a Prefect Secret block, None when there is no such block."""
    try:
        block = Secret.load(name)
    except ValueError:
        return None
    return str(block.get()) if isinstance(block, Secret) else None


def site_settings(site: str = "") -> Settings:
    """The settings of a named site, or of this process.

    The environment of a worker may stand in for the blocks of one site, the one it names itself in INGEST_RUN_SITE:
    otherwise a worker would import into whatever its environment points at. Raises SettingsError when a block is
    missing.
    """
    settings = load_settings(secrets=block_secret)
    if not site:
        return settings
    cloudstack, vcenter = credentials(CloudStackCredentials, site), credentials(VCenterCredentials, site)
    missing = [
        block_title(kind)
        for kind, block in ((CloudStackCredentials, cloudstack), (VCenterCredentials, vcenter))
        if block is None
    ]
    if missing and settings.run.site != site:
        raise SettingsError(
            f"no block {' and no block '.join(missing)} is named '{site}'",
            place=f"site {site}",
            cure="make it in the Prefect UI (Blocks), or start the worker of this site with its settings in the "
            f"environment and INGEST_RUN_SITE={site}",
        )
    found = {"cloudstack": cloudstack, "vcenter": vcenter}
    return replace(
        settings,
        endpoints={section: block.endpoint() for section, block in found.items() if block is not None},
        run_values=_run_values(site),
    )


def run_settings_of(site: str = "") -> RunSettings:
    """Where the runs and the ledger of a site are. Its credentials are neither looked for nor read."""
    settings = load_settings(secrets=block_secret)
    return (replace(settings, run_values=_run_values(site)) if site else settings).run


def _run_values(site: str) -> Mapping[str, Any]:
    """What the variable says of a site: rules, checks, folder. Who reads the API reads variables: no secrets."""
    sites: Any = Variable.get(SITES_VARIABLE, default={})
    values = sites.get(site) or {} if isinstance(sites, dict) else None
    if not isinstance(values, dict) or "ledger" in values:
        raise SettingsError(
            f"has no table of plain values for '{site}'",
            place=f"Prefect variable {SITES_VARIABLE}",
            cure='write it as {"'
            + site
            + '": {"rules": "/etc/ingest/'
            + site
            + '.yaml"}}; a ledger is set on the worker',
        )
    return values
