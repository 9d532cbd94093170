"""What is checked, and what came of it: plain values. What they accept is decided here, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from ingest.errors import UsageError
from ingest.model.guest import GuestState


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A port accepts connections."""

    host: str
    port: int
    kind: Literal["tcp"] = field(default="tcp", init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535 or not self.host:
            raise UsageError(f"{self.host}:{self.port} is no host and port", place="health check", cure="host:port")

    @property
    def target(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """A URL answers with a status that counts (200 to 399 unless `statuses` names others) and has the `text` in it.

    Redirects are not followed: where they lead is another check. Certificates are verified, by `ca_file` if given.
    """

    url: str
    statuses: tuple[int, ...] = ()
    text: str = ""
    verify_tls: bool = True
    ca_file: Path | None = None
    kind: Literal["http"] = field(default="http", init=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "@" in self.url:
            raise UsageError("is no URL to check", place=self.url, cure="http://host:port/path, without a password")

    @property
    def target(self) -> str:
        return self.url

    def why_not(self, status: int, body: str) -> str:
        """Why an answer does not count, '' when it does."""
        counts = status in self.statuses if self.statuses else 200 <= status < 400
        if not counts:
            start = " ".join(body.split())[:120]
            return f"status {status}" + (f": {start}" if start else "")
        return "" if self.text in body else f"status {status}, without the text {self.text!r}"


@dataclass(frozen=True, slots=True)
class HeartbeatCheck:
    """VMware Tools of a VM (managed object id) beat: vCenter shows green."""

    moref: str
    name: str = ""
    kind: Literal["heartbeat"] = field(default="heartbeat", init=False)

    @property
    def target(self) -> str:
        return self.name or self.moref

    def why_not(self, guest: GuestState | None) -> str:
        """Why what vCenter says does not count, '' when it does."""
        away = _not_running(guest)
        return away or ("" if guest and guest.heartbeat == "green" else f"heartbeat is {guest and guest.heartbeat}")


@dataclass(frozen=True, slots=True)
class IpCheck:
    """The guest of a VM (managed object id) reports the `address`, or one within `subnet`; any, if neither is given.

    Link-local addresses do not count: a guest gives itself one when DHCP does not answer.
    """

    moref: str
    name: str = ""
    address: str = ""
    subnet: str = ""
    kind: Literal["ip"] = field(default="ip", init=False)

    def __post_init__(self) -> None:
        try:
            if self.address:
                ip_address(self.address)
            if self.subnet:
                ip_network(self.subnet)
        except ValueError as error:
            raise UsageError(str(error), place="health check", cure="10.1.2.3 or 10.1.2.0/24") from None

    @property
    def target(self) -> str:
        return self.name or self.moref

    def why_not(self, guest: GuestState | None) -> str:
        """Why what vCenter says does not count, '' when it does."""
        away = _not_running(guest)
        if away or guest is None:
            return away
        usable = [address for address in map(_address, guest.ips) if address is not None and not address.is_link_local]
        if self.address and ip_address(self.address) in usable:
            return ""
        if self.subnet and not self.address and any(address in ip_network(self.subnet) for address in usable):
            return ""
        if usable and not self.address and not self.subnet:
            return ""
        said = ", ".join(guest.ips) or "no address"
        wanted = self.address or self.subnet
        return f"reports {said}" + (f", not {wanted}" if wanted else "")


Check: TypeAlias = TcpCheck | HttpCheck | HeartbeatCheck | IpCheck
Guests: TypeAlias = Mapping[str, GuestState]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of a check. `seconds` from the start of all checks to its end, `attempts` how often it was tried.

    `last_words`: what the last attempt saw, '' for a check that passed. `stopped`: nobody waited for it any longer.
    """

    check: Check
    ok: bool
    attempts: int
    seconds: float
    last_words: str = ""
    stopped: bool = False

    @property
    def kind(self) -> str:
        return self.check.kind

    @property
    def target(self) -> str:
        return self.check.target


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:  # whatever a guest writes there
        return None


def _not_running(guest: GuestState | None) -> str:
    if guest is None:
        return "vCenter does not have it"
    if guest.power_state != "poweredOn":
        return f"it is {guest.power_state}"
    return "" if guest.tools_running else "VMware Tools do not run"
