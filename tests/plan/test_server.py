"""The server's own checks as predicates: what passes, what does not, and where the line runs."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.model.catalogue import (
    GuestOsMapping,
    Host,
    Network,
    StoragePool,
    UnmanagedDisk,
    UnmanagedInstance,
    UnmanagedNic,
)
from ingest.plan import server
from tests.plan.small_site import DISK_OFFERINGS, GIB, compute


@pytest.mark.parametrize("name", ["a", "A1", "a-b", "a--b", "a" * 63, "vm-1"])
def test_valid_host_names(name: str) -> None:
    assert server.valid_hostname(name)


@pytest.mark.parametrize(
    "name",
    ["", "1a", "-a", "a-", "a" * 64, "a_b", "a.b", "a b", " a", "a ", "a\n", "\na", "naïve", "Ａ", "a\u00ad", "a%2fb"],
)
def test_invalid_host_names(name: str) -> None:
    assert not server.valid_hostname(name)


def vm(cpus: int = 2, memory: int = 4096, speed: int = 0, state: str = "PowerOn") -> UnmanagedInstance:
    return UnmanagedInstance(name="x", cpunumber=cpus, memory=memory, cpuspeed=speed, powerstate=state)


FIXED = compute("fixed", 2, 4096, 2000)
CUSTOM = compute("custom", None, None, 2000)  # 1-8 CPU, 512-16384 MiB
OPEN = compute("open", None, None, None)


@pytest.mark.parametrize(
    ("offering", "machine", "wanted_mhz"),
    [
        (FIXED, vm(), None),
        (FIXED, vm(speed=2000), None),
        (FIXED, vm(8, 1, 1, state="PowerOff"), None),
        (CUSTOM, vm(1, 512), None),
        (CUSTOM, vm(8, 16384), None),
        (CUSTOM, vm(speed=999), None),
        (CUSTOM, vm(state="PowerUnknown"), None),
        (OPEN, vm(), 1),
        (OPEN, vm(speed=500), None),
        (OPEN, vm(64, 32, speed=1), None),
        (compute("unbounded", None, None, 2000).model_copy(update={"serviceofferingdetails": {}}), vm(512, 32), None),
    ],
)
def test_offerings_that_fit(offering: Any, machine: UnmanagedInstance, wanted_mhz: int | None) -> None:
    assert server.offering_objection(offering, machine, wanted_mhz) == ""


@pytest.mark.parametrize(
    ("offering", "machine", "wanted_mhz", "says"),
    [
        (FIXED, vm(cpus=4), None, "has 2 CPU cores, the VM has 4 and is not powered off"),
        (FIXED, vm(cpus=4, state="PowerUnknown"), None, "has 2 CPU cores, the VM has 4"),
        (FIXED, vm(memory=4095), None, "has 4096 MiB memory, the VM has 4095"),
        (FIXED, vm(speed=1999), None, "has 2000 MHz, the VM reserves 1999 MHz"),
        (FIXED, vm(speed=1999), 2000, "the VM reserves 1999 MHz"),
        (FIXED, vm(cpus=0, state="PowerOff"), None, "the VM shows 0 CPU cores"),
        (CUSTOM, vm(memory=0), None, "0 MiB memory"),
        (CUSTOM, vm(cpus=9), None, "9 CPU cores are outside the offering's 1-8"),
        (CUSTOM, vm(cpus=9, state="PowerOff"), None, "outside the offering's 1-8"),
        (CUSTOM, vm(memory=511), None, "511 MiB memory are outside the offering's 512-16384"),
        (CUSTOM, vm(memory=16385), None, "16385 MiB memory are outside"),
        (OPEN, vm(), None, "cpu_speed_mhz is needed"),
        (OPEN, vm(), 0, "cpu_speed_mhz is needed"),
        (OPEN, vm(memory=31), 2000, "31 MiB memory are outside the offering's 32-"),
        (compute("no memory", 2, None), vm(), None, "does not leave both"),
        (compute("no cpu", None, 4096), vm(), None, "does not leave both"),
        (compute("no speed", 2, 4096, None), vm(), 2000, "does not leave both"),
        (compute("no speed", 2, 4096, None), vm(state="PowerOff"), 2000, "does not leave both"),
    ],
)
def test_offerings_that_do_not_fit(
    offering: Any, machine: UnmanagedInstance, wanted_mhz: int | None, says: str
) -> None:
    assert says in server.offering_objection(offering, machine, wanted_mhz)


def host(name: str, tags: str, **changes: str) -> Host:
    return Host(**({"id": name, "name": name, "state": "Up", "resourcestate": "Enabled", "hosttags": tags} | changes))


@pytest.mark.parametrize(
    ("tags", "own", "others", "migrate", "fits"),
    [
        ("", "", [], False, True),
        ("gpu", "gpu", [], False, True),
        ("gpu", "ssd, gpu", [], False, True),
        ("gpu,ssd", "ssd", [], False, False),
        ("gpu", "gpu2", [], False, False),
        ("gpu", "", [host("b", "gpu")], False, False),
        ("gpu", "", [host("b", "gpu")], True, True),
        ("gpu,ssd", "gpu", [host("b", "ssd")], True, False),
        ("gpu", "", [host("b", "gpu", state="Down")], True, False),
        ("gpu", "", [host("b", "gpu", resourcestate="Maintenance")], True, False),
    ],
)
def test_host_tags(tags: str, own: str, others: list[Host], migrate: bool, fits: bool) -> None:
    offering = compute("tagged", None, None, hosttags=tags)
    said = server.host_tags_objection(offering, host("a", own), others, migrate_allowed=migrate)
    assert (said == "") is fits, said


def test_host_tags_of_an_unknown_host() -> None:
    tagged = compute("tagged", None, None, hosttags="gpu")
    assert "the VM's host" in server.host_tags_objection(tagged, None, [], migrate_allowed=False)
    assert server.host_tags_objection(compute("plain", None, None), None, [], migrate_allowed=False) == ""


def nic(
    vlan: int | None = None, *, private: int | None = None, kind: str = "", ips: tuple[str, ...] = ()
) -> UnmanagedNic:
    return UnmanagedNic(id="n", vlanid=vlan, isolatedpvlan=private, isolatedpvlantype=kind, ipaddresses=ips)


def network(type_: str = "L2", uri: str = "", **changes: str) -> Network:
    return Network(id="n", name="lan", type=type_, broadcasturi=uri, zoneid="z1", **changes)


@pytest.mark.parametrize(
    ("card", "uri"),
    [
        (nic(), ""),
        (nic(0), ""),
        (nic(100), "vlan://100"),
        (nic(4095), "vlan://4095"),
        (nic(300, private=301, kind="isolated"), "pvlan://300-i301"),
        (nic(300, private=302, kind="community"), "pvlan://300-c302"),
        (nic(300, private=300, kind="promiscuous"), "pvlan://300-p300"),
    ],
)
def test_the_uri_a_nic_needs(card: UnmanagedNic, uri: str) -> None:
    assert server.nic_uri(card) == uri


@pytest.mark.parametrize(
    ("target", "card", "fits"),
    [
        (network(uri="vlan://100"), nic(100), True),
        (network("Shared", "vlan://100"), nic(100), True),
        (network(uri="vlan://1001"), nic(100), False),
        (network(uri="vlan://100"), nic(101), False),
        (network(uri=""), nic(100), False),
        (network(uri="vxlan://100"), nic(100), False),
        (network(uri="vlan://100"), nic(), True),
        (network(uri="vlan://100"), nic(0), True),
        (network("Isolated", "vlan://7"), nic(100), True),
        (network("Isolated", "vlan://7"), nic(300, private=301, kind="isolated"), True),
        (network(uri="pvlan://300-i301"), nic(300, private=301, kind="isolated"), True),
        (network(uri="pvlan://300-c301"), nic(300, private=301, kind="isolated"), False),
        (network(uri="vlan://300"), nic(300, private=301, kind="isolated"), False),
    ],
)
def test_networks_and_vlans(target: Network, card: UnmanagedNic, fits: bool) -> None:
    assert (server.network_objection(target, card, zone_id="z1") == "") is fits


def test_another_zone_comes_first() -> None:
    assert server.network_objection(network("Isolated"), nic(), zone_id="z2") == "belongs to another zone"


SHARED = network("Shared", "vlan://5", cidr="10.0.0.0/29", gateway="10.0.0.1")
ONE, TWO, ELSEWHERE = ("10.0.0.3",), ("10.0.0.3", "10.0.0.4"), ("192.168.0.3",)


@pytest.mark.parametrize(
    ("target", "card", "wanted"),
    [
        (network(), nic(), ""),
        (network(), nic(ips=TWO), ""),
        (network(), nic(), "10.9.9.9"),
        (network(), nic(ips=ELSEWHERE), "auto"),
        (SHARED, nic(), "auto"),
        (SHARED, nic(ips=ONE), "auto"),
        (SHARED, nic(), "10.0.0.2"),
        (SHARED, nic(ips=TWO), "10.0.0.6"),
        (SHARED, nic(ips=ELSEWHERE), "10.0.0.6"),
    ],
)
def test_addresses_that_pass(target: Network, card: UnmanagedNic, wanted: str) -> None:
    assert server.address_objection(target, card, wanted) == ""


@pytest.mark.parametrize(
    ("target", "card", "wanted", "says"),
    [
        (SHARED, nic(), "", "needs an address or auto"),
        (network("Isolated"), nic(), "", "needs an address or auto"),
        (SHARED, nic(), "10.0.0.1", "10.0.0.1 is no address for a VM"),
        (SHARED, nic(), "10.0.0.8", "10.0.0.8 is no address for a VM"),
        (network("Shared"), nic(), "10.0.0.3", "(no CIDR)"),
        (SHARED, nic(ips=TWO), "auto", "reports 2 addresses"),
        (network(), nic(ips=TWO), "auto", "reports 2 addresses"),
        (SHARED, nic(ips=ELSEWHERE), "auto", "192.168.0.3 is no address for a VM"),
        (SHARED, nic(), "AUTO", "neither an IPv4 address nor auto"),
        (SHARED, nic(), "10.0.0.03", "neither an IPv4 address nor auto"),
        (network(), nic(), "dhcp", "neither an IPv4 address nor auto"),
        (SHARED, nic(), "fe80::1", "neither an IPv4 address nor auto"),
    ],
)
def test_addresses_that_do_not(target: Network, card: UnmanagedNic, wanted: str, says: str) -> None:
    assert says in server.address_objection(target, card, wanted)


CUSTOM_DISK, DISK_20, DISK_5, SIZELESS, *_ = DISK_OFFERINGS


@pytest.mark.parametrize(
    ("offering", "capacity", "says"),
    [
        (CUSTOM_DISK, 1 << 50, ""),
        (DISK_20, 20 * GIB, ""),
        (DISK_20, 20 * GIB + 1, "20 GiB, smaller than the disk (20.00000000"),
        (DISK_20, 1, ""),
        (DISK_5, 6 * GIB, "5 GiB, smaller than the disk (6 GiB)"),
        (SIZELESS, 1, "has no size"),
    ],
)
def test_disk_offerings(offering: Any, capacity: int, says: str) -> None:
    said = server.disk_offering_objection(offering, UnmanagedDisk(id="d", capacity=capacity))
    assert says in said
    assert bool(said) is bool(says)


def pool(name: str, **changes: str) -> StoragePool:
    return StoragePool(**({"id": name, "name": name, "path": f"/DC/{name}", "zoneid": "z1"} | changes))


NFS = {"datastoretype": "NFS", "datastorehost": "nas", "datastorepath": "/export/a"}
NFS_POOL = {"path": "/export/a", "ipaddress": "nas"}


@pytest.mark.parametrize(
    ("facts", "pools", "tags", "found"),
    [
        ({"datastorename": "ds1"}, [pool("ds1"), pool("ds2")], "", ["ds1"]),
        ({"datastorename": "ds1"}, [pool("ds1"), pool("ds10")], "", ["ds1", "ds10"]),
        ({"datastorename": "ds10"}, [pool("ds1"), pool("ds10")], "", ["ds10"]),
        ({"datastorename": "ds1"}, [pool("ds1", zoneid="z2")], "", []),
        ({"datastorename": "ds1"}, [pool("ds1", clusterid="another")], "", ["ds1"]),
        ({"datastorename": "ds1"}, [pool("ds1", tags="ssd, fast"), pool("ds10")], "fast", ["ds1"]),
        ({"datastorename": "ds1"}, [pool("ds1", tags="ssd")], "ssd,fast", []),
        ({"datastorename": "ds1"}, [pool("ds1", tags="ssd")], "", ["ds1"]),
        ({"datastorename": "uuid-7"}, [pool("uuid-7", path="/DC/other")], "", ["uuid-7"]),
        ({"datastorename": ""}, [pool("ds1")], "", []),
        (NFS, [pool("n", **NFS_POOL), pool("m", **NFS_POOL)], "", ["n"]),
        (NFS, [pool("n", **NFS_POOL, clusterid="another"), pool("m", **NFS_POOL)], "", ["m"]),
        (NFS, [pool("n", **(NFS_POOL | {"ipaddress": "nas2"}))], "", ["n"]),
        (NFS, [pool("n", path="/export/b", ipaddress="nas")], "", []),
        (NFS, [pool("n", **NFS_POOL), pool("m", **NFS_POOL, tags="fast")], "fast", ["m"]),
    ],
)
def test_pools_the_server_could_take(
    facts: dict[str, str], pools: list[StoragePool], tags: str, found: list[str]
) -> None:
    disk = UnmanagedDisk(id="d", **facts)
    got = server.pools_of(disk, tuple(pools), zone_id="z1", cluster_id="c1", tags=tags)
    assert [one.name for one in got] == found


def mapping(name: str, guest: str, version: str = "8.0.2") -> GuestOsMapping:
    return GuestOsMapping(id="m", osdisplayname=name, osnameforhypervisor=guest, hypervisorversion=version)


@pytest.mark.parametrize(
    ("facts", "one", "mapped"),
    [
        ({"osdisplayname": "Debian 12", "osid": ""}, mapping("Debian 12", "debian12_64Guest"), True),
        ({"osdisplayname": "", "osid": "debian12_64Guest"}, mapping("Debian", "debian12_64Guest"), True),
        ({"osdisplayname": "Debian 12", "osid": "x"}, mapping("Debian 11", "debian11_64Guest"), False),
        ({"osdisplayname": "", "osid": ""}, mapping("", ""), False),
        ({"osid": "x", "hypervisorversion": "8.0.2.1"}, mapping("", "x"), True),
        ({"osid": "x", "hypervisorversion": "8.0.3"}, mapping("", "x"), False),
        ({"osid": "x", "hypervisorversion": "8.0"}, mapping("", "x", "8.0"), True),
        ({"osid": "x", "hypervisorversion": "8.0.2"}, mapping("", "x", "8.0"), False),
    ],
)
def test_guest_os_mappings(facts: dict[str, str], one: GuestOsMapping, mapped: bool) -> None:
    listed = UnmanagedInstance(**({"name": "x", "hypervisorversion": "8.0.2"} | facts))
    assert server.os_mapped(listed, (one,)) is mapped
    assert server.os_mapped(listed, ()) is False
