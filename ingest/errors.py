"""Everything that can go wrong, as one tree.

    IngestError                     message, place, cure, exit_code
    ├── UsageError                  2  the call, the settings or a file the operator wrote is wrong
    │   ├── SettingsError           2  a setting is missing or unusable
    │   ├── SheetError              2  a CSV sheet cannot be read (file, line, column)
    │   └── RulesError              2  a YAML file cannot be read (file, line, key)
    ├── FindingsBlock               3  critical findings stop the run
    ├── Stopped                     5  cancelled, or the failure budget is used up
    ├── ClaimLost                   5  another process has taken the VM over
    ├── LedgerError                 6  the ledger cannot be opened, read or written
    └── RemoteError                 6  a server did not do what was asked
        ├── Transient               6  unreachable, timed out, 429, 502-504: worth another try later
        ├── NotTheApi               6  something answered that is not the expected server (proxy, wrong port)
        ├── UnknownOutcome          6  a state-changing call was sent and its answer was lost
        ├── Refused                 6  CloudStack or vCenter said no (code, cserrorcode, its own text)
        ├── Unauthorised            2  wrong key, password, or a role without the right
        └── Untrusted               2  the certificate is not the one we were told to trust

Exit codes are the contract with schedulers and scripts: 0 all done and proven, 4 some rows failed (that is an
outcome, not an exception), the others as above.
"""

from __future__ import annotations


class IngestError(Exception):
    """A problem the operator can act on: what happened, where, and what to do about it.

    `message` says what is wrong, `place` names the file, line, column, setting or server, `cure` is the next
    step, preferably a command. Never carries a key, a password or a signature.
    """

    exit_code = 1

    def __init__(self, message: str, *, place: str = "", cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.cure = cure

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  -> {self.cure}" if self.cure else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default pickling of exceptions; Prefect may persist one.
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[IngestError], state: dict[str, object]) -> IngestError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("message", ""))
    error.__dict__.update(state)
    return error


class UsageError(IngestError):
    """The call, the settings or a file the operator wrote is wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or unusable."""


class SheetError(UsageError):
    """A CSV sheet cannot be read. `place` is file:line, column."""


class RulesError(UsageError):
    """A rules or world file cannot be read. `place` is file:line or file: key path."""


class FindingsBlock(IngestError):
    """Critical findings, and the caller asked to stop rather than to leave those rows out."""

    exit_code = 3


class Stopped(IngestError):
    """The run was cancelled, or the failure budget is used up."""

    exit_code = 5


class ClaimLost(IngestError):
    """Another process has taken the VM over; whatever is known of it belongs to that process now."""

    exit_code = 5


class LedgerError(IngestError):
    """The ledger cannot be opened, read or written. Without it nothing may be sent."""

    exit_code = 6


class RemoteError(IngestError):
    """A server did not do what was asked."""

    exit_code = 6


class Transient(RemoteError):
    """Unreachable, timed out, 429 or 502-504: the same call may work later.

    `retry_after_s` is the wait the server asked for, None when it named none.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, place: str = "", cure: str = "") -> None:
        super().__init__(message, place=place, cure=cure)
        self.retry_after_s = retry_after_s


class InMaintenance(Transient):
    """The management server is there, and somebody closed it: it takes no jobs until the maintenance is over."""


class NotTheApi(RemoteError):
    """Something answered, but not the API: a proxy's HTML page, another service on that port."""


class UnknownOutcome(RemoteError):
    """A state-changing call was sent and its answer was lost. Ask what became of it; never send it again blindly."""


class Refused(RemoteError):
    """The server said no.

    `command` is the API command, `code` its error code (HTTP status or job result code), `cserrorcode`
    CloudStack's own number or None, `text` the server's own words, unchanged.
    """

    def __init__(
        self,
        text: str,
        *,
        command: str = "",
        code: int = 0,
        cserrorcode: int | None = None,
        place: str = "",
        cure: str = "",
    ) -> None:
        said = f"{command} refused with {code}: {text}" if command else text
        super().__init__(said, place=place, cure=cure)
        self.text = text
        self.command = command
        self.code = code
        self.cserrorcode = cserrorcode


class Unauthorised(RemoteError):
    """Wrong key, wrong password, or a role that lacks the right. Never retried: accounts lock."""

    exit_code = 2


class Untrusted(RemoteError):
    """The server's certificate is not the one we were told to trust."""

    exit_code = 2
