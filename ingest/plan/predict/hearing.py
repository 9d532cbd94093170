"""One call before the server's checks: what is asked, what is known, and what has been settled so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.model.catalogue import Cluster, Network, ServiceOffering, Template, UnmanagedInstance
from ingest.model.request import ImportRequest
from ingest.plan.predict.facts import Facts, Owner
from ingest.plan.predict.state import Effects, State
from ingest.plan.predict.verdict import Shortage, Stage


class Refusal(Exception):
    """The first check that fails."""

    def __init__(
        self, check: str, code: int, text: str, *, stage: Stage = "job", shortage: Shortage | None = None
    ) -> None:
        super().__init__(text)
        self.check, self.code, self.text, self.stage, self.shortage = check, code, text, stage, shortage


class Undecidable(Exception):
    """Nothing further can be said; the reason is among the doubts."""


@dataclass(slots=True)
class Hearing:
    """Fields without a default are given; the checks fill in the others, each for those after it.

    `effects` is what the call leaves behind, should it pass; until then only what a refusal leaves behind is in it.
    """

    request: ImportRequest
    facts: Facts
    state: State
    doubts: list[str] = field(default_factory=list)
    effects: Effects = field(default_factory=Effects)
    owner: Owner = field(default_factory=Owner)
    cluster: Cluster = field(default_factory=lambda: Cluster(id="", name=""))
    offering: ServiceOffering = field(default_factory=lambda: ServiceOffering(id="", name=""))
    template: Template | None = None
    machine: UnmanagedInstance = field(default_factory=lambda: UnmanagedInstance(name=""))
    networks: list[Network] = field(default_factory=list)  # of the machine's NICs, in their order

    @property
    def hostname(self) -> str:
        """The host name the instance would have."""
        return self.request.hostname or self.request.name

    @property
    def display_name(self) -> str:
        """The display name the instance would have."""
        return self.request.display_name or self.request.name

    @property
    def addresses(self) -> dict[str, str]:
        """Address by NIC; of two entries the later counts."""
        return dict(self.request.nic_addresses)

    def doubt(self, reason: str) -> None:
        """Note what cannot be known; the checks go on as if it turned out well."""
        if reason not in self.doubts:
            self.doubts.append(reason)
