"""What vCenter and CloudStack said at one moment, saved; usable offline."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ingest.errors import UsageError
from ingest.model.catalogue import Catalogue
from ingest.model.inventory import Inventory

FORMAT = 1


class Snapshot(BaseModel):
    """Both sides of the world. `taken_at` is UTC ISO 8601; `format` is the version of the saved form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    taken_at: str
    inventory: Inventory
    catalogue: Catalogue


class Source(BaseModel):
    """What a snapshot is of: both servers, what they were asked for, when. `taken_at` is '' until it is complete.

    `datacenter`, `cluster` and `folder` limit vCenter, `clusters` CloudStack; '' and () mean everything.
    """

    model_config = ConfigDict(frozen=True)

    vcenter: str = ""
    vcenter_uuid: str = ""
    datacenter: str = ""
    cluster: str = ""
    folder: str = ""
    cloudstack: str = ""
    clusters: tuple[str, ...] = ()
    taken_at: str = ""

    def same_view(self, other: Source) -> bool:
        """Whether both are of the same servers, asked for the same, so that a difference is a change."""
        return self._view() == other._view()

    def _view(self) -> tuple[object, ...]:
        server = self.vcenter_uuid or self.vcenter  # a vCenter may be reached by several addresses
        scope = (self.datacenter, self.cluster, self.folder)
        return server, *scope, self.cloudstack, tuple(sorted(set(self.clusters)))


_ADAPTER = TypeAdapter(Snapshot)


def to_json(snapshot: Snapshot) -> bytes:
    """The saved form: JSON, UTF-8."""
    return _ADAPTER.dump_json(snapshot, indent=1, exclude_defaults=True) + b"\n"


def read_snapshot(path: Path) -> Snapshot:
    """A saved snapshot. Raises UsageError when the file is missing, torn, or of another format."""
    try:
        snapshot = _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"the snapshot cannot be read: {error.strerror}", place=str(path), cure="take a new one: `ingest plan`"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"is not a snapshot of this version: {where}: {first['msg']}",
            place=str(path),
            cure="take a new one: `ingest plan`",
        ) from None
    if snapshot.format != FORMAT:
        raise UsageError(
            f"has format {snapshot.format}, this program reads {FORMAT}",
            place=str(path),
            cure="take a new one: `ingest plan`",
        )
    return snapshot
