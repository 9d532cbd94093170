"""The twin's vCenter as a server on this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

from ingest.errors import UsageError
from ingest.twin.certificate import TwinCertificate
from ingest.twin.faults.fate import Troubles
from ingest.twin.listening import is_loopback
from ingest.twin.vcenter.disturbances import Disturbance
from ingest.twin.vcenter.service import Service
from ingest.twin.vcenter.settings import VCenterSettings
from ingest.twin.vcenter.tasks import Outcome
from ingest.twin.vcenter.transport import SoapServer
from ingest.twin.world import World


class VCenterServer:
    """A vCenter over a world: real SOAP over TLS, for unmodified clients.

    Use it as a context manager or with `start()` and `stop()`. `port` is 0 until started when none was asked for.
    Listens on loopback only; any other address needs `allow_remote` (raises UsageError), because the twin's password
    is no secret. `certificate` lets two servers share one CA.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: VCenterSettings | None = None,
        certificate: TwinCertificate | None = None,
        allow_remote: bool = False,
        troubles: Troubles | None = None,
    ) -> None:
        if not allow_remote and not is_loopback(host):
            raise UsageError(
                f"{host} is not a loopback address", place="host", cure="use 127.0.0.1, or say allow_remote on purpose"
            )
        self.world = world
        self.host = host
        self.port = port
        self.settings = settings or VCenterSettings()
        self.certificate = certificate or TwinCertificate()
        self._service = Service(world, self.settings, troubles)
        self._earlier_requests = 0
        self._changing = threading.Lock()
        self._server: SoapServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def ca_pem(self) -> bytes:
        """The CA to trust, as PEM."""
        return self.certificate.ca_pem

    @property
    def sha256(self) -> str:
        """Fingerprint of the server's certificate, hex without colons."""
        return self.certificate.leaf_sha256

    @property
    def requests(self) -> int:
        """SOAP requests received so far."""
        return self._earlier_requests + (self._server.requests if self._server else 0)

    @property
    def calls(self) -> Mapping[str, int]:
        """Calls so far by method name."""
        return dict(self._service.calls)

    def start(self) -> VCenterServer:
        """Listen and serve on a thread. Raises OSError when the port is taken."""
        self._listen()
        return self

    def _listen(self) -> None:
        self._server = SoapServer((self.host, self.port), self._service, self.certificate.server_context())
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="twin-vcenter", daemon=True
        )
        self._thread.start()
        self._service.boots.resume()

    def stop(self) -> None:
        """Stop listening, cut the connections, end what was still to happen. May be called twice."""
        self._service.stop()  # also ends a restart's wait
        with self._changing:
            self._close()

    def restart(self, down_seconds: float = 0.0) -> bool:
        """Cut all connections, end all sessions, refuse connections for so long; returns when it listens again.

        False when it was not running or was stopped meanwhile.
        """
        with self._changing:
            if self._server is None:
                return False
            self._close()
            self._service.sessions.close_all()
            if self.world.clock.wait(self._service.stopping, down_seconds):
                return False
            self._listen()
            return True

    def _close(self) -> None:
        if self._server is None or self._thread is None or not self._thread.is_alive():
            return
        # Nobody may connect any more, or wait to be accepted, before the connections are cut.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.socket.close()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join(timeout=5)
        self._earlier_requests += self._server.requests
        self._server = None

    def __enter__(self) -> VCenterServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def end_sessions(self) -> None:
        """Log everybody out, as a restart of vCenter does."""
        self._service.sessions.close_all()

    def page_by(self, objects: int) -> int:
        """Give at most so many objects in one answer from now on; returns how many it was."""
        before = self._service.settings.page_objects
        self._service.settings = replace(self._service.settings, page_objects=objects)
        return before

    def disturb(self, disturbance: Disturbance) -> None:
        """Make trouble for the calls it names, from now on."""
        self._service.disturbances.add(disturbance)

    def calm(self) -> None:
        """Take every disturbance back."""
        self._service.disturbances.clear()

    def plan_task(self, vm: str, outcome: Outcome) -> None:
        """Let the next task on a VM (managed object id) fail, hang for ever, or stop with a question."""
        self._service.tasks.plan(vm, outcome)
