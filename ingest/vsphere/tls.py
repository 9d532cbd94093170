"""TLS contexts for vCenter: verified by CA, or pinned to exactly one certificate.

pyVmomi's own `thumbprint` is never used: with verification switched off it is not checked at all, and with a
context of one's own the second call is accepted whatever the certificate.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import socket
import ssl

from ingest.errors import SettingsError, Untrusted
from ingest.model.endpoints import VCenterEndpoint

logger = logging.getLogger("ingest.vsphere")


def context_for(endpoint: VCenterEndpoint) -> ssl.SSLContext:
    """The TLS context every connection of this endpoint uses.

    With a pin the server is visited once (no request, no credentials) to compare its certificate. Raises Untrusted
    for another certificate, SettingsError for an unusable pin or CA file, OSError when the server is unreachable.
    """
    if endpoint.sha256:
        return _pinned(endpoint)
    if not endpoint.verify_tls:
        logger.warning("the certificate of %s is not verified", endpoint.host)
        return _unverified()
    try:
        return ssl.create_default_context(cafile=str(endpoint.ca_file) if endpoint.ca_file else None)
    except OSError as error:
        raise SettingsError(
            f"the CA file cannot be used: {error.strerror or error}",
            place=str(endpoint.ca_file),
            cure="set INGEST_VCENTER_CA_FILE to a file with PEM certificates",
        ) from error


def untrusted(endpoint: VCenterEndpoint, reason: str) -> Untrusted:
    """The error for a certificate that failed verification, with the fingerprint that was seen."""
    try:
        seen = fingerprint(peer_certificate(endpoint))
    except OSError:
        seen = ""
    compare = f", or compare {seen} with the server's own and set INGEST_VCENTER_SHA256 to it" if seen else ""
    shown = f"; its SHA-256 is {seen}" if seen else ""
    return Untrusted(
        f"the certificate is not trusted: {reason}{shown}",
        place=f"{endpoint.host}:{endpoint.port}",
        cure=f"set INGEST_VCENTER_CA_FILE to the file of the CA that signed it{compare}",
    )


def peer_certificate(endpoint: VCenterEndpoint) -> bytes:
    """The certificate (DER) the server shows, unverified. Nothing is sent but the TLS greeting."""
    with (
        socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.timeout_s) as plain,
        _unverified().wrap_socket(plain, server_hostname=endpoint.host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, 64 lower-case hex digits."""
    return hashlib.sha256(certificate).hexdigest()


def _pinned(endpoint: VCenterEndpoint) -> ssl.SSLContext:
    wanted = endpoint.sha256.replace(":", "").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise SettingsError(
            "the certificate pin is not a SHA-256 fingerprint (64 hex digits, colons allowed)",
            place="INGEST_VCENTER_SHA256",
            cure="read it on the server: openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE",
        )
    certificate = peer_certificate(endpoint)
    seen = fingerprint(certificate)
    if not hmac.compare_digest(seen, wanted):
        raise Untrusted(
            f"the server shows another certificate than the pinned one: SHA-256 {seen}",
            place=f"{endpoint.host}:{endpoint.port}",
            cure="find out why it changed; if that was meant, set INGEST_VCENTER_SHA256 to the new fingerprint",
        )
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(certificate))
    context.check_hostname = False  # the certificate itself is the identity
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a CA-issued leaf is trusted without its CA
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # default from Python 3.13 on; refuses many appliance certificates
    return context


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
