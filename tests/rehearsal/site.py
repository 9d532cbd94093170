"""A site that was planned, as its run folder keeps it, and a socket nobody may call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.stages.discover_networks import discover_networks
from ingest.stages.enrich_csv import enrich_csv
from ingest.stages.list_unmanaged import list_unmanaged
from ingest.stages.run_folder import RunFolder
from ingest.twin.serving import Twin
from ingest.twin.world import World
from tests.plan.twin_site import cloudstack_of, vcenter_of


def planned_site(world: World, path: Path) -> RunFolder:
    """A run folder with snapshot and plan of this world."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    with Twin(world) as twin:
        discover_networks(vcenter_of(twin), folder)
        list_unmanaged(cloudstack_of(twin), folder)
    enrich_csv(folder)
    return folder


class Trap:
    """Counts the connections to its port."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.caught = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.caught += 1
            connection.close()

    def environment(self) -> dict[str, str]:
        """The settings of a site that looks real: all of it leads here."""
        return {
            "INGEST_VCENTER_HOST": "127.0.0.1",
            "INGEST_VCENTER_PORT": str(self.port),
            "INGEST_VCENTER_USER": "real@vsphere.local",
            "INGEST_VCENTER_PASSWORD": "real-password",
            "INGEST_VCENTER_VERIFY_TLS": "false",
            "INGEST_CLOUDSTACK_URL": f"http://127.0.0.1:{self.port}/client/api",
            "INGEST_CLOUDSTACK_API_KEY": "real-key",
            "INGEST_CLOUDSTACK_SECRET_KEY": "real-secret",
            "INGEST_HEALTH_PROXY": f"http://127.0.0.1:{self.port}",
        }

    def close(self) -> None:
        self._listening.close()


@contextmanager
def trap() -> Iterator[Trap]:
    one = Trap()
    try:
        # It does catch: otherwise nothing would be proven by what it did not.
        socket.create_connection(("127.0.0.1", one.port)).close()
        while not one.caught:
            pass
        one.caught = 0
        yield one
    finally:
        one.close()
