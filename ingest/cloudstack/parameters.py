"""API parameters from typed requests: the one place that knows the names and the exact case of map keys.

The server lower-cases the name before `[` but keeps the key after `].` as it stands, and reads it with its exact case
(CloudStack: ParamUnpackWorker, ImportUnmanagedInstanceCmd).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest.model.request import ImportRequest, NetworkRequest

Parameter = str | int | bool | None


def wire(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Parameters as text: None left out, booleans as `true` and `false` (every other text is false to the server)."""
    return {name: _text(value) for name, value in parameters.items() if value is not None}


def import_parameters(request: ImportRequest) -> dict[str, Parameter]:
    """The parameters of importUnmanagedInstance; what the request leaves empty is not sent."""
    plain = {
        "clusterid": request.cluster_id,
        "name": request.name,
        "serviceofferingid": request.service_offering_id,
        "hostname": request.hostname,
        "displayname": request.display_name,
        "account": request.account,
        "domainid": request.domain_id,
        "projectid": request.project_id,
        "templateid": request.template_id,
        "customjobid": request.custom_job_id,
    }
    parameters: dict[str, Parameter] = {name: value for name, value in plain.items() if value}
    parameters["migrateallowed"] = request.migrate_allowed
    parameters["forced"] = request.forced
    parameters.update(_pairs("nicnetworklist", "nic", "network", request.nic_networks))
    parameters.update(_pairs("nicipaddresslist", "nic", "ip4Address", request.nic_addresses))
    parameters.update(_pairs("datadiskofferinglist", "disk", "diskOffering", request.data_disk_offerings))
    # Only the group with the lowest index is read, so all details share index 0.
    parameters.update({f"details[0].{key}": value for key, value in request.details})
    return parameters


def network_parameters(request: NetworkRequest) -> dict[str, Parameter]:
    """The parameters of createNetwork; what the request leaves empty is not sent."""
    plain = {
        "name": request.name,
        "displaytext": request.display_text or request.name,
        "networkofferingid": request.offering_id,
        "zoneid": request.zone_id,
        "physicalnetworkid": request.physical_network_id,
        "vlan": request.vlan,
        "isolatedpvlan": request.isolated_pvlan,
        "isolatedpvlantype": request.isolated_pvlan_type,
        "account": request.account,
        "domainid": request.domain_id,
        "projectid": request.project_id,
        "gateway": request.gateway,
        "netmask": request.netmask,
        "startip": request.start_ip,
        "endip": request.end_ip,
        "acltype": request.acl_type,
    }
    parameters: dict[str, Parameter] = {name: value for name, value in plain.items() if value}
    if request.bypass_vlan_overlap_check:
        parameters["bypassvlanoverlapcheck"] = True
    return parameters


def tag_parameters(kind: str, ids: Sequence[str], tags: Mapping[str, str]) -> dict[str, Parameter]:
    """The parameters of createTags for objects of one kind."""
    return {"resourcetype": kind, "resourceids": ",".join(ids), **_pairs("tags", "key", "value", tags.items())}


def _pairs(name: str, first: str, second: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for index, (first_value, second_value) in enumerate(pairs):
        parameters[f"{name}[{index}].{first}"] = first_value
        parameters[f"{name}[{index}].{second}"] = second_value
    return parameters


def _text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
