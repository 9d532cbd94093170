"""The settings of a rehearsal: those of its twin, and nothing else.

Every section is given whole, so neither environment, file nor secret store is asked for anything. That a rehearsal
cannot reach a real server rests on this file, and on nobody in this package reading settings elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, SecretStr

from ingest.model.endpoints import CloudStackEndpoint, HealthEndpoint, VCenterEndpoint
from ingest.settings import SECTIONS, RunSettings, Settings
from ingest.twin.generator import admin_keys
from ingest.twin.serving import Twin

LEDGER = "ledger.db"


def twin_settings(twin: Twin, folder: Path) -> Settings:
    """Both endpoints of a running twin, its guests, and a ledger of its own in `folder`."""
    api_key, secret_key = admin_keys(twin.world)
    sections: dict[str, BaseModel] = {
        "cloudstack": CloudStackEndpoint(
            url=twin.cloudstack.url,
            api_key=SecretStr(api_key),
            secret_key=SecretStr(secret_key),
            ca_file=twin.ca_file,
        ),
        "vcenter": VCenterEndpoint(
            host=twin.vcenter.host,
            port=twin.vcenter.port,
            user=twin.world.vcenter_user,
            password=SecretStr(twin.world.vcenter_password),
            ca_file=twin.ca_file,
        ),
        "run": run_settings(folder),
        "health": HealthEndpoint(proxy=twin.guests.url),
    }
    return closed(sections)


def run_settings(folder: Path) -> RunSettings:
    """Runs and ledger below the rehearsal's folder."""
    return RunSettings(folder=folder, state=folder, ledger=SecretStr(str(folder / LEDGER)))


def closed(sections: dict[str, BaseModel]) -> Settings:
    """Settings that have every section, so that none is looked for elsewhere. Raises ValueError when one is missing."""
    if missing := SECTIONS.keys() - sections.keys():
        raise ValueError(f"a rehearsal would look for {', '.join(sorted(missing))} outside its twin")
    return Settings(toml={}, endpoints=sections)
