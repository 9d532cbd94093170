"""The runbook as its file says it. `ingest.runbook.runbook_file` reads it; `data/runbooks/demo.yaml` shows every key.

Times are spans (`90s`, `15min`, `1h 30min`). Every target counts from the start of the recovery, because that is what
people are promised: a wave is late when its VMs serve late, whatever made it begin late.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ingest.plan.patterns import Patterns
from ingest.plan.rules import Section
from ingest.runbook.selection import Selection
from ingest.runbook.spans import Span

Gate = Literal["continue", "stop", "ask"]
NO_TIME = timedelta()


def _is_network(text: str) -> str:
    try:
        ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is no IPv4 network such as 10.1.0.0/16: {error}") from None
    return text


Subnet = Annotated[str, AfterValidator(_is_network)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Person(Section):
    """Somebody a step or a gate calls. A role is enough: the page has room for a name."""

    role: Name = Field(description="what steps call them by under `who`")
    name: str = Field("", description="who it is; left out: a line to fill in by hand")
    reach: str = Field("", description="telephone, channel, room; left out: a line to fill in")


class Step(Section):
    """Something a person does or confirms, and signs for."""

    say: str = Field(min_length=1, description="what is to be done or confirmed, e.g. `LUNs are writable`")
    who: Name = Field(description="who signs it off: a role of `people`")
    when: Literal["before", "after"] = Field("before", description="before the wave begins, or after its checks")
    takes: Span | None = Field(None, description="how long it usually takes; counts in predictions")
    name: str = Field("", description="what `prerequisites` call it by; only needed for that")


class Site(Section):
    """Where copies of VMs lie, and where they are registered."""

    name: Name = Field(description="how people call it")
    datacenter: str = Field("", description="datacenter in vCenter; left out: the one that has the cluster")
    datastores: Patterns = Field(description="datastores to browse for `.vmx` files")
    below: str = Field("", description="only this folder of each datastore; left out: all of it")
    cluster: Name = Field(description="cluster to register in, or a standalone host")
    host: str = Field("", description="only this host of the cluster; left out: its hosts take turns")
    pool: str = Field("", description="resource pool; left out: the cluster's own")
    folder: str = Field("", description="folder below the datacenter's VM folder, e.g. `Recovered/prod`")
    identity: Literal["moved", "copied"] = Field(
        "moved",
        description="answer to vCenter's question: moved keeps instance UUID and MACs, copied makes new ones",
    )


class NetworkMap(Section):
    """One line of the table of networks: NICs of the plan that meet all of `network`, `portgroup` and `vlan`."""

    network: Patterns | None = Field(None, description="CloudStack network in the plan")
    portgroup: Patterns | None = Field(None, description="port group in the plan")
    vlan: int | None = Field(None, description="VLAN id in the plan; 0 means untagged")
    new: str = Field(min_length=1, description="CloudStack network at the recovery site, name or UUID")

    @model_validator(mode="after")
    def _says_which(self) -> NetworkMap:
        if self.network is None and self.portgroup is None and self.vlan is None:
            raise ValueError("give network, portgroup or vlan")
        return self


class SubnetMap(Section):
    """Addresses of one subnet move to another of the same size; the host part stays."""

    old: Subnet = Field(description="subnet in the plan, e.g. `10.1.0.0/16`")
    new: Subnet = Field(description="subnet at the recovery site, e.g. `10.9.0.0/16`")

    @model_validator(mode="after")
    def _same_size(self) -> SubnetMap:
        if ipaddress.IPv4Network(self.old).prefixlen != ipaddress.IPv4Network(self.new).prefixlen:
            raise ValueError(f"{self.old} and {self.new} differ in size: the host part could not be kept")
        return self


class Networks(Section):
    """How NICs are re-mapped to the recovery site. MACs are kept, always."""

    table: list[NetworkMap] = Field(default_factory=list, description="networks, old to new; the first that fits wins")
    subnets: list[SubnetMap] = Field(
        default_factory=list, description="addresses, old to new; the smallest subnet that fits wins"
    )


class HealthCheck(Section):
    """What every kind of check has. A VM is healthy when all of its checks were answered."""

    select: Selection = Field(default_factory=Selection, description="which rows of the wave; left out: all")
    timeout: Span = Field(timedelta(seconds=5), description="how long one attempt waits")
    retries: int = Field(30, ge=0, le=10_000, description="attempts after the first one")
    pause: Span = Field(timedelta(seconds=10), description="time between attempts")

    @property
    def longest(self) -> timedelta:
        """How long it may take until the check is given up."""
        return self.timeout * (self.retries + 1) + self.pause * self.retries


class TcpCheck(HealthCheck):
    """A TCP connection is accepted."""

    kind: Literal["tcp"] = Field(description="tcp: a connection is accepted")
    port: int = Field(ge=1, le=65535, description="port")
    nic: int = Field(1, ge=1, description="number of the NIC whose address is used")


class HttpCheck(HealthCheck):
    """A web server answers, with the status and the text that are expected."""

    kind: Literal["http"] = Field(description="http: a web server answers")
    url: str = Field(
        "http://{ip}/",
        pattern=r"^https?://",
        description="{ip} is the VM's address, {hostname} its host name, {vm} its name",
    )
    status: int = Field(200, ge=100, le=599, description="status of the answer")
    text: str = Field("", description="text the answer must hold")
    nic: int = Field(1, ge=1, description="number of the NIC whose address is used")


class ToolsCheck(HealthCheck):
    """VMware Tools send their heartbeat."""

    kind: Literal["tools"] = Field(description="tools: VMware Tools send their heartbeat")


class IpCheck(HealthCheck):
    """VMware Tools report an address, if the plan names one: that one."""

    kind: Literal["ip"] = Field(description="ip: VMware Tools report the VM's address")
    nic: int = Field(1, ge=1, description="number of the NIC whose address is asked for")


AnyCheck = Annotated[TcpCheck | HttpCheck | ToolsCheck | IpCheck, Field(discriminator="kind")]


class Start(Section):
    """Which VMs of a wave are started, in what order, how far apart."""

    vms: Literal["was-running", "all", "none"] = Field(
        "was-running", description="was-running: those that ran when the plan was made"
    )
    order: list[Selection] = Field(
        default_factory=list, description="rows of the first selection first, and so on; all others after them"
    )
    delay: Span = Field(NO_TIME, description="time between two starts")


class Wave(Section):
    """Rows that are imported in parallel, each started and checked as soon as it can be; the next wave follows when all
    that is over."""

    name: Name = Field(description="how people, prerequisites and reports call it")
    about: str = Field("", description="one sentence for the page")
    select: Selection = Field(description="which rows of the plan; a row belongs to the first wave that selects it")
    critical: Selection | None = Field(None, description="which of them the gate judges; left out: all")
    rto: Span | None = Field(None, description="target: the wave serves so long after the start of the recovery")
    timeout: Span | None = Field(None, description="the wave is given up so long after its begin; left out: never")
    prerequisites: list[str] = Field(
        default_factory=list, description="names of waves or steps that must have ended well, whatever the gates say"
    )
    gate: Gate = Field(
        "stop",
        description="what follows when critical rows failed: continue all the same, stop, or ask a person",
    )
    asks: str = Field("", description="with `gate: ask`: who decides, a role of `people`")
    start: Start = Field(default_factory=Start, description="which VMs are started, in what order")
    steps: list[Step] = Field(default_factory=list, description="what people do or confirm before or after the wave")
    checks: list[AnyCheck] = Field(default_factory=list, description="when a VM counts as healthy")


class Runbook(Section):
    """The whole file."""

    version: Literal[1] = Field(1, description="1")
    name: Name = Field(description="title of the page, name of the runs")
    description: str = Field("", description="what is recovered, from where to where, when to use it")
    plan: str = Field(min_length=1, description="the stored plan (CSV), a path relative to the runbook")
    rules: str | None = Field(None, description="rules file for planning at the recovery site, a relative path")
    rto: Span = Field(description="target: everything serves so long after the start of the recovery")
    people: list[Person] = Field(default_factory=list, description="who is needed, by role")
    sites: list[Site] = Field(default_factory=list, description="where copies lie and where they are registered")
    networks: Networks = Field(default_factory=Networks, description="re-mapping of networks and addresses")
    steps: list[Step] = Field(default_factory=list, description="before the first wave, or after the last one")
    waves: list[Wave] = Field(min_length=1, description="in the order they run")

    def wave(self, name: str) -> Wave:
        """The wave of that name. Raises KeyError for another one."""
        for wave in self.waves:
            if wave.name == name:
                return wave
        raise KeyError(name)
