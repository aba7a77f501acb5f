"""Reading the header of a GGUF file: what model it holds, without its weights.

The ``gguf`` package reads headers too, but takes seconds for a vocabulary of 150,000 tokens and does not notice
lengths that a damaged file made up.

Source: the GGUF specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rag.core.errors import ModelError
from rag.models.gguf.cursor import GgufCursor, GgufTensor

_Value = TypeVar("_Value")

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SPLIT_NAME = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_DAMAGED = "is damaged or not complete; download it again"


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about its model.

    Attributes:
        architecture: such as ``llama``.
        kind: ``model``, or what else the file holds, such as ``adapter``.
        name: the model's name, where the file has one.
        license: the model's licence, where the file has one.
        window: longest prompt and answer, tokens.
        file_type: how most weights are stored, such as ``Q4_K_M``.
        num_weights: weights of all tensors together.
        largest_tensor: weights of the largest tensor.
        cache_values: numbers that the attention cache keeps for one token; ``None`` where the file does not say it.
    """

    architecture: str
    kind: str
    name: str | None
    license: str | None
    window: int | None
    file_type: str
    num_weights: int
    largest_tensor: int
    cache_values: int | None


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file with one whole model.

    Raises:
        ModelError: no GGUF file, one part of several, or a damaged or truncated file.
    """
    try:
        if not is_gguf(path):
            raise ModelError(f"{path} is no GGUF file; give a .gguf file or a folder with a model")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(path, data)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except (struct.error, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} {_DAMAGED}") from error


def _parse(path: Path, data: mmap.mmap) -> GgufHeader:
    cursor = GgufCursor(data, len(MAGIC))
    version = cursor.scalar("I")
    if version not in _VERSIONS:
        raise ModelError(f"{path} is GGUF version {version}; versions 2 and 3 can be read")
    num_tensors, num_fields = cursor.scalar("Q"), cursor.scalar("Q")
    fields = dict(cursor.field() for _ in range(num_fields))
    _check_split(path, fields)
    tensors = [cursor.tensor() for _ in range(num_tensors)]
    _check_length(path, len(data), cursor.position, fields, tensors)
    architecture = fields.get("general.architecture")
    if not isinstance(architecture, str) or not tensors:
        raise ModelError(f"{path} holds no model: it has no architecture or no weights")
    sizes = [tensor.num_weights for tensor in tensors]
    return GgufHeader(
        architecture=architecture,
        kind=str(fields.get("general.type", "model")),
        name=_typed(str, fields.get("general.name")),
        license=_typed(str, fields.get("general.license")),
        window=_typed(int, fields.get(f"{architecture}.context_length")),
        file_type=_file_type(fields.get("general.file_type")),
        num_weights=sum(sizes),
        largest_tensor=max(sizes),
        cache_values=_cache_values(architecture, fields),
    )


def _cache_values(architecture: str, fields: dict[str, Any]) -> int | None:
    """Keys and values of every layer and head for one token."""
    names = ("block_count", "attention.head_count", "embedding_length")
    layers, heads, width = (_typed(int, fields.get(f"{architecture}.{name}")) for name in names)
    kv_heads = _typed(int, fields.get(f"{architecture}.attention.head_count_kv")) or heads
    if not (layers and heads and width and kv_heads):
        return None
    head_width = _typed(int, fields.get(f"{architecture}.attention.key_length")) or width // heads
    return 2 * layers * kv_heads * head_width


def _typed(kind: type[_Value], value: object) -> _Value | None:
    return value if isinstance(value, kind) else None


def _check_split(path: Path, fields: dict[str, Any]) -> None:
    match = _SPLIT_NAME.search(path.name)
    num_parts = max(int(fields.get("split.count") or 1), int(match[2]) if match else 1)
    if num_parts > 1:
        raise ModelError(
            f"{path} is one of {num_parts} parts of a model; join them with "
            "'llama-gguf-split --merge FIRST_PART JOINED.gguf' and give the joined file"
        )


def _check_length(path: Path, length: int, position: int, fields: dict[str, Any], tensors: list[GgufTensor]) -> None:
    """Refuse a file that ends before its last tensor does."""
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(type_id): size for type_id, size in GGML_QUANT_SIZES.items()}
    alignment = int(fields.get("general.alignment") or 32)
    start = -(-position // alignment) * alignment
    for tensor in tensors:
        if tensor.type_id not in sizes:
            raise ModelError(f"{path} stores weights in a format (number {tensor.type_id}) that cannot be read")
        block, num_bytes = sizes[tensor.type_id]
        if start + tensor.offset + tensor.num_weights // block * num_bytes > length:
            raise ModelError(f"{path} {_DAMAGED}")


def _file_type(number: Any) -> str:
    from gguf.constants import LlamaFileType

    try:
        return LlamaFileType(number).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        return "unknown"
