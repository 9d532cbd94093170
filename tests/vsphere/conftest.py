from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from ingest.vsphere.session import VCenter, connect
from tests.vsphere.fake import Fake, serving


@dataclass(frozen=True)
class Tls:
    certificate: trustme.LeafCert
    ca_file: Path
    other_ca_file: Path
    sha256: str


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "other.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return Tls(certificate, folder / "ca.pem", folder / "other.pem", hashlib.sha256(der).hexdigest())


@pytest.fixture
def fake(tls: Tls) -> Iterator[Fake]:
    with serving(Fake(), tls.certificate) as running:
        yield running


@pytest.fixture
def vcenter(fake: Fake, tls: Tls) -> Iterator[VCenter]:
    with connect(fake.endpoint(ca_file=tls.ca_file)) as session:
        yield session
