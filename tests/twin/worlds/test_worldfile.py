"""World files: what is saved comes back equal, and what is wrong is said with file, line, key and cure."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from ingest.data_files import data_file
from ingest.errors import RulesError
from ingest.model.inventory import Vlan
from ingest.twin import cloud as c
from ingest.twin.generator import CLEAN, REALISTIC, generate
from ingest.twin.world import World
from ingest.twin.worldfile import MAXIMUM_YAML_BYTES, json_schema, load_world, save_world
from ingest.twin.worlds.integrity import dangling


def lived_in_world() -> World:
    """A world something happened in, so that every kind of state is there."""
    world = generate(30, seed=8, shape=replace(REALISTIC, edge_datacenter=False))
    cloud = world.cloud
    vm = next(vm for vm in world.vms.values() if vm.nics and vm.disks)
    vm.custom_fields["owner"] = "0815"
    vm.nics[0].port_vlan = Vlan("trunk", ranges=((1, 9), (20, 20)))
    vm.revision = 3
    account = next(a for a in cloud.accounts.values() if a.accounttype == 0)
    network = next(iter(cloud.networks))
    instance = c.Instance(
        id=c.new_id(),
        name="web01",
        displayname="Web 01",
        instancename=vm.name,
        state="Running",
        zoneid=next(iter(cloud.zones)),
        podid=next(iter(cloud.pods)),
        clusterid=next(iter(cloud.clusters)),
        hostid=next(iter(cloud.hosts)),
        accountid=account.id,
        domainid=account.domainid,
        serviceofferingid=next(iter(cloud.service_offerings)),
        templateid="dummy",
        guestosid="",
        cpunumber=2,
        memory=4096,
        moref=vm.moref,
        details={"cpuSpeed": "2000"},
        nics=[c.InstanceNic(c.new_id(), network, "00:50:56:00:00:01", isdefault=True)],
        created=1_700_000_000.25,
    )
    cloud.instances[instance.id] = instance
    volume = c.Volume(c.new_id(), "ROOT-1", "ROOT", instance.id, 1 << 34, next(iter(cloud.storage_pools)), "", "web01")
    cloud.volumes[volume.id] = volume
    job = c.Job(
        c.new_id(), "ImportUnmanagedInstanceCmd", account.id, "", 2, 530, {"errortext": "no", "list": [1, None]}
    )
    cloud.jobs[job.id] = job
    cloud.system_vms["s"] = c.SystemVm("s", "v-2-VM", next(iter(cloud.pods)), lasthostid=next(iter(cloud.hosts)))
    cloud.limits.append(c.ResourceLimit("account", account.id, "user_vm", 20))
    cloud.limits.append(c.ResourceLimit("domain", account.domainid, "primary_storage", -1))
    cloud.networks[network].permissions.append(account.id)
    cloud.events.append(c.Event(c.new_id(), "VM.IMPORT", "INFO", "Started", "Importing", account.id, 1.5))
    instance.tags, instance.snapshots, instance.isoid, volume.snapshots = {"run": "7"}, ["before"], "iso", ["nightly"]
    zone = next(iter(cloud.zones))
    cloud.zone_configuration[zone] = {"unmanage.vm.preserve.nics": "true"}
    cloud.limits.append(c.ResourceLimit("account", account.id, "memory", 4096))
    offering = c.NetworkOffering(
        c.new_id(), "own", "L2", specifyvlan=True, zoneids=[zone], domainids=[account.domainid]
    )
    cloud.network_offerings[offering.id] = offering
    cloud.networks[network].networkofferingid = offering.id
    cloud.networks[network].physicalnetworkid = next(iter(cloud.physical_networks))
    cloud.journal.imports.append((vm.moref, instance.id))
    cloud.journal.requests["listZones"] = 3
    next(iter(cloud.users.values())).apis = frozenset({"listZones", "listHosts"})
    return world


def test_a_saved_world_comes_back_equal(tmp_path: Path) -> None:
    world = lived_in_world()
    save_world(world, tmp_path / "world.json")
    again = load_world(tmp_path / "world.json")
    assert again == world
    assert again.cloud.journal.imports == world.cloud.journal.imports
    assert isinstance(again.cloud.journal.imports[0], tuple)


def test_the_complete_form_as_hand_formatted_yaml_comes_back_equal_too(tmp_path: Path) -> None:
    world = lived_in_world()
    save_world(world, tmp_path / "world.json")
    plain = json.loads((tmp_path / "world.json").read_text())
    (tmp_path / "world.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    assert load_world(tmp_path / "world.yaml") == world


def test_ten_thousand_vms_round_trip(tmp_path: Path) -> None:
    world = generate(10_000, seed=3, shape=REALISTIC)
    save_world(world, tmp_path / "large.json")
    assert load_world(tmp_path / "large.json") == world


def test_saving_replaces_the_file_in_one_step_and_keeps_it_private(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text("old")
    save_world(generate(3), path)
    assert [child.name for child in tmp_path.iterdir()] == ["world.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # it holds keys


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.mkdir()  # a file cannot replace a folder
    with pytest.raises(OSError, match=r"directory|Is a"):
        save_world(generate(2), path)
    assert [child.name for child in tmp_path.iterdir()] == ["world.json"]
    assert path.is_dir()


def complete(tmp_path: Path, change: Callable[[dict], None], *, indent: int | None = 1) -> Path:
    path = tmp_path / "broken.json"
    save_world(generate(4, seed=1), path)
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain, indent=indent))
    return path


def test_an_unknown_key_of_the_complete_form_is_named_with_its_line_and_the_allowed_keys(tmp_path: Path) -> None:
    def misspell(plain: dict) -> None:
        vm = next(iter(plain["vms"].values()))
        vm["nics"][0]["netwrk"] = "network-1"

    path = complete(tmp_path, misspell)
    with pytest.raises(RulesError) as caught:
        load_world(path)
    line = 1 + next(n for n, text in enumerate(path.read_text().splitlines()) if "netwrk" in text)
    moref = next(iter(json.loads(path.read_text())["vms"]))
    assert caught.value.message == "unknown key netwrk"
    assert caught.value.place == f"{path}:{line}: vms.{moref}.nics[0].netwrk"
    assert caught.value.cure.startswith("did you mean network? allowed here: backing, card, connected")


def test_wrong_types_are_refused_not_converted(tmp_path: Path) -> None:
    def text_for_a_number(plain: dict) -> None:
        next(iter(plain["vms"].values()))["cpus"] = "2"

    with pytest.raises(RulesError, match="valid integer") as caught:
        load_world(complete(tmp_path, text_for_a_number))
    assert caught.value.place.endswith(".cpus")


def test_a_reference_to_nothing_is_refused(tmp_path: Path) -> None:
    def forget_the_host(plain: dict) -> None:
        next(iter(plain["vms"].values()))["host"] = "host-999"

    with pytest.raises(RulesError, match="host-999 is none of the hosts") as caught:
        load_world(complete(tmp_path, forget_the_host))
    assert ".host" in caught.value.place


def test_references_of_limits_permissions_and_system_vms_are_checked() -> None:
    world = lived_in_world()
    assert list(dangling(world)) == []
    world.cloud.limits.append(c.ResourceLimit("domain", "nobody", "cpu", 1))
    next(iter(world.cloud.networks.values())).permissions.append("nobody")
    world.cloud.system_vms["s"].podid = "nowhere"
    next(iter(world.cloud.instances.values())).lasthostid = "nowhere"
    assert sorted(text for _, text in dangling(world)) == [
        "nobody is none of the accounts",
        "nobody is none of the domains",
        "nowhere is none of the hosts",
        "nowhere is none of the pods",
    ]


def test_a_key_that_is_not_its_objects_id_is_refused(tmp_path: Path) -> None:
    def rename(plain: dict) -> None:
        next(iter(plain["cloud"]["zones"].values()))["id"] = "elsewhere"

    with pytest.raises(RulesError, match="stands under the key"):
        load_world(complete(tmp_path, rename))


def test_a_large_broken_file_names_the_key_path_without_the_line(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    save_world(generate(6000, seed=1), path)
    plain = json.loads(path.read_text())
    plain["vms"][next(iter(plain["vms"]))]["cpus"] = None
    path.write_text(json.dumps(plain, indent=1))
    with pytest.raises(RulesError, match="valid integer") as caught:
        load_world(path)
    assert caught.value.place.startswith(f"{path}: vms.vm-")


@pytest.mark.parametrize("vms", [3, 6000], ids=["small", "larger than YAML may be"])
def test_another_version_of_the_complete_form_is_refused_before_anything_else(tmp_path: Path, vms: int) -> None:
    path = tmp_path / "later.json"
    save_world(generate(vms, seed=1), path)
    plain = json.loads(path.read_text()) | {"version": 2, "new_table": {}}
    path.write_text(json.dumps(plain, indent=1))
    assert (path.stat().st_size > MAXIMUM_YAML_BYTES) == (vms > 3)
    with pytest.raises(RulesError, match="version 2 of the world file is unknown") as caught:
        load_world(path)
    assert caught.value.cure == "this program reads version 1"


def test_the_schema_accepts_both_forms_and_refuses_what_loading_refuses(tmp_path: Path) -> None:
    schema = jsonschema.Draft202012Validator(json_schema())
    schema.check_schema(json_schema())
    save_world(lived_in_world(), tmp_path / "world.json")
    complete = json.loads((tmp_path / "world.json").read_text())
    schema.validate(complete)
    schema.validate(yaml.safe_load(data_file("demo-world.yaml").read_text()))
    misspelt = {**complete, "vmz": {}}
    for wrong in ({"version": 2}, {"version": 1, "generate": {"vms": "many"}}, misspelt, {"version": 1, "kind": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            schema.validate(wrong)


MALFORMED = [
    ("", "expected keys and values at the top", "world.yaml"),
    ("- 1\n- 2\n", "expected keys and values at the top", ":1"),
    ("generate: {vms: 3}\n", "the key version is missing", ":1"),
    ("version: 2\n", "version 2 of the world file is unknown", ":1: version"),
    ("version: 1\ngenerate:\n  vms: 3\n  vms: 4\n", "the key vms is there twice, first in line 3", ":4: generate"),
    ("version: 1\ngenerate: {vms: [1\n", "not YAML: ", ":3"),
    ("version: 1\nname: &a demo\nvcenter: {name: *a}\n", "aliases", ":2: vcenter.name"),
    ("version: 1\nname: !!python/object:os.system x\n", "the tag", ":2: name"),
    ("version: 1\ngenerate:\n  vms: many\n", "input should be a valid integer, not 'many'", ":3: generate.vms"),
    ("version: 1\ngenerate:\n  vms: 300000\n", "less than or equal to 200000", ":3: generate.vms"),
    ("version: 1\ngenerate:\n  shape: messy\n", "'clean' or 'realistic', not 'messy'", ":3: generate.shape"),
    ("version: 1\ngenerate:\n  sede: 3\n", "unknown key sede", ":3: generate.sede"),
    ("version: 1\nkind: world\nvmz: {}\n", "unknown key vmz", ":3: vmz"),
    ("version: 1\nvms:\n  - cpus: 2\n", "the key name is missing", ":3: vms[0]"),
    (
        "version: 1\nvms:\n  - name: a\n    nics:\n      - {network: x, mac: zz}\n",
        "match pattern",
        "vms[0].nics[0].mac",
    ),
    (
        "version: 1\ngenerate:\n  rates: {snapshots: 0.1}\n",
        "unknown rate snapshots; allowed: boot_order",
        ":3: generate.rates",
    ),
    ("version: 1\ngenerate:\n  rates: {snapshot: 2}\n", "rate snapshot is 2.0", ":3: generate.rates"),
    ("version: 1\ngenerate:\n  shape: realistic\n  rates: {snapshot: 0.9}\n", "add up to", ":4: generate.rates"),
    (
        "version: 1\nvms:\n  - name: a\n    oddities: [cursed]\n",
        "unknown oddity cursed; allowed: ",
        ":4: vms[0].oddities",
    ),
    ("version: 1\nnetworks:\n  - {name: a, vlan: 5000}\n", "'5000' is no VLAN", ":3: networks[0].vlan"),
    ("version: 1\nvms:\n  - name: a\n    tenant: nobody\n", "no tenant is called nobody", ":4: vms[0].tenant"),
    ("version: 1\nvms:\n  - {name: a, nics: [{network: lan}]}\n", "no network is called lan", "vms[0].nics[0].network"),
    ("version: 1\nchange:\n  - vm: ghost\n", "no VM is called ghost", ":3: change[0].vm"),
    ("version: 1\nhosts:\n  - name: esx9\n", "no host is called esx9", ":3: hosts[0].name"),
    ("version: 1\nvms:\n  - {name: a, nics: [], oddities: [mixed_adapters]}\n", "lacks the device", "oddities[0]"),
    ("version: 1\nvms:\n  - name: a\n  - name: a\n", "two VMs in one folder are called a", "vms[0].name"),
    ("version: 1\nnetworks:\n  - {name: trunk-all, vlan: 7}\n", "has a network trunk-all already", "networks[0].name"),
]


@pytest.mark.parametrize(("text", "message", "place"), MALFORMED)
def test_malformed_files_are_explained(tmp_path: Path, text: str, message: str, place: str) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(text)
    with pytest.raises(RulesError) as caught:
        load_world(path)
    assert message in caught.value.message
    assert caught.value.place.startswith(str(path))
    assert place in caught.value.place
    assert caught.value.cure


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    for text in ("[" * 20_000, '{"a":' * 20_000, "version: 1\nname: " + "[" * 40 + "]" * 40):
        path.write_text(text)
        with pytest.raises(RulesError):
            load_world(path)


def test_files_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read: No such file"):
        load_world(tmp_path / "absent.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RulesError, match="not UTF-8"):
        load_world(tmp_path / "binary")
    (tmp_path / "big.yaml").write_text("# filler\n" * 600_000)
    with pytest.raises(RulesError, match="more than 4 MiB of YAML"):
        load_world(tmp_path / "big.yaml")
    os.truncate(tmp_path / "binary", (512 << 20) + 1)  # sparse
    with pytest.raises(RulesError, match="more than 512 MiB"):
        load_world(tmp_path / "binary")


def test_words_that_old_yaml_would_turn_into_something_else_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(
        "version: 1\ngenerate: {vms: 0}\nvms:\n"
        "  - {name: on, annotation: 2024-01-01, nics: [{network: VLAN10, mac: 10:20:30:40:50:59}]}\n"
    )
    (vm,) = load_world(path).vms.values()
    assert (vm.name, vm.annotation, vm.nics[0].mac) == ("on", "2024-01-01", "10:20:30:40:50:59")


def test_every_field_of_the_world_is_saved(tmp_path: Path) -> None:
    world = generate(2, shape=CLEAN)
    save_world(world, tmp_path / "world.json")
    again = load_world(tmp_path / "world.json")
    saved, read = (asdict(replace(one, lock=None, clock=None)) for one in (world, again))  # type: ignore[arg-type]
    assert read == saved


@pytest.mark.parametrize(
    ("collection", "field", "value", "place"),
    [
        ("networks", "networkofferingid", "gone", "networks"),
        ("networks", "physicalnetworkid", "gone", "networks"),
        ("physical_networks", "zoneid", "gone", "physical_networks"),
        ("storage_pools", "parent", "gone", "storage_pools"),
        ("network_offerings", "zoneids", ["gone"], "network_offerings"),
        ("network_offerings", "domainids", ["gone"], "network_offerings"),
    ],
)
def test_references_of_networks_and_pools_are_checked(
    tmp_path: Path, collection: str, field: str, value: object, place: str
) -> None:
    world = lived_in_world()
    setattr(next(iter(getattr(world.cloud, collection).values())), field, value)
    save_world(world, tmp_path / "world.json")
    with pytest.raises(RulesError, match="gone is none of the") as caught:
        load_world(tmp_path / "world.json")
    assert f"cloud.{place}." in caught.value.place


def test_owners_of_limits_and_zones_of_settings_are_checked(tmp_path: Path) -> None:
    world = lived_in_world()
    world.cloud.limits.append(c.ResourceLimit("domain", "gone", "cpu", 1))
    save_world(world, tmp_path / "world.json")
    with pytest.raises(RulesError, match="gone is none of the domains"):
        load_world(tmp_path / "world.json")
    world.cloud.limits.clear()
    world.cloud.zone_configuration["gone"] = {}
    save_world(world, tmp_path / "world.json")
    with pytest.raises(RulesError, match="gone is none of the zones"):
        load_world(tmp_path / "world.json")
