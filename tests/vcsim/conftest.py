"""VMware's own vCenter simulator, started with chosen flags and stopped with the tests.

The program is `.tools/vcsim`, built by `tests/vcsim/build.sh`, or the one the environment variable VCSIM names.
Without it these tests are skipped.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from ingest.model.endpoints import VCenterEndpoint

BUILT = Path(__file__).parents[2] / ".tools" / "vcsim"
USER, PASSWORD = "reader@vsphere.local", "vcsim-password"
READY_S = 60


@dataclass(frozen=True)
class Simulator:
    """A running vcsim. `certificate` is its own, self-signed, as a PEM file: usable as the CA to trust."""

    host: str
    port: int
    user: str
    password: str
    certificate: Path

    @property
    def endpoint(self) -> VCenterEndpoint:
        """What the vCenter client needs."""
        return VCenterEndpoint(
            host=self.host,
            port=self.port,
            user=self.user,
            password=SecretStr(self.password),
            ca_file=self.certificate,
        )


StartVcsim = Callable[..., Simulator]


@pytest.fixture(scope="session")
def vcsim_binary() -> Path:
    """The program, or a skip that says how to get it."""
    wanted = os.environ.get("VCSIM")
    path = Path(wanted) if wanted else BUILT
    if not os.access(path, os.X_OK):
        if wanted:
            pytest.fail(f"VCSIM is {wanted}, which is no program")
        pytest.skip(f"{path} is not there: run tests/vcsim/build.sh (needs Go)")
    return path


@pytest.fixture(scope="module")
def start_vcsim(vcsim_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartVcsim]:
    """`start_vcsim("-dc", "2", ...)` gives a running simulator; all are stopped when the module's tests are done."""
    with ExitStack() as running:

        def start(*flags: str) -> Simulator:
            errors = tmp_path_factory.mktemp("vcsim") / "stderr"
            command = [str(vcsim_binary), "-l", "127.0.0.1:0", "-username", USER, "-password", PASSWORD, "-until-eof"]
            with errors.open("wb") as stream:
                # -until-eof: the pipe closes when the test run dies in whatever way, so no simulator outlives it.
                process = subprocess.Popen(
                    [*command, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream
                )
            running.callback(_stop, process)
            address = urlsplit(_first_line(process, errors).partition("=")[2])
            host, port = address.hostname, address.port
            assert host == "127.0.0.1"
            assert port
            certificate = errors.with_name("certificate.pem")
            certificate.write_text(ssl.get_server_certificate((host, port), timeout=10))
            return Simulator(host, port, USER, PASSWORD, certificate)

        yield start


def _first_line(process: subprocess.Popen[bytes], errors: Path) -> str:
    """The line it prints when it is ready. Never waits longer than READY_S for it."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_S
    os.set_blocking(process.stdout.fileno(), False)
    text = b""
    while time.monotonic() < deadline and b"\n" not in text and process.poll() is None:
        text += process.stdout.read() or b""
        time.sleep(0.02)
    text += process.stdout.read() or b""
    line = text.decode().strip()
    assert line.startswith("export GOVC_URL="), f"vcsim did not start: {line!r} {errors.read_text()}"
    return line


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
