"""What counts as up, decided from values alone."""

from __future__ import annotations

import pytest

from ingest.errors import UsageError
from ingest.health import HeartbeatCheck, HttpCheck, IpCheck, TcpCheck
from ingest.model.guest import GuestState


def guest(*ips: str, heartbeat: str = "green", power: str = "poweredOn", tools: bool = True) -> GuestState:
    return GuestState("vm-1", "web", power, heartbeat, tools, ips)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (guest(), ""),
        (guest(heartbeat="yellow"), "heartbeat is yellow"),
        (guest(heartbeat="red"), "heartbeat is red"),
        (guest(heartbeat="gray", tools=False), "VMware Tools do not run"),
        (guest(power="poweredOff"), "it is poweredOff"),
        (None, "vCenter does not have it"),
    ],
)
def test_heartbeats(said: GuestState | None, why: str) -> None:
    assert HeartbeatCheck("vm-1", "web").why_not(said) == why


@pytest.mark.parametrize(
    ("check", "ips", "why"),
    [
        (IpCheck("vm-1"), ["10.1.2.3"], ""),
        (IpCheck("vm-1"), [], "reports no address"),
        (IpCheck("vm-1"), ["169.254.7.7", "fe80::1"], "reports 169.254.7.7, fe80::1"),
        (IpCheck("vm-1", address="10.1.2.3"), ["fe80::1", "10.1.2.3"], ""),
        (IpCheck("vm-1", address="10.1.2.3"), ["10.1.2.30"], "reports 10.1.2.30, not 10.1.2.3"),
        (IpCheck("vm-1", address="2001:db8::1"), ["2001:DB8:0::1"], ""),
        (IpCheck("vm-1", subnet="10.1.0.0/16"), ["192.0.2.1", "10.1.2.3"], ""),
        (IpCheck("vm-1", subnet="10.1.0.0/16"), ["10.2.0.1"], "reports 10.2.0.1, not 10.1.0.0/16"),
        (IpCheck("vm-1", subnet="10.1.0.0/16"), ["2001:db8::1"], "reports 2001:db8::1, not 10.1.0.0/16"),
        (IpCheck("vm-1"), ["no address at all"], "reports no address at all"),
    ],
)
def test_addresses(check: IpCheck, ips: list[str], why: str) -> None:
    assert check.why_not(guest(*ips)) == why


@pytest.mark.parametrize(
    ("check", "status", "body", "why"),
    [
        (HttpCheck("http://a/"), 200, "", ""),
        (HttpCheck("http://a/"), 302, "", ""),
        (HttpCheck("http://a/"), 500, "database\n is gone", "status 500: database is gone"),
        (HttpCheck("http://a/", statuses=(401,)), 401, "", ""),
        (HttpCheck("http://a/", statuses=(401,)), 200, "", "status 200"),
        (HttpCheck("http://a/", text="ready"), 200, "all ready", ""),
        (HttpCheck("http://a/", text="ready"), 200, "starting", "status 200, without the text 'ready'"),
    ],
)
def test_answers(check: HttpCheck, status: int, body: str, why: str) -> None:
    assert check.why_not(status, body) == why


@pytest.mark.parametrize("url", ["ftp://a/", "http://", "a.example.org", "http://user:word@a/", "http://a:99999/"])
def test_urls_that_cannot_be_checked(url: str) -> None:
    with pytest.raises(UsageError):
        HttpCheck(url)


def test_what_is_no_address_port_or_subnet_is_refused_at_once() -> None:
    for make in (
        lambda: TcpCheck("a", 0),
        lambda: TcpCheck("", 22),
        lambda: IpCheck("vm-1", address="10.1.2"),
        lambda: IpCheck("vm-1", subnet="10.1.2.3/24"),
    ):
        with pytest.raises(UsageError):
            make()
