"""The twin's certificate authority."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

import trustme

from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import VCenterServer
from ingest.twin.world import World


def test_a_client_with_the_ca_file_trusts_every_server_of_the_twin(world: World, tmp_path: Path) -> None:
    certificate = TwinCertificate()
    ca_file = certificate.write_ca(tmp_path / "ca.pem")
    context = ssl.create_default_context(cafile=str(ca_file))
    with VCenterServer(world, certificate=certificate) as one, VCenterServer(world, certificate=certificate) as two:
        for server in (one, two):
            for name in ("127.0.0.1", "localhost"):
                connection = http.client.HTTPSConnection(name, server.port, context=context)
                connection.request("GET", "/sdk/vimServiceVersions.xml")
                assert connection.getresponse().read().startswith(b"<?xml")
                connection.close()


def test_an_authority_made_elsewhere_can_be_used() -> None:
    authority = trustme.CA()
    one, two = TwinCertificate(authority=authority), TwinCertificate(authority=authority)
    assert one.ca_pem == two.ca_pem == authority.cert_pem.bytes()
    assert one.leaf_sha256 != two.leaf_sha256
