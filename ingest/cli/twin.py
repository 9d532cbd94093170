"""`ingest twin ...`: the embedded vCenter and CloudStack."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App
from cyclopts.types import PositiveInt

from ingest.cli.output import talk
from ingest.data_files import data_file
from ingest.errors import UsageError

if TYPE_CHECKING:
    from ingest.twin.world import World

app = App(name="twin", help="An embedded vCenter and CloudStack that share one world, on loopback.")


@app.command
def serve(
    *,
    world: Path | None = None,
    vms: PositiveInt | None = None,
    seed: int = 1,
    shape: Literal["clean", "realistic"] = "realistic",
    from_vcenter: bool = False,
    recording: Path | None = None,
    vcenter_port: int = 0,
    cloudstack_port: int = 0,
) -> int:
    """Serve a twin in the foreground until Ctrl-C; print the variables that point the program at it.

    In a second terminal, paste the printed lines, then run any other command.

    Parameters
    ----------
    world
        World file (YAML). Without it and without --vms, the demo world.
    vms
        Generate a world with this many VMs instead of reading a file.
    seed
        Seed of the generated world.
    shape
        clean: every VM can be imported; realistic: with the oddities of real sites.
    from_vcenter
        Fill the world from the vCenter the settings name, read over its API; the CloudStack side is made to fit, and
        only it is needed: keep pointing INGEST_VCENTER_* at the real one.
    recording
        Directory that govc object.save wrote: serve the vCenter it was recorded from, with a CloudStack made to fit.
    vcenter_port
        Port of the vCenter; 0 chooses a free one.
    cloudstack_port
        Port of the CloudStack API; 0 chooses a free one.
    """
    from ingest.twin.generator import generate
    from ingest.twin.serving import Twin
    from ingest.twin.worldfile import load_world
    from ingest.twin.worlds.shape import CLEAN, REALISTIC

    if sum((world is not None, vms is not None, from_vcenter, recording is not None)) > 1:
        raise UsageError(
            "--world, --vms, --from-vcenter and --recording exclude each other", cure="ingest twin serve --help"
        )
    if recording is not None:
        made = _world_of_recording(recording, seed)
    elif from_vcenter:
        made = _world_of_vcenter(seed)
    elif vms:
        made = generate(vms, seed=seed, shape=CLEAN if shape == "clean" else REALISTIC)
    else:
        made = load_world(world or data_file("demo-world.yaml"))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Twin(made, vcenter_port=vcenter_port, cloudstack_port=cloudstack_port) as twin:
        for name, value in twin.environment().items():
            if not (from_vcenter and "VCENTER" in name):
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        talk.print(f"twin of {len(made.vms)} VMs is up; Ctrl-C ends it. Next, in a second terminal: ingest doctor")
        stop.wait()
    return 0


def _world_of_recording(directory: Path, seed: int) -> World:
    from ingest.twin.recorded import add_cloudstack, read_recording

    left_out: list[str] = []
    world = read_recording(directory, left_out)
    add_cloudstack(world, seed=seed)
    for line in left_out:
        talk.print(f"left out: {line}", markup=False, highlight=False)
    return world


def _world_of_vcenter(seed: int) -> World:
    from ingest.settings import load_settings
    from ingest.twin.from_inventory import world_from_inventory
    from ingest.vsphere.inventory import read_inventory
    from ingest.vsphere.session import connect

    with connect(load_settings().vcenter) as vcenter:
        return world_from_inventory(read_inventory(vcenter), seed=seed)
