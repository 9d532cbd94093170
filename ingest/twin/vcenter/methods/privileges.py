"""The privilege each method needs that changes something; reading needs none of these."""

from __future__ import annotations

_POWER = "VirtualMachine.Interact."

PRIVILEGES = {
    "PowerOnVM_Task": f"{_POWER}PowerOn",
    "PowerOffVM_Task": f"{_POWER}PowerOff",
    "ShutdownGuest": f"{_POWER}PowerOff",
    "SuspendVM_Task": f"{_POWER}Suspend",
    "AnswerVM": f"{_POWER}AnswerQuestion",
    "TerminateSession": "Sessions.TerminateSession",
}

READ_ONLY = frozenset(PRIVILEGES.values())
"""What an account with the read-only role lacks, for `VCenterSettings.no_privilege`."""
