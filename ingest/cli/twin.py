"""`ingest twin ...`: the embedded vCenter and CloudStack."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from ingest.cli import twin_control
from ingest.cli.output import talk
from ingest.counting import counted
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
    recovery: Annotated[bool, Parameter(negative=())] = False,
    from_vcenter: bool = False,
    recording: Path | None = None,
    vcenter_port: int = 0,
    cloudstack_port: int = 0,
    faults: Path | None = None,
    control: Annotated[bool, Parameter(negative=())] = False,
    speed: PositiveFloat = 1.0,
    save_world: Path | None = None,
    listen: str = "127.0.0.1",
    allow_remote: Annotated[bool, Parameter(negative=())] = False,
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
    recovery
        Generate a recovery site: --vms replicas from another site (300 without it) in its datastores, not registered,
        with guests that listen once they are up. Clean whatever --shape says.
    from_vcenter
        Fill the world from the vCenter the settings name, read over its API; the CloudStack side is made to fit, and
        only it is needed: keep pointing INGEST_VCENTER_* at the real one.
    recording
        Directory that govc object.save wrote: serve the vCenter it was recorded from, with a CloudStack made to fit.
    vcenter_port
        Port of the vCenter; 0 chooses a free one.
    cloudstack_port
        Port of the CloudStack API; 0 chooses a free one.
    faults
        Script of faults (YAML) to set at the start, see docs/how-to/faults.md.
    control
        Offer the control endpoint, on 127.0.0.1 only; two more lines are printed, for ingest twin journal, fault, calm
        and clock.
    speed
        Twin seconds per real one.
    save_world
        Write the world as it is at the end to this file, its journal included.
    listen
        Address of both servers. Anything but loopback needs --allow-remote.
    allow_remote
        Serve other machines. The passwords and keys of the twin are no secret.
    """
    from ingest.twin.control import TwinControl
    from ingest.twin.faults.script import read_script
    from ingest.twin.generator import generate
    from ingest.twin.listening import is_loopback
    from ingest.twin.serving import Twin
    from ingest.twin.worldfile import load_world
    from ingest.twin.worldfile import save_world as write_world
    from ingest.twin.worlds.recovery import recovery_site
    from ingest.twin.worlds.shape import CLEAN, REALISTIC

    if sum((world is not None, vms is not None or recovery, from_vcenter, recording is not None)) > 1:
        raise UsageError(
            "--world, --vms or --recovery, --from-vcenter and --recording exclude each other",
            cure="ingest twin serve --help",
        )
    if not is_loopback(listen):
        _warn_of_remote(listen, allow_remote)
    if save_world is not None and not save_world.absolute().parent.is_dir():
        raise UsageError("its folder does not exist", place=str(save_world), cure="make the folder first")
    script = read_script(faults) if faults else None
    if recording is not None:
        made = _world_of_recording(recording, seed)
    elif from_vcenter:
        made = _world_of_vcenter(seed)
    elif recovery:
        made = recovery_site(vms or 300, seed=seed)
    elif vms:
        made = generate(vms, seed=seed, shape=CLEAN if shape == "clean" else REALISTIC)
    else:
        made = load_world(world or data_file("demo-world.yaml"))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    made.clock.run_at(speed)
    twin = Twin(
        made, vcenter_port=vcenter_port, cloudstack_port=cloudstack_port, listen=listen, allow_remote=allow_remote
    )
    with contextlib.ExitStack() as running:
        running.enter_context(twin)
        if script is not None:
            twin.faults.set(script)
            talk.print(f"faults set: {len(script.faults)}")
        variables = twin.environment()
        if control:
            variables = running.enter_context(TwinControl(twin)).environment() | variables
        for name, value in variables.items():
            if not (from_vcenter and "VCENTER" in name):
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        replicas = f" and {len(made.unregistered)} that nobody has registered" if made.unregistered else ""
        talk.print(
            f"twin of {counted(len(made.vms), 'VM')}{replicas} is up; Ctrl-C ends it. "
            "Next, in a second terminal: ingest doctor"
        )
        with contextlib.suppress(KeyboardInterrupt):  # a terminal that is closed
            stop.wait()
    if save_world is not None:
        write_world(made, save_world)
        talk.print(f"the world as it is now: {save_world}", markup=False)
    return 0


def _warn_of_remote(listen: str, allowed: bool) -> None:
    if not allowed:
        raise UsageError(
            f"{listen} is not a loopback address", place="--listen", cure="use 127.0.0.1, or add --allow-remote"
        )
    talk.print(
        f"[yellow]warning:[/] the twin can be reached from other machines at {listen}, and its passwords and keys are "
        "no secret. Put nothing into it that others must not see."
    )


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


app.command(
    "ingest.cli.twin_record:record",
    name="record",
    help="Read vCenter and CloudStack into a world file, to rehearse on a copy of your site. Changes nothing there.\n\n"
    "The file holds no API keys, passwords, certificates or mail addresses of the site; the copy has keys and a "
    "password of its own. It does hold names, addresses and notes of VMs, unless --scrub. Exit codes: 0 all recorded, "
    "4 recorded without some lists or properties this account may not read (they are named), 2 and 6 nothing recorded.",
)


for _command in (twin_control.journal, twin_control.fault, twin_control.calm, twin_control.clock):
    app.command(_command)
