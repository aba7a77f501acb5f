"""Headers of GGUF files, whole and damaged."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rag.core.errors import ModelError
from rag.models.gguf.header import read_header
from tests.models.conftest import write_gguf


def test_a_header_says_what_the_file_holds(llama_gguf: Path, llama: Any) -> None:
    header = read_header(llama_gguf)
    sizes = [parameter.numel() for parameter in llama.parameters()]
    assert (header.architecture, header.kind, header.name, header.license) == ("llama", "model", "Tiny", "apache-2.0")
    assert (header.window, header.file_type) == (256, "F32")
    assert (header.num_weights, header.largest_tensor) == (sum(sizes), max(sizes))
    assert header.cache_values == 2 * 3 * 2 * 8  # keys and values, layers, heads of keys, width of a head


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.gguf"
    file.write_text("These are notes.")
    with pytest.raises(ModelError, match=r"notes\.gguf is no GGUF file"):
        read_header(file)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.gguf"
    file.touch()
    with pytest.raises(ModelError, match="is no GGUF file"):
        read_header(file)


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 0.9999])
def test_a_truncated_file_is_refused(share: float, llama_gguf: Path, tmp_path: Path) -> None:
    data = llama_gguf.read_bytes()
    file = tmp_path / "short.gguf"
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=r"short\.gguf is damaged or not complete"):
        read_header(file)


def test_flipped_bytes_end_in_a_header_or_one_line(llama_gguf: Path, tmp_path: Path) -> None:
    """No count in a damaged header may take memory or time that the file's size does not explain."""
    data = llama_gguf.read_bytes()
    chance = random.Random(3)
    for number in range(300):
        damaged = bytearray(data)
        for _ in range(4):
            damaged[chance.randrange(4, 1200)] = chance.randrange(256)
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(damaged)
        with suppress(ModelError):
            read_header(file)


def test_a_part_of_a_split_model_is_refused_by_its_name(llama_gguf: Path, tmp_path: Path) -> None:
    file = tmp_path / "model-00001-of-00003.gguf"
    shutil.copyfile(llama_gguf, file)
    with pytest.raises(ModelError, match=r"one of 3 parts of a model; join them"):
        read_header(file)


def test_an_unknown_version_is_refused(llama_gguf: Path, tmp_path: Path) -> None:
    data = bytearray(llama_gguf.read_bytes())
    data[4] = 9
    file = tmp_path / "future.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelError, match="GGUF version 9"):
        read_header(file)


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(str(tmp_path / "bare.gguf"), "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match="holds no model"):
        read_header(tmp_path / "bare.gguf")


def test_the_kind_of_an_adapter_is_read(tmp_path: Path, llama: Any) -> None:
    assert read_header(write_gguf(tmp_path / "lora.gguf", llama, type="adapter")).kind == "adapter"
