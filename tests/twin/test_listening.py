"""A server that goes down closes every connection, whatever its client is doing."""

from __future__ import annotations

import gc
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import pytest

from ingest.twin.certificate import TwinCertificate
from ingest.twin.cloudstack.server import CloudStackServer
from tests.twin.cloudstack.tiny import tiny_world


def test_a_restart_leaves_no_connection_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients end their handshake at every moment of the shutdown; uvicorn looks at its connections once."""
    left_open: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: left_open.append(str(unraisable.exc_value)))
    certificate = TwinCertificate()
    context = ssl.create_default_context(cafile=str(certificate.write_ca(tmp_path / "ca.pem")))
    with CloudStackServer(tiny_world(), ssl_context=certificate.server_context()) as server:
        waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(20)]
        restart = threading.Thread(target=server.restart)
        restart.start()
        secured = []
        for connection in waiting:
            time.sleep(0.01)
            try:
                secured.append(context.wrap_socket(connection, server_hostname="127.0.0.1"))
            except OSError:
                connection.close()
        restart.join()
        for connection in secured:
            connection.close()
    gc.collect()
    assert left_open == []
