"""Rules: matching, refinement, and errors that name line and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.errors import RulesError
from ingest.model.inventory import Disk, Nic, VirtualMachine, Vlan
from ingest.plan.rules import Decided, Match, Set, decide
from ingest.plan.rules_file import parse_rules, read_rules


def _vm(name: str = "web01", **changes: object) -> VirtualMachine:
    nic = Nic(4000, "Network adapter 1", "00:50:56:00:00:01", "Vmxnet3", "VirtualVmxnet3", "dvs", "VM-100")
    facts: dict[str, object] = {
        "moref": "vm-1",
        "name": name,
        "instance_uuid": "u-1",
        "path": f"/DC1/vm/prod/{name}",
        "datacenter": "DC1",
        "datacenter_moref": "datacenter-1",
        "cluster": "c1",
        "cluster_moref": "domain-c1",
        "host": "esx1",
        "host_moref": "host-1",
        "power_state": "poweredOn",
        "connection_state": "connected",
        "nics": (nic,),
    }
    return VirtualMachine(**(facts | changes))  # type: ignore[arg-type]


def test_later_rules_refine_and_name_themselves() -> None:
    rules = parse_rules(
        """
rules:
  - set: {account: shared, domain: ROOT, wave: 2}
  - name: web servers
    match: {name: "WEB*", folder: ["/DC1/vm/prod*"]}
    set: {account: web}
  - match: {name: "db*"}
    set: {account: db}
"""
    )
    decided = decide(rules, _vm())
    assert decided.value("account") == "web"
    assert decided.source("account") == "web servers"
    assert decided.value("domain") == "ROOT"
    assert decided.source("wave") == "rule 1"
    assert decided.value("template") is None


def test_every_criterion_must_hold() -> None:
    rules = parse_rules("rules: [{match: {name: 'web*', cluster: c2}, set: {wave: 9}}]")
    assert decide(rules, _vm()).value("wave") is None
    assert decide(rules, _vm(cluster="c2")).value("wave") == 9


def test_vlan_and_port_group() -> None:
    rules = parse_rules("rules: [{match: {vlan: [100, 200], portgroup: 'vm-*'}, set: {wave: 3}}]")
    nic = Nic(4000, "n", "m", "Vmxnet3", "VirtualVmxnet3", "dvs", "VM-100", vlan=Vlan("id", 100))
    assert decide(rules, _vm(nics=(nic,))).value("wave") == 3
    assert decide(rules, _vm()).value("wave") is None


def _decided(text: str, **changes: object) -> Decided:
    return decide(parse_rules(text), _vm(**changes))


@pytest.mark.parametrize(
    ("criterion", "fits"),
    [
        ("name: 're:web[0-9]+'", True),
        ("name: 're:web'", False),  # the whole name has to fit
        ("name: 're:WEB.*'", True),
        ("name: ['db*', 're:w.b01']", True),
        ("custom_fields: {Owner: 'shop*'}", True),
        ("custom_fields: {Owner: 'shop*', Stage: prod}", False),
        ("cpus: 2", True),
        ("cpus: {min: 3}", False),
        ("memory_mib: {min: 2048, max: 4096}", True),
        ("disk_gib: {max: 59.5}", False),
        ("disk_gib: 60", True),
        ("disks: 2", True),
        ("nics: {min: 2}", False),
        ("datastore: 'ds2'", True),
        ("power_state: [suspended, poweredOff]", False),
        ("guest: '*Ubuntu*'", True),
        ("vlan: 0", False),
        ("host: esx1, datacenter: dc1", True),
    ],
)
def test_criteria(criterion: str, fits: bool) -> None:
    disks = tuple(
        Disk(2000 + n, f"Hard disk {n + 1}", f"1-{2000 + n}", size << 30, "flat", "", f"ds{n + 1}", "", "pvscsi", 0, n)
        for n, size in enumerate((20, 40))
    )
    decided = _decided(
        f"rules: [{{match: {{{criterion}}}, set: {{wave: 3}}}}]",
        cpus=2,
        memory_mib=4096,
        guest_full_name="Ubuntu Linux (64-bit)",
        custom_fields=(("Owner", "Shop team"),),
        disks=disks,
    )
    assert (decided.value("wave") == 3) is fits


@pytest.mark.parametrize(("kind", "wanted"), [("none", 0), ("id", 100), ("pvlan", 300), ("trunk", None)])
def test_the_vlan_a_rule_speaks_of(kind: str, wanted: int | None) -> None:
    vlan = {
        "none": Vlan("none"),
        "id": Vlan("id", 100),
        "pvlan": Vlan("pvlan", primary=300, secondary=301),
        "trunk": Vlan("trunk", ranges=((1, 4094),)),
    }[kind]
    nic = Nic(4000, "n", "m", "Vmxnet3", "VirtualVmxnet3", "dvs", "VM-100", vlan=vlan)
    for number in (0, 100, 300):
        decided = _decided(f"rules: [{{match: {{vlan: {number}}}, set: {{wave: 3}}}}]", nics=(nic,))
        assert (decided.value("wave") == 3) is (number == wanted)


def test_network_choices_of_later_rules_are_asked_first() -> None:
    decided = _decided(
        "rules: [{set: {networks: [{network: a, vlan: 100}]}}, {set: {networks: [{network: b, portgroup: 'VM-*'}]}}]"
    )
    tagged = Nic(4000, "Network adapter 1", "m", "Vmxnet3", "VirtualVmxnet3", "dvs", "VM-100", vlan=Vlan("id", 100))
    elsewhere = Nic(4001, "Network adapter 2", "m", "Vmxnet3", "VirtualVmxnet3", "dvs", "other", vlan=Vlan("id", 100))
    assert decided.network(1, tagged) == ("b", "rule 2")
    assert decided.network(2, elsewhere) == ("a", "rule 1")


def test_choices_by_number_and_label() -> None:
    decided = _decided(
        "rules: [{name: r, set: {networks: [{nic: 2, network: second}, {nic: '*adapter 1', network: first}],"
        " disks: [{disk: 2, offering: two}, {size_gib: {min: 100}, offering: big}], disk_offering: rest}}]"
    )
    first, second = (
        Nic(4000 + n, f"Network adapter {n + 1}", "m", "Vmxnet3", "VirtualVmxnet3", "dvs", "x") for n in range(2)
    )
    assert [decided.network(n, nic)[0] for n, nic in ((1, first), (2, second))] == ["first", "second"]

    def disk(size_gib: int) -> Disk:
        return Disk(2000, "Hard disk 1", "1-2000", size_gib << 30, "flat", "", "ds1", "", "pvscsi", 0, 0)

    offerings = [decided.disk_offering(n, disk(size)) for n, size in ((2, 500), (3, 500), (3, 5))]
    assert offerings == [("two", "r"), ("big", "r"), ("rest", "r")]


def test_tables_are_merged_key_by_key_and_owners_replace_each_other() -> None:
    decided = _decided(
        """
rules:
  - set: {details: {a: "1", b: "1"}, account: shop, domain: ROOT, skip: not yet}
  - set: {details: {b: "2"}, project: apollo, skip: false}
"""
    )
    assert decided.value("details") == {"a": "1", "b": "2"}
    assert decided.value("account") is None
    assert decided.value("project") == "apollo"
    assert decided.value("skip") is False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: [\n", ":2: not YAML"),
        ("rules:\n  - set: {}\n  - set:\n      acount: x\n", ":4: rules[1].set.acount: unknown key acount\n"),
        ("rules:\n  - match: {name: web}\n", ":2: rules[0]: the key set is missing"),
        ("rules:\n  - set:\n      wave: soon\n", ":3: rules[0].set.wave: input should be a valid integer"),
        ("rules:\n  - match:\n      name: 're:['\n    set: {}", ":3: rules[0].match.name: 're:[' is no regular expr"),
        (
            "rules:\n  - match:\n      cpus: {min: 4, max: 2}\n    set: {}",
            ":3: rules[0].match.cpus: min 4 is more than",
        ),
        ("rules:\n  - set:\n      ip: 10.0.0.1\n", ":3: rules[0].set.ip: input should be 'none', 'auto' or 'guest'"),
        ("rules:\n  - set:\n      networks: [{nic: 1}]\n", ":3: rules[0].set.networks[0]: give network, ip or both"),
        ("rules:\n  - set: {account: a, project: b}\n", "account and project exclude each other"),
        ("just text", "expected keys and values"),
        ("version: 7\n", "version: input should be 1"),
        ("a: &a [*a]\n", "aliases (*name) are not allowed"),
        ("rules:\n  - set: {wave: 1}\n    set: {wave: 2}\n", "the key set is there twice"),
    ],
)
def test_malformed_rules_name_line_and_key(text: str, says: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse_rules(text, place="my.yaml")
    assert says in str(caught.value) + "\n"
    assert str(caught.value).startswith("my.yaml")
    assert caught.value.exit_code == 2


def test_all_mistakes_are_told_at_once_and_near_keys_are_offered() -> None:
    text = "rules:\n  - set:\n      wvae: 1\n      acount: x\n  - set:\n      wave: 1000\n"
    with pytest.raises(RulesError) as caught:
        parse_rules(text, place="my.yaml")
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines[:3]] == ["my.yaml:3", "my.yaml:4", "my.yaml:6"]
    assert "did you mean wave?" in lines[-1]


def test_empty_file_is_no_rules() -> None:
    assert parse_rules("# nothing\n").rules == []


def test_missing_file() -> None:
    with pytest.raises(RulesError, match=r"nowhere\.yaml: cannot be read"):
        read_rules(Path("nowhere.yaml"))


def test_the_shipped_rules_are_read_also_with_their_examples() -> None:
    path = Path(__file__).parents[2] / "data" / "rules.yaml"
    text = path.read_text(encoding="utf-8")
    shipped = parse_rules(text)
    examples = re.sub(r"^  # (?=[- ] )", "  ", text, flags=re.MULTILINE)
    with_examples = parse_rules(examples)
    assert len(with_examples.rules) == len(shipped.rules) + 2
    everything = with_examples.rules[-2]
    unsaid = {"project", "skip"}
    assert set(Match.model_fields) == everything.match.model_fields_set
    assert set(Set.model_fields) - unsaid == everything.set.model_fields_set
