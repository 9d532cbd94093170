"""The site's settings inside a flow: environment, TOML file, then Prefect Secret blocks."""

from __future__ import annotations

from prefect.blocks.system import Secret

from ingest.settings import Settings, load_settings


def block_secret(name: str) -> str | None:
    """The value of a Prefect Secret block, None when there is no such block."""
    try:
        block = Secret.load(name)
    except ValueError:
        return None
    return str(block.get()) if isinstance(block, Secret) else None


def site_settings() -> Settings:
    """The settings of this process. Resolved inside the task that needs them; never passed through parameters."""
    return load_settings(secrets=block_secret)
