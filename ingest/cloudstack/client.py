"""The CloudStack API as the pipeline uses it: one thin, typed method for each command.

Methods named `list_...` return everything the key may see, in the server's order, every object once. Errors are those
of `ApiCaller.call`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from ingest.cloudstack.answer import ASK_FIRST, URL_CURE, Payload
from ingest.cloudstack.caller import ApiCaller, Row
from ingest.cloudstack.parameters import Parameter, import_parameters, network_parameters, tag_parameters
from ingest.errors import NotTheApi, Refused, UnknownOutcome
from ingest.model.catalogue import (
    Account,
    Api,
    ApiObject,
    Capabilities,
    Cluster,
    DiskOffering,
    Domain,
    Event,
    GuestOsMapping,
    Host,
    IpRange,
    Job,
    Network,
    NetworkOffering,
    OsType,
    PhysicalNetwork,
    Pod,
    Project,
    ServiceOffering,
    StoragePool,
    SystemVm,
    Template,
    UnmanagedInstance,
    VirtualMachine,
    VmSnapshot,
    Volume,
    VolumeSnapshot,
    Zone,
)
from ingest.model.request import ImportRequest, NetworkRequest

Kind = TypeVar("Kind", bound=ApiObject)
Identity = Callable[[Row], object]

IMPORT_JOB_CLASS = "ImportUnmanagedInstanceCmd"
_ALL_PROJECTS = -1


def _by_id(row: Row) -> object:
    return row.get("id")


def _by_id_and_zone(row: Row) -> object:
    return (row.get("id"), row.get("zoneid"))


class CloudStackClient(ApiCaller):
    """The CloudStack API with one key. See `ApiCaller` for the arguments; use it as a context manager."""

    def list_zones(self) -> list[Zone]:
        """All zones."""
        return self._list(Zone, "listZones", "zone")

    def list_pods(self) -> list[Pod]:
        """All pods."""
        return self._list(Pod, "listPods", "pod")

    def list_clusters(self, hypervisor: str | None = "VMware") -> list[Cluster]:
        """The clusters of one hypervisor, or of all."""
        return self._list(Cluster, "listClusters", "cluster", hypervisor=hypervisor)

    def list_hosts(self, cluster_id: str | None = None) -> list[Host]:
        """The hypervisor hosts of a cluster, or of all."""
        return self._list(Host, "listHosts", "host", type="Routing", clusterid=cluster_id)

    def list_networks(self) -> list[Network]:
        """All guest networks, those of projects included.

        With projectid=-1 the server lists the networks of projects only, without it all the others (CloudStack:
        NetworkServiceImpl.searchForNetworks), hence two passes.
        """
        rows = self.list_all("listNetworks", "network", listall=True)
        rows += self.list_all("listNetworks", "network", listall=True, projectid=_ALL_PROJECTS)
        return self._objects(Network, "listNetworks", rows)

    def list_physical_networks(self) -> list[PhysicalNetwork]:
        """All physical networks, with the VLAN ids CloudStack hands out itself."""
        return self._list(PhysicalNetwork, "listPhysicalNetworks", "physicalnetwork")

    def list_network_offerings(self, state: str | None = "Enabled") -> list[NetworkOffering]:
        """The network offerings a network can be made of; with None those of every state."""
        return self._list(NetworkOffering, "listNetworkOfferings", "networkoffering", state=state)

    def list_ip_ranges(self) -> list[IpRange]:
        """The address ranges of networks; Shared networks have them."""
        return self._list(IpRange, "listVlanIpRanges", "vlaniprange")

    def list_service_offerings(self, state: str | None = None) -> list[ServiceOffering]:
        """The active compute offerings; `all` gives inactive ones too."""
        return self._list(ServiceOffering, "listServiceOfferings", "serviceoffering", listall=True, state=state)

    def list_disk_offerings(self, state: str | None = None) -> list[DiskOffering]:
        """The active disk offerings; `all` gives inactive ones too. Those bound to a compute offering are missing."""
        return self._list(DiskOffering, "listDiskOfferings", "diskoffering", listall=True, state=state)

    def list_storage_pools(self) -> list[StoragePool]:
        """All primary storage pools; members of datastore clusters are never listed, only the cluster's own pool."""
        return self._list(StoragePool, "listStoragePools", "storagepool")

    def list_domains(self) -> list[Domain]:
        """All domains."""
        return self._list(Domain, "listDomains", "domain", listall=True)

    def list_accounts(self) -> list[Account]:
        """All accounts of people; those of projects are hidden by the server."""
        return self._list(Account, "listAccounts", "account", listall=True)

    def list_own_accounts(self) -> list[Account]:
        """The account of this key: without listall the server shows an admin only his own."""
        return self._list(Account, "listAccounts", "account")

    def list_projects(self) -> list[Project]:
        """All projects."""
        return self._list(Project, "listProjects", "project", listall=True)

    def list_templates(self) -> list[Template]:
        """All templates, once for each zone they are in."""
        rows = self.list_all("listTemplates", "template", templatefilter="all", listall=True)
        return self._objects(Template, "listTemplates", rows, identity=_by_id_and_zone)

    def list_os_types(self) -> list[OsType]:
        """All guest operating systems."""
        return self._list(OsType, "listOsTypes", "ostype")

    def list_guest_os_mappings(self, hypervisor: str = "VMware") -> list[GuestOsMapping]:
        """Which guest OS of CloudStack belongs to which guest id of a hypervisor."""
        return self._list(GuestOsMapping, "listGuestOsMapping", "guestosmapping", hypervisor=hypervisor)

    def list_unmanaged_instances(self, cluster_id: str, name: str | None = None) -> list[UnmanagedInstance]:
        """The VMs of a cluster that CloudStack does not manage. Takes minutes for hundreds of VMs.

        The server ignores paging here and leaves out, silently, what hosts did not tell: an absent VM is no proof.
        `name` is the exact vCenter name; names may repeat on different hosts (CloudStack: ListUnmanagedInstancesCmd,
        UnmanagedVMsManagerImpl).
        """
        command = "listUnmanagedInstances"
        rows = self._rows(command, self.call(command, clusterid=cluster_id, name=name), "unmanagedinstance")
        return self._objects(UnmanagedInstance, command, rows, identity=None)

    def list_virtual_machines(
        self,
        *,
        vm_id: str | None = None,
        zone_id: str | None = None,
        name: str | None = None,
        network_id: str | None = None,
    ) -> list[VirtualMachine]:
        """The managed VMs with NICs and attached ISO, those of projects included. `name` is the exact hostname."""
        return self._list(
            VirtualMachine,
            "listVirtualMachines",
            "virtualmachine",
            listall=True,
            projectid=_ALL_PROJECTS,
            details="nics,servoff,tmpl,iso",
            id=vm_id,
            zoneid=zone_id,
            name=name,
            networkid=network_id,
        )

    def list_system_vms(self) -> list[SystemVm]:
        """CloudStack's own VMs, without virtual routers."""
        return self._list(SystemVm, "listSystemVms", "systemvm")

    def list_routers(self) -> list[SystemVm]:
        """All virtual routers, those of projects included."""
        return self._list(SystemVm, "listRouters", "router", listall=True, projectid=_ALL_PROJECTS)

    def list_volumes(self, vm_id: str | None = None) -> list[Volume]:
        """The volumes of a VM, or of all, that are not removed; those of projects included."""
        return self._list(
            Volume, "listVolumes", "volume", listall=True, projectid=_ALL_PROJECTS, virtualmachineid=vm_id
        )

    def list_volume_snapshots(self, volume_id: str) -> list[VolumeSnapshot]:
        """The snapshots of a volume that CloudStack knows."""
        return self._list(
            VolumeSnapshot, "listSnapshots", "snapshot", listall=True, projectid=_ALL_PROJECTS, volumeid=volume_id
        )

    def list_vm_snapshots(self, vm_id: str) -> list[VmSnapshot]:
        """The snapshots of a VM that CloudStack knows; those made in vCenter are not among them."""
        return self._list(
            VmSnapshot, "listVMSnapshot", "vmSnapshot", listall=True, projectid=_ALL_PROJECTS, virtualmachineid=vm_id
        )

    def list_configurations(self, names: Iterable[str], *, zone_id: str | None = None) -> dict[str, str]:
        """Settings by name, global or as a zone has them.

        A setting this release does not have is missing, with a zone also one that zones cannot have of their own; one
        without a value is ''.
        """
        values: dict[str, str] = {}
        for name in names:
            # The server searches for parts of names.
            for row in self.list_all("listConfigurations", "configuration", name=name, zoneid=zone_id):
                if row.get("name") == name:
                    values[name] = str(row.get("value", ""))
        return values

    def capabilities(self) -> Capabilities:
        """Version and limits of the management server."""
        payload = self.call("listCapabilities").get("capability", {})
        return self._object(Capabilities, "listCapabilities", payload)

    def list_apis(self, name: str) -> list[Api]:
        """The description of one command; empty when this release or the key's role does not have it."""
        rows = self._rows("listApis", self.call("listApis", name=name), "api")
        return self._objects(Api, "listApis", rows, identity=None)

    def list_async_jobs(self, keyword: str = IMPORT_JOB_CLASS) -> list[Job]:
        """The jobs that still run, of all accounts, whose command class contains `keyword`. They do not name the VM."""
        return self._objects(Job, "listAsyncJobs", self._running_jobs(keyword), identity=None)

    def running_job_ids(self, keyword: str = IMPORT_JOB_CLASS) -> set[str]:
        """The ids of the same jobs, for who asks often: nothing else of them is read."""
        ids = [row.get("jobid") for row in self._running_jobs(keyword)]
        if not all(isinstance(one, str) for one in ids):
            raise NotTheApi("listAsyncJobs: a Job without `jobid`", place=self._endpoint.url, cure=URL_CURE)
        return {str(one) for one in ids}

    def _running_jobs(self, keyword: str) -> list[Row]:
        return self.list_all("listAsyncJobs", "asyncjobs", listall=True, keyword=keyword)

    def list_events(self, kind: str, *, since: str | None = None, keyword: str | None = None) -> list[Event]:
        """The events of one type, newest first, those of projects included. `since` is `yyyy-MM-dd HH:mm:ss`, UTC.

        `keyword` is a part of the description; an import's names its VM. With projectid=-1 the server lists the events
        of projects only.
        """
        found: list[Event] = []
        for project in (None, _ALL_PROJECTS):
            found += self._list(
                Event,
                "listEvents",
                "event",
                listall=True,
                projectid=project,
                type=kind,
                startdate=since,
                keyword=keyword,
            )
        return list({event.id: event for event in found}.values())

    def query_job(self, job_id: str) -> Job | None:
        """A job's state; None when the server does not know it: never accepted, or deleted a day after its end."""
        command = "queryAsyncJobResult"
        try:
            payload = self.call(command, jobid=job_id)
        except Refused as error:
            if error.code == 431 and "parameter jobid " in error.text:
                return None
            raise
        return self._object(Job, command, {"jobid": job_id, **payload})

    def import_unmanaged_instance(self, request: ImportRequest) -> str:
        """Start an import and give its job id. With `custom_job_id` the server takes the request only once."""
        command = "importUnmanagedInstance"
        return self._job_id(command, self.call_with(command, import_parameters(request)))

    def create_network(self, request: NetworkRequest) -> Network:
        """Make a network; it exists when this returns (CloudStack: createNetwork is synchronous)."""
        payload = self.call_with("createNetwork", network_parameters(request))
        return self._object(Network, "createNetwork", payload.get("network", {}))

    def delete_network(self, network_id: str) -> str:
        """Start deleting a network and give the job id. The job fails while a VM is in it."""
        return self._job_id("deleteNetwork", self.call("deleteNetwork", id=network_id))

    def unmanage_virtual_machine(self, vm_id: str, *, custom_job_id: str | None = None) -> str:
        """Start giving a VM back (it keeps running, untouched) and give the job id, our own if we chose one."""
        command = "unmanageVirtualMachine"
        return self._job_id(command, self.call(command, id=vm_id, customjobid=custom_job_id))

    def start_virtual_machine(self, vm_id: str, *, custom_job_id: str | None = None) -> str:
        """Begin to start a VM and give the job id, our own if we chose one."""
        command = "startVirtualMachine"
        return self._job_id(command, self.call(command, id=vm_id, customjobid=custom_job_id))

    def stop_virtual_machine(self, vm_id: str, *, forced: bool = False) -> str:
        """Begin to stop a VM and give the job id. CloudStack asks the guest first, unless `forced`."""
        command = "stopVirtualMachine"
        return self._job_id(command, self.call(command, id=vm_id, forced=forced))

    def create_tags(self, vm_ids: Sequence[str], tags: Mapping[str, str]) -> str:
        """Start tagging VMs and give the job id. The job fails, and tags none, when one has such a key already."""
        command = "createTags"
        return self._job_id(command, self.call_with(command, tag_parameters("UserVm", vm_ids, tags)))

    def _job_id(self, command: str, payload: Payload) -> str:
        job_id = payload.get("jobid")
        if not isinstance(job_id, str) or not job_id:
            raise UnknownOutcome(f"{command} was answered without a job id", place=self._endpoint.url, cure=ASK_FIRST)
        return job_id

    def _list(self, kind: type[Kind], command: str, key: str, /, **parameters: Parameter) -> list[Kind]:
        return self._objects(kind, command, self.list_all(command, key, **parameters))

    def _objects(
        self, kind: type[Kind], command: str, rows: Iterable[Row], identity: Identity | None = _by_id
    ) -> list[Kind]:
        # Rows move between pages while others create objects, and two passes may overlap.
        if identity is not None:
            rows = {identity(row): row for row in rows}.values()
        return [self._object(kind, command, row) for row in rows]

    def _object(self, kind: type[Kind], command: str, row: object) -> Kind:
        problem = ""
        try:
            return kind.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            problem = f"{command}: a {kind.__name__} with an unusable `{field}`: {first['msg']}"
        raise NotTheApi(problem, place=self._endpoint.url, cure=URL_CURE)
