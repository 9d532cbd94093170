"""What the management server says when it says no: one class for each way a refusal travels.

    ServerError                 HTTP code     in a job
    ├── InvalidParameter        431 (4350)    431
    ├── PermissionDenied        531 (4365)    530
    ├── RuntimeFailure          530 (4250)    530
    ├── ResourceAllocation      535 (4370)    530
    ├── InsufficientCapacity    533 (9999)    530          (an import makes it 533)
    ├── ApiException            its own       its own      (9999)
    └── Unverified              401           never        (no cserrorcode, no X-Description)

A job keeps the code of invalid parameters and of explicit API exceptions; everything else becomes 530, permission
denied included (CloudStack: ApiAsyncJobDispatcher, CSExceptionErrorCode).
"""

from __future__ import annotations


class ServerError(Exception):
    """A refusal. `code` is the HTTP status, `job_code` the code a job ends with, `text` the server's words."""

    code = 530
    cserrorcode: int | None = 4250
    job_code = 530

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class InvalidParameter(ServerError):
    """CloudStack: InvalidParameterValueException."""

    code = 431
    cserrorcode = 4350
    job_code = 431


class PermissionDenied(ServerError):
    """CloudStack: PermissionDeniedException."""

    code = 531
    cserrorcode = 4365


class RuntimeFailure(ServerError):
    """CloudStack: CloudRuntimeException, the fate of most failed imports."""


class ResourceAllocation(ServerError):
    """CloudStack: ResourceAllocationException, a limit of an account or a domain."""

    code = 535
    cserrorcode = 4370


class InsufficientCapacity(ServerError):
    """CloudStack: InsufficientCapacityException, of placement."""

    code = 533
    cserrorcode = 9999


class ApiException(ServerError):
    """CloudStack: ServerApiException with a code of its own choice."""

    cserrorcode = 9999

    def __init__(self, code: int, text: str, *, cserrorcode: int = 9999) -> None:
        super().__init__(text)
        self.code = code
        self.job_code = code
        self.cserrorcode = cserrorcode


class Unverified(ServerError):
    """Key, signature or expiry did not hold, or the command is unknown: the servlet answers 401 without details."""

    code = 401
    cserrorcode = None

    def __init__(self) -> None:
        super().__init__("unable to verify user credentials and/or request signature")
