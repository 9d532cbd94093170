"""Where the two servers are and how to be let in. Values only; reading settings is `ingest.settings`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Timeouts(BaseModel):
    """Seconds, per kind of CloudStack call. Listing a cluster's unmanaged VMs takes minutes for hundreds of VMs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_s: float = Field(default=10.0, gt=0)
    read_s: float = Field(default=60.0, gt=0)
    list_unmanaged_s: float = Field(default=3600.0, gt=0)
    change_s: float = Field(default=120.0, gt=0)


class CloudStackEndpoint(BaseModel):
    """`url` is the API itself, e.g. https://cloud.example.org:8443/client/api. TLS is verified by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    api_key: SecretStr
    secret_key: SecretStr
    ca_file: Path | None = None
    verify_tls: bool = True
    timeouts: Timeouts = Timeouts()


class HealthEndpoint(BaseModel):
    """How health checks reach guests. `proxy`: an HTTP proxy that lets connections through (CONNECT), e.g.
    http://127.0.0.1:8888, for networks this machine has no route into; without it guests are reached directly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proxy: str = Field(default="", pattern=r"^(http://[^/@\s]+:\d+)?$")


class VCenterEndpoint(BaseModel):
    """`sha256` pins exactly one certificate (hex, colons allowed); without it `ca_file` or the system CAs decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = Field(default=443, ge=1, le=65535)
    user: str
    password: SecretStr
    ca_file: Path | None = None
    sha256: str = ""
    verify_tls: bool = True
    timeout_s: float = Field(default=60.0, gt=0)
