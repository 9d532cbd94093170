"""The five stages as Prefect tasks, one file each: names, retries, artifacts and progress live here, nothing else."""

import os

from ingest.quiet import no_telemetry

no_telemetry(os.environ)
