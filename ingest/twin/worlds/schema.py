"""World files against their models: see `ingest.yamlmodels`."""

from __future__ import annotations

from ingest.yamlmodels import allowed_keys, checked, explained

__all__ = ["allowed_keys", "checked", "explained"]
