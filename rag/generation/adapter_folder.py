"""An adapter on disk: an ordinary PEFT folder, which PEFT and vLLM load unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from safetensors.torch import save
from torch import Tensor

from rag.core.process.leases import leased
from rag.generation.base import Adapter
from rag.library.adapter_folders import CONFIG, WEIGHTS, write_files

PREFIX = "base_model.model."


@contextmanager
def lease_folder(adapter: Adapter, base_name: str) -> Iterator[None]:
    """Inside, the adapter's folder exists, and no limit on the size of a store removes it.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """

    def write() -> None:
        write_files(adapter.folder, adapter_files(adapter.tensors, base_name))

    with leased(adapter.folder, write):
        yield


def adapter_files(tensors: Mapping[str, tuple[Tensor, Tensor]], base_name: str) -> dict[str, bytes]:
    """The files of a PEFT folder by name.

    Args:
        tensors: by layer, ``A [r, in]`` and ``B [out, r]``, all scales multiplied in.
        base_name: the base model, as the user named it.
    """
    named = {
        f"{PREFIX}{layer}.lora_{side}.weight": tensor.contiguous()
        for layer, pair in tensors.items()
        for side, tensor in zip("AB", pair, strict=True)
    }
    return {WEIGHTS: save(named), CONFIG: encode_json(peft_config(tensors, base_name))}


def peft_config(tensors: Mapping[str, tuple[Tensor, Tensor]], base_name: str) -> dict[str, Any]:
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


def encode_json(value: Mapping[str, Any]) -> bytes:
    """A JSON file's bytes."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
