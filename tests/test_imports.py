"""The twin is independent of what it tests: what a fresh interpreter really holds after importing it.

`lint-imports` reads import statements, those inside functions included; this sees whatever else loads a module.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOAD = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
print(*[name for name in sys.modules if name.partition(".")[0] in ("ingest", "flows", "tasks", "prefect")])
"""
# Reading files is no judgement: that code may be shared.
ALLOWED = ("ingest.twin", "ingest.model", "ingest.errors", "ingest.yamltext", "ingest.yamlmodels")
SUBJECTS = ("ingest.plan", "ingest.engine", "ingest.report", "ingest.cloudstack", "ingest.vsphere", "ingest.stages")


def loaded_by(*packages: str, folder: Path = ROOT) -> list[str]:
    """Our own modules, and Prefect's, that a new interpreter holds after importing every module of the packages."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *packages],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.split())


def belongs(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def modules_of(package: str) -> set[str]:
    """The names of its modules by the files that are there."""
    files = (ROOT / package.replace(".", "/")).rglob("*.py")
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__") for name in names}


def test_the_whole_twin_loads_nothing_but_the_model_and_the_errors() -> None:
    loaded = loaded_by("ingest.twin")
    assert modules_of("ingest.twin") <= set(loaded)
    assert [name for name in loaded if name != "ingest" and not belongs(name, ALLOWED)] == []


def test_what_the_twin_tests_does_not_load_the_twin() -> None:
    loaded = loaded_by(*SUBJECTS)
    for package in SUBJECTS:
        assert modules_of(package) <= set(loaded)
    assert [name for name in loaded if belongs(name, ("ingest.twin", "prefect"))] == []


def test_an_indirect_import_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "disloyal"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "server.py").write_text("import helper\n", encoding="utf-8")
    (tmp_path / "helper.py").write_text("import ingest.plan.columns\n", encoding="utf-8")
    loaded = loaded_by("disloyal", folder=tmp_path)
    assert [name for name in loaded if name.startswith("ingest.") and not belongs(name, ALLOWED)] == [
        "ingest.plan",
        "ingest.plan.columns",
    ]
