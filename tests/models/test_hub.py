"""Models of a hub, against a small hub on this machine: what is downloaded, resumed, checked and refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.core.errors import ModelError
from rag.models.cache import Origin, cached_folders, read_origin, write_origin
from rag.models.folders import describe_folder, is_complete
from rag.models.hub.hub import needed_files
from rag.models.hub.transfer import HubFile
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.models.hub_server import Hub, running_hub

ROOT = Path(__file__).resolve().parents[2]
NAME = "tiny/llama"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama").float().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    others = {"onnx/model.onnx": b"x" * 50, "consolidated.safetensors": b"x" * 50, "picture.png": b"x" * 50}
    with running_hub({NAME: files | others}) as running:
        yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "concord" / "models"


def get(hub: Hub, models: Path, name: str = NAME, command: str = "get") -> subprocess.CompletedProcess[str]:
    """``concord models get`` in its own process: the hub client reads its environment when it is imported."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(models.parent / "hf"),
        "CONCORD_CACHE_DIR": str(models.parent),
        "PYTHONPATH": str(ROOT),
    }
    arguments = [sys.executable, "-m", "rag", "models", command, name]
    return subprocess.run(arguments, env=environment, text=True, capture_output=True, timeout=120, check=False)


@pytest.mark.real
def test_the_files_that_loading_needs_are_downloaded(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    done = get(hub, models)
    assert done.returncode == 0, done.stderr
    (folder,) = cached_folders(models)
    names = {file.name for file in folder.iterdir()} - {"concord-origin.json"}
    assert names == set(files)
    assert all((folder / name).read_bytes() == data for name, data in files.items())
    origin = read_origin(folder)
    assert origin is not None
    assert (origin.name, origin.digest, origin.license) == (NAME, hub.revision, "mit")
    assert is_complete(folder)


_FINGERPRINT = """
import sys
from rag.core.settings.config import Config
from rag.generation.vllm.identity import model_fingerprint
from rag.models.resolve import resolve_tokenizer
print(model_fingerprint(*resolve_tokenizer(Config(model=sys.argv[1], cache_dir=sys.argv[2]))))
"""


@pytest.mark.real
def test_a_tokenizer_comes_without_the_weights(hub: Hub, models: Path) -> None:
    """All that the side of a model server needs which only asks; the second time it is there."""
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(models.parent / "hf")}
    command = [sys.executable, "-c", _FINGERPRINT, NAME, str(models.parent)]
    options = {"env": os.environ | environment | {"PYTHONPATH": str(ROOT)}, "text": True, "capture_output": True}
    first = subprocess.run(command, **options, timeout=120, check=True)
    num_files = len(hub.ranges)
    assert {name for name, _ in hub.ranges} >= {"config.json", "tokenizer.json"}
    assert not [name for name, _ in hub.ranges if name.endswith(".safetensors")]
    assert subprocess.run(command, **options, timeout=120, check=True).stdout == first.stdout
    assert len(hub.ranges) == num_files
    assert cached_folders(models) == []


@pytest.mark.real
def test_a_lost_connection_goes_on_where_it_was(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    hub.cuts = [40_000, 40_000]
    assert len(files[WEIGHTS]) > sum(hub.cuts)
    done = get(hub, models)
    assert done.returncode == 0, done.stderr
    assert (models / "tiny--llama" / WEIGHTS).read_bytes() == files[WEIGHTS]
    asked = [text for name, text in hub.ranges if name == WEIGHTS]
    assert asked == [None, "bytes=40000-", "bytes=80000-"]


@pytest.mark.real
def test_the_next_command_goes_on_where_one_ended(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    hub.cuts = [100_000] + [0] * 10
    failed = get(hub, models)
    assert failed.returncode == 2
    assert "lost the model hub" in failed.stderr
    assert cached_folders(models) == []
    hub.cuts.clear()
    hub.ranges.clear()
    done = get(hub, models)
    assert done.returncode == 0, done.stderr
    assert [text for name, text in hub.ranges if name == WEIGHTS] == ["bytes=100000-"]
    assert (models / "tiny--llama" / WEIGHTS).read_bytes() == files[WEIGHTS]


@pytest.mark.real
def test_a_server_without_byte_ranges_sends_it_all_again(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    hub.cuts, hub.ignores_ranges = [40_000], True
    done = get(hub, models)
    assert done.returncode == 0, done.stderr
    assert (models / "tiny--llama" / WEIGHTS).read_bytes() == files[WEIGHTS]


@pytest.mark.real
def test_damaged_weights_are_refused_and_fetched_again(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    partial = models / ".partial-tiny--llama"
    partial.mkdir(parents=True)
    write_origin(partial, Origin(NAME, "hub", hub.revision, "mit"))
    (partial / f"{WEIGHTS}.part").write_bytes(b"\0" * 1000)
    failed = get(hub, models)
    assert failed.returncode == 2
    assert f"{WEIGHTS} came damaged" in failed.stderr
    done = get(hub, models)
    assert done.returncode == 0, done.stderr
    assert (models / "tiny--llama" / WEIGHTS).read_bytes() == files[WEIGHTS]


@pytest.mark.real
def test_a_part_of_another_revision_is_not_mixed_in(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    partial = models / ".partial-tiny--llama"
    partial.mkdir(parents=True)
    write_origin(partial, Origin(NAME, "hub", "c" * 40, "mit"))
    (partial / "config.json").write_bytes(files["config.json"].replace(b"256", b"999"))
    assert get(hub, models).returncode == 0
    assert (models / "tiny--llama" / "config.json").read_bytes() == files["config.json"]


@pytest.mark.real
def test_a_newer_revision_takes_the_place_of_the_old(hub: Hub, models: Path, files: dict[str, bytes]) -> None:
    assert get(hub, models).returncode == 0
    hub.ranges.clear()
    assert get(hub, models).returncode == 0
    assert hub.ranges == []  # nothing is downloaded twice
    hub.revision = "b" * 40
    hub.models[NAME]["config.json"] = files["config.json"].replace(b"256", b"128")
    assert get(hub, models).returncode == 0
    assert describe_folder(models / "tiny--llama").window == 128


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tiny/unknown", "the model hub has no model 'tiny/unknown' for you (404)"),
        ("a b c", "no file or folder 'a b c'"),
    ],
)
def test_a_name_without_a_model_is_one_line(hub: Hub, models: Path, name: str, line: str) -> None:
    done = get(hub, models, name)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.real
def test_a_hub_that_does_not_answer_is_one_line(hub: Hub, models: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    done = get(hub, models)
    assert done.returncode == 2
    assert f"cannot reach the model hub for '{NAME}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_weights_are_needed_once() -> None:
    both = [HubFile(path, 1) for path in ("config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx")]
    assert [file.path for file in needed_files("x", both)] == ["config.json", "model.safetensors"]
    pickles = [HubFile(path, 1) for path in ("config.json", "pytorch_model.bin", "training_args.bin")]
    assert [file.path for file in needed_files("x", pickles)] == ["config.json", "pytorch_model.bin"]


def test_the_files_of_a_sentence_encoder_lie_in_folders_too() -> None:
    names = ["config.json", "modules.json", "1_Pooling/config.json", "model.safetensors", "openvino/model.xml"]
    assert [file.path for file in needed_files("x", [HubFile(name, 1) for name in names])] == names[:-1]


def test_a_model_with_gguf_files_alone_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"holds GGUF files only; download one, such as q4\.gguf"):
        needed_files("x/y", [HubFile("README.md", 1), HubFile("q4.gguf", 1)])


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="no weights that can be loaded"):
        needed_files("x/y", [HubFile("config.json", 1), HubFile("model.msgpack", 1)])
