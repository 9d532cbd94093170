"""Faults the server answers with, by their vSphere names, with the texts a vCenter gives."""

from __future__ import annotations

from ingest.twin.vcenter.values import Fault, Ref, Value


class VimFault(Exception):
    """A fault on its way to the client: HTTP 500 and a SOAP fault of this type."""

    def __init__(self, kind: str, message: str, /, **members: Value) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.members = members

    @property
    def value(self) -> Fault:
        """The fault as a value, for a task's error or a missing property."""
        return Fault(self.kind, self.message, **self.members)


def not_authenticated(this: Ref) -> VimFault:
    """No session, or it expired."""
    return VimFault("NotAuthenticated", "The session is not authenticated.", object=this, privilegeId="System.View")


def invalid_login() -> VimFault:
    """Wrong user name or password."""
    return VimFault("InvalidLogin", "Cannot complete login due to an incorrect user name or password.")


def object_gone(this: Ref) -> VimFault:
    """The object does not exist (any more)."""
    text = f"The object 'vim.{this.kind}:{this.moref}' has already been deleted or has not been completely created"
    return VimFault("ManagedObjectNotFound", text, obj=this)


def method_not_found(this: Ref | None, method: str) -> VimFault:
    """The twin does not do this. Never answered with an empty result, so that no test passes by accident."""
    return VimFault("MethodNotFound", f"Method not found: {method}", receiver=this, method=method)


def invalid_property(path: str) -> VimFault:
    """The type has no such property, or the path enters a subclass."""
    return VimFault("InvalidProperty", f"The property path is not valid: {path}", name=path)


def invalid_argument(name: str) -> VimFault:
    """A parameter's value is unusable."""
    return VimFault("InvalidArgument", f"A specified parameter was not correct: {name}", invalidProperty=name)


def invalid_request(text: str) -> VimFault:
    """The request itself cannot be understood."""
    return VimFault("InvalidRequest", text)


def not_supported(text: str) -> VimFault:
    """Part of the API the twin does not imitate."""
    return VimFault("NotSupported", text)


def no_permission(this: Ref, privilege: str = "System.Read") -> VimFault:
    """The account may not see this."""
    return VimFault(
        "NoPermission", "Permission to perform this operation was denied.", object=this, privilegeId=privilege
    )


def invalid_power_state(requested: str, existing: str) -> VimFault:
    """The VM is not in the power state the operation starts from."""
    words = {"poweredOn": "Powered on", "poweredOff": "Powered off", "suspended": "Suspended"}
    text = f"The attempted operation cannot be performed in the current state ({words.get(existing, existing)})."
    return VimFault("InvalidPowerState", text, requestedState=requested, existingState=existing)


def tools_unavailable() -> VimFault:
    """VMware Tools do not run in the guest."""
    text = "Cannot complete operation because VMware Tools is not running in this virtual machine."
    return VimFault("ToolsUnavailable", text)


def task_in_progress(task: Ref) -> VimFault:
    """Another task works on the VM."""
    return VimFault(
        "TaskInProgress", "The operation is not allowed in the current state: a task is in progress.", task=task
    )


def method_disabled(method: str) -> VimFault:
    """A solution has disabled the method on this object (`disabledMethod`)."""
    return VimFault("MethodDisabled", f"The method is disabled by 'vcenter': {method}")


def invalid_state() -> VimFault:
    """The VM is not in a state that allows the operation: inaccessible, orphaned, a template."""
    return VimFault("InvalidState", "The operation is not allowed in the current state.")


def invalid_collector_version() -> VimFault:
    """The version handed in was not made by this collector."""
    return VimFault("InvalidCollectorVersion", "The collector version is not valid.")


def duplicate_name(name: str, other: Ref) -> VimFault:
    """Something of that name is in the folder already."""
    return VimFault("DuplicateName", f"The name '{name}' already exists.", name=name, object=other)


def invalid_name(name: str, entity: Ref | None = None) -> VimFault:
    """No name for an entity: empty, or longer than 80 characters."""
    return VimFault("InvalidName", f"The name '{name}' is invalid.", name=name, entity=entity)


def invalid_datastore_path(path: str) -> VimFault:
    """Not of the form `[datastore] path`, or there is no such datastore here."""
    return VimFault("InvalidDatastorePath", f"Invalid datastore path '{path}'.", datastorePath=path)


def file_not_found(path: str) -> VimFault:
    """The datastore has no such file or folder."""
    return VimFault("FileNotFound", f"File {path} was not found", file=path)


def already_exists(name: str) -> VimFault:
    """The VM is in the inventory."""
    return VimFault("AlreadyExists", f"The specified key, name, or identifier '{name}' already exists.", name=name)


def datastore_inaccessible(name: str, datastore: Ref) -> VimFault:
    """No host has it any more."""
    text = f"The datastore '{name}' is not accessible."
    return VimFault("InaccessibleDatastore", text, datastore=datastore, name=name)


def datastore_not_on_host(name: str, datastore: Ref, host: str) -> VimFault:
    """The host has not mounted it."""
    text = f"Unable to access the virtual machine configuration: the datastore '{name}' is not mounted on host {host}."
    return VimFault("InvalidDatastore", text, datastore=datastore, name=name)


def cannot_access_file(path: str) -> VimFault:
    """It is there, and may not be written."""
    return VimFault("CannotAccessFile", f"Unable to access file {path}", file=path)


def file_locked(path: str) -> VimFault:
    """Another host has it open."""
    return VimFault("FileLocked", f"Unable to access file {path} since it is locked", file=path)


def not_a_configuration(path: str) -> VimFault:
    """A .vmx that holds no virtual machine."""
    text = f"Invalid virtual machine configuration. {path} is not a virtual machine configuration."
    return VimFault("InvalidVmConfig", text)


def host_not_connected() -> VimFault:
    """vCenter cannot talk to the host."""
    text = "Unable to communicate with the remote host, since it is disconnected."
    return VimFault("HostNotConnected", text)


def invalid_folder(target: Ref) -> VimFault:
    """A folder cannot be moved into itself or what is below it."""
    return VimFault("InvalidFolder", "The folder is not valid for this operation.", target=target)


def concurrent_access() -> VimFault:
    """Somebody else changed it first."""
    return VimFault("ConcurrentAccess", "The operation failed because the object was changed by someone else.")
