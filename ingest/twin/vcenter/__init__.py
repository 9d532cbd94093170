"""An embedded vCenter: the world of `ingest.twin.world` over real SOAP and TLS.

Model limits, stated openly: no roles and permissions (only what settings refuse), alarms, events, performance data,
tags, storage policies, clones or snapshots as operations. A method that is not imitated answers MethodNotFound;
Destroy_Task and the deletion of files are among those on purpose: nothing in this project may destroy a VM.
"""

from __future__ import annotations

from ingest.twin.vcenter.disturbances import Disturbance
from ingest.twin.vcenter.methods.privileges import READ_ONLY
from ingest.twin.vcenter.server import VCenterServer
from ingest.twin.vcenter.settings import VCenterSettings

__all__ = ["READ_ONLY", "Disturbance", "VCenterServer", "VCenterSettings"]
