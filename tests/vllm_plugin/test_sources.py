"""The plugin against another vLLM's Python sources: a version that is not installed, or not built for this machine.

    CONCORD_VLLM_SOURCES=FOLDER pytest tests/vllm_plugin/test_sources.py

FOLDER is an unpacked wheel or a checkout: the folder that holds the package ``vllm``. Its Python sources stand in front
of the installed vLLM and count as a CPU build; the compiled parts and all dependencies are the installed ones.

The first tests run what needs no engine: the check of names (``compat``), both logits processors, and the scheduler
over vLLM's own scheduler, cache manager and requests with a simulated worker. The last one (``real``, minutes) runs
the engine and the server. It can fail where the compiled parts of the two versions differ, which says nothing about the
plugin. Nothing here runs a GPU, or model runner V2 inside an engine.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

SOURCES = os.environ.get("CONCORD_VLLM_SOURCES", "")
HERE = Path(__file__).parent
WITHOUT_AN_ENGINE = ("compat", "registry", "processors", "scheduler", "adapters")
WITH_AN_ENGINE = ("vllm", "adapters", "soak")

pytestmark = pytest.mark.skipif(not SOURCES, reason="CONCORD_VLLM_SOURCES names no folder with vLLM's sources")


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those sources with the installed compiled parts, as links."""
    folder = tmp_path_factory.mktemp("overlay")
    sources, package = Path(SOURCES).resolve() / "vllm", folder / "vllm"
    shutil.copytree(sources, package, copy_function=os.symlink, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    installed = Path(str(importlib.util.find_spec("vllm").origin)).parent  # type: ignore[union-attr]
    for compiled in installed.glob("*.so"):
        (package / compiled.name).symlink_to(compiled)
    return folder


def run(overlay: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process in which those sources are vLLM."""
    paths = [str(HERE.parents[1]), str(overlay)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "VLLM_TARGET_DEVICE": "cpu"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


def check_passed(overlay: Path, names: Sequence[str], markers: str, least: int) -> None:
    """At least so many tests pass, none fails and none is skipped."""
    files = [str(HERE / f"test_{name}.py") for name in names]
    result = run(overlay, "-m", "pytest", "-m", markers, "-p", "no:cacheprovider", "-o", "addopts=-ra", *files)
    print(result.stdout)
    summary = re.search(r"=+ (\d+) passed.* in .* =+\s*$", result.stdout)
    assert result.returncode == 0
    assert summary is not None
    assert int(summary[1]) >= least
    assert "skipped" not in summary[0]


def test_those_sources_are_imported(overlay: Path) -> None:
    result = run(overlay, "-c", "import vllm; print(vllm.__version__, vllm.__file__)")
    assert result.returncode == 0, result.stderr
    version, place = result.stdout.split(maxsplit=1)
    print(f"vLLM {version}")
    assert Path(place.strip()).is_relative_to(overlay)


def test_what_needs_no_engine_passes(overlay: Path) -> None:
    check_passed(overlay, WITHOUT_AN_ENGINE, "not real and not soak", least=80)


@pytest.mark.real
def test_the_engine_passes(overlay: Path) -> None:
    check_passed(overlay, WITH_AN_ENGINE, "real and not soak", least=20)
