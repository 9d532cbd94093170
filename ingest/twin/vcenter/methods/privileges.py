"""The privilege each method needs that changes something or looks into datastores; other reading needs none."""

from __future__ import annotations

_POWER = "VirtualMachine.Interact."
_INVENTORY = "VirtualMachine.Inventory."

PRIVILEGES = {
    "PowerOnVM_Task": f"{_POWER}PowerOn",
    "PowerOffVM_Task": f"{_POWER}PowerOff",
    "ShutdownGuest": f"{_POWER}PowerOff",
    "SuspendVM_Task": f"{_POWER}Suspend",
    "ResetVM_Task": f"{_POWER}Reset",
    "RebootGuest": f"{_POWER}Reset",
    "StandbyGuest": f"{_POWER}Suspend",
    "RegisterVM_Task": f"{_INVENTORY}Register",
    "UnregisterVM": f"{_INVENTORY}Unregister",
    "ReconfigVM_Task": "VirtualMachine.Config.Settings",
    "CreateFolder": "Folder.Create",
    "MoveIntoFolder_Task": "Folder.Move",
    "Rename_Task": "Folder.Rename",
    "SearchDatastore_Task": "Datastore.Browse",
    "SearchDatastoreSubFolders_Task": "Datastore.Browse",
    "AnswerVM": f"{_POWER}AnswerQuestion",
    "TerminateSession": "Sessions.TerminateSession",
}

READ_ONLY = frozenset(PRIVILEGES.values())
"""What an account with the read-only role lacks, for `VCenterSettings.no_privilege`."""
