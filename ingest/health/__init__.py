"""Is it up? Checks of ports, web pages, VMware Tools and addresses, tried until they pass or their time is over.

    results = run_checks([TcpCheck("10.1.2.3", 22), HttpCheck("http://10.1.2.3/health", text="ok")])

Opens connections to guests, directly or through an HTTP proxy; what vCenter says of guests is read by a function the
caller gives. A check that does not pass is a result, never an exception.
"""

from ingest.health.checks import Check, CheckResult, HeartbeatCheck, HttpCheck, IpCheck, TcpCheck
from ingest.health.running import MoreChecks, Patience, ReadGuests, run_checks

__all__ = [
    "Check",
    "CheckResult",
    "HeartbeatCheck",
    "HttpCheck",
    "IpCheck",
    "MoreChecks",
    "Patience",
    "ReadGuests",
    "TcpCheck",
    "run_checks",
]
