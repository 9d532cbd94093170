"""Settings: order of the sources, and one clear message for each mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.settings import load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("INGEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _toml(text: str) -> Path:
    path = Path("ingest.toml")
    path.write_text(text, encoding="utf-8")
    return path


def test_environment_beats_file_beats_secret_store_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    _toml('[vcenter]\nhost = "from-file"\nuser = "file-user"\nport = 8443\n')
    monkeypatch.setenv("INGEST_VCENTER_HOST", "from-env")
    secrets = {"ingest-vcenter-password": "from-block"}
    vcenter = load_settings(secrets=secrets.get).vcenter
    assert (vcenter.host, vcenter.user, vcenter.port) == ("from-env", "file-user", 8443)
    assert vcenter.password.get_secret_value() == "from-block"
    assert vcenter.verify_tls is True
    monkeypatch.setenv("INGEST_VCENTER_PASSWORD", "from-env-too")
    assert load_settings(secrets=secrets.get).vcenter.password.get_secret_value() == "from-env-too"


def test_one_server_does_not_need_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "vc", "USER": "u", "PASSWORD": "p"}.items():
        monkeypatch.setenv(f"INGEST_VCENTER_{name}", value)
    settings = load_settings()
    assert settings.vcenter.host == "vc"
    with pytest.raises(SettingsError, match="INGEST_CLOUDSTACK_URL is not set") as caught:
        _ = settings.cloudstack
    assert "INGEST_CLOUDSTACK_API_KEY is not set" in str(caught.value)
    assert caught.value.exit_code == 2


def test_nested_timeouts_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"INGEST_CLOUDSTACK_{name}", "x")
    monkeypatch.setenv("INGEST_CLOUDSTACK_TIMEOUTS__LIST_UNMANAGED_S", "7200")
    assert load_settings().cloudstack.timeouts.list_unmanaged_s == 7200


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[vcenter\n", "is not TOML"),
        ("[vsphere]\nhost='x'\n", "unknown table or key 'vsphere'"),
        ("[cloudstack]\nsecret_key='s3cr3t'\n", "is a secret and does not belong in a file"),
    ],
)
def test_bad_file(text: str, says: str) -> None:
    _toml(text)
    with pytest.raises(SettingsError, match=r"ingest\.toml") as caught:
        load_settings()
    assert says in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_unknown_key_and_bad_value_are_named() -> None:
    _toml('[vcenter]\nhost="h"\nuser="u"\nprot=1\nport="many"\n')
    with pytest.raises(SettingsError) as caught:
        _ = load_settings(secrets=lambda _: "p").vcenter
    assert "unknown setting vcenter.prot; did you mean port?" in str(caught.value)
    assert "INGEST_VCENTER_PORT" in str(caught.value)


def test_misspelt_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CLOUDSTAK_URL", "x")
    with pytest.raises(SettingsError, match="did you mean INGEST_CLOUDSTACK_URL"):
        load_settings()


def test_missing_file_named_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"INGEST_CLOUDSTACK_{name}", f"visible-{name}")
    assert "visible-SECRET_KEY" not in repr(load_settings().cloudstack)
    monkeypatch.setenv("INGEST_CLOUDSTACK_VERIFY_TLS", "perhaps")
    with pytest.raises(SettingsError) as caught:
        _ = load_settings().cloudstack
    assert "visible" not in str(caught.value)
    assert "INGEST_CLOUDSTACK_VERIFY_TLS" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@db/ledger",
        "postgresql://:hunter2@db/ledger",
        "postgresql://db/ledger?user=ann&password=hunter2",
        "postgresql://ann:hun/ter2@db/ledger",
    ],
)
def test_a_ledger_url_with_a_password_is_refused_in_the_file_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _toml(f'[run]\nledger = "{url}"\n')
    with pytest.raises(SettingsError, match=r"\[run\] ledger is a secret") as caught:
        load_settings()
    assert "ter2" not in str(caught.value)
    assert "INGEST_RUN_LEDGER" in str(caught.value)
    _toml("")
    monkeypatch.setenv("INGEST_RUN_LEDGER", url)
    run = load_settings().run
    assert run.ledger is not None
    assert run.ledger.get_secret_value() == url
    assert "ter2" not in repr(run)


@pytest.mark.parametrize(
    "place", ["state/ledger.db", "sqlite:////var/lib/ledger.db", "postgresql://ann@db:5432/ledger"]
)
def test_a_ledger_without_a_password_may_stand_in_the_file(place: str) -> None:
    _toml(f'[run]\nledger = "{place}"\n')
    run = load_settings().run
    assert run.ledger is not None
    assert run.ledger.get_secret_value() == place


def test_the_ledger_s_url_from_the_secret_store() -> None:
    run = load_settings(secrets={"ingest-run-ledger": "postgresql://ann:hunter2@db/ledger"}.get).run
    assert run.ledger is not None
    assert run.ledger.get_secret_value() == "postgresql://ann:hunter2@db/ledger"


def test_runs_do_not_go_where_the_program_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "lib/site-packages/ingest"
    (program / "data").mkdir(parents=True)
    monkeypatch.setattr("ingest.settings.PROGRAM", program)
    monkeypatch.chdir(program / "data")  # as a deployment's run has it
    with pytest.raises(SettingsError, match=r"INGEST_RUN_FOLDER: .*data/runs lies within the installed program"):
        load_settings().run  # noqa: B018
    monkeypatch.setenv("INGEST_RUN_FOLDER", str(tmp_path / "runs"))
    with pytest.raises(
        SettingsError, match=r"INGEST_RUN_STATE: .*data/\.ingest lies within(.|\n)*/var/lib/ingest/state"
    ):
        load_settings().run  # noqa: B018
    monkeypatch.setenv("INGEST_RUN_STATE", str(tmp_path / "state"))
    assert load_settings().run.folder == tmp_path / "runs"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INGEST_RUN_FOLDER")
    assert load_settings().run.folder == Path("runs")
