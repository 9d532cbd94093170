"""One word means one object or none; who an owner is; who may use what."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.model import catalogue as c
from ingest.plan.lookup import Lookup, Owner
from tests.plan import small_site as site

SHOP = Owner("shop", "domain-dev", "", "ROOT/dev")
OTHER = Owner("other", "domain-dev", "", "ROOT/dev")
ADMIN = Owner("admin", "domain-root", "", "ROOT")
OPS = Owner("ops", "domain-ops", "", "ROOT/ops")
APOLLO = Owner("", "domain-dev", "project-apollo", "ROOT/dev")
CALLER = Owner()


def lookup(**changes: Any) -> Lookup:
    return Lookup(site.catalogue(**changes))


def test_by_name_and_by_uuid() -> None:
    found = lookup()
    for text in ("small", "so-small"):
        assert found.service_offering(text).object is not None
        assert found.service_offering(text).problem == ""
    assert found.disk_offering("any-size") == found.disk_offering("do-any")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smal", "compute offering 'smal' does not exist; nearest: small"),
        ("Small", "compute offering 'Small' does not exist; nearest: small"),
        ("xyzzy", "compute offering 'xyzzy' does not exist"),
        ("", "compute offering '' does not exist"),
    ],
)
def test_an_unknown_name_comes_back_with_the_nearest(text: str, says: str) -> None:
    found = lookup().service_offering(text)
    assert found.object is None
    assert found.problem == says


def test_an_ambiguous_name_comes_back_with_its_candidates() -> None:
    twin = site.SERVICE_OFFERINGS[0].model_copy(update={"id": "so-2"})
    found = lookup(service_offerings=(*site.SERVICE_OFFERINGS, twin))
    assert found.service_offering("small").object is None
    assert found.service_offering("small").problem == (
        "compute offering 'small' is ambiguous: 2 have that name (so-2, so-small); use the UUID"
    )
    assert found.service_offering("so-2").object == twin


def test_an_object_named_like_anothers_uuid_is_ambiguous() -> None:
    odd = site.SERVICE_OFFERINGS[0].model_copy(update={"id": "so-2", "name": "so-small"})
    assert lookup(service_offerings=(*site.SERVICE_OFFERINGS, odd)).service_offering("so-small").object is None


def network(id_: str, **changes: Any) -> c.Network:
    return site.NETWORKS[0].model_copy(update={"id": id_, "name": "lan"} | changes)


def test_among_equal_network_names_only_the_zones_and_the_owners_count() -> None:
    mine, far, others = network("n-1"), network("n-2", zoneid="zone-2"), network("n-3", account="other")
    found = lookup(networks=(mine, far, others))
    assert found.network("lan", "zone-1", SHOP).object == mine
    assert found.network("lan", "zone-2", SHOP).object == far
    assert found.network("lan", "zone-1", OTHER).object == others
    assert "ambiguous: 2" in found.network("lan", "zone-1", OPS).problem
    assert "ambiguous: 2" in lookup(networks=(mine, network("n-4"))).network("lan", "zone-1", SHOP).problem


def test_a_network_of_another_zone_or_owner_is_found_so_that_the_checks_can_say_so() -> None:
    found = lookup(networks=(network("n-2", zoneid="zone-2", account="other"),))
    assert found.network("lan", "zone-1", SHOP).object is not None


def test_a_template_in_two_zones_is_one_template() -> None:
    here = c.Template(id="t-1", name="debian", zoneid="zone-1")
    there = here.model_copy(update={"zoneid": "zone-2"})
    found = lookup(templates=(here, there))
    assert found.template("debian", "zone-1").object == here
    assert found.template("debian", "zone-2").object == there
    assert found.template("debian", "zone-9").object in (here, there)
    rival = c.Template(id="t-2", name="debian", zoneid="zone-1")
    assert "ambiguous" in lookup(templates=(here, rival)).template("debian", "zone-1").problem


@pytest.mark.parametrize("text", ["domain-dev", "ROOT/dev", "dev", "/ROOT/dev/"])
def test_a_domain_by_uuid_path_or_name(text: str) -> None:
    found = lookup().domain(text).object
    assert found is not None
    assert found.path == "ROOT/dev"


def test_a_domain_name_that_stands_twice_needs_its_path() -> None:
    deep = c.Domain(id="domain-deep", name="dev", path="ROOT/ops/dev")
    found = lookup(domains=(*site.catalogue().domains, deep))
    assert found.domain("ROOT/ops/dev").object == deep
    assert found.domain("ops/dev").object == deep
    assert found.domain("nowhere").problem == "domain 'nowhere' does not exist"


@pytest.mark.parametrize(
    ("row", "owner"),
    [
        (("", "", ""), CALLER),
        (("shop", "ROOT/dev", ""), SHOP),
        (("admin", "ROOT", ""), ADMIN),
        (("", "", "apollo"), APOLLO),
        (("", "", "project-apollo"), APOLLO),
        (("", "ROOT/dev", "apollo"), APOLLO),
    ],
)
def test_owners(row: tuple[str, str, str], owner: Owner) -> None:
    assert lookup().owner(*row) == (owner, "")
    assert owner.caller is (owner == CALLER)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("shop", "", ""), "account 'shop' needs its domain as well"),
        (("shopp", "ROOT/dev", ""), "account 'shopp' does not exist in domain ROOT/dev; nearest: shop"),
        (("shop", "ROOT/ops", ""), "account 'shop' does not exist in domain ROOT/ops"),
        (("shop", "ROOT/devv", ""), "domain 'ROOT/devv' does not exist; nearest: ROOT/dev, ROOT"),
        (("frozen", "ROOT/dev", ""), "account 'frozen' is locked"),
        (("", "ROOT/dev", ""), "domain without account or project"),
        (("", "", "apolo"), "project 'apolo' does not exist; nearest: apollo"),
        (("", "ROOT/ops", "apollo"), "project 'apollo' is not in domain ROOT/ops"),
        (("", "", "paused"), "project 'paused' is Suspended"),
        (("shop", "ROOT/dev", "apollo"), "account 'shop' and project 'apollo' are both named; empty one of them"),
    ],
)
def test_owners_that_are_none(row: tuple[str, str, str], says: str) -> None:
    owner, problem = lookup().owner(*row)
    assert problem == says
    assert owner == Owner()


L2, ISOLATED, SHARED, _, PROJECT, _ = site.NETWORKS


@pytest.mark.parametrize(
    ("target", "changes", "may"),
    [
        (L2, {}, {SHOP}),
        (ISOLATED, {}, {SHOP}),
        (L2, {"domainid": "domain-ops"}, set()),
        (L2, {"account": "admin", "domainid": "domain-root"}, {ADMIN, CALLER}),
        (PROJECT, {}, {APOLLO}),
        (SHARED, {}, {SHOP, OTHER, OPS, APOLLO, ADMIN, CALLER}),
        (SHARED, {"subdomainaccess": False}, {ADMIN, CALLER}),
        (SHARED, {"domainid": "domain-dev"}, {SHOP, OTHER, APOLLO}),
        (SHARED, {"domainid": "domain-gone", "domainpath": "ROOT/ops"}, {OPS}),
        (SHARED, {"domainid": ""}, {SHOP, OTHER, OPS, APOLLO, ADMIN, CALLER}),
        (SHARED, {"acltype": "Account", "account": "shop", "domainid": "domain-dev"}, {SHOP}),
    ],
)
def test_who_may_use_a_network(target: c.Network, changes: dict[str, Any], may: set[Owner]) -> None:
    found = lookup()
    everybody = {SHOP, OTHER, OPS, APOLLO, ADMIN, CALLER}
    changed = target.model_copy(update=changes)
    assert {owner for owner in everybody if found.may_use_network(owner, changed)} == may


def test_a_domain_is_not_below_another_because_its_name_begins_alike() -> None:
    lookalike = Owner("x", "domain-dev2", "", "ROOT/dev2")
    assert not lookup().may_use_network(lookalike, SHARED.model_copy(update={"domainid": "domain-dev"}))
    assert not lookup().may_use_offering(lookalike, site.compute("x", 1, 1, domainid="domain-dev"), "zone-1")


def test_where_admins_may_deploy_anywhere_they_may_use_any_network() -> None:
    free = lookup(configuration={"admin.is.allowed.to.deploy.anywhere": "true"})
    assert free.may_use_network(ADMIN, L2)
    assert free.may_use_network(CALLER, L2)
    assert not free.may_use_network(OTHER, L2)


@pytest.mark.parametrize(
    ("restriction", "may"),
    [
        ({}, {SHOP, OPS, ADMIN, CALLER}),
        ({"domainid": "domain-root"}, {SHOP, OPS, ADMIN, CALLER}),
        ({"domainid": "domain-dev"}, {SHOP, ADMIN, CALLER}),
        ({"domainid": "domain-dev,domain-ops"}, {SHOP, OPS, ADMIN, CALLER}),
        ({"zoneid": "zone-2,zone-1"}, {SHOP, OPS, ADMIN, CALLER}),
        ({"zoneid": "zone-2"}, set()),
        ({"zoneid": "zone-10"}, set()),
    ],
)
def test_who_may_use_an_offering(restriction: dict[str, Any], may: set[Owner]) -> None:
    offering = site.compute("x", 2, 2048, **restriction)
    assert {o for o in (SHOP, OPS, ADMIN, CALLER) if lookup().may_use_offering(o, offering, "zone-1")} == may


def test_the_zone_of_a_cluster() -> None:
    assert lookup().zone_of("cluster-1") == "zone-1"
    assert lookup().zone_of("nowhere") == ""
