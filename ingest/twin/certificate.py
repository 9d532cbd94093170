"""The twin's own certificate authority, made at each start and shared by both of its servers."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import trustme


class TwinCertificate:
    """A CA and one certificate it issued for 127.0.0.1, ::1 and localhost (and for `names`).

    `ca_pem` is what clients trust; `leaf_sha256` what they may pin (hex, lower case, no colons).
    """

    def __init__(self, *names: str, authority: trustme.CA | None = None) -> None:
        self.authority = authority or trustme.CA(organization_name="twin", organization_unit_name="CA of the twin")
        self._leaf = self.authority.issue_cert("127.0.0.1", "::1", "localhost", *names)

    @property
    def ca_pem(self) -> bytes:
        """The CA's certificate."""
        return self.authority.cert_pem.bytes()

    @property
    def leaf_pem(self) -> bytes:
        """The servers' certificate, without its key."""
        return self._leaf.cert_chain_pems[0].bytes()

    @property
    def leaf_sha256(self) -> str:
        """Fingerprint of the servers' certificate."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.leaf_pem.decode())).hexdigest()

    def write_ca(self, path: Path) -> Path:
        """Write the CA's certificate to a file and return its path."""
        path.write_bytes(self.ca_pem)
        return path

    def server_context(self) -> ssl.SSLContext:
        """TLS for a server: this certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._leaf.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """TLS for a client that trusts this CA and nothing else."""
        return ssl.create_default_context(cadata=self.ca_pem.decode())
