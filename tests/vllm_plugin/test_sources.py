"""The plugin against another vLLM's Python sources: a version that is not installed, or not built for this machine.

    CONCORD_VLLM_SOURCES=FOLDER pytest tests/vllm_plugin/test_sources.py

FOLDER is an unpacked wheel or a checkout: the folder that holds the package ``vllm``. Its sources stand in front of the
installed vLLM, whose dependencies serve them, and count as a CPU build. This runs the check of names (``compat``), both
logits processors, and the scheduler over vLLM's own scheduler, cache manager and requests with a simulated worker. It
runs no model: the compiled parts, the workers, the model runners and the server need a real installation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

SOURCES = os.environ.get("CONCORD_VLLM_SOURCES", "")
HERE = Path(__file__).parent
WITHOUT_AN_ENGINE = ("compat", "registry", "processors", "scheduler", "adapters")

pytestmark = pytest.mark.skipif(not SOURCES, reason="CONCORD_VLLM_SOURCES names no folder with vLLM's sources")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process in which those sources are vLLM."""
    paths = [str(HERE.parents[1]), str(Path(SOURCES).resolve())]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "VLLM_TARGET_DEVICE": "cpu"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


def test_those_sources_are_imported() -> None:
    result = run("-c", "import vllm; print(vllm.__version__, vllm.__file__)")
    assert result.returncode == 0, result.stderr
    version, place = result.stdout.split(maxsplit=1)
    print(f"vLLM {version}")
    assert Path(place.strip()).is_relative_to(Path(SOURCES).resolve())


def test_everything_that_needs_no_engine_passes() -> None:
    files = [str(HERE / f"test_{name}.py") for name in WITHOUT_AN_ENGINE]
    result = run("-m", "pytest", "-m", "not real and not soak", "-p", "no:cacheprovider", "-o", "addopts=-ra", *files)
    print(result.stdout)
    summary = re.search(r"=+ (\d+) passed.* in .* =+\s*$", result.stdout)
    assert result.returncode == 0
    assert summary is not None
    assert int(summary[1]) > 80
    assert "skipped" not in summary[0]
