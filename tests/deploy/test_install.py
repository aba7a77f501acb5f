"""The installer, with the real pip: what it chooses, what it says when it cannot go on, and that it resumes."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "deploy" / "install.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["install"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


install: Any = load_script()


def run_script(venv: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The installer where pip is set up by ``variables`` alone."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--venv", str(venv)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environ | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "https://127.0.0.1:9/simple"} | variables,
    )


def write_wheel(folder: Path, version: str) -> None:
    """A wheel of torch with nothing in it, which pip takes for a real one."""
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    created = install.Environment(tmp_path_factory.mktemp("installer") / "venv")
    created.create()
    return created


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows, on a machine without a GPU; it has the package index's build of torch."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, install.pinned("torch"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return folder


def test_an_old_python_can_read_it() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 8))


@pytest.mark.real
def test_the_cpu_build_is_taken_where_pip_finds_it(environment: Any, wheels: Path) -> None:
    write_wheel(wheels, f"{install.pinned('torch')}+cpu")
    assert install.choose_torch(environment).requirement == f"torch=={install.pinned('torch')}+cpu"


@pytest.mark.real
def test_the_index_build_is_taken_with_one_line(
    environment: Any, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install.choose_torch(environment) == install.Torch(f"torch=={install.pinned('torch')}")
    [line] = capsys.readouterr().err.splitlines()
    assert "several GB" in line
    assert "TORCH_INDEX" in line


@pytest.mark.real
def test_torch_index_is_asked_when_pip_knows_no_cpu_build(
    environment: Any, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{install.pinned('torch')}+cpu"
    index = tmp_path / "index"
    (index / "torch").mkdir(parents=True)
    write_wheel(index / "torch", version)
    (index / "torch" / "index.html").write_text(f'<a href="torch-{version}-py3-none-any.whl">torch</a>')
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "https://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("TORCH_INDEX", index.as_uri())
    expected = install.Torch(f"torch=={version}", ("--index-url", index.as_uri()), is_cpu=True)
    assert install.choose_torch(environment) == expected


@pytest.mark.real
def test_a_torch_index_that_does_not_answer_is_passed_over(
    environment: Any, wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "https://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("TORCH_INDEX", "https://127.0.0.1:9/cpu")
    assert not install.choose_torch(environment).is_cpu
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.real
def test_a_gpu_machine_takes_the_index_build(environment: Any, wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, f"{install.pinned('torch')}+cpu")
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nexit 0\n")
    driver.chmod(0o755)
    assert install.choose_torch(environment) == install.Torch(f"torch=={install.pinned('torch')}")


def test_finished_steps_are_remembered_until_their_files_change(tmp_path: Path) -> None:
    install.Environment(tmp_path).mark("torch", "2.13.0")
    again = install.Environment(tmp_path)
    assert again.is_done("torch", "2.13.0")
    assert not again.is_done("torch", "2.14.0")
    assert not again.is_done("concord", "2.13.0")


def test_a_full_disk_is_refused_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.GIGABYTES, "torch", 1e9)
    with pytest.raises(install.InstallError, match="GB of disk space"):
        install.check_space(tmp_path / "venv", "torch")


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "PYTHONS", ((3, 98), (3, 99)))
    with pytest.raises(install.InstallError, match=r"needs Python 3\.98 or 3\.99, .*PYTHON="):
        install.check_python()


@pytest.mark.real
@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({}, "the package index does not answer"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "PIP_INDEX_URL": "https://index.invalid/simple"}, "HTTPS_PROXY"),
    ],
)
def test_no_index_is_one_line(tmp_path: Path, variables: dict[str, str], word: str) -> None:
    result = run_script(tmp_path / "venv", **variables)
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert word in line


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "TMPDIR"),
        (
            "WARNING: ('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy ...'))",
            "HTTPS_PROXY",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate ...", "PIP_CERT"),
        ("ERROR: HTTP error 403 while getting https://index.example/simple/pip/", "PIP_INDEX_URL"),
    ],
)
def test_pips_words_become_advice(words: str, advice: str, tmp_path: Path) -> None:
    assert advice in install._cause(words, tmp_path)


def test_a_conflict_is_told_in_pips_own_first_line() -> None:
    words = "ERROR: Cannot install a and b because they conflict.\nERROR: ResolutionImpossible: for help visit ...\n"
    assert install._cause(words, Path()) is None
    assert install._last_line(words) == "Cannot install a and b because they conflict."


def test_both_worlds_resolve_in_continuous_integration() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.count("deploy/install.py --dev --dry-run") == 2
    assert "PIP_CONFIG_FILE=/dev/null" in script
