"""Which model it is, told by its weights: patches and calibrations are for one model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

_SAMPLES = 64


def model_fingerprint(model: nn.Module) -> str:
    """Sixteen hex digits from every weight's name, shape and up to 64 of its values.

    The values are compared in bfloat16, so that a model is the same whether it runs in float32 or in bfloat16. Any
    fine-tuning moves some of the samples; reading all weights of a large model would take as long as loading it.
    """
    return _fingerprint(sorted(model.named_parameters()))


def folder_fingerprint(folder: Path) -> str:
    """:func:`model_fingerprint` of the model saved in ``folder``, for engines that keep it in another process."""
    files = sorted(folder.glob("*.safetensors"))
    tensors: list[tuple[str, Tensor]] = []
    for file in files:
        with safe_open(file, framework="pt") as opened:
            tensors += [(name, opened.get_tensor(name)) for name in opened.keys()]  # noqa: SIM118 - no mapping
    return _fingerprint(sorted(tensors, key=lambda item: item[0]))


def _fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors:
        flat = tensor.detach().reshape(-1)
        places = torch.linspace(0, max(len(flat) - 1, 0), min(_SAMPLES, len(flat)), dtype=torch.float64).long()
        values = flat[places.to(flat.device)].to(torch.bfloat16).view(torch.int16).cpu().numpy()
        digest.update(f"{name} {tuple(tensor.shape)} ".encode() + values.tobytes())
    return digest.hexdigest()[:16]
