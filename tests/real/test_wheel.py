"""The wheel, installed into an empty environment: the demo runs from it, away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.real
# What a build needs, and no more: deploy/Dockerfile copies the same.
SOURCES = ("rag", "retrievers", "decoders", "kg", "eval", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; what the wheel needs is looked up in this environment's packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source, cwd=folder)
    venv = folder / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=folder)
    [wheel] = folder.glob("concord_rag-*.whl")
    run(*pip, "--python", venv / "bin" / "python", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = next((venv / "lib").glob("python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


def test_its_code_is_not_the_checkouts(venv: Path, tmp_path: Path) -> None:
    place = run(venv / "bin" / "python", "-c", "import rag; print(rag.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(venv)


def test_the_demo_runs_from_it(venv: Path, tmp_path: Path) -> None:
    answers = run(venv / "bin" / "concord", "demo", cwd=tmp_path)
    assert "Clara Hensley" in answers
    assert "Neil Armstrong" in answers
    assert "Mount Tavrin" in answers
    assert "Port Selwick" in answers
    assert len(run(venv / "bin" / "concord", "ls", "demo-library", cwd=tmp_path).splitlines()) > 24
