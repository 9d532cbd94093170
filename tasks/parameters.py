"""What a person fills in to start a run: groups of fields with titles, help, limits and an order for the UI's form.

Two traps of the form shape these models. A field that may be None gets a switch "str / None", so an empty text means
"not given". Fields of a group are shown in the order of `position`, not as they are written here. Unknown fields of a
group are refused by the API before a run exists, unknown top-level parameters are not: few parameters, many fields.

They are here and not next to a flow, because a worker loads a flow's file under another module name, and a class of it
would then exist twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from ingest.engine.importing import Pace
from ingest.model.approval import Decision
from ingest.stages.import_batch import ImportOptions

SiteName = Annotated[str, Field(pattern="^[a-z0-9-]*$", max_length=60)]
"""The name of a site, which is the name of its credentials blocks; empty for the site of the worker's environment."""


class _Group(BaseModel):
    """A box of the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: Any) -> None:
        for position, (name, field) in enumerate(cls.model_fields.items()):
            field.json_schema_extra = {"position": position}
            # The form shows titles only; refusals, the API and the documentation name a field as it is spelt here.
            field.description = f"{field.description} (`{name}`{_range(field)})"
        cls.model_rebuild(force=True)


def _range(field: FieldInfo) -> str:
    """The limits of a number, which the form enforces without showing them: `, 1 to 100`."""
    limits = {type(one): one for one in field.metadata}
    least, above, most = limits.get(Ge), limits.get(Gt), limits.get(Le)
    if most is None:
        return ""
    start = f"more than {above.gt}" if above else f"{least.ge}" if least else "any"
    return f", {start} to {most.le}"


class Selection(_Group):
    """Which VMs are looked at. Everything, unless named here."""

    clusters: list[str] = Field(
        [], title="CloudStack clusters", description="By name or UUID. Empty: every VMware cluster."
    )
    datacenter: str = Field("", title="vCenter datacenter", description="By name or path. Empty: all.")


class Planning(_Group):
    """Where the plan comes from. Files are named by their path on the worker, never pasted."""

    plan: str = Field(
        "",
        title="Edited plan (CSV)",
        description="Exactly its rows, as they were edited. Empty: a fresh plan, made with the rules.",
    )
    update: str = Field(
        "",
        title="Plan to carry on (CSV)",
        description="An older plan: its edits and its order stay, what is seen is refreshed. Not with an edited plan.",
    )
    rules: str = Field(
        "",
        title="Rules (YAML)",
        description="Mapping of networks, offerings, names. Empty: the setting INGEST_RUN_RULES, else the defaults.",
    )
    checks: str = Field(
        "",
        title="Checks of your own",
        description="A Great Expectations suite (YAML or JSON). Empty: the setting INGEST_RUN_CHECKS, if any.",
    )
    confirm_guesses: bool = Field(
        False,
        title="Confirm all guesses",
        description="Takes every guess of the plan for confirmed; otherwise the column confirm decides, row by row.",
    )


class Limits(_Group):
    """How fast. Imports in flight = batches that run, because a batch imports its rows one after another."""

    max_concurrent_imports: int = Field(
        5, ge=1, le=100, title="Imports in flight", description="At any moment, all batches of the run together."
    )
    batch_size: int = Field(
        10, ge=1, le=25, title="Rows of a batch", description="Rows one import_batch task run takes at most."
    )
    per_host: int = Field(
        0, ge=0, le=1000, title="At once per ESXi host", description="Imports of VMs on one host. 0: no limit."
    )
    per_datastore: int = Field(
        0,
        ge=0,
        le=1000,
        title="At once per datastore",
        description="Imports of VMs with a disk on one datastore. 0: no limit.",
    )
    endpoint_slots: int = Field(
        0,
        ge=0,
        le=1000,
        title="At once for all runs",
        description="Imports of all runs, on any machine, that share the ledger. 0: no limit.",
    )


class Safety(_Group):
    """What stops the line, and how carefully it starts."""

    on_critical: Literal["exclude", "stop"] = Field(
        "exclude",
        title="Rows with critical findings",
        description="exclude leaves these rows out; stop imports nothing at all if there is one.",
    )
    canary: bool = Field(
        False,
        title="One of each kind first",
        description="Imports one VM of each kind first; a kind whose first VM was not imported is held.",
    )
    failures_per_cause: int = Field(
        5,
        ge=0,
        le=100_000,
        title="Failures of one cause",
        description="So many at one network, account or datastore hold the rows that need it. 0: no limit.",
    )
    failures_total: int = Field(
        0,
        ge=0,
        le=100_000,
        title="Failures of any kind",
        description="So many stop the line: nothing more is sent. 0: no limit.",
    )
    grace_s: float = Field(
        20.0,
        ge=0,
        le=3600,
        title="Grace (seconds)",
        description="How long running jobs are waited for after the run was told to stop.",
    )
    server_away_s: float = Field(
        300.0,
        ge=0,
        le=3600,
        title="Patience with the server (seconds)",
        description="How long the management server may be away, such as for a restart, before the line stops.",
    )


class Approval(_Group):
    """Who decides before anything is written. Asks a person unless told otherwise."""

    mode: Literal["suspend", "pause", "auto_approve"] = Field(
        "suspend",
        title="How the run waits",
        description="suspend ends its process until somebody decides, for hours or days; pause keeps it waiting, for "
        "minutes; auto_approve asks nobody, for schedules.",
    )
    timeout_minutes: float = Field(
        1440,
        gt=0,
        le=43_200,
        title="Patience (minutes)",
        description="Nothing is written when nobody decides within this time.",
    )


class Share(_Group):
    """A site of a fleet and how its VMs are imported. What is left as it is here comes from the site's deployment."""

    site: SiteName = Field(min_length=1, title="Site", description="The name of its credentials blocks.")
    deployment: str = Field(
        "",
        max_length=200,
        title="Deployment",
        description="Of the flow import-vms, whose queue is the site's. Empty: import-SITE.",
    )
    run_per_cluster: bool = Field(
        False,
        title="A run for each cluster",
        description="One run for every CloudStack cluster named in the selection, instead of one for all. They wait "
        "for each other, unless the site's limit has more slots.",
    )
    selection: Selection = Field(Selection(), title="Selection", description="Which VMs of the site.")
    planning: Planning = Field(Planning(), title="Planning", description="Where its plan comes from.")
    limits: Limits = Field(Limits(), title="Limits", description="How fast.")
    safety: Safety = Field(Safety(), title="Safety", description="What stops the line.")


Shares = Annotated[list[Share], Field(min_length=1, max_length=500)]


def path(text: str) -> Path | None:
    """A path out of a field of the form; None when it was left empty."""
    return Path(text) if text else None


def import_options(limits: Limits, safety: Safety, *, tag: bool, decision: Decision) -> ImportOptions:
    """The options of the engine from what was filled in, and from what was approved."""
    return ImportOptions(
        max_concurrent_imports=limits.max_concurrent_imports,
        batch_size=limits.batch_size,
        failures_per_cause=safety.failures_per_cause,
        failures_total=safety.failures_total,
        per_host=limits.per_host,
        per_datastore=limits.per_datastore,
        endpoint_slots=limits.endpoint_slots,
        canary=safety.canary,
        tag=tag,
        waves=decision.waves,
        approved_digest=decision.digest,
        pace=Pace(grace_s=safety.grace_s, away_s=safety.server_away_s),
    )
