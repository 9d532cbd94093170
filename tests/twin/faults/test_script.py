"""Scripts: what is wrong in one is said with file, line and key; what is right happens again with the same seed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ingest.data_files import data_file
from ingest.errors import RulesError
from ingest.twin.faults import kinds
from ingest.twin.faults.draw import drawn
from ingest.twin.faults.engine import Faults
from ingest.twin.faults.fate import UNTROUBLED, Troubles
from ingest.twin.faults.script import Script, read_script, script_of
from ingest.twin.world import World
from ingest.twin.worldfile import load_world, save_world
from tests.twin.faults.conftest import whole_tiny_world

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases/faults/wrong_scripts.yaml").read_text(encoding="utf-8"))
KINDS: tuple[type[kinds.Trigger], ...] = get_args(get_args(kinds.Fault)[0])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_wrong_is_said_with_its_line(case: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    file.write_text(case["script"], encoding="utf-8")
    with pytest.raises(RulesError) as caught:
        read_script(file)
    assert caught.value.place == f"{file}{case['place']}"
    assert caught.value.message.startswith(case["message"])
    assert caught.value.cure.startswith(case.get("cure", ""))
    assert "demo-world" not in caught.value.cure


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (b"{", "body", "not JSON"),
        (b"\xff", "body", "not JSON"),
        (b"[]", "body", "expected an object"),
        (b'{"kind": "reset", "wen": 1}', "body: faults[0].reset.wen", "unknown key wen"),
        (b'{"faults": [{"kind": "resett"}]}', "body: faults[0]", "unknown kind resett"),
        (b'{"kind": "delay", "seconds": 1e999}', "body: faults[0].delay.seconds", "input should be"),
    ],
)
def test_what_is_wrong_in_json(body: bytes, place: str, message: str) -> None:
    with pytest.raises(RulesError) as caught:
        script_of(body)
    assert caught.value.place.startswith(place)
    assert caught.value.message.startswith(message)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        read_script(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RulesError, match="not UTF-8"):
        read_script(tmp_path / "bytes.yaml")


def test_the_example_has_every_way_to_say_when() -> None:
    faults = read_script(data_file("faults/bad-night.yaml")).faults
    said = {name for fault in faults for name in fault.model_fields_set}
    assert said >= {"command", "vm", "nth", "probability", "after_seconds", "step", "times"}


def test_the_how_to_names_every_kind() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/faults.md").read_text(encoding="utf-8")
    named = [get_args(kind.model_fields["kind"].annotation)[0] for kind in KINDS]
    assert [name for name in named if f"| `{name}` |" not in page] == []
    missing = [
        (kind.__name__, field)
        for kind in KINDS
        for field in kind.model_fields
        if field not in kinds.Trigger.model_fields and f"`{field}`" not in page
    ]
    assert missing == []


CALLS = [(command, f"vm{number}") for number in range(20) for command in ("importUnmanagedInstance", "listZones")]


def struck(seed: int | None, calls: list[tuple[str, str]], world_seed: int = 7, **fault: Any) -> list[tuple[str, str]]:
    """The calls at which the fault strikes."""
    world = World(seed=world_seed)
    faults: Troubles = Faults(world)
    script = Script.model_validate({"seed": seed, "faults": [{"kind": "reset", "times": 0, **fault}]})
    assert isinstance(faults, Faults)
    faults.set(script)
    never = threading.Event()
    return [call for call in calls if faults.of_call("cloudstack", *call, never) != UNTROUBLED]


def test_the_same_seed_strikes_the_same_calls_and_another_one_others() -> None:
    first = struck(1, CALLS, probability=0.3)
    assert 0 < len(first) < len(CALLS)
    assert struck(1, CALLS, probability=0.3) == first
    assert struck(2, CALLS, probability=0.3) != first
    # Without a seed of its own the script takes the world's.
    assert struck(None, CALLS, world_seed=1, probability=0.3) == first


def test_chance_does_not_depend_on_the_order_of_other_calls() -> None:
    assert sorted(struck(1, CALLS[::-1], probability=0.3)) == sorted(struck(1, CALLS, probability=0.3))


def test_the_same_call_is_drawn_for_anew() -> None:
    again = struck(1, [CALLS[0]] * 200, probability=0.3)
    assert 30 < len(again) < 90


def test_draws_are_even() -> None:
    draws = [drawn(1, "f", "c", "v", number) for number in range(2000)]
    assert all(0 <= one < 1 for one in draws)
    assert 900 < sum(one < 0.5 for one in draws) < 1100


def test_the_journal_is_saved_with_its_world(tmp_path: Path) -> None:
    world = whole_tiny_world()
    world.cloud.journal.record("fault", fault="f", call=3, share=0.5, yes=True)
    world.cloud.journal.vcenter_calls["Login"] = 2
    save_world(world, tmp_path / "world.json")
    again = load_world(tmp_path / "world.json")
    assert again.cloud.journal == world.cloud.journal
    again.cloud.journal.record("later")
    assert [entry.kind for entry in again.cloud.journal.entries] == ["fault", "later"]
    assert again.cloud.journal.entries[1].at >= world.cloud.journal.entries[0].at
