"""Evidence of a run: one zip file that shows when anything in it was altered, and holds no secret.

`manifest.json` lists every file with its SHA-256; the hashes are chained, and the last of the chain is the *seal*.
Whoever keeps the seal elsewhere can tell later that nobody made the file anew. `history.jsonl` is what the ledger noted
of the run; where other runs wrote in between, their lines stand as hashes only, so that the chain can be followed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from ingest.engine.ledger import HistoryLine, Link, RunRecord
from ingest.engine.ledger.chain import line_hash
from ingest.errors import UsageError
from ingest.report.tables import json_bytes, record

FORMAT = 1
MANIFEST = "manifest.json"
HISTORY = "history.jsonl"
REMOVED = b"[removed]"
SHORTEST_SECRET = 4
"""Shorter ones would take half of every text with them."""

# What carries a secret in a URL, whatever the secret is.
_CARRIERS = (
    re.compile(rb"(?i)((?:apikey|signature|secretkey|sessionkey|password)=)([^\s&\"'\\]+)"),
    re.compile(rb"(://[^\s/:@\"'\\]*:)([^\s/@\"'\\]+)(?=@)"),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A packed run. `removed` counts the places where a secret was taken out."""

    content: bytes
    files: tuple[str, ...]
    seal: str
    removed: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look into an evidence file showed; `problems` is empty when it is as it was made."""

    run_id: str
    files: int
    lines: int
    seal: str
    problems: tuple[str, ...]


def pack(
    run: RunRecord,
    files: Mapping[str, bytes],
    *,
    made_at: str,
    history: Sequence[HistoryLine] = (),
    links: Sequence[Link] = (),
    left_out: Mapping[str, bytes] | None = None,
    secrets: Iterable[str] = (),
) -> Evidence:
    """A run as evidence. `left_out` are files of which only the hash is kept: large, or not for other eyes.

    `links` is the chain from the first line of `history` to the last.
    """
    hidden = _spellings(secrets)
    lines, removed = _history(history, links, hidden)
    kept = {}
    for name, content in files.items():
        kept[name], taken = _without_secrets(content, hidden)
        removed += taken
    kept[HISTORY] = lines
    hashes = {name: _sha256(content) for name, content in sorted((left_out or {}).items())}
    about = {"format": FORMAT, "made_at": made_at, "run": record(run), "left_out": hashes}
    text, taken = _without_secrets(json_bytes(about), hidden)
    head = json.loads(text)
    listed, seal = _chained(head, kept)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {MANIFEST: json_bytes(head | {"files": listed, "seal": seal}), **kept}.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return Evidence(out.getvalue(), tuple(kept), seal, removed + taken)


def examine(path: Path) -> Examined:
    """Whether an evidence file is as it was made. Raises UsageError when it is none at all."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            content = {name: archive.read(name) for name in names}
        manifest = json.loads(content.pop(MANIFEST))
        head = {name: manifest[name] for name in ("format", "made_at", "run", "left_out")}
        run_id, seal, listed = str(head["run"]["run_id"]), str(manifest["seal"]), list(manifest["files"])
        expected = {str(one["name"]): str(one["sha256"]) for one in listed}
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", place=str(path), cure="check the path") from None
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, NotImplementedError, RuntimeError, EOFError) as error:
        raise UsageError(
            f"is not evidence of a run, or is damaged: {error}", place=str(path), cure="ingest evidence RUN_FOLDER"
        ) from None
    if head["format"] != FORMAT:
        raise UsageError(f"has format {head['format']}, not {FORMAT}", place=str(path), cure="use the release it is of")
    problems = [f"{name}: twice in the file" for name in sorted({one for one in names if names.count(one) > 1})]
    problems += [f"{name}: missing" for name in expected if name not in content]
    problems += [f"{name}: not in the manifest" for name in content if name not in expected]
    problems += [
        f"{name}: altered" for name, sha in expected.items() if name in content and _sha256(content[name]) != sha
    ]
    if not problems and _chained(head, {name: content[name] for name in expected}) != (listed, seal):
        problems.append(f"{MANIFEST}: altered")
    lines, broken = _examine_history(content.get(HISTORY, b""))
    return Examined(run_id, len(content), lines, seal, (*problems, *(f"{HISTORY}: {one}" for one in broken)))


def _chained(head: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[list[Any], str]:
    """The list of files, each with the hash that ends the chain with it, and the last of these."""
    chain = _sha256(json_bytes(head))
    listed: list[Any] = []
    for name, content in files.items():
        sha = _sha256(content)
        chain = _sha256(f"{chain} {name} {sha}".encode())
        listed.append({"name": name, "bytes": len(content), "sha256": sha, "chain": chain})
    return listed, chain


def _history(history: Sequence[HistoryLine], links: Sequence[Link], hidden: Sequence[bytes]) -> tuple[bytes, int]:
    """JSON lines: of the run in full, of others the link. A line a secret was taken out of says so."""
    own = {line.number: line for line in history}
    whole = {link.number: link for link in links} | own
    out, removed = [], 0
    for _, line in sorted(whole.items()):
        text, taken = _without_secrets(json.dumps(record(line), sort_keys=True).encode(), hidden)
        if taken:
            text = json.dumps(json.loads(text) | {"redacted": True}, sort_keys=True).encode()
        out.append(text + b"\n")
        removed += taken
    return b"".join(out), removed


def _examine_history(content: bytes) -> tuple[int, list[str]]:
    own, problems = 0, []
    before: dict[str, Any] | None = None
    for raw in content.splitlines():
        try:
            line = json.loads(raw)
            number, previous, hash_ = line["number"], line["previous"], line["hash"]
            if before and (number != before["number"] + 1 or previous != before["hash"]):
                problems.append(f"line {number} does not follow line {before['number']}")
            if "what" in line:
                own += 1
                if not line.get("redacted") and line_hash(line) != hash_:
                    problems.append(f"line {number} was altered")
        except (ValueError, KeyError, TypeError):
            problems.append("a line cannot be read")
            break
        before = line
    return own, problems


def _spellings(secrets: Iterable[str]) -> list[bytes]:
    """Secrets as they may stand in a file: as they are, in a URL, in JSON, in HTML and CSV; the longest first."""
    found = set()
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            html = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            found |= {secret, quote(secret, safe=""), quote_plus(secret), secret.replace('"', '""')}
            found |= {html, html.replace('"', "&#34;").replace("'", "&#39;")}
            found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return [one.encode() for one in sorted(found, key=len, reverse=True)]


def _without_secrets(content: bytes, hidden: Sequence[bytes]) -> tuple[bytes, int]:
    removed = 0
    for secret in hidden:
        removed += content.count(secret)
        content = content.replace(secret, REMOVED)

    def hide(found: re.Match[bytes]) -> bytes:
        nonlocal removed
        if found[2] in (REMOVED, b"***"):
            return found[0]
        removed += 1
        return found[1] + REMOVED

    for carrier in _CARRIERS:
        content = carrier.sub(hide, content)
    return content, removed


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
