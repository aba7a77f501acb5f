"""Converting a GGUF file into a folder that the model library loads, once.

The folder is named by the file's name and the hash of its content; see ``records``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from rag.core.errors import ModelError
from rag.models.cache import Origin, build_once, check_space, write_origin
from rag.models.gguf.header import GgufHeader, read_header
from rag.models.loading import first_line, one_at_a_time, quiet
from rag.models.memory import memory_limit
from rag.models.progress import Bar, progress_bar
from rag.models.records import converted_folder, find_folder, hash_file, name_folder, remember

# Shares of the progress bar, about as long as each step takes.
_READ, _DEQUANTIZE, _WRITE = 0.1, 0.5, 0.4
_WEIGHT_BYTES = 4  # float32, so that nothing of the file's precision is lost
_LIBRARY_BYTES = 700 << 20  # what Python, torch and transformers take before any weights
_converting = Lock()  # the library's progress bar is replaced while one file is converted


@one_at_a_time
def convert(gguf: Path, models: Path) -> Path:
    """The folder of a GGUF file's model under ``models``; converted now unless it is there.

    Raises:
        ModelError: no GGUF file, or one that cannot be converted; not enough memory or space.
    """
    folder = converted_folder(gguf, models)
    if folder is not None:
        return folder
    header = read_header(gguf)
    with progress_bar(f"Converting {gguf.name} (once)") as bar:
        digest = hash_file(gguf, lambda share: bar.advance(_READ * share))
        folder = find_folder(models, digest) or name_folder(models, gguf, digest)
        if not folder.is_dir():
            check_convertible(gguf, header)
            check_space(models, header.num_weights * _WEIGHT_BYTES, f"converting {gguf.name}")
            origin = Origin(folder.name, str(gguf.resolve()), digest, header.license)
            build_once(
                folder,
                lambda partial: _convert(gguf, header, origin, partial, bar),
                lambda: bar.say(f"Waiting for another process that converts {gguf.name}"),
            )
    remember(gguf, models, folder)
    return folder


def check_convertible(gguf: Path, header: GgufHeader) -> None:
    """Refuse what the model library cannot convert, before any work is done.

    Raises:
        ModelError: an architecture that is not supported, or not enough memory on this machine.
    """
    if header.kind != "model":
        raise ModelError(f"{gguf} holds no whole model but a part of one (its type is {header.kind!r})")
    supported = supported_architectures()
    if _plain(header.architecture) not in map(_plain, supported):
        raise ModelError(
            f"{gguf} has the architecture {header.architecture!r}, which cannot be converted; supported are "
            f"{', '.join(supported)}"
        )
    needed = (header.num_weights + 2 * header.largest_tensor) * _WEIGHT_BYTES + _LIBRARY_BYTES
    limit = memory_limit()
    if needed > limit:
        raise ModelError(
            f"converting {gguf} takes about {needed / 1e9:.1f} GB of memory, and {limit / 1e9:.1f} GB are here; "
            "convert it on a larger machine and give the folder, or take a smaller model"
        )


def supported_architectures() -> list[str]:
    """The GGUF architectures of text generators that the model library converts."""
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    others = {"general", "tokenizer", "t5", "umt5"}  # sections of the file, and models that only translate
    return sorted((set(GGUF_SUPPORTED_ARCHITECTURES) | set(GGUF_CONFIG_ARCHS)) - others)


def _plain(architecture: str) -> str:
    """The library writes ``gpt_oss`` and ``qwen2_moe`` for the file's ``gpt-oss`` and ``qwen2moe``."""
    return re.sub(r"[-_]", "", architecture)


def _convert(gguf: Path, header: GgufHeader, origin: Origin, folder: Path, bar: Bar) -> None:
    try:
        with _converting, quiet(), _counted_tensors(bar):
            _run_library(gguf, folder, bar)
    except ModelError:
        raise
    except OSError as error:
        if error.errno is not None:  # the disk; the library's own OSErrors have no number
            raise
        raise _refusal(gguf, header, error) from error
    except Exception as error:  # the library reads a foreign file, and its errors are of every type
        raise _refusal(gguf, header, error) from error
    write_origin(folder, origin)


def _run_library(gguf: Path, folder: Path, bar: Bar) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = str(gguf.parent)
    config = AutoConfig.from_pretrained(source, gguf_file=gguf.name)
    AutoTokenizer.from_pretrained(source, gguf_file=gguf.name).save_pretrained(folder)
    model, report = AutoModelForCausalLM.from_pretrained(
        source,
        config=config,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
        output_loading_info=True,
    )
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{gguf} lacks {len(missing)} of the model's weights, such as {missing[0]}")
    _check_shapes(gguf, config, model)
    bar.reach(_READ + _DEQUANTIZE)
    model.save_pretrained(folder, max_shard_size="1GB")  # a file is held in memory a second time while it is written
    for weights in folder.glob("*.safetensors"):  # readable by the users who can read the other files
        shutil.copymode(folder / "config.json", weights)
    bar.reach(1.0)


def _check_shapes(gguf: Path, config: Any, model: Any) -> None:
    """The library takes weights of any shape out of a GGUF file, and the model then fails at its first question."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        expected = {name: weight.shape for name, weight in AutoModelForCausalLM.from_config(config).named_parameters()}
    for name, weight in model.named_parameters():
        if weight.shape != expected.get(name, weight.shape):
            shapes = f"{tuple(weight.shape)}, expected {tuple(expected[name])}"
            raise ModelError(f"{gguf} does not fit the architecture that it names: {name} has the shape {shapes}")


def _refusal(gguf: Path, header: GgufHeader, error: Exception) -> ModelError:
    return ModelError(f"{gguf} (architecture {header.architecture!r}) cannot be converted: {first_line(error)}")


@contextmanager
def _counted_tensors(bar: Bar) -> Iterator[None]:
    """Let the library's loop over tensors move our bar; it has no switch for the bar that it would draw itself."""
    from transformers import modeling_gguf_pytorch_utils as library

    def count(items: Any, **_: Any) -> Iterator[Any]:
        return bar.over(items, _DEQUANTIZE)

    original = library.tqdm
    library.tqdm = count
    try:
        yield
    finally:
        library.tqdm = original
