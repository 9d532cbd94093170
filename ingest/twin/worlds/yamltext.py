"""The YAML of world files: see `ingest.yamltext`."""

from __future__ import annotations

from ingest import yamltext
from ingest.yamltext import Document, Path, Plain, key_path

__all__ = ["CURE", "Document", "Path", "Plain", "key_path", "read_document"]

CURE = "correct the file; docs and comments of data/demo-world.yaml describe its keys"


def read_document(text: str, source: str) -> Document:
    """The text as plain data with lines. Raises RulesError with file, line and what is wrong."""
    return yamltext.read_document(text, source, cure=CURE)
