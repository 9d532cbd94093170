"""What an operator runs: one file per flow, the stages in order."""

import os

from ingest.quiet import no_telemetry

no_telemetry(os.environ)
