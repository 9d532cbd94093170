"""Settings: where the two servers are, and where runs are kept.

Order, first found wins, value by value:

1. environment variables, `INGEST_CLOUDSTACK_URL`, `INGEST_VCENTER_HOST`, ... (see `docs/reference/settings.md`);
2. the TOML file: `INGEST_CONFIG`, else `./ingest.toml` if it exists; tables `[cloudstack]`, `[vcenter]`, `[run]`;
3. for the secrets only: the secret store handed in by the caller (the flows hand in Prefect Secret blocks);
4. the defaults in `ingest.model.endpoints`.

Secrets in the TOML file are refused: files are copied, mailed and committed.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ingest.errors import SettingsError
from ingest.model.endpoints import CloudStackEndpoint, HealthEndpoint, VCenterEndpoint

ENV_PREFIX = "INGEST_"
CONFIG_VARIABLE = "INGEST_CONFIG"
DEFAULT_CONFIG = Path("ingest.toml")

SecretStore = Callable[[str], str | None]
"""Given a name like `ingest-cloudstack-secret-key`, gives the secret or None."""


class RunSettings(BaseModel):
    """Defaults of a run. `folder` holds one sub-folder per run. A URL of fsspec there (`s3://bucket/runs`,
    `file:///srv/runs`) means: runs work in the sub-folder runs of `state` and publish their folders at the URL, for
    other machines to go on from; `published` says the same with a working folder of one's own. `rules` is the
    operator's mapping file, `checks` a suite of expectations of their own; `state` keeps what must outlive a run, such
    as the database of a local Prefect server. `ledger` is the path of a SQLite file or a URL,
    `postgresql://user@host/database`, which several machines can share; without it `ledger.db` in `state`. Secret,
    because a URL may hold a password. `site` says which site these settings belong to: runs of that name may use them
    where Prefect has no credentials block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Path("runs")
    published: str = ""
    rules: Path | None = None
    checks: Path | None = None
    state: Path = Path(".ingest")
    ledger: SecretStr | None = None
    site: str = ""

    @model_validator(mode="before")
    @classmethod
    def _publish(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "://" not in str(values.get("folder", "")):
            return values
        return values | {"folder": Path(values.get("state", ".ingest")) / "runs", "published": str(values["folder"])}

    @field_validator("published")
    @classmethod
    def _without_password(cls, url: str) -> str:
        if _has_password(url):
            raise ValueError("no password in the URL: everybody sees it; the file system looks in the environment")
        return url.rstrip("/")

    def at(self, folder: str) -> RunSettings:
        """The same with another folder or URL; '' changes nothing."""
        changed = self.model_dump(exclude={"published"}) | {"folder": folder}
        return type(self).model_validate(changed) if folder else self


PROGRAM = Path(__file__).resolve().parent
"""Where this program's own files are."""

Section = TypeVar("Section", bound=BaseModel)
SECTIONS: dict[str, type[BaseModel]] = {
    "cloudstack": CloudStackEndpoint,
    "vcenter": VCenterEndpoint,
    "run": RunSettings,
    "health": HealthEndpoint,
}


def secret_name(section: str, field: str) -> str:
    """The name of a secret in a secret store (Prefect block names allow lower case, digits and dashes only)."""
    return f"ingest-{section}-{field}".replace("_", "-")


def variable(section: str, field: str) -> str:
    """The environment variable of a setting; nested fields use two underscores (`TIMEOUTS__READ_S`)."""
    return f"{ENV_PREFIX}{section}_{field}".replace(".", "__").upper()


@dataclass(frozen=True, slots=True)
class Settings:
    """A lazily validated view on the sources: asking for one server does not demand the other's settings.

    `endpoints` are known already, whole, by section; `run_values` go before the other sources of the section run.
    """

    toml: Mapping[str, Any]
    toml_path: Path | None = None
    secrets: SecretStore | None = None
    endpoints: Mapping[str, BaseModel] = dataclasses.field(default_factory=dict)
    run_values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def cloudstack(self) -> CloudStackEndpoint:
        """The CloudStack endpoint. Raises SettingsError naming what is missing or wrong, and how to set it."""
        return self._section("cloudstack", CloudStackEndpoint)

    @property
    def vcenter(self) -> VCenterEndpoint:
        """The vCenter endpoint. Raises SettingsError naming what is missing or wrong, and how to set it."""
        return self._section("vcenter", VCenterEndpoint)

    @property
    def health(self) -> HealthEndpoint:
        """How health checks reach guests."""
        return self._section("health", HealthEndpoint)

    @property
    def run(self) -> RunSettings:
        """Defaults of runs. Raises SettingsError also where runs or ledger would lie within the installed program."""
        found = self._section("run", RunSettings)
        _refuse_the_program_itself(found)
        return found

    def _section(self, name: str, model: type[Section]) -> Section:
        known = self.endpoints.get(name)
        if isinstance(known, model):
            return known
        loader = _loader(name, model, self.toml.get(name, {}), self.secrets)
        first = self.run_values if name == "run" else {}
        try:
            return model.model_validate(loader().model_dump(exclude_unset=True, exclude_none=True) | dict(first))
        except ValidationError as error:
            raise self._explain(name, error) from None

    def _explain(self, section: str, error: ValidationError) -> SettingsError:
        problems = []
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            field = ".".join(str(part) for part in item["loc"])
            where = variable(section, field)
            if item["type"] == "missing":
                problems.append(f"{where} is not set")
            elif item["type"] == "extra_forbidden":
                problems.append(f"unknown setting {section}.{field}{_nearest(item['loc'], SECTIONS[section])}")
            else:
                problems.append(f"{where}: {item['msg']}")
        path = self.toml_path or DEFAULT_CONFIG
        return SettingsError(
            "; ".join(problems),
            place=f"settings of {section}",
            cure=f"set the environment variables, or the table [{section}] of {path} (secrets: environment or Prefect "
            "Secret blocks only); `ingest doctor` checks them, `ingest twin serve` prints a working set",
        )


def load_settings(config: Path | None = None, *, secrets: SecretStore | None = None) -> Settings:
    """The settings of this process.

    `config` is the TOML file; without it INGEST_CONFIG, then ./ingest.toml if there is one. Raises SettingsError for
    an unreadable or malformed file, an unknown table or key, a secret in the file, or an unknown INGEST_ variable.
    """
    _refuse_unknown_variables()
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    path = named or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return Settings(_read_toml(path) if path else {}, path, secrets)


def _refuse_the_program_itself(run: RunSettings) -> None:
    """A deployment runs in the folder of its flows: of an installed program that is one the next update takes away."""
    installed = PROGRAM.parent
    if installed.name not in {"site-packages", "dist-packages"}:
        return
    for field in ("folder", "state"):
        path = getattr(run, field).resolve()
        if path.is_relative_to(installed):
            raise SettingsError(
                f"{path} lies within the installed program, and an update would take it away",
                place=variable("run", field),
                cure=f"set {variable('run', 'folder')} and {variable('run', 'state')} to folders of the worker's own, "
                "such as /var/lib/ingest/runs and /var/lib/ingest/state",
            )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(
            f"cannot be read: {error.strerror}", place=str(path), cure=f"check the path, or unset {CONFIG_VARIABLE}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"is not TOML: {error}", place=str(path), cure="mend the line named above") from None
    for table, values in document.items():
        if table not in SECTIONS or not isinstance(values, dict):
            raise SettingsError(
                f"unknown table or key '{table}'", place=str(path), cure=f"use the tables {', '.join(SECTIONS)}"
            )
        for field in values:
            info = SECTIONS[table].model_fields.get(field)
            if info is not None and _is_secret(info) and (not may_be_public(info) or _has_password(values[field])):
                raise SettingsError(
                    f"[{table}] {field} is a secret and does not belong in a file",
                    place=str(path),
                    cure=f"remove it; set {variable(table, field)}, or a Prefect Secret block named "
                    f"{secret_name(table, field)}",
                )
    return document


def _refuse_unknown_variables() -> None:
    known = {CONFIG_VARIABLE}
    prefixes = []
    for section, model in SECTIONS.items():
        for field in model.model_fields:
            known.add(variable(section, field))
            prefixes.append(variable(section, field) + "__")
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and name not in known and not name.startswith(tuple(prefixes)):
            close = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(
                "unknown setting" + (f"; did you mean {close[0]}?" if close else ""),
                place=f"environment variable {name}",
                cure="unset it, or correct its name (docs/reference/settings.md lists all)",
            )


def _nearest(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(str(loc[0]), list(model.model_fields), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _is_secret(info: FieldInfo) -> bool:
    return info.annotation is SecretStr or may_be_public(info)


def may_be_public(info: FieldInfo) -> bool:
    """Whether a setting is a URL, secret only if there is a password in it."""
    return info.annotation == SecretStr | None


def _has_password(url: object) -> bool:
    return re.search(r"://[^/@]*:[^@]*@|[?&]password=", str(url), re.IGNORECASE) is not None


def _loader(section: str, model: type[BaseModel], table: Any, secrets: SecretStore | None) -> type[BaseSettings]:
    """A settings class for one section, with our order of sources. Fields are optional here: the model decides."""

    class FromTable(PydanticBaseSettingsSource):
        def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
            return table.get(field_name), field_name, False

        def __call__(self) -> dict[str, Any]:
            return dict(table)

    class FromSecretStore(PydanticBaseSettingsSource):
        def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
            value = secrets(secret_name(section, field_name)) if secrets else None
            return value, field_name, False

        def __call__(self) -> dict[str, Any]:
            wanted = (
                name for name, info in model.model_fields.items() if _is_secret(info) and name not in self.current_state
            )
            found = {name: self.get_field_value(model.model_fields[name], name)[0] for name in wanted}
            return {name: value for name, value in found.items() if value}

    class Loader(BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=f"{ENV_PREFIX}{section}_".upper(),
            env_nested_delimiter="__",
            env_ignore_empty=True,
            extra="allow",
            hide_input_in_errors=True,
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, FromTable(settings_cls), FromSecretStore(settings_cls)

    fields: dict[str, Any] = {
        name: (dict[str, Any] | None if _is_nested(info) else Any, Field(default=None))
        for name, info in model.model_fields.items()
    }
    return create_model(f"{section.title()}Settings", __base__=Loader, **fields)


def _is_nested(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
