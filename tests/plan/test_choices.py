"""Every choice: its value, how sure it is, and the evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from ingest.model.catalogue import UnmanagedDisk
from ingest.model.inventory import Nic, VirtualMachine, Vlan
from ingest.plan import choices
from ingest.plan.choices import Choice
from ingest.plan.lookup import Lookup, Owner
from ingest.plan.rules import Decided, decide
from ingest.plan.rules_file import parse_rules
from tests.plan import small_site as site

SHOP = Owner("shop", "domain-dev", "", "ROOT/dev")
ZONE, CLUSTER = "zone-1", "cluster-1"


def lookup(**changes: Any) -> Lookup:
    return Lookup(site.catalogue(**changes))


def ruled(vm: VirtualMachine | None = None, **settings: Any) -> Decided:
    rules = parse_rules(f"rules: [{{name: mine, set: {settings!r}}}]" if settings else "")
    return decide(rules, vm or site.web01())


def test_the_weakest_choice_counts() -> None:
    certain, likely, guess = (Choice("", sure, "") for sure in choices.ORDER)
    assert choices.weakest([]) == "certain"
    assert choices.weakest([certain, likely]) == "likely"
    assert choices.weakest([guess, certain]) == "guess"


@pytest.mark.parametrize(
    ("name", "repaired"),
    [
        ("db_prod 01.corp", "db-prod-01-corp"),
        ("web%2f01%5c%25", "web-01"),
        ("01web", "vm-01web"),
        ("---x---", "x"),
        ("Ünïcode", "n-code"),
        ("日本", ""),
        ("___", ""),
        ("a" * 80, "a" * 63),
        ("a" * 62 + "_b", "a" * 62),
        ("1" * 70, "vm-" + "1" * 60),
    ],
)
def test_names_are_repaired_into_valid_ones(name: str, repaired: str) -> None:
    assert choices.repair_hostname(name) == repaired


def nobody(_name: str) -> bool:
    return False


def used(*names: str) -> Callable[[str], bool]:
    return lambda name: name.lower() in names


@pytest.mark.parametrize(
    ("name", "pattern", "taken", "expected"),
    [
        ("web01", "", nobody, Choice("web01", "certain", "the VM's name")),
        ("web_01", "", nobody, Choice("web-01", "likely", "repaired from the VM's name")),
        (
            "web01",
            "",
            used("web01", "web01-2"),
            Choice("web01-3", "likely", "repaired from the VM's name, numbered because the name is taken"),
        ),
        ("web01", "{name}-prod", nobody, Choice("web01-prod", "likely", "by mine")),
        ("web 01", "p.{name}", nobody, Choice("p-web-01", "likely", "by mine")),
        (
            "web01",
            "same",
            used("same"),
            Choice("same-2", "likely", "by mine, numbered because the name is taken"),
        ),
        ("日本", "", nobody, Choice("", "guess", "the VM's name has no letter or digit to keep")),
    ],
)
def test_host_names(name: str, pattern: str, taken: Callable[[str], bool], expected: Choice) -> None:
    decided = ruled(host_name=pattern) if pattern else ruled()
    assert choices.hostname(site.web01(name=name), decided, taken) == expected


def test_numbering_never_makes_a_name_too_long() -> None:
    long = "a" * 63
    made = choices.hostname(site.web01(name=long), ruled(), lambda name: not name.endswith("-1000")).value
    assert made.endswith("-1000")
    assert len(made) <= 63


def test_the_owner_is_who_owns_the_networks_on_the_vlans() -> None:
    listed = site.as_listed(site.web01())
    owner, choice = choices.owner_from_networks(listed, ZONE, lookup())
    assert owner == SHOP
    assert choice == Choice("shop", "likely", "owner of the networks on its VLANs")


def test_the_owner_must_have_networks_for_all_of_the_vlans() -> None:
    both = (*site.NETWORKS, site.NETWORKS[0].model_copy(update={"id": "n", "account": "other"}))
    cards = (site.nic(1, "01", 100), site.nic(2, "02", 101), site.nic(3, "03", None))
    owner, _ = choices.owner_from_networks(site.as_listed(site.web01(nics=cards)), ZONE, lookup(networks=both))
    assert owner.account == "other"
    owner, choice = choices.owner_from_networks(site.as_listed(site.web01()), ZONE, lookup(networks=both))
    assert owner == Owner()
    assert "2 accounts have networks on its VLANs" in choice.evidence


def test_the_owner_may_be_a_project() -> None:
    private = Vlan("pvlan", primary=300, secondary=301, pvlan_type="isolated")
    card = dataclasses.replace(site.nic(1, "01"), vlan=private)
    listed = site.as_listed(site.web01(nics=(card,)))
    owner, choice = choices.owner_from_networks(listed, ZONE, lookup())
    assert owner == Owner("", "domain-dev", "project-apollo", "ROOT/dev")
    assert (choice.value, choice.confidence) == ("apollo", "likely")


@pytest.mark.parametrize(
    ("vlans", "zone", "says"),
    [
        ((100, 101), ZONE, "2 accounts have networks on its VLANs"),
        ((None,), ZONE, "no network tells"),
        ((200,), ZONE, "no network tells"),  # Shared networks belong to nobody in particular
        ((100,), "zone-9", "no network tells"),
    ],
)
def test_without_exactly_one_owner_none_is_guessed(vlans: tuple[int | None, ...], zone: str, says: str) -> None:
    cards = tuple(site.nic(number, f"0{number}", vlan) for number, vlan in enumerate(vlans, start=1))
    owner, choice = choices.owner_from_networks(site.as_listed(site.web01(nics=cards)), zone, lookup())
    assert owner == Owner()
    assert (choice.value, choice.confidence) == ("", "guess")
    assert says in choice.evidence


def network_of(card: Nic, decided: Decided | None = None, owner: Owner = SHOP, **changes: Any) -> tuple[Choice, str]:
    listed = site.as_listed(site.web01(nics=(card,))).nic[0]
    choice, found = choices.network(1, card, listed, ZONE, owner, decided or ruled(), lookup(**changes))
    return choice, found.id if found else ""


def test_the_network_a_rule_names() -> None:
    decided = ruled(networks=[{"network": "other-101", "vlan": 100}])
    assert network_of(site.nic(1, "01"), decided) == (Choice("other-101", "certain", "by mine"), "net-other-101")
    assert network_of(site.nic(1, "01"), ruled(networks=[{"network": "nowhere"}])) == (
        Choice("nowhere", "certain", "by mine"),
        "",
    )


def test_a_rule_for_another_vlan_does_not_count() -> None:
    decided = ruled(networks=[{"network": "other-101", "vlan": 101}])
    assert network_of(site.nic(1, "01"), decided)[1] == "net-shop-100"


def test_the_only_usable_network_of_the_vlan() -> None:
    choice, found = network_of(site.nic(1, "01"))
    assert choice == Choice("shop-100", "certain", "the only usable network with vlan://100")
    assert found == "net-shop-100"


def test_a_name_that_is_not_unique_becomes_the_uuid() -> None:
    namesake = site.NETWORKS[0].model_copy(update={"id": "net-b", "broadcasturi": "vlan://500"})
    choice, _ = network_of(site.nic(1, "01"), networks=(*site.NETWORKS, namesake))
    assert choice.value == "net-shop-100"


def test_of_several_usable_networks_one_is_guessed_and_the_others_named() -> None:
    rival = site.NETWORKS[0].model_copy(update={"id": "net-a", "name": "another"})
    shared = site.NETWORKS[2].model_copy(update={"id": "net-s", "name": "a-shared", "broadcasturi": "vlan://100"})
    choice, found = network_of(site.nic(1, "01"), networks=(shared, *site.NETWORKS, rival))
    assert choice == Choice("another", "guess", "one of 3 usable networks with vlan://100", ("shop-100", "a-shared"))
    assert found == "net-a"


def test_networks_of_others_are_counted_but_not_taken() -> None:
    choice, found = network_of(site.nic(1, "01", 101))
    assert choice == Choice("", "guess", "1 network with vlan://101, not usable by the owner")
    assert found == ""


def test_an_untagged_nic_goes_to_the_network_of_its_port_groups_name() -> None:
    named = site.NETWORKS[0].model_copy(update={"id": "net-u", "name": "PG-untagged", "broadcasturi": ""})
    choice, found = network_of(site.nic(1, "01", None), networks=(*site.NETWORKS, named))
    assert choice == Choice("PG-untagged", "guess", "no VLAN to match, only its name is that of the port group")
    assert found == "net-u"
    choice, found = network_of(site.nic(1, "01", None))
    assert (choice.value, choice.confidence, found) == ("", "guess", "")
    assert "PG-untagged" in choice.evidence


ISOLATED, SHARED = site.NETWORKS[1], site.NETWORKS[2]


@pytest.mark.parametrize(
    ("ips", "target", "value", "confidence", "says"),
    [
        (("10.0.200.9",), None, "", "certain", ""),
        (("10.0.200.9",), site.NETWORKS[0], "", "certain", ""),
        (("10.0.200.9",), SHARED, "10.0.200.9", "certain", "the address the guest reports"),
        ((), SHARED, "auto", "likely", "the guest reports no address"),
        ((), ISOLATED, "auto", "likely", "picks a free one"),
        (("10.0.200.9", "10.0.200.8"), SHARED, "", "guess", "reports 2 addresses: name one"),
        (("192.168.0.9",), SHARED, "", "guess", "192.168.0.9, which does not fit shared-200"),
        (("10.0.200.1",), SHARED, "", "guess", "does not fit"),  # the gateway's
    ],
)
def test_addresses(ips: tuple[str, ...], target: Any, value: str, confidence: str, says: str) -> None:
    choice = choices.address(site.web01(), 1, site.nic(1, "01", 200, ipv4=ips), target, ruled())
    assert (choice.value, choice.confidence) == (value, confidence)
    assert says in choice.evidence


def test_an_address_by_rule() -> None:
    decided = ruled(networks=[{"network": "shared-200", "vlan": 200, "ip": "auto"}])
    card = site.nic(1, "01", 200, ipv4=("10.0.200.9",))
    assert choices.address(site.web01(), 1, card, SHARED, decided) == Choice("auto", "certain", "by mine")


@pytest.mark.parametrize(
    ("settings", "ips", "expected"),
    [
        ({"ip": "none"}, ("10.0.200.9",), Choice("", "certain", "none, by mine")),
        ({"ip": "auto"}, ("10.0.200.9",), Choice("auto", "certain", "by mine")),
        ({"ip": "guest"}, ("10.0.200.9",), Choice("10.0.200.9", "certain", "the address the guest reports, by mine")),
        ({"ip": "guest"}, (), Choice("", "guess", "the guest reports no address, and mine wants that one")),
        ({"ip": "auto", "ips": {"web01/2": "10.0.200.7"}}, (), Choice("10.0.200.7", "certain", "by mine")),
        ({"ips": {"web01": "10.0.200.7"}}, (), None),
        ({"ips": {"00:50:56:00:00:01": "10.0.200.6"}}, (), Choice("10.0.200.6", "certain", "by mine")),
        ({"ip": "none", "networks": [{"nic": 2, "ip": "auto"}]}, (), Choice("auto", "certain", "by mine")),
        ({"ip": "none", "networks": [{"nic": 1, "ip": "auto"}]}, (), Choice("", "certain", "none, by mine")),
    ],
)
def test_address_policies_and_tables(settings: dict[str, Any], ips: tuple[str, ...], expected: Choice | None) -> None:
    card = dataclasses.replace(site.nic(2, "01", 200, ipv4=ips), mac="00:50:56:00:00:01")
    choice = choices.address(site.web01(), 2, card, SHARED, ruled(**settings))
    unruled = Choice("auto", "likely", "the guest reports no address: CloudStack picks a free one")
    assert choice == (expected or unruled)


def test_display_names_by_rule() -> None:
    assert choices.display_name(site.web01(), ruled()).value == ""
    assert choices.display_name(site.web01(), ruled(display_name="{folder}: {name}")).value == "prod: web01"


def offering_of(vm: VirtualMachine, decided: Decided | None = None, **changes: Any) -> Choice:
    return choices.service_offering(site.as_listed(vm), ZONE, CLUSTER, SHOP, decided or ruled(), lookup(**changes))


def test_the_offering_a_rule_names() -> None:
    assert offering_of(site.web01(), ruled(service_offering="whatever")) == Choice("whatever", "certain", "by mine")


def test_the_one_custom_offering_takes_the_vm_as_it_is() -> None:
    choice = offering_of(site.db_03())
    assert choice == Choice("custom", "certain", "custom offering, takes 3 CPU and 4096 MiB as they are")


def test_of_several_custom_offerings_the_narrowest() -> None:
    narrow = site.compute("narrow", None, None).model_copy(
        update={"serviceofferingdetails": {"mincpunumber": "2", "maxcpunumber": "4"}}
    )
    choice = offering_of(site.web01(), service_offerings=(*site.SERVICE_OFFERINGS, narrow))
    assert (choice.value, choice.confidence, choice.others) == ("narrow", "likely", ("custom",))


def test_an_ambiguous_offering_is_named_by_uuid() -> None:
    for offerings in (
        [site.compute("twin", None, None)],
        [site.compute("twin", 2, 4096)],
        [site.compute("twin", 8, 16384)],
    ):
        twins = [offerings[0], offerings[0].model_copy(update={"id": "so-twin-2", "domainid": "domain-ops"})]
        choice = offering_of(site.web01(power_state="poweredOff"), service_offerings=tuple(twins))
        assert choice.value == "so-twin", choice


FIXED = (site.compute("b", 2, 4096), site.compute("a", 2, 4096), site.compute("wide", 4, 4096))


def test_without_a_custom_one_the_fixed_one_of_the_same_size() -> None:
    choice = offering_of(site.web01(), service_offerings=FIXED)
    assert choice == Choice("a", "likely", "fixed offering of exactly 2 CPU and 4096 MiB", ("b",))
    assert offering_of(site.web01(), service_offerings=FIXED[:1]).confidence == "certain"


def test_a_custom_offering_without_speed_comes_after_those_that_need_nothing() -> None:
    only_open = (site.compute("open", None, None, None),)
    for vm, decided in (
        (site.web01(), ruled()),
        (site.web01(cpu_reservation_mhz=500), ruled()),
        (site.web01(), ruled(cpu_speed_mhz=2000)),
    ):
        choice = offering_of(vm, decided, service_offerings=only_open)
        assert (choice.value, choice.confidence) == ("open", "likely")
    both = (*only_open, site.compute("same", 2, 4096, 500))
    assert offering_of(site.web01(cpu_reservation_mhz=500), service_offerings=both).value == "same"


def test_the_cpu_speed_an_open_offering_needs_is_a_guess() -> None:
    open_one, same = site.compute("open", None, None, None), site.compute("same", 2, 4096, 2300)

    def speed(vm: VirtualMachine, offering: Any, decided: Decided | None = None, **changes: Any) -> Choice:
        return choices.cpu_speed(site.as_listed(vm), offering, decided or ruled(), lookup(**changes))

    usual = speed(site.web01(), open_one, service_offerings=(open_one, same))
    assert (usual.value, usual.confidence) == ("2300", "guess")
    assert speed(site.web01(), open_one, service_offerings=(open_one,)).value == "1000"
    assert speed(site.web01(), same).value == ""
    assert speed(site.web01(cpu_reservation_mhz=500), open_one).value == ""
    assert speed(site.web01(), open_one, ruled(cpu_speed_mhz=1500)) == Choice("1500", "certain", "by mine")


def test_a_vm_that_is_off_may_grow_one_that_runs_may_not() -> None:
    larger = (site.compute("huge", 16, 65536), site.compute("large", 8, 8192), site.compute("flat", 8, 2048))
    grown = offering_of(site.web01(power_state="poweredOff"), service_offerings=larger)
    assert (grown.value, grown.confidence) == ("large", "guess")
    assert "powered off" in grown.evidence
    running = offering_of(site.web01(), service_offerings=larger)
    assert running == Choice("", "guess", "no offering fits 2 CPU and 4096 MiB")


@pytest.mark.parametrize(
    "restriction", [{"hosttags": "gpu"}, {"storagetags": "fast"}, {"domainid": "domain-ops"}, {"zoneid": "zone-2"}]
)
def test_offerings_the_vm_cannot_have_are_passed_over(restriction: dict[str, Any]) -> None:
    exclusive = site.compute("exclusive", None, None, **restriction)
    assert offering_of(site.web01(), service_offerings=(exclusive,)).value == ""


def test_the_root_disk() -> None:
    assert choices.root_disk(site.web01(), ruled()) == Choice("1-2000", "certain", "the only disk")
    assert choices.root_disk(site.web01(disks=()), ruled()) == Choice("", "guess", "the VM has no disk")
    second_bus = site.disk(1, 10, 1, controller_bus=1)
    first = site.disk(2, 10, 1, controller_bus=0, unit=3)
    vm = site.web01(disks=(second_bus, first))
    choice = choices.root_disk(vm, ruled())
    assert choice == Choice("1-2001", "likely", "Hard disk 2: lowest bus and unit of 2 disks", ("1-2000",))
    by_rule = choices.root_disk(vm, ruled(root_disk="hard disk 1"))
    assert by_rule == Choice("1-2000", "certain", "Hard disk 1, by mine")
    missing = choices.root_disk(vm, ruled(root_disk="Hard disk 7"))
    assert missing == Choice("", "guess", "mine names 'Hard disk 7', which the VM does not have")


def test_the_root_disk_is_the_one_the_boot_order_names() -> None:
    data, system = site.disk(1, 10, 1), site.disk(2, 10, 1, unit=1)
    vm = site.web01(disks=(data, system), boot_disk_key=system.key)
    assert choices.root_disk(vm, ruled()) == Choice("1-2001", "certain", "Hard disk 2, by vCenter's boot order")
    assert choices.root_disk(vm, ruled(root_disk="Hard disk 1")).value == "1-2000"
    gone = site.web01(disks=(data, system), boot_disk_key=2999)
    assert choices.root_disk(gone, ruled()).confidence == "likely"


def disk_offering_of(size_gib: float, decided: Decided | None = None, **changes: Any) -> Choice:
    disk = UnmanagedDisk(id="d", capacity=int(size_gib * site.GIB), datastorename="ds1", controller="pvscsi")
    return choices.disk_offering(
        2, site.disk(2, size_gib, 1), disk, ZONE, CLUSTER, SHOP, decided or ruled(), lookup(**changes)
    )


def test_disk_offerings() -> None:
    any_size, gib_20, gib_5, *_ = site.DISK_OFFERINGS
    fixed = (gib_20, gib_5, gib_20.model_copy(update={"id": "do-40", "name": "gib-40", "disksize": 40}))
    assert disk_offering_of(10) == Choice("any-size", "likely", "custom-size disk offering", ("gib-20",))
    assert disk_offering_of(10, ruled(disk_offering="x")) == Choice("x", "certain", "by mine")
    assert disk_offering_of(10, disk_offerings=fixed).value == "gib-20"
    assert disk_offering_of(20, disk_offerings=fixed).evidence == "smallest fixed offering that holds it (20 GiB)"
    assert disk_offering_of(20.5, disk_offerings=fixed).value == "gib-40"
    assert disk_offering_of(41, disk_offerings=fixed) == Choice(
        "", "guess", "no disk offering fits its size and datastore"
    )
    namesake = any_size.model_copy(update={"id": "do-2", "domainid": "domain-ops"})
    assert disk_offering_of(10, disk_offerings=(any_size, namesake)).value == "do-any"


def test_disk_offerings_of_others_or_with_tags_no_pool_has_are_passed_over() -> None:
    _, _, _, _, fast, ops = site.DISK_OFFERINGS
    assert disk_offering_of(10, disk_offerings=(fast, ops)).value == ""
    tagged = site.replaced(site.catalogue().storage_pools, "ds1", tags="fast")
    assert disk_offering_of(10, disk_offerings=(fast, ops), storage_pools=tagged).value == "any-fast"
