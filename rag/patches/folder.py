"""A patch on disk: an ordinary PEFT folder, which PEFT and vLLM load unchanged, and a manifest beside it."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from rag.core.errors import PatchError, StorageError
from rag.core.files import write_folder_atomically
from rag.generation.base import Adapter
from rag.generation.transformers.lora import Pair
from rag.patches.base import PatchInfo, Tensors

WEIGHTS, CONFIG, MANIFEST = "adapter_model.safetensors", "adapter_config.json", "manifest.json"
PARTIAL = ".partial-"
_PREFIX = "base_model.model."


def peft_config(tensors: Tensors, base_name: str) -> dict[str, Any]:
    """The adapter's configuration as PEFT writes it; alpha = r, since all scales are in the tensors."""
    rank = max(a.shape[0] for a, _ in tensors.values())
    layers = sorted({int(number) for name in tensors for number in re.findall(r"\.(\d+)\.", name)})
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in tensors}),
        "layers_to_transform": layers or None,
    }


def write_folder(folder: Path, tensors: Tensors, base_name: str, info: PatchInfo | None = None) -> PatchInfo | None:
    """Write ``folder`` whole or not at all, safe against a power cut; a folder that is there stays.

    Returns:
        ``info`` with what only the written file tells.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    weights = save({f"{_PREFIX}{name}.lora_{ab}.weight": t.contiguous() for name, pair in tensors.items()
                    for ab, t in zip("AB", pair, strict=True)})  # fmt: skip
    config = peft_config(tensors, base_name)
    files = {WEIGHTS: weights, CONFIG: _json(config)}
    if info is not None:
        digest = hashlib.sha256(weights).hexdigest()
        info = PatchInfo(**asdict(info) | {"rank": config["r"], "size_bytes": len(weights), "sha256": digest})
        files[MANIFEST] = _json(asdict(info))
    try:
        write_folder_atomically(folder, files, prefix=PARTIAL)
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise StorageError(f"cannot write patch {folder.name}: {what}; nothing of it was kept") from error
    return info


def read_info(folder: Path) -> PatchInfo:
    """The manifest.

    Raises:
        PatchError: it is missing or damaged.
    """
    try:
        return PatchInfo(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise PatchError(f"there is no patch {folder.name}; 'concord patch ls' lists them") from None
    except (OSError, ValueError, TypeError) as error:
        raise damaged(folder, "its manifest cannot be read") from error


def read_tensors(folder: Path, sha256: str | None = None) -> Tensors:
    """The tensors of a PEFT folder, all scales multiplied into ``A``.

    Raises:
        PatchError: the file is missing, truncated, altered (``sha256`` differs), or no LoRA adapter.
    """
    try:
        content = (folder / WEIGHTS).read_bytes()
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise damaged(folder, "its weights are not those that were written")
        return _scaled(load(content), float(config["lora_alpha"]) / float(config["r"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise damaged(folder, "it is no readable LoRA folder") from error


def damaged(folder: Path, what: str) -> PatchError:
    """The error for a patch that cannot be used as it lies there."""
    return PatchError(f"patch {folder.name} is damaged: {what}; remove it with 'concord patch rm' and build it again")


def _scaled(named: Mapping[str, torch.Tensor], scale: float) -> Tensors:
    tensors: dict[str, Pair] = {}
    for name in sorted(named):
        layer, is_a, _ = name.partition(".lora_A.weight")
        if is_a:
            b = named[f"{layer}.lora_B.weight"]
            if named[name].shape[0] != b.shape[1]:
                raise ValueError(f"ranks differ in {layer}")
            tensors[layer.removeprefix(_PREFIX)] = (named[name] * scale if scale != 1 else named[name], b)
    if not tensors:
        raise ValueError("no tensors")
    return tensors


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def materialize(adapter: Adapter, base_name: str) -> None:
    """Write an adapter's PEFT folder, for an engine that loads from disk; one that is there stays."""
    if not adapter.folder.is_dir():
        write_folder(adapter.folder, adapter.tensors, base_name)
