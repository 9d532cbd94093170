"""Every method the twin's vCenter has, by its name on the wire. What is not here is answered with MethodNotFound."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ingest.twin.vcenter.call import Call
from ingest.twin.vcenter.methods.collection import COLLECTION
from ingest.twin.vcenter.methods.files import FILES
from ingest.twin.vcenter.methods.login import LOGIN
from ingest.twin.vcenter.methods.places import PLACES
from ingest.twin.vcenter.methods.power import POWER
from ingest.twin.vcenter.methods.reconfigure import RECONFIGURE
from ingest.twin.vcenter.methods.registration import REGISTRATION
from ingest.twin.vcenter.methods.search import SEARCH
from ingest.twin.vcenter.methods.switches import SWITCHES
from ingest.twin.vcenter.values import Value

Handler: TypeAlias = Callable[[Call], Value]

METHODS: dict[str, Handler] = {
    **LOGIN,
    **COLLECTION,
    **POWER,
    **REGISTRATION,
    **RECONFIGURE,
    **PLACES,
    **FILES,
    **SWITCHES,
    **SEARCH,
}
