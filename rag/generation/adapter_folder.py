"""An adapter on disk: an ordinary PEFT folder, which PEFT and vLLM load unchanged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from rag.generation.adapters.packed import PackedTensors, name_tensors, parse_tensors
from rag.library.adapter_folders import CONFIG, WEIGHTS


def adapter_files(
    tensors: Mapping[str, tuple[Tensor, Tensor]], base_name: str, metadata: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """The files of a PEFT folder by name.

    Args:
        tensors: by layer, ``A [r, in]`` and ``B [out, r]``, all scales multiplied in.
        base_name: the base model, as the user named it.
        metadata: of the weights' file.
    """
    weights = save(name_tensors(tensors), dict(metadata) if metadata else None)
    return {WEIGHTS: weights, CONFIG: encode_json(peft_config(tensors, base_name))}


def read_metadata(weights: bytes) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        ValueError: it is none.

    Source: the format of safetensors: the length of a JSON header, 8 bytes, little endian; then the header.
    """
    header: dict[str, Any] = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    return dict(header.get("__metadata__", {}))


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


def parse_adapter(weights: bytes, config: Mapping[str, Any]) -> PackedTensors:
    """The tensors of a PEFT folder: by layer ``A [r, in]`` and ``B [out, r]``, the scale multiplied into ``A``.

    Args:
        weights: the content of ``adapter_model.safetensors``.
        config: of ``adapter_config.json``.

    Raises:
        ValueError: it is no plain LoRA adapter; the message says what is in the way.

    Source: Hu et al. 2021 (LoRA), scale alpha / r; Kalajdzievski 2023 (rsLoRA), alpha / sqrt(r).
    """
    unknown = [name for name in _UNSUPPORTED if config.get(name)] + ["bias"] * (config.get("bias", "none") != "none")
    if str(config.get("peft_type", "LORA")) != "LORA" or unknown:
        raise ValueError(f"it is no plain LoRA adapter ({', '.join(unknown) or config.get('peft_type')})")
    rank = float(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    try:
        named = load(weights)
    except SafetensorError as error:
        raise ValueError(f"its weights cannot be read ({error})") from error
    tensors = parse_tensors(named, scale)
    if 2 * len(tensors) != len(named):
        raise ValueError("it holds other tensors than pairs of low rank")
    if not all(group.a.isfinite().all() and group.b.isfinite().all() for group in tensors.groups):
        raise ValueError("it holds numbers that are not finite")
    return tensors


# Settings of PEFT that change what an adapter computes.
_UNSUPPORTED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out")


def encode_json(value: Mapping[str, Any]) -> bytes:
    """A JSON file's bytes."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
