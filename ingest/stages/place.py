"""A place for files that other machines reach, named by a URL of fsspec: `s3://bucket/runs`, `file:///srv/runs`.

Credentials come from where the file system's own package looks for them (environment, instance role), never from the
URL, which is written into run folders and shown to people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import IngestError, RemoteError, SettingsError
from ingest.stages.atomic import write_atomically

_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "smb": "smbprotocol",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the file system the URL names. Every method raises RemoteError when it does not do what is asked, and
    SettingsError when the URL's scheme is unknown or needs a package that is not installed."""

    url: str

    def below(self, name: str) -> Place:
        """A folder in it."""
        return Place(f"{self.url.rstrip('/')}/{name}")

    def put(self, name: str, content: bytes) -> None:
        """Keep a file whole. Object stores take it whole or not at all, folders by a rename; others as they can."""
        with self._told(f"{name} cannot be published"):
            system, root = self._opened()
            if _is_local(system):
                Path(root).mkdir(parents=True, exist_ok=True)
                write_atomically(Path(root) / name, content)
            else:
                system.makedirs(root, exist_ok=True)
                system.pipe_file(f"{root}/{name}", content)

    def get(self, name: str) -> bytes | None:
        """A file; None when it is not there."""
        with self._told(f"{name} cannot be read"):
            system, root = self._opened()
            try:
                return bytes(system.cat_file(f"{root}/{name}"))
            except FileNotFoundError:
                return None

    def names(self) -> list[str]:
        """The files right in it, sorted; none when there is no such folder."""
        with self._told("cannot be listed"):
            system, root = self._opened()
            system.invalidate_cache()
            try:
                found = system.ls(root, detail=True)
            except FileNotFoundError:
                return []
            return sorted(str(one["name"]).rsplit("/", 1)[-1] for one in found if one["type"] == "file")

    def _opened(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs  # takes a while, and only those who publish need it

        scheme = self.url.partition("://")[0]
        try:
            system, root = url_to_fs(self.url)
        except ImportError:
            package = _PACKAGES.get(scheme, "the one fsspec names for it")
            raise SettingsError(
                f"{scheme}:// needs a package that is not installed: {package}",
                place=self.url,
                cure=f"install it beside this program: pip install {_PACKAGES.get(scheme, 'PACKAGE')}",
            ) from None
        except ValueError as error:
            raise SettingsError(str(error), place=self.url, cure="use s3://, gs://, abfs:// or file:///") from None
        return system, str(root).rstrip("/")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except SettingsError:
            raise
        except Exception as error:  # noqa: BLE001  every file system has errors of its own
            said = error.message if isinstance(error, IngestError) else str(error) or type(error).__name__
            raise RemoteError(
                f"{what}: {said}",
                place=self.url,
                cure="check network, rights, and the credentials this process has; then run this again",
            ) from None


def _is_local(system: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(system, LocalFileSystem)
