"""What the files of a model's folder say about it, without loading it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_INDEX_TYPES = {"BOOL", "I64"}  # positions and masks, no weights
_WINDOW_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


@dataclass(frozen=True)
class FolderInfo:
    """A model as its folder describes it.

    Attributes:
        format: file format and number type of the weights, such as ``safetensors F32``.
        disk_bytes: size of all files.
        num_weights: weights of all tensors together; ``None`` where the format does not say it.
        window: longest prompt and answer, tokens.
        cache_values: numbers that the attention cache keeps for one token; ``None`` for other kinds of models.
        license: as the model card says it.
    """

    format: str
    disk_bytes: int
    num_weights: int | None
    window: int | None
    cache_values: int | None
    license: str | None


def describe_folder(folder: Path) -> FolderInfo:
    """Read the settings, the headers of the weights and the model card."""
    config = _read_json(folder / "config.json")
    config |= config.get("text_config") or {}
    types, num_weights = _weights(folder)
    sentence = _read_json(folder / "sentence_bert_config.json")
    windows = [sentence.get("max_seq_length"), *(config.get(key) for key in _WINDOW_KEYS)]
    return FolderInfo(
        format=f"safetensors {'/'.join(types)}" if types else "pytorch" if _pickles(folder) else "unknown",
        disk_bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        num_weights=num_weights,
        window=next((value for value in windows if isinstance(value, int)), None),
        cache_values=_cache_values(config),
        license=_card_license(folder / "README.md"),
    )


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a model's settings and all of its weights."""
    if not (folder / "config.json").is_file():
        return False
    for index in folder.glob("*.index.json"):
        names = set(_read_json(index).get("weight_map", {}).values())
        if names and all((folder / name).is_file() for name in names):
            return True
    return (folder / "model.safetensors").is_file() or (folder / "pytorch_model.bin").is_file()


def _weights(folder: Path) -> tuple[list[str], int | None]:
    """Number types and number of weights, from the headers of the safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    tensors = [entry for file in files for entry in _tensor_entries(file)]
    types = sorted({str(entry["dtype"]) for entry in tensors} - _INDEX_TYPES)
    return types, sum(math.prod(entry["shape"]) for entry in tensors) if tensors else None


def _tensor_entries(file: Path) -> list[dict[str, Any]]:
    """Source: https://huggingface.co/docs/safetensors: eight bytes of length, then JSON."""
    try:
        with file.open("rb") as data:
            header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        return [entry for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, OverflowError, MemoryError):
        return []


def _pickles(folder: Path) -> bool:
    return any(folder.glob("pytorch_model*.bin"))


def _cache_values(config: dict[str, Any]) -> int | None:
    """Keys and values of every layer and head for one token."""
    try:
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        return int(2 * config["num_hidden_layers"] * (config.get("num_key_value_heads") or heads) * width)
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def _card_license(card: Path) -> str | None:
    """``license:`` in the head of a model card."""
    try:
        head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    except OSError:
        return None
    match = re.search(r"^license:\s*(\S+)\s*$", head, re.MULTILINE)
    return match[1].strip("'\"") if match else None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
