"""Converting GGUF files: the weights, the cache, two processes, a kill, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rag.core.errors import ModelError
from rag.models.cache import cached_folders, read_origin
from rag.models.gguf.convert import convert
from rag.models.records import converted_folder
from tests.conftest import ROOT
from tests.models.conftest import write_gguf
from tests.processes import start


def convert_alone(gguf: Path, models: Path, folder: Connection) -> None:
    """For a process of its own, which tells the folder."""
    folder.send(convert(gguf, models))


def stop_in_write(gguf: Path, models: Path, writing: Connection) -> None:
    """Stops where the weights are being written, as a process that is about to be killed there."""
    original = PreTrainedModel.save_pretrained

    def stop(model: Any, folder: Any, **options: Any) -> None:
        original(model, folder, **options)
        writing.send("writing")
        time.sleep(600)

    PreTrainedModel.save_pretrained = stop
    convert(gguf, models)


def test_the_converted_weights_are_those_of_the_file(llama_gguf: Path, llama: Any, tmp_path: Path) -> None:
    folder = convert(llama_gguf, tmp_path)
    converted = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    for name, weight in llama.state_dict().items():
        assert torch.equal(converted[name], weight), name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("hello") == ["hel", "l", "o"]
    assert tokenizer.eos_token == "</s>"


def test_the_folder_is_named_by_the_file_and_its_content(llama_gguf: Path, tmp_path: Path) -> None:
    folder = convert(llama_gguf, tmp_path)
    origin = read_origin(folder)
    assert origin is not None
    assert folder.name == f"tiny-{origin.digest[:12]}"
    assert (origin.name, origin.source, origin.license) == (folder.name, str(llama_gguf), "apache-2.0")


def test_the_users_other_accounts_can_read_the_weights(llama_gguf: Path, tmp_path: Path) -> None:
    folder = convert(llama_gguf, tmp_path)
    modes = {file.stat().st_mode for file in folder.iterdir()}
    assert len(modes) == 1


def test_a_converted_file_is_found_without_reading_it(llama_gguf: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    shutil.copyfile(llama_gguf, copy)
    folder = convert(copy, tmp_path / "models")
    size, times = copy.stat().st_size, (copy.stat().st_atime_ns, copy.stat().st_mtime_ns)
    copy.write_bytes(b"\0" * size)  # could not be converted, nor hashed to the same
    os.utime(copy, ns=times)
    assert convert(copy, tmp_path / "models") == folder


def test_a_changed_file_is_converted_again(llama_gguf: Path, tmp_path: Path, llama: Any) -> None:
    copy = tmp_path / "copy.gguf"
    shutil.copyfile(llama_gguf, copy)
    first = convert(copy, tmp_path / "models")
    write_gguf(copy, llama, name="Another")
    second = convert(copy, tmp_path / "models")
    assert first != second
    assert cached_folders(tmp_path / "models") == sorted([first, second])


def test_the_same_content_under_another_name_is_not_converted_again(llama_gguf: Path, tmp_path: Path) -> None:
    folder = convert(llama_gguf, tmp_path / "models")
    copy = tmp_path / "another name.gguf"
    shutil.copyfile(llama_gguf, copy)
    assert converted_folder(copy, tmp_path / "models") is None
    assert convert(copy, tmp_path / "models") == folder
    assert converted_folder(copy, tmp_path / "models") == folder


def test_a_cache_that_cannot_be_written_is_one_line(llama_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="CONCORD_CACHE_DIR") as caught:
        convert(llama_gguf, tmp_path / "file" / "models")
    assert "\n" not in str(caught.value)


@pytest.mark.real
def test_two_processes_make_one_folder(llama_gguf: Path, tmp_path: Path) -> None:
    pipes = [Pipe(duplex=False) for _ in range(2)]
    processes = [start(convert_alone, llama_gguf, tmp_path, sender) for _, sender in pipes]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    folders = {receiver.recv() for receiver, _ in pipes}
    assert folders == set(cached_folders(tmp_path))
    assert len(folders) == 1
    assert not list(tmp_path.glob(".partial-*"))


@pytest.mark.real
def test_a_kill_leaves_nothing_half(llama_gguf: Path, tmp_path: Path) -> None:
    """One process is killed with all weights written; another that waits for it converts the file itself."""
    writing, folder_made = Pipe(duplex=False), Pipe(duplex=False)
    killed = start(stop_in_write, llama_gguf, tmp_path, writing[1])
    assert writing[0].poll(120)
    assert cached_folders(tmp_path) == []
    waiting = start(convert_alone, llama_gguf, tmp_path, folder_made[1])
    time.sleep(1)
    killed.kill()
    killed.join()
    waiting.join(120)
    assert waiting.exitcode == 0
    folder = folder_made[0].recv()
    assert cached_folders(tmp_path) == [folder]
    assert not list(tmp_path.glob(".partial-*"))
    AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.real
def test_no_library_draws_a_bar_of_its_own(llama_gguf: Path, tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from rag.models.gguf.convert import convert\n"
    script += "convert(Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", script, str(llama_gguf), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["Converting tiny.gguf (once)"]


def test_an_architecture_that_cannot_be_converted_is_named(tmp_path: Path, llama: Any) -> None:
    file = write_gguf(tmp_path / "rwkv.gguf", llama, architecture="rwkv7")
    with pytest.raises(ModelError) as caught:
        convert(file, tmp_path / "models")
    message = str(caught.value)
    assert "the architecture 'rwkv7'" in message
    assert "llama" in message.split("supported are")[1]
    assert "qwen2" in message.split("supported are")[1]
    assert "\n" not in message
    assert cached_folders(tmp_path / "models") == []


def test_an_adapter_is_refused(tmp_path: Path, llama: Any) -> None:
    with pytest.raises(ModelError, match="holds no whole model"):
        convert(write_gguf(tmp_path / "lora.gguf", llama, type="adapter"), tmp_path / "models")


def test_a_missing_weight_is_refused_and_not_made_up(tmp_path: Path, llama: Any) -> None:
    file = write_gguf(tmp_path / "holes.gguf", llama, leave_out="blk.1.ffn_up.weight")
    with pytest.raises(ModelError, match=r"lacks 1 of the model's weights, such as model\.layers\.1\.mlp\.up_proj"):
        convert(file, tmp_path / "models")
    assert cached_folders(tmp_path / "models") == []


def test_what_the_library_cannot_read_is_one_line(tmp_path: Path, llama: Any) -> None:
    file = write_gguf(tmp_path / "odd.gguf", llama, tokenizer="no-such-kind")
    with pytest.raises(ModelError, match=r"architecture 'llama'\) cannot be converted") as caught:
        convert(file, tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "models").glob(".partial-*"))


def test_weights_of_another_shape_are_refused(tmp_path: Path, llama: Any) -> None:
    model = type(llama)(llama.config)
    model.load_state_dict(llama.state_dict())
    model.model.norm.weight = torch.nn.Parameter(torch.ones(7))
    file = write_gguf(tmp_path / "odd.gguf", model)
    with pytest.raises(ModelError, match=r"model\.norm\.weight has the shape \(7,\), expected \(32,\)"):
        convert(file, tmp_path / "models")


def test_a_file_that_is_too_large_for_memory_is_refused(
    tmp_path: Path, llama_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.models.gguf.convert.memory_limit", lambda: 500 << 20)
    with pytest.raises(ModelError, match=r"takes about 0\.7 GB of memory, and 0\.5 GB are here"):
        convert(llama_gguf, tmp_path / "models")
