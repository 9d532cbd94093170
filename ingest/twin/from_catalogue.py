"""A world out of what a vCenter and its CloudStack said: a copy of a site, to rehearse on.

The vSphere side is that of `world_from_inventory`. The CloudStack side keeps ids and names. Not in the copy: API keys,
passwords and mail addresses (never read; the copy gets keys and a password of its own), jobs, events, removed objects
(so the removed volumes that hide a VM from the listing), hosts of other hypervisors and volumes without a VM. Nor what
no list shows: members of datastore clusters, the name of a template on storage, where a VM ran last; and what would
take a call for each object: who else may use a network, snapshots, Kubernetes clusters. Of a template in several zones
the first is kept, of several address ranges of a network the first. The details of VMs and templates are those that
steer an import; others may hold passwords.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal

from ingest.model import catalogue as seen
from ingest.model.inventory import Inventory
from ingest.twin import cloud as c
from ingest.twin.cloudstack import configuration
from ingest.twin.cloudstack.limits import LIMITED, account_limit, domain_limit
from ingest.twin.from_inventory import vsphere_side
from ingest.twin.world import VM, World
from ingest.twin.worlds.parts import Parts

ROOT_ADMIN, PROJECT = 1, 5
DETAILS = frozenset(
    {
        *("cpuNumber", "cpuSpeed", "memory", "cpuOvercommitRatio", "memoryOvercommitRatio", "rootdisksize"),
        *("rootDiskController", "dataDiskController", "nicAdapter", "UEFI", "deployvm", "miniops", "maxiops"),
    }
)
LIMITS = {
    "vmlimit": "user_vm",
    "cpulimit": "cpu",
    "memorylimit": "memory",
    "volumelimit": "volume",
    "primarystoragelimit": "primary_storage",
    "networklimit": "network",
}
_INTERNAL_NAME_FIELD = "cloud.vm.internal.name"
_NETWORK_TYPES: dict[str, c.NetworkType] = {"Isolated": "Isolated", "Shared": "Shared", "L2": "L2"}


def world_from_census(inventory: Inventory, census: seen.Census, *, seed: int = 1) -> World:
    """The world both describe. Made-up ids follow from the seed; API keys and passwords are new each time.

    The account of the key that read is a root administrator of the copy, and the first one `admin_keys` finds. What
    refers to something that was not read loses the reference; what cannot be without it is left out.
    """
    copy = _Copy(vsphere_side(inventory, seed=seed), census)
    copy.build()
    return copy.world


class _Copy:
    def __init__(self, parts: Parts, census: seen.Census) -> None:
        self.parts = parts
        self.world = parts.world
        self.cloud = parts.world.cloud
        self.census = census
        self.admin: c.Account
        self.owners: dict[tuple[str, str], str] = {}  # account id by domain id and name

    def build(self) -> None:
        census, cloud = self.census, self.cloud
        self.world.vcenter_password = secrets.token_urlsafe(18)
        cloud.version = census.cloudstack_version or cloud.version
        cloud.configuration.update(census.configuration)
        cloud.zones = {
            zone.id: c.Zone(zone.id, zone.name, zone.networktype or "Advanced", zone.allocationstate or "Enabled")
            for zone in census.zones
        }
        self._zone_settings()
        cloud.pods = {pod.id: c.Pod(pod.id, pod.name, pod.zoneid) for pod in census.pods if pod.zoneid in cloud.zones}
        self._clusters()
        self._hosts()
        self._domains()
        self._accounts()
        self._projects()
        self._physical_networks()
        self._network_offerings()
        self._networks()
        self._offerings()
        self._pools()
        self._guests()
        self._instances()
        self._volumes()
        for vm in census.system_vms:
            pod = vm.podid if vm.podid in cloud.pods else ""
            cloud.system_vms[vm.id] = c.SystemVm(vm.id, vm.name, pod, vm.hostid if vm.hostid in cloud.hosts else "")

    def _zone_settings(self) -> None:
        """Only what differs from the global settings: of the others a zone has no value of its own."""
        cloud = self.cloud
        for zone_id, settings in self.census.zone_configuration.items():
            shared = configuration.everything(cloud)
            own = {name: value for name, value in settings.items() if value != shared.get(name)}
            if own and zone_id in cloud.zones:
                cloud.zone_configuration[zone_id] = own

    def _clusters(self) -> None:
        computes: dict[tuple[str, str], list[str]] = {}
        for compute in self.world.computes.values():
            if compute.is_cluster:
                place = (self.world.datacenters[compute.datacenter].name, compute.name)
                computes.setdefault(place, []).append(compute.moref)
        for found in self.census.clusters:
            # vcenter/datacenter/cluster; the first part may be a name or an address.
            parts = found.name.split("/", 2)
            behind = computes.get((parts[1], parts[2]), []) if len(parts) == 3 else []
            if found.zoneid in self.cloud.zones:
                self.cloud.clusters[found.id] = c.Cluster(
                    found.id,
                    found.name,
                    found.zoneid,
                    found.podid if found.podid in self.cloud.pods else "",
                    behind[0] if len(behind) == 1 else "",
                    found.allocationstate or "Enabled",
                    found.managedstate or "Managed",
                    found.hypervisortype or "VMware",
                )

    def _hosts(self) -> None:
        by_name = {(host.compute, host.name): host.moref for host in self.world.hosts.values()}
        for found in self.census.hosts:
            cluster = self.cloud.clusters.get(found.clusterid)
            if cluster is None or found.hypervisor not in ("", "VMware"):
                continue
            self.cloud.hosts[found.id] = c.Host(
                found.id,
                found.name,
                cluster.id,
                cluster.zoneid,
                cluster.podid,
                by_name.get((cluster.compute, found.name), ""),
                found.state,
                found.resourcestate or "Enabled",
                found.hosttags,
            )

    def _domains(self) -> None:
        known = {found.id for found in self.census.domains}
        for found in self.census.domains:
            parent = found.parentdomainid if found.parentdomainid in known else ""
            self.cloud.domains[found.id] = c.Domain(
                found.id, found.name, found.path, parent, found.level, found.state or "Active"
            )
            self._limits("domain", found.id, found)

    def _root(self) -> str:
        """The domain ROOT; made up when domains could not be read."""
        for domain in self.cloud.domains.values():
            if not domain.parentid and domain.path == "ROOT":
                return domain.id
        made = c.Domain(self.parts.uuid(), "ROOT", "ROOT")
        self.cloud.domains[made.id] = made
        return made.id

    def _accounts(self) -> None:
        root = self._root()
        admins = (one for one in (*self.census.callers, *self.census.accounts) if one.accounttype == ROOT_ADMIN)
        caller = next(admins, None)
        # His login first: that is the one the copy's keys are asked for.
        accounts = [*([caller] if caller else []), *(one for one in self.census.accounts if not _same(one, caller))]
        for found in accounts:
            home = found.domainid if found.domainid in self.cloud.domains else root
            account = c.Account(found.id, found.name, home, found.accounttype, found.state or "enabled")
            self._account(account)
            self._limits("account", found.id, found)
            logins = found.user or ((seen.User(id=self.parts.uuid(), username="admin"),) if found is caller else ())
            for user in logins:
                self._user(user.id, user.username, found.id, enabled=user.state in ("", "enabled"))
        if caller is None:
            made = c.Account(self.parts.uuid(), "admin", root, ROOT_ADMIN)
            self._account(made)
            self._user(self.parts.uuid(), "admin", made.id, enabled=True)
            caller_id = made.id
        else:
            caller_id = caller.id
        self.admin = self.cloud.accounts[caller_id]
        # In the server's order, which an administrator sees; only the logins have one of their own.
        order = {found.id: place for place, found in enumerate(self.census.accounts)}
        kept = sorted(self.cloud.accounts.items(), key=lambda item: order.get(item[0], -1))
        self.cloud.accounts = dict(kept)

    def _account(self, account: c.Account) -> None:
        self.cloud.accounts[account.id] = account
        self.owners.setdefault((account.domainid, account.name), account.id)

    def _user(self, user_id: str, name: str, accountid: str, *, enabled: bool) -> None:
        # 86 characters each, as CloudStack makes them.
        keys = secrets.token_urlsafe(64), secrets.token_urlsafe(64)
        self.cloud.users[user_id] = c.User(user_id, name, accountid, *keys, enabled)

    def _projects(self) -> None:
        for number, found in enumerate(self.census.projects, start=1):
            home = found.domainid if found.domainid in self.cloud.domains else self._root()
            # The account behind a project is never listed; only its name may be.
            name = found.projectaccountname or f"PrjAcct-{found.name}-{number}"
            account = c.Account(self.parts.uuid(), name, home, PROJECT)
            self.cloud.accounts[account.id] = account
            self.cloud.projects[found.id] = c.Project(found.id, found.name, home, account.id, found.state or "Active")
            self._limits("account", account.id, found)

    def _limits(self, owner: Literal["account", "domain"], owner_id: str, found: seen.Limited) -> None:
        """Limits that differ from what the settings give everybody; "Unlimited" mostly does not."""
        in_force = domain_limit if owner == "domain" else account_limit
        for field, resource in LIMITS.items():
            said = getattr(found, field)
            if not said.removeprefix("-").isdecimal() and said != "Unlimited":
                continue
            most = -1 if said == "Unlimited" else int(said)
            if most != in_force(self.cloud, owner_id, LIMITED[resource]):
                self.cloud.limits.append(c.ResourceLimit(owner, owner_id, resource, most))

    def _owner(self, account: str, domainid: str, projectid: str) -> str:
        """The account behind an owned object; the system's own, which is never listed, is the administrator here."""
        project = self.cloud.projects.get(projectid)
        if project is not None:
            return project.accountid
        return self.owners.get((domainid, account), self.admin.id)

    def _physical_networks(self) -> None:
        for found in self.census.physical_networks:
            if found.zoneid in self.cloud.zones:
                self.cloud.physical_networks[found.id] = c.PhysicalNetwork(
                    found.id,
                    found.name,
                    found.zoneid,
                    found.vlan,
                    found.state or "Enabled",
                    found.isolationmethods,
                    found.tags,
                )

    def _network_offerings(self) -> None:
        """Those for guests; where they could not be read, the ones every installation starts with stay."""
        cloud = self.cloud
        offerings: dict[str, c.NetworkOffering] = {}
        for found in self.census.network_offerings:
            kind = _NETWORK_TYPES.get(found.guestiptype)
            if kind is not None and found.traffictype in ("", "Guest"):
                offerings[found.id] = c.NetworkOffering(
                    id=found.id,
                    name=found.name,
                    guestiptype=kind,
                    specifyvlan=found.specifyvlan,
                    specifyipranges=found.specifyipranges,
                    ispersistent=found.ispersistent,
                    forvpc=found.forvpc,
                    services=[service.name for service in found.service],
                    tags=found.tags,
                    domainids=_known(found.domainid, cloud.domains),
                    zoneids=_known(found.zoneid, cloud.zones),
                    state=found.state or "Enabled",
                )
        cloud.network_offerings = offerings or cloud.network_offerings

    def _networks(self) -> None:
        ranges: dict[str, seen.IpRange] = {}
        for one in self.census.ip_ranges:
            ranges.setdefault(one.networkid, one)
        for found in self.census.networks:
            kind = _NETWORK_TYPES.get(found.type)
            if kind is None or found.zoneid not in self.cloud.zones:
                continue
            addresses = ranges.get(found.id)
            self.cloud.networks[found.id] = c.Network(
                id=found.id,
                name=found.name,
                type=kind,
                zoneid=found.zoneid,
                accountid=self._owner(found.account, found.domainid, found.projectid),
                domainid=found.domainid if found.domainid in self.cloud.domains else self._root(),
                broadcasturi=found.broadcasturi,
                state=found.state or "Setup",
                cidr=found.cidr,
                gateway=found.gateway,
                startip=addresses.startip if addresses else "",
                endip=addresses.endip if addresses else "",
                acltype=found.acltype or "Account",
                subdomainaccess=found.subdomainaccess or found.acltype != "Domain",
                projectid=found.projectid if found.projectid in self.cloud.projects else "",
                issystem=found.issystem,
                displaytext=found.displaytext,
                networkofferingid=_present(found.networkofferingid, self.cloud.network_offerings),
                physicalnetworkid=_present(found.physicalnetworkid, self.cloud.physical_networks),
                networkdomain=found.networkdomain,
                created=_seconds(found.created),
            )

    def _offerings(self) -> None:
        cloud = self.cloud
        for disk in self.census.disk_offerings:
            cloud.disk_offerings[disk.id] = c.DiskOffering(
                disk.id,
                disk.name,
                disk.disksize or 0,
                disk.iscustomized,
                disk.tags,
                disk.storagetype or "shared",
                _known(disk.domainid, cloud.domains),
                _known(disk.zoneid, cloud.zones),
                disk.state,
            )
        for found in self.census.service_offerings:
            bound = found.diskofferingid or self.parts.uuid()
            if bound not in cloud.disk_offerings:
                # Bound to the compute offering, for root disks, and therefore not listed.
                cloud.disk_offerings[bound] = c.DiskOffering(
                    bound, found.name, 0, iscustomized=True, tags=found.storagetags, hidden=True
                )
            bounds = found.serviceofferingdetails
            cloud.service_offerings[found.id] = c.ServiceOffering(
                id=found.id,
                name=found.name,
                cpunumber=found.cpunumber,
                cpuspeed=found.cpuspeed,
                memory=found.memory,
                diskofferingid=bound,
                mincpunumber=_number(bounds.get("mincpunumber")),
                maxcpunumber=_number(bounds.get("maxcpunumber")),
                minmemory=_number(bounds.get("minmemory")),
                maxmemory=_number(bounds.get("maxmemory")),
                hosttags=found.hosttags,
                storagetags=found.storagetags,
                storagetype=found.storagetype or "shared",
                domainids=_known(found.domainid, cloud.domains),
                zoneids=_known(found.zoneid, cloud.zones),
                state=found.state,
                offerha=found.offerha,
            )

    def _pools(self) -> None:
        for found in self.census.storage_pools:
            if found.zoneid in self.cloud.zones:
                self.cloud.storage_pools[found.id] = c.StoragePool(
                    id=found.id,
                    name=found.name,
                    path=found.path,
                    zoneid=found.zoneid,
                    clusterid=found.clusterid if found.clusterid in self.cloud.clusters else "",
                    host=found.ipaddress,
                    type=found.type,
                    scope=found.scope,
                    tags=found.tags,
                    state=found.state or "Up",
                    capacity_bytes=found.disksizetotal,
                )

    def _guests(self) -> None:
        cloud = self.cloud
        cloud.os_types = {found.id: c.OsType(found.id, found.description) for found in self.census.os_types}
        for mapping in self.census.guest_os_mappings:
            if mapping.ostypeid and mapping.ostypeid not in cloud.os_types:  # the types could not be read
                cloud.os_types[mapping.ostypeid] = c.OsType(mapping.ostypeid, mapping.osdisplayname)
            cloud.os_mappings[mapping.id] = c.OsMapping(
                mapping.id, mapping.ostypeid, mapping.hypervisorversion, mapping.osnameforhypervisor
            )
        for found in self.census.templates:
            if found.id in cloud.templates:
                continue
            if found.ostypeid and found.ostypeid not in cloud.os_types:
                cloud.os_types[found.ostypeid] = c.OsType(found.ostypeid, found.ostypename)
            cloud.templates[found.id] = c.Template(
                found.id,
                found.name,
                found.zoneid if found.zoneid in cloud.zones else "",
                found.ostypeid,
                found.hypervisor,
                found.isready,
                found.format or "OVA",
                templatetag=found.templatetag,
                details=_telling(found.details),
            )

    def _instances(self) -> None:
        by_name: dict[str, list[VM]] = {}
        for vm in self.world.vms.values():
            for name in {vm.name, vm.custom_fields.get(_INTERNAL_NAME_FIELD, vm.name)}:
                by_name.setdefault(name, []).append(vm)
        for found in self.census.virtual_machines:
            if found.zoneid not in self.cloud.zones:
                continue
            host = self.cloud.hosts.get(found.hostid)
            machine = self._behind(found, host, by_name.get(found.instancename or found.name, []))
            cluster = self._cluster_of(host, machine)
            pods = [pod.id for pod in self.cloud.pods.values() if pod.zoneid == found.zoneid]
            project = self.cloud.projects.get(found.projectid)
            self.cloud.instances[found.id] = c.Instance(
                id=found.id,
                name=found.name,
                displayname=found.displayname,
                instancename=found.instancename or found.name,
                state=found.state,
                zoneid=found.zoneid,
                podid=cluster.podid if cluster else (pods[0] if len(pods) == 1 else ""),
                clusterid=cluster.id if cluster else "",
                hostid=host.id if host else "",
                accountid=self._owner(found.account, found.domainid, found.projectid),
                domainid=found.domainid if found.domainid in self.cloud.domains else self._root(),
                serviceofferingid=found.serviceofferingid,
                templateid=found.templateid,
                guestosid=found.guestosid,
                cpunumber=found.cpunumber,
                memory=found.memory,
                moref=machine.moref if machine else "",
                cpuspeed=found.cpuspeed,
                projectid=project.id if project else "",
                details=_telling(found.details),
                nics=[
                    c.InstanceNic(nic.id, nic.networkid, nic.macaddress, nic.ipaddress, nic.isdefault, nic.deviceid)
                    for nic in found.nic
                    if nic.networkid in self.cloud.networks
                ],
                created=_seconds(found.created),
                tags={tag.key: tag.value for tag in found.tags},
                isoid=found.isoid,
                userid=_present(found.userid, self.cloud.users),
                haenable=found.haenable,
            )

    def _behind(self, found: seen.VirtualMachine, host: c.Host | None, candidates: Iterable[VM]) -> VM | None:
        """The vSphere VM of an instance: by name, where several have it by MAC, then by host."""
        macs = {nic.macaddress.lower() for nic in found.nic}

        def fits(vm: VM) -> tuple[int, bool]:
            return len(macs & {nic.mac for nic in vm.nics}), host is not None and vm.host == host.moref

        return max((vm for vm in candidates if not vm.template), key=fits, default=None)

    def _cluster_of(self, host: c.Host | None, vm: VM | None) -> c.Cluster | None:
        """By the host CloudStack names; a stopped VM has none there, but is registered on one in vCenter."""
        if host is not None:
            return self.cloud.clusters[host.clusterid]
        compute = self.world.hosts[vm.host].compute if vm else ""
        return next((one for one in self.cloud.clusters.values() if compute and one.compute == compute), None)

    def _volumes(self) -> None:
        for found in self.census.volumes:
            if found.virtualmachineid in self.cloud.instances:
                self.cloud.volumes[found.id] = c.Volume(
                    id=found.id,
                    name=found.name,
                    type="ROOT" if found.type == "ROOT" else "DATADISK",
                    instanceid=found.virtualmachineid,
                    size_bytes=found.size,
                    poolid=found.storageid if found.storageid in self.cloud.storage_pools else "",
                    diskofferingid=found.diskofferingid,
                    path=found.path,
                    chaininfo=_chain(found.chaininfo),
                    deviceid=found.deviceid,
                )


def _same(one: seen.Account, other: seen.Account | None) -> bool:
    return other is not None and one.id == other.id


def _known(comma_list: str, table: dict[str, c.Domain] | dict[str, c.Zone]) -> list[str]:
    """The ids of a comma list that are known; none means that everybody may use it."""
    return [one for one in re.split(r"\s*,\s*", comma_list) if one in table]


def _present(id_: str, table: Collection[str]) -> str:
    """The id when it leads somewhere, else ''."""
    return id_ if id_ in table else ""


def _telling(details: dict[str, str]) -> dict[str, str]:
    """The details that steer an import."""
    return {name: value for name, value in details.items() if name in DETAILS}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _seconds(text: str) -> float:
    """Seconds since the epoch of the API's `2026-08-21T14:06:28+0000`, 0 for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0


def _chain(text: str) -> list[str]:
    """The files of a volume's `chaininfo`, the top one first."""
    try:
        chain = json.loads(text).get("diskChain", [])
    except (ValueError, AttributeError):
        return []
    return [str(file) for file in chain] if isinstance(chain, list) else []
