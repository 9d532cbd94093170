"""Names replaced in a world, so that it can be shown to others and still behaves the same.

Every run of letters becomes another run of the same length and case, the same one wherever it stands: in names, paths,
`[datastore] folder/file.vmdk`, `vcenter/datacenter/cluster`, tags. So equal names stay equal and different ones
different, whatever their case; what a host name may not hold stays there; `ds1` stays a part of `ds10`. Digits, signs
and escapes such as `%2f` are kept, and so are ids, MACs, VLANs and private addresses. Public addresses get another
first half. Notes go, custom fields and tags are numbered.

This keeps people from reading along. It does not keep a secret from somebody who knows the site: lengths, digits and
repetitions are still there.
"""

from __future__ import annotations

import ipaddress
import random
import re
import string
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, get_origin, get_type_hints

from ingest.model.inventory import Vlan
from ingest.twin.journal import Journal
from ingest.twin.world import World

# What must be recognised later on: file types, CloudStack's root domain and volumes, VMs of the platform.
KEPT_WORDS = frozenset({"root", "vmdk", "vmx", "iso"})
PLATFORM_NAME = re.compile(r"vCLS[- (].*|[irsv]-\d+-.+")  # vSphere Cluster Services; CloudStack's i-2-34-VM, v-1-VM
INTERNAL_NAME_FIELD = "cloud.vm.internal.name"
# Texts that are no names: ids and references, words of the APIs, secrets of the twin's own. A field that is not here is
# renamed, so that one nobody thought of shows as a broken rehearsal and not as a leak.
KEPT_ENDS = ("id", "ids", "uuid", "state", "status", "type", "mode", "_folder", "uri")
KEPT = frozenset(
    {
        *("moref", "parent", "datacenter", "compute", "switch", "uplink", "folder", "vapp", "resource_pool", "host"),
        *("hosts", "network", "datastore", "ft_partner", "permissions", "mac", "macaddress", "label", "card"),
        *("port_key", "sharing", "shared_bus", "pvlans", "version", "build", "url", "guest_full_name", "firmware"),
        *("managed_by", "extra_devices", "disabled_methods", "hypervisor", "hypervisorversion", "scope", "format"),
        *("osnameforhypervisor", "details", "resource", "services", "isolationmethods", "configuration"),
        *("zone_configuration", "vcenter_version", "vcenter_user", "vcenter_password", "api_key", "secret_key"),
        *("journal", "jobs", "events", "annotation", "custom_fields", "os_types"),
    }
)
CHOSEN = frozenset({("StoragePool", "host"), ("World", "hosts"), ("Cloud", "hosts")})
NOTE = "(a note was here)"
TRIES = 100
_ACCENTED = "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþ"
_PIECE = re.compile(
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"  # IPv4
    r"|(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])"  # IPv6
    r"|%[0-9A-Fa-f]{2}|[A-Za-z]+|[^\W\d_a-zA-Z]+"
)
_PUBLIC, _PUBLIC_HALVES = 240 << 8, 4096  # 240.0.0.0/4: reserved, nobody's
_DOCUMENTATION = 0x2001_0DB8 << 32  # 2001:db8::/32 is for documentation


def scrub(world: World, source: random.Random) -> None:
    """Replace the names of the world in place; call it before the world is served.

    Another `source` gives other names. Jobs and events, which quote names in sentences, are dropped.
    """
    texts = _Texts()
    _visit(world, texts.collect)
    for vm in world.vms.values():
        texts.collect(vm.custom_fields.get(INTERNAL_NAME_FIELD, ""))
        texts.avoid(vm.annotation, *vm.custom_fields, *vm.custom_fields.values())
    for instance in world.cloud.instances.values():
        texts.avoid(*instance.tags, *instance.tags.values())
    traps = _traps(world)
    knotted = {word for part, whole, contained in traps if contained for word in _knotted(part, whole)}
    for _ in range(TRIES):
        names = _Names(texts, knotted, source)
        made = {text: names(text) for trap in traps for text in trap[:2]}
        if all((made[part] in made[whole]) == contained for part, whole, contained in traps):
            break
    _visit(world, names)
    _forget(world, names)


class _Texts:
    """The words and public networks that occur."""

    def __init__(self) -> None:
        self.words: dict[str, None] = {}
        self.halves: dict[int, None] = {}
        self.avoided: set[str] = set()

    def collect(self, text: str) -> str:
        """Remember what the text is made of; gives it back as it is."""
        for piece in _PIECE.findall("" if PLATFORM_NAME.fullmatch(text) else text):
            if (address := _public(piece)) is not None:
                self.halves[address >> 16] = None
            elif piece[0].isalpha() and ":" not in piece:
                self.words[piece.lower()] = None
        return text

    def avoid(self, *texts: str) -> None:
        """No new name may be a word of these texts, which are dropped: it would look as if they were still there."""
        self.avoided |= {piece.lower() for text in texts for piece in _PIECE.findall(text)}


class _Names:
    """One way to rename everything; call it with a text."""

    def __init__(self, texts: _Texts, knotted: set[str], source: random.Random) -> None:
        self._halves = {half: _PUBLIC + place % _PUBLIC_HALVES for place, half in enumerate(texts.halves)}
        self._nets: dict[int, int] = {}
        self._words: dict[str, str] = {word: word for word in KEPT_WORDS}
        # Letter by letter, the one way that keeps a part of a word a part of it.
        letters = str.maketrans(
            string.ascii_lowercase + _ACCENTED,
            "".join(source.sample(string.ascii_lowercase, 26) + source.sample(_ACCENTED, len(_ACCENTED))),
        )
        self._words |= {word: word.translate(letters) for word in knotted}
        used, avoided = set(self._words.values()), texts.avoided | set(texts.words)
        for word in texts.words:
            if word not in self._words:
                self._words[word] = made = _word(len(word), word.isascii(), used, avoided, source)
                used.add(made)

    def __call__(self, text: str) -> str:
        """The text with its words and public addresses replaced."""
        return text if PLATFORM_NAME.fullmatch(text) else _PIECE.sub(self._piece, text)

    def _piece(self, found: re.Match[str]) -> str:
        piece = found[0]
        if ":" in piece:
            return self._sixth(piece)
        if piece[0].isdecimal():
            address = _public(piece)
            if address is None:
                return piece
            return str(ipaddress.IPv4Address(self._halves[address >> 16] << 16 | address & 0xFFFF))
        if not piece[0].isalpha():
            return piece
        made = self._words.get(piece.lower(), piece)
        return "".join(new.upper() if old.isupper() else new for old, new in zip(piece, made, strict=False))

    def _sixth(self, piece: str) -> str:
        try:
            address = ipaddress.IPv6Address(piece)
        except ValueError:
            return piece
        if not address.is_global:
            return piece
        place = self._nets.setdefault(int(address) >> 64, len(self._nets))
        return str(ipaddress.IPv6Address((_DOCUMENTATION + place) << 64 | int(address) & (1 << 64) - 1))


def _word(length: int, ascii_only: bool, used: set[str], avoided: Collection[str], source: random.Random) -> str:
    """A word of that length nobody has yet, if possible none that occurs in the world either."""
    letters = string.ascii_lowercase if ascii_only else _ACCENTED
    spoken = ("bcdfghjklmnprstvwz", "aeiou") if ascii_only else (letters,)
    for attempt in range(1000):
        kinds = spoken if attempt < 100 else (letters,)
        made = "".join(source.choice(kinds[place % len(kinds)]) for place in range(length))
        if made not in used and (attempt > 500 or made not in avoided):
            return made
    # All short words but a few are taken, or all: some scripts write a word in one letter.
    more = letters if ascii_only else letters + "".join(map(chr, range(0x4E00, 0x9000)))
    return next(made for made in _all_words(length, more) if made not in used)


def _all_words(length: int, letters: str) -> Iterable[str]:
    if length == 0:
        yield ""
        return
    for head in letters:
        yield from (head + tail for tail in _all_words(length - 1, letters))


def _public(text: str) -> int | None:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    return int(address) if address.is_global else None


def _traps(world: World) -> list[tuple[str, str, bool]]:
    """(datastore, pool path, whether the one is a part of the other): CloudStack finds pools that way."""
    wanted = {store.remote_path or store.name for store in world.datastores.values()}
    wanted |= {store.name for store in world.datastores.values()}
    paths = {pool.path for pool in world.cloud.storage_pools.values()}
    return [(part, path, part in path) for part in sorted(wanted) if part for path in sorted(paths)]


def _knotted(part: str, whole: str) -> Iterable[str]:
    """The words of both where the part begins or ends inside a word of the whole: `fast` in `breakfast`."""
    start = whole.find(part)
    while start >= 0:
        end = start + len(part)
        inside = (start > 0 and (whole[start - 1] + part[0]).isalpha()) or (
            end < len(whole) and (part[-1] + whole[end]).isalpha()
        )
        if not inside:
            return
        start = whole.find(part, start + 1)
    for piece in _PIECE.findall(f"{part} {whole}"):
        if piece[0].isalpha() and piece.lower() not in KEPT_WORDS:
            yield piece.lower()


def _visit(world: World, renamed: Callable[[str], str]) -> None:
    """Put every text that people chose through `renamed`: what is not known to be something else is taken for one."""
    fixed = {"group-d1"} | {
        folder
        for place in world.datacenters.values()
        for folder in (place.vm_folder, place.host_folder, place.network_folder, place.datastore_folder)
    }
    names_of_fixed = {moref: world.folders[moref].name for moref in fixed if moref in world.folders}
    _walk(world, renamed)
    for moref, name in names_of_fixed.items():
        world.folders[moref].name = name


def _walk(thing: Any, renamed: Callable[[str], str]) -> None:
    for name in _chosen(type(thing)):  # type: ignore[arg-type]  # mypy: type[Any] is not Hashable
        setattr(thing, name, _new(getattr(thing, name), renamed))


def _new(value: Any, renamed: Callable[[str], str]) -> Any:
    """The value with its texts renamed; objects in it are changed in place, keys are left alone."""
    if isinstance(value, str):
        return renamed(value) if value else value
    if isinstance(value, list | tuple):
        return type(value)(_new(one, renamed) for one in value)
    if isinstance(value, dict):
        return {key: _new(one, renamed) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type | Vlan):
        _walk(value, renamed)
    return value


@cache
def _chosen(kind: type[Any]) -> tuple[str, ...]:
    """The fields of a class that hold what people chose, or objects with such fields."""
    hints = get_type_hints(kind)
    return tuple(
        field.name
        for field in fields(kind)
        if field.compare
        and get_origin(hints[field.name]) is not Literal
        and hints[field.name] not in (int, float, bool)
        and not _is_kept(kind.__name__, field.name)
    )


def _is_kept(kind: str, name: str) -> bool:
    return (kind, name) not in CHOSEN and (name in KEPT or name.endswith(KEPT_ENDS))


def _forget(world: World, renamed: Callable[[str], str]) -> None:
    """What is free text, or quotes names in sentences."""
    keys: dict[str, str] = {}
    values: dict[str, str] = {}
    for vm in world.vms.values():
        vm.annotation = NOTE if vm.annotation else ""
        vm.custom_fields = {
            key if key == INTERNAL_NAME_FIELD else keys.setdefault(key, f"field {len(keys) + 1}"): (
                renamed(value) if key == INTERNAL_NAME_FIELD else values.setdefault(value, f"value {len(values) + 1}")
            )
            for key, value in vm.custom_fields.items()
        }
    for instance in world.cloud.instances.values():
        instance.tags = {
            keys.setdefault(key, f"field {len(keys) + 1}"): values.setdefault(value, f"value {len(values) + 1}")
            for key, value in instance.tags.items()
        }
    world.cloud.jobs.clear()
    world.cloud.events.clear()
    world.cloud.journal = Journal()
