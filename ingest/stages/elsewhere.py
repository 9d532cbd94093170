"""Run folders of other machines: found where runs are published, and brought here to go on from."""

from __future__ import annotations

from pathlib import Path

from ingest.errors import UsageError
from ingest.settings import RunSettings
from ingest.stages.atomic import write_atomically
from ingest.stages.place import Place
from ingest.stages.run_folder import FLOW_RUN, JOURNAL, RunFolder, existing_run_folder, publish_to

_BY_FLOW_RUN = "by-flow-run"


def run_folder_at(named: str | Path, settings: RunSettings) -> RunFolder:
    """The folder of a run, by its path, its URL, or the path it has on the machine that made it.

    What is published is brought up to date first. Raises UsageError when there is no such run.
    """
    text = str(named)
    if "://" in text:
        runs, _, name = text.rstrip("/").rpartition("/")
        return fetched(Place(runs), name, settings.folder)
    path = Path(text)
    if path.is_dir():
        place, whole = RunFolder(path).published, path.resolve()
        return fetched(Place(place.url.rpartition("/")[0]), whole.name, whole.parent) if place else RunFolder(path)
    if settings.published and path.name and Place(settings.published).below(path.name).names():
        return fetched(Place(settings.published), path.name, settings.folder)
    return existing_run_folder(path)


def fetched(runs: Place, name: str, parent: Path) -> RunFolder:
    """The published folder of that name, copied below `parent`; what is written into it is published again.

    Of two journals the longer one is kept: one of a run that died was not published to its end. Raises UsageError when
    nothing is published under that name.
    """
    place = runs.below(name)
    names = place.names()
    if not names:
        raise UsageError("no run is published there", place=place.url, cure="give the folder a run printed")
    folder = RunFolder(parent / name)
    folder.path.mkdir(parents=True, exist_ok=True)
    for file in names:
        content, here = place.get(file), folder.file(file)
        if content is None or (file == JOURNAL and here.exists() and here.stat().st_size >= len(content)):
            continue
        write_atomically(here, content)
    publish_to(folder, runs)
    return folder


def note_flow_run(folder: RunFolder, flow_run: str) -> None:
    """Write down that this flow run imports from the folder; another machine finds it by `begun_by`."""
    folder.write(FLOW_RUN, f"{flow_run}\n".encode())
    if folder.published:
        runs = Place(folder.published.url.rpartition("/")[0])
        runs.below(_BY_FLOW_RUN).put(f"{flow_run}.txt", f"{folder.path.resolve().name}\n".encode())


def begun_by(flow_run: str, settings: RunSettings) -> RunFolder | None:
    """The folder this flow run has begun to work in, on whatever machine; None when it has not."""
    if settings.published:
        runs = Place(settings.published)
        name = runs.below(_BY_FLOW_RUN).get(f"{flow_run}.txt")
        if name:
            return fetched(runs, name.decode().strip(), settings.folder)
    for note in settings.folder.glob(f"*/{FLOW_RUN}"):
        if note.read_text(encoding="utf-8").strip() == flow_run:
            return existing_run_folder(note.parent)
    return None
