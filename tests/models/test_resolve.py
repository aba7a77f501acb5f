"""From what a user names to a folder: every form, and every wrong one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.load import load_generator
from rag.models.cache import cached_folders
from rag.models.resolve import resolve_encoder, resolve_generator


def test_a_gguf_file_becomes_a_folder(llama_gguf: Path, tmp_path: Path) -> None:
    name, folder = resolve_generator(Config(model=str(llama_gguf), cache_dir=tmp_path))
    assert name == str(llama_gguf)
    assert [Path(folder)] == cached_folders(tmp_path / "models")


def test_a_gguf_file_needs_no_suffix(llama_gguf: Path, tmp_path: Path) -> None:
    """Other programs keep models under names that are hashes."""
    blob = tmp_path / "sha256-1234"
    shutil.copyfile(llama_gguf, blob)
    folder = Path(resolve_generator(Config(model=str(blob), cache_dir=tmp_path))[1])
    assert folder.name.startswith("sha256-1234-")


def test_the_name_of_a_cached_model_is_enough(llama_gguf: Path, tmp_path: Path) -> None:
    _, folder = resolve_generator(Config(model=str(llama_gguf), cache_dir=tmp_path))
    assert resolve_generator(Config(model=Path(folder).name, cache_dir=tmp_path))[1] == folder


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    assert resolve_generator(Config(model=str(tmp_path))) == (str(tmp_path), str(tmp_path))
    assert resolve_encoder(Config(encoder=str(tmp_path))) == (str(tmp_path), str(tmp_path))


def test_a_folder_of_gguf_files_says_which_to_give(llama_gguf: Path) -> None:
    with pytest.raises(ModelError, match=f"give one of them, such as {llama_gguf}"):
        resolve_generator(Config(model=str(llama_gguf.parent)))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model: it has no config\.json"):
        resolve_generator(Config(model=str(tmp_path)))


def test_a_gguf_file_is_no_encoder(llama_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give a sentence encoder's folder"):
        resolve_encoder(Config(encoder=str(llama_gguf), cache_dir=tmp_path))


@pytest.mark.parametrize("name", ["missing.gguf", "no-such/model", "/nowhere/at/all", "a b", "x" * 300])
def test_a_wrong_name_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_generator(Config(model=name, cache_dir=tmp_path / "empty"))
    assert name[:80] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no file or folder"):
        resolve_generator(Config(model=str(tmp_path / "pipe")))


def test_a_gguf_file_answers_a_question(llama_gguf: Path, tmp_path: Path, embeddings: Any) -> None:
    (tmp_path / "doc.txt").write_text("The harbour opens at nine.")
    settings = Config(model=str(llama_gguf), cache_dir=tmp_path / "cache", max_tokens=4)
    with Engine.open(tmp_path / "library", embeddings=embeddings, config=settings) as engine:
        engine.add(tmp_path / "doc.txt")
        assert engine.ask("When does it open?").tokens.generated > 0


def test_a_broken_file_is_one_line_for_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\xff" * 100)
    with pytest.raises(ModelError) as caught:
        load_generator(Config(model=str(file), cache_dir=tmp_path))
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
