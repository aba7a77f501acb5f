"""Names and fingerprints of models, wherever their files lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from rag.core.errors import ModelError
from rag.generation.vllm.identity import ModelIdentity, identify
from tests.generation.conftest import tiny_model, tiny_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny model with its tokenizer."""
    folder = tmp_path / "somewhere" / "tiny-llama"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_a_copy_elsewhere_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    """Also when another version of the library wrote its files: the order and the spaces in them mean nothing."""
    copy = tmp_path / "elsewhere" / "tiny-llama"
    shutil.copytree(folder, copy)
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(Tokenizer.from_file(str(tokenizer)).to_str(pretty=False))
    first, second = (identify(str(path), str(path)) for path in (folder, copy))
    assert first == second
    assert first.name == "tiny-llama"
    assert first.served_name == f"tiny-llama@{first.fingerprint}"


def test_other_words_or_another_shape_are_another_model(folder: Path, tmp_path: Path) -> None:
    fingerprints = {identify(str(folder), str(folder)).fingerprint}
    words = tmp_path / "words"
    shutil.copytree(folder, words)
    tokenizer = words / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"w10"', '"w10000"'))
    fingerprints.add(identify(str(words), str(words)).fingerprint)
    shape = tmp_path / "shape"
    tiny_model("qwen2").save_pretrained(shape)
    tiny_tokenizer().save_pretrained(shape)
    fingerprints.add(identify(str(shape), str(shape)).fingerprint)
    assert len(fingerprints) == 3


def test_a_name_of_a_hub_stays(folder: Path) -> None:
    assert identify("somebody/tiny-llama", str(folder)).name == "somebody/tiny-llama"


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load model"):
        identify("nothing", str(tmp_path))


def test_a_file_goes_by_its_name(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.Q4_1.gguf"
    file.touch()
    assert identify(str(file), str(folder)).name == "tiny.Q4_1"


@pytest.mark.parametrize(
    ("names", "identity"),
    [
        (["m"], ModelIdentity("m")),
        (["m", "m@0123"], ModelIdentity("m", "0123")),
        (["org/m", "other", "org/m@0123"], ModelIdentity("org/m", "0123")),
        (["m", "mm@0123"], ModelIdentity("m")),
    ],
)
def test_names_that_a_server_offers(names: list[str], identity: ModelIdentity) -> None:
    assert ModelIdentity.from_served_names(names) == identity
