"""The CloudStack half of the twin: the world served as CloudStack's HTTP API."""

from ingest.twin.cloudstack.server import CloudStackServer

__all__ = ["CloudStackServer"]
