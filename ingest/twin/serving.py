"""Both servers of the twin over one world, and the environment variables that point the program at them."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.twin.certificate import TwinCertificate
from ingest.twin.cloudstack.server import CloudStackServer
from ingest.twin.faults.engine import Faults
from ingest.twin.generator import admin_keys
from ingest.twin.guest_gateway import GuestGateway
from ingest.twin.listening import is_loopback, url_host
from ingest.twin.vcenter.server import VCenterServer
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.world import World


class Twin:
    """A running twin; a context manager. Ports 0 choose free ones. `guests` is the way to its VMs' guests.

    Listens on loopback only: any other `listen` address needs `allow_remote` (raises UsageError), because the twin's
    keys and passwords are no secret. `faults` sets and takes back faults of both servers.

    `ca_file` is where clients find the certificate authority both servers share; it goes away with the twin.
    """

    def __init__(
        self,
        world: World,
        *,
        vcenter_port: int = 0,
        cloudstack_port: int = 0,
        vcenter_settings: VCenterSettings | None = None,
        listen: str = "127.0.0.1",
        allow_remote: bool = False,
    ) -> None:
        self.world = world
        self.faults = Faults(world)
        certificate = TwinCertificate(*([] if is_loopback(listen) else [listen, socket.gethostname()]))
        self._folder = tempfile.TemporaryDirectory(prefix="ingest-twin-")
        self.ca_file = certificate.write_ca(Path(self._folder.name) / "twin-ca.pem")
        self.vcenter = VCenterServer(
            world,
            host=listen,
            port=vcenter_port,
            settings=vcenter_settings,
            certificate=certificate,
            allow_remote=allow_remote,
            troubles=self.faults,
        )
        self.cloudstack = CloudStackServer(
            world,
            host=listen,
            port=cloudstack_port,
            ssl_context=certificate.server_context(),
            allow_remote=allow_remote,
            troubles=self.faults,
        )
        self.guests = GuestGateway(world)
        self.faults.connect(self.cloudstack, self.vcenter)

    def __enter__(self) -> Self:
        self.vcenter.start()
        try:
            self.guests.start()
            self.cloudstack.start()
        except BaseException:
            self.guests.stop()
            self.vcenter.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.stop()
        self.guests.stop()
        self.cloudstack.stop()
        self.vcenter.stop()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """The settings of the program for this twin. The secrets are the twin's own and open nothing else."""
        api_key, secret_key = admin_keys(self.world)
        return {
            "INGEST_VCENTER_HOST": _reachable(self.vcenter.host),
            "INGEST_VCENTER_PORT": str(self.vcenter.port),
            "INGEST_VCENTER_USER": self.world.vcenter_user,
            "INGEST_VCENTER_PASSWORD": self.world.vcenter_password,
            "INGEST_VCENTER_CA_FILE": str(self.ca_file),
            "INGEST_CLOUDSTACK_URL": self.cloudstack.url.replace(
                f"//{url_host(self.cloudstack.host)}:", f"//{url_host(_reachable(self.cloudstack.host))}:"
            ),
            "INGEST_CLOUDSTACK_API_KEY": api_key,
            "INGEST_CLOUDSTACK_SECRET_KEY": secret_key,
            "INGEST_CLOUDSTACK_CA_FILE": str(self.ca_file),
            "INGEST_HEALTH_PROXY": self.guests.url,
        }


def _reachable(listen: str) -> str:
    """The address clients on this machine use; a server that listens everywhere has none of its own."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104  compared, not listened on
