"""The CloudStack side fits the vSphere side it was furnished for."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace

import pytest

from ingest.twin.generator import CLEAN, REALISTIC, admin_keys, generate
from ingest.twin.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return generate(600, seed=21, shape=REALISTIC)


@pytest.fixture(scope="module")
def large() -> World:
    return generate(9000, seed=21, shape=CLEAN)


def test_every_datacenter_with_clusters_is_one_zone(world: World, large: World) -> None:
    with_clusters = {world.datacenters[c.datacenter].name for c in world.computes.values() if c.is_cluster}
    assert [zone.name for zone in world.cloud.zones.values()] == ["fra1"] == sorted(with_clusters)
    assert "edge-lab" in {datacenter.name for datacenter in world.datacenters.values()}
    assert [zone.name for zone in large.cloud.zones.values()] == [d.name for d in large.datacenters.values()]
    assert len(large.cloud.zones) == 3


def test_clusters_are_named_by_path_and_linked_by_id(world: World) -> None:
    for cluster in world.cloud.clusters.values():
        compute = world.computes[cluster.compute]
        datacenter = world.datacenters[compute.datacenter]
        assert cluster.name == f"vcenter.example.org/{datacenter.name}/{compute.name}"
        assert world.cloud.zones[cluster.zoneid].name == datacenter.name
    linked = {cluster.compute for cluster in world.cloud.clusters.values()}
    assert linked == {compute.moref for compute in world.computes.values() if compute.is_cluster}


def test_hosts_are_those_of_clusters_and_up_when_connected(world: World) -> None:
    for host in world.cloud.hosts.values():
        behind = world.hosts[host.moref]
        assert world.cloud.clusters[host.clusterid].compute == behind.compute
        assert host.state == ("Up" if behind.connection_state == "connected" else "Disconnected")
    states = Counter(host.state for host in world.cloud.hosts.values())
    assert states["Disconnected"] == 1
    in_clusters = [host for host in world.hosts.values() if world.computes[host.compute].is_cluster]
    assert len(world.cloud.hosts) == len(in_clusters) < len(world.hosts)


def test_owners_are_accounts_in_domains_and_one_project(world: World) -> None:
    cloud = world.cloud
    assert {domain.path for domain in cloud.domains.values()} == {"ROOT", "ROOT/Corporate", "ROOT/Customers"}
    (project,) = cloud.projects.values()
    assert project.name == "apollo"
    assert cloud.accounts[project.accountid].accounttype == 5
    assert [account.name for account in cloud.accounts.values() if account.accounttype == 1] == ["admin"]
    assert {"platform", "shop", "finance", "acme"} <= {a.name for a in cloud.accounts.values() if a.accounttype == 0}


def test_the_admin_keys_are_those_of_the_root_admin(world: World) -> None:
    api_key, secret_key = admin_keys(world)
    (user,) = [user for user in world.cloud.users.values() if user.api_key == api_key]
    assert user.secret_key == secret_key
    assert world.cloud.accounts[user.accountid].accounttype == 1
    assert len({key for user in world.cloud.users.values() for key in (user.api_key, user.secret_key)}) == 2 * len(
        world.cloud.users
    )
    assert len(api_key) == 86


def test_without_an_admin_there_are_no_admin_keys() -> None:
    empty = generate(0)
    empty.cloud.users.clear()
    with pytest.raises(LookupError):
        admin_keys(empty)


def test_offerings_are_fixed_constrained_and_unconstrained_each_with_its_hidden_disk_offering(world: World) -> None:
    cloud = world.cloud
    fixed = [offering for offering in cloud.service_offerings.values() if offering.cpunumber]
    custom = {o.name: o for o in cloud.service_offerings.values() if o.cpunumber is None}
    assert len(fixed) == 8
    assert all(offering.cpuspeed == 2000 and offering.memory for offering in fixed)
    constrained, unconstrained = custom["custom-constrained"], custom["custom-unconstrained"]
    assert (constrained.cpuspeed, constrained.memory) == (2000, None)
    assert (constrained.mincpunumber, constrained.maxcpunumber) == (1, 32)
    assert (constrained.minmemory, constrained.maxmemory) == (512, 131072)
    assert (unconstrained.cpuspeed, unconstrained.memory, unconstrained.mincpunumber) == (None, None, None)
    bound = [offering.diskofferingid for offering in cloud.service_offerings.values()]
    assert len(set(bound)) == len(bound)
    assert all(cloud.disk_offerings[one].hidden for one in bound)
    listed = {d.name: (d.disksize, d.iscustomized) for d in cloud.disk_offerings.values() if not d.hidden}
    assert listed == {"disk-custom": (0, True), "disk-20g": (20, False), "disk-100g": (100, False)}


def test_pools_follow_the_datastores_and_leave_out_what_cloudstack_does_not_know(world: World) -> None:
    pools = {pool.name: pool for pool in world.cloud.storage_pools.values()}
    by_name = {datastore.name: datastore for datastore in world.datastores.values()}
    assert pools["fra1-c1-vmfs-01"].path == "/fra1/fra1-c1-vmfs-01"
    share, store = pools["fra1-c1-nfs-01"], by_name["fra1-c1-nfs-01"]
    assert (share.type, share.host, share.path) == ("NetworkFilesystem", store.remote_host, store.remote_path)
    assert set(by_name) - set(pools) == {"fra1-archive", "fra1-solo01-local", "edge-lab-solo01-local"}


def test_only_the_traps_have_names_that_are_part_of_another_pools_path(world: World, large: World) -> None:
    def contained(one: World) -> set[str]:
        paths = [(pool.name, pool.path, pool.zoneid) for pool in one.cloud.storage_pools.values()]
        return {
            name for name, path, zone in paths for _, other, elsewhere in paths
            if name in other and other != path and zone == elsewhere
        }  # fmt: skip

    assert contained(world) == {"ds1"}
    assert contained(large) == set()


def test_networks_missing_doubled_shared_and_isolated(world: World) -> None:
    uris = Counter(network.broadcasturi for network in world.cloud.networks.values())
    assert uris["vlan://666"] == 0
    assert uris["vlan://10"] == 2
    assert uris["vlan://untagged"] == 2  # one for each untagged port group
    kinds = Counter(network.type for network in world.cloud.networks.values())
    assert (kinds["Shared"], kinds["Isolated"]) == (1, 1)
    opaque = [network.name for network in world.cloud.networks.values() if network.name.startswith("l2-nsx-segment")]
    assert opaque == ["l2-nsx-segment-1", "l2-nsx-segment-2"]


def test_the_shared_network_has_the_addresses_its_vms_report(world: World) -> None:
    (shared,) = [network for network in world.cloud.networks.values() if network.type == "Shared"]
    group = next(network for network in world.networks.values() if network.name == "shared-services")
    inside = ipaddress.ip_network(shared.cidr)
    first, last = ipaddress.ip_address(shared.startip), ipaddress.ip_address(shared.endip)
    reported = [
        ipaddress.ip_address(address)
        for vm in world.vms.values()
        for nic in vm.nics
        if nic.network == group.moref
        for address in nic.ips
        if "." in address
    ]
    assert reported
    assert all(first <= address <= last and address in inside for address in reported)
    assert ipaddress.ip_address(shared.gateway) in inside


def test_guests_are_mapped_for_the_hosts_version_except_those_meant_not_to_be(world: World) -> None:
    cloud = world.cloud
    mapped = {mapping.osnameforhypervisor for mapping in cloud.os_mappings.values()}
    assert {mapping.hypervisorversion for mapping in cloud.os_mappings.values()} == {"8.0.2"}
    used = {vm.guest_id for vm in world.vms.values()}
    assert used - mapped == {"amazonlinux2_64Guest", "vmwarePhoton64Guest"}
    assert len(cloud.templates) == len(cloud.os_types)


def test_the_settings_clients_read_are_there(world: World) -> None:
    assert world.cloud.configuration["default.page.size"] == "500"
    assert world.cloud.configuration["vm.instancename.flag"] == "false"
    assert len(world.cloud.configuration) == 6


def test_more_datacenters_and_tenants_on_request() -> None:
    world = generate(40, seed=1, shape=replace(CLEAN, datacenters=2, clusters_per_datacenter=3, tenants=6))
    assert [zone.name for zone in world.cloud.zones.values()] == ["fra1", "ams1"]
    assert len(world.cloud.clusters) == 6
    assert len(world.cloud.accounts) == 7
