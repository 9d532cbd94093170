"""Rules: matching, refinement, and errors that name line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import RulesError
from ingest.model.inventory import Nic, VirtualMachine, Vlan
from ingest.plan.rules import decide, network_fits, parse_rules, read_rules


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


def test_network_choices_of_later_rules_come_first() -> None:
    rules = parse_rules(
        "rules: [{set: {networks: [{network: a, vlan: 100}]}}, {set: {networks: [{network: b, portgroup: 'VM-*'}]}}]"
    )
    decided = decide(rules, _vm())
    assert [choice.network for choice, _ in decided.networks] == ["b", "a"]
    choice_b, choice_a = (choice for choice, _ in decided.networks)
    assert network_fits(choice_b, "VM-100", None)
    assert not network_fits(choice_a, "VM-100", 101)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: [\n", ":2: is not YAML"),
        ("rules:\n  - set: {}\n  - set:\n      acount: x\n", ":4: rules.1.set.acount: unknown key"),
        ("rules:\n  - match: {name: web}\n", ":2: rules.0.set: Field required"),
        ("rules:\n  - set:\n      wave: soon\n", ":3: rules.0.set.wave: Input should be a valid integer"),
        ("just text", "Input should be a valid dictionary"),
        ("version: 7\n", "version 7 is not known"),
        ("a: &a [*a]\n", "a: unknown key"),
    ],
)
def test_malformed_rules_name_line_and_key(text: str, says: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse_rules(text, place="my.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("my.yaml")
    assert caught.value.exit_code == 2


def test_empty_file_is_no_rules() -> None:
    assert parse_rules("# nothing\n").rules == []


def test_missing_file() -> None:
    with pytest.raises(RulesError, match=r"nowhere\.yaml: cannot be read"):
        read_rules(Path("nowhere.yaml"))
