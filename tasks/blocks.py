"""Credentials as Prefect blocks, one of each kind per site: encrypted in Prefect's database, hidden in its UI.

A run is given the name of a site, never a block or a value of it: parameters are kept in clear text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from ingest.model.endpoints import CloudStackEndpoint, VCenterEndpoint
from ingest.settings import variable


class CloudStackCredentials(Block):
    """Where a CloudStack is, and the API key of the account that imports."""

    _block_type_name: ClassVar[str | None] = "CloudStack Credentials"
    _block_type_slug: ClassVar[str | None] = "cloudstack-credentials"
    _description: ClassVar[str | None] = "The API of one CloudStack, for cloudstack-vmware-ingest. Named like the site."

    url: str = Field(title="API URL", description="The API itself: https://cloud.example.org:8443/client/api")
    api_key: SecretStr = Field(title="API key")
    secret_key: SecretStr = Field(title="Secret key")
    ca_file: str = Field("", title="CA file", description="Path on the worker (PEM). Empty: the system's CAs.")
    verify_tls: bool = Field(True, title="Verify TLS", description="Switch off for a test only.")

    def endpoint(self) -> CloudStackEndpoint:
        """The endpoint as the library knows it."""
        return CloudStackEndpoint.model_validate(_given(self, CloudStackEndpoint))


class VCenterCredentials(Block):
    """Where a vCenter is, and a user who may read it."""

    _block_type_name: ClassVar[str | None] = "vCenter Credentials"
    _block_type_slug: ClassVar[str | None] = "vcenter-credentials"
    _description: ClassVar[str | None] = "One vCenter, for cloudstack-vmware-ingest. Named like the site."

    host: str = Field(title="Host", description="Name or address, without https://")
    port: int = Field(443, ge=1, le=65535, title="Port")
    user: str = Field(title="User", description="administrator@vsphere.local; reading is enough.")
    password: SecretStr = Field(title="Password")
    ca_file: str = Field("", title="CA file", description="Path on the worker (PEM). Empty: the system's CAs.")
    sha256: str = Field("", title="Certificate pin", description="SHA-256 of exactly one certificate, instead of a CA.")
    verify_tls: bool = Field(True, title="Verify TLS", description="Switch off for a test only.")

    def endpoint(self) -> VCenterEndpoint:
        """The endpoint as the library knows it."""
        return VCenterEndpoint.model_validate(_given(self, VCenterEndpoint))


BLOCKS: tuple[type[CloudStackCredentials] | type[VCenterCredentials], ...] = (CloudStackCredentials, VCenterCredentials)

Credentials = TypeVar("Credentials", CloudStackCredentials, VCenterCredentials)


def credentials(kind: type[Credentials], site: str) -> Credentials | None:
    """The block of this kind with the name of the site; None when there is none."""
    try:
        return kind.load(site)  # type: ignore[return-value]  # declared as also awaitable
    except ValueError:
        return None


def block_title(kind: type[Block]) -> str:
    """What the UI calls this kind."""
    return str(kind._block_type_name)


def _given(block: Block, model: type[CloudStackEndpoint] | type[VCenterEndpoint]) -> dict[str, object]:
    """The fields that were filled in: an empty text is "not given"."""
    values = {name: getattr(block, name) for name in model.model_fields if name in type(block).model_fields}
    return {name: value for name, value in values.items() if value != ""}


def save_credentials(site: str, environment: Mapping[str, str]) -> None:
    """Make or renew both blocks of a site from the program's own variables, `INGEST_CLOUDSTACK_URL` and so on."""
    for kind, section in ((CloudStackCredentials, "cloudstack"), (VCenterCredentials, "vcenter")):
        names = {field: variable(section, field) for field in kind.model_fields}
        given = {field: environment[name] for field, name in names.items() if name in environment}
        kind.model_validate(given).save(site, overwrite=True)
