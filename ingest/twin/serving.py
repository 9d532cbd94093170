"""Both servers of the twin over one world, and the environment variables that point the program at them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.twin.certificate import TwinCertificate
from ingest.twin.cloudstack.server import CloudStackServer
from ingest.twin.generator import admin_keys
from ingest.twin.vcenter.server import VCenterServer
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import World


class Twin:
    """A running twin; a context manager. Ports 0 choose free ones. Loopback only.

    `ca_file` is where clients find the certificate authority both servers share; it goes away with the twin.
    """

    def __init__(
        self,
        world: World,
        *,
        vcenter_port: int = 0,
        cloudstack_port: int = 0,
        vcenter_settings: VCenterSettings | None = None,
    ) -> None:
        self.world = world
        certificate = TwinCertificate()
        self._folder = tempfile.TemporaryDirectory(prefix="ingest-twin-")
        self.ca_file = certificate.write_ca(Path(self._folder.name) / "twin-ca.pem")
        self.vcenter = VCenterServer(world, port=vcenter_port, settings=vcenter_settings, certificate=certificate)
        self.cloudstack = CloudStackServer(world, port=cloudstack_port, ssl_context=certificate.server_context())

    def __enter__(self) -> Self:
        self.vcenter.start()
        try:
            self.cloudstack.start()
        except BaseException:
            self.vcenter.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cloudstack.stop()
        self.vcenter.stop()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """The settings of the program for this twin. The secrets are the twin's own and open nothing else."""
        api_key, secret_key = admin_keys(self.world)
        return {
            "INGEST_VCENTER_HOST": self.vcenter.host,
            "INGEST_VCENTER_PORT": str(self.vcenter.port),
            "INGEST_VCENTER_USER": self.world.vcenter_user,
            "INGEST_VCENTER_PASSWORD": self.world.vcenter_password,
            "INGEST_VCENTER_CA_FILE": str(self.ca_file),
            "INGEST_CLOUDSTACK_URL": self.cloudstack.url,
            "INGEST_CLOUDSTACK_API_KEY": api_key,
            "INGEST_CLOUDSTACK_SECRET_KEY": secret_key,
            "INGEST_CLOUDSTACK_CA_FILE": str(self.ca_file),
        }
