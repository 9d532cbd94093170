"""Finding CloudStack objects by name or UUID, and who may use them.

One word of a sheet must mean exactly one object: an unknown name comes back with the nearest ones, an ambiguous one
with its candidates. Never the first match.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ingest.model.catalogue import (
    Account,
    Catalogue,
    Cluster,
    DiskOffering,
    Domain,
    Host,
    Network,
    Project,
    ServiceOffering,
    Template,
)

ROOT_ADMIN = 1
"""Account.accounttype of root administrators."""

Named = TypeVar("Named", Network, ServiceOffering, DiskOffering, Template, Account, Project, Domain)


@dataclass(frozen=True, slots=True)
class Found(Generic[Named]):
    """The one object, or None with the `problem` in words."""

    object: Named | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who will own a VM. All '' means the calling admin's own account."""

    account: str = ""
    domain_id: str = ""
    project_id: str = ""
    domain_path: str = ""

    @property
    def caller(self) -> bool:
        """Whether the row names no owner."""
        return not (self.account or self.project_id)


class Lookup:
    """Indexes over one catalogue. Read only."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.clusters: dict[str, Cluster] = {cluster.id: cluster for cluster in catalogue.clusters}
        self.hosts: dict[str, Host] = {host.id: host for host in catalogue.hosts}
        self.domains: dict[str, Domain] = {domain.id: domain for domain in catalogue.domains}
        self.projects: dict[str, Project] = {project.id: project for project in catalogue.projects}
        self.networks_by_uri: dict[str, list[Network]] = defaultdict(list)
        for network in catalogue.networks:
            if network.broadcasturi:
                self.networks_by_uri[network.broadcasturi].append(network)
        self._names: dict[str, dict[str, list[object]]] = {}
        self._root_admins = {(a.name, a.domainid) for a in catalogue.accounts if a.accounttype == ROOT_ADMIN}
        self._admins_anywhere = catalogue.configuration.get("admin.is.allowed.to.deploy.anywhere") == "true"

    def zone_of(self, cluster_id: str) -> str:
        """The zone's UUID of a cluster, '' when unknown."""
        cluster = self.clusters.get(cluster_id)
        return cluster.zoneid if cluster else ""

    def network(self, text: str, zone_id: str, owner: Owner) -> Found[Network]:
        """A network of the zone. Among equal names only those the owner may use count."""
        found = self._find("network", self.catalogue.networks, text)
        here = [network for network in found if not zone_id or network.zoneid == zone_id] or found
        usable = [network for network in here if self.may_use_network(owner, network)] or here
        return self._one("network", text, usable, self.catalogue.networks)

    def service_offering(self, text: str) -> Found[ServiceOffering]:
        """A compute offering."""
        found = self._find("offering", self.catalogue.service_offerings, text)
        return self._one("compute offering", text, found, self.catalogue.service_offerings)

    def disk_offering(self, text: str) -> Found[DiskOffering]:
        """A disk offering."""
        found = self._find("disk", self.catalogue.disk_offerings, text)
        return self._one("disk offering", text, found, self.catalogue.disk_offerings)

    def template(self, text: str, zone_id: str) -> Found[Template]:
        """A template; rows of other zones with the same id do not make it ambiguous."""
        found = self._find("template", self.catalogue.templates, text)
        here = [template for template in found if template.zoneid == zone_id] or found
        unique = list({template.id: template for template in here}.values())
        return self._one("template", text, unique, self.catalogue.templates)

    def domain(self, text: str) -> Found[Domain]:
        """A domain by UUID, path (with or without ROOT/) or name."""
        path = text.strip("/")
        for domain in self.catalogue.domains:
            if text == domain.id or path == domain.path or f"ROOT/{path}" == domain.path:
                return Found(domain)
        named = [domain for domain in self.catalogue.domains if domain.name == text]
        if not named:
            near = nearest(text, (domain.path for domain in self.catalogue.domains))
            return Found(None, f"domain '{text}' does not exist{near}")
        return self._one("domain", text, named, self.catalogue.domains)

    def owner(self, account: str, domain: str, project: str) -> tuple[Owner, str]:
        """The owner a row names, and a problem in words ('' when fine). CloudStack: BaseCmd owner resolution."""
        domain_id = domain_path = ""
        if account and project:
            return Owner(), f"account '{account}' and project '{project}' are both named; empty one of them"
        if domain:
            found_domain = self.domain(domain)
            if found_domain.object is None:
                return Owner(), found_domain.problem
            domain_id, domain_path = found_domain.object.id, found_domain.object.path
        if account:
            if not domain:
                return Owner(), f"account '{account}' needs its domain as well"
            in_domain = [a for a in self.catalogue.accounts if a.name == account and a.domainid == domain_id]
            if not in_domain:
                near = nearest(account, (a.name for a in self.catalogue.accounts if a.domainid == domain_id))
                return Owner(), f"account '{account}' does not exist in domain {domain_path}{near}"
            if in_domain[0].state and in_domain[0].state.lower() != "enabled":
                return Owner(), f"account '{account}' is {in_domain[0].state}"
            return Owner(account, domain_id, "", domain_path), ""
        if project:
            found = [p for p in self.catalogue.projects if project in (p.id, p.name)]
            if domain_id and found:
                found = [p for p in found if p.domainid == domain_id]
                if not found:
                    return Owner(), f"project '{project}' is not in domain {domain_path}"
            one = self._one("project", project, found, self.catalogue.projects)
            if one.object is None:
                return Owner(), one.problem
            if one.object.state and one.object.state.lower() != "active":
                return Owner(), f"project '{project}' is {one.object.state}"
            path = self.domains[one.object.domainid].path if one.object.domainid in self.domains else ""
            return Owner("", one.object.domainid, one.object.id, path), ""
        return Owner(), "domain without account or project" if domain else ""

    def may_use_network(self, owner: Owner, network: Network) -> bool:
        """Whether the owner may use the network. CloudStack: NetworkModelImpl.checkNetworkPermissions.

        L2 and Isolated networks belong to an account or project; Shared ones follow their domain or account. The
        calling admin is some root admin of the domain ROOT: which one, the catalogue does not say.
        """
        if self._admins_anywhere and self._is_root_admin(owner):
            return True
        if network.acltype == "Domain" or (network.type == "Shared" and not network.account and not network.projectid):
            if not network.domainid:
                return True
            home = "ROOT" if owner.caller else owner.domain_path
            top = self.domains[network.domainid].path if network.domainid in self.domains else network.domainpath
            return home == top or (network.subdomainaccess and home.startswith(f"{top}/"))
        if network.projectid:
            return owner.project_id == network.projectid
        if owner.caller:
            return (network.account, network.domainid) in self._root_admins
        return owner.account == network.account and owner.domain_id == network.domainid

    def may_use_offering(self, owner: Owner, offering: ServiceOffering | DiskOffering, zone_id: str) -> bool:
        """Whether domain and zone restrictions let the owner use it. CloudStack: DomainChecker.checkAccess."""
        if offering.zoneid and zone_id not in offering.zoneid.split(","):
            return False
        if not offering.domainid or self._is_root_admin(owner):
            return True
        tops = [self.domains[d].path for d in offering.domainid.split(",") if d in self.domains]
        return any(owner.domain_path == top or owner.domain_path.startswith(f"{top}/") for top in tops)

    def _is_root_admin(self, owner: Owner) -> bool:
        return owner.caller or (owner.account, owner.domain_id) in self._root_admins

    def _find(self, kind: str, objects: Iterable[Named], text: str) -> list[Named]:
        index = self._names.get(kind)
        if index is None:
            index = defaultdict(list)
            for item in objects:
                index[item.id].append(item)
                if item.name != item.id:
                    index[item.name].append(item)
            self._names[kind] = index
        return list(index.get(text, []))  # type: ignore[arg-type]  # the index of one kind holds one type

    def _one(self, noun: str, text: str, found: list[Named], all_of_them: Iterable[Named]) -> Found[Named]:
        if len(found) == 1:
            return Found(found[0])
        if not found:
            near = nearest(text, (item.name for item in all_of_them))
            return Found(None, f"{noun} '{text}' does not exist{near}")
        ids = ", ".join(sorted(item.id for item in found)[:5])
        return Found(None, f"{noun} '{text}' is ambiguous: {len(found)} have that name ({ids}); use the UUID")


def split_tags(text: str) -> set[str]:
    """The tags of a comma list."""
    return {tag.strip() for tag in text.split(",") if tag.strip()}


def nearest(text: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(text, sorted(set(names)), n=3)
    return f"; nearest: {', '.join(close)}" if close else ""
