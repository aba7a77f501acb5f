"""Which base model a patch is for."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

_SAMPLES = 64


def model_fingerprint(model: nn.Module) -> str:
    """Sixteen hex digits from every weight's name, shape and up to 64 of its values.

    The values are compared in bfloat16, so that a model is the same whether it runs in float32 or in bfloat16. Any
    fine-tuning moves some of the samples; reading all weights of a large model would take as long as loading it.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.reshape(-1)
        at = torch.linspace(0, max(len(flat) - 1, 0), min(_SAMPLES, len(flat)), dtype=torch.float64).long()
        values = flat[at.to(flat.device)].to(torch.bfloat16).view(torch.int16).cpu().numpy()
        digest.update(f"{name} {tuple(tensor.shape)} ".encode() + values.tobytes())
    return digest.hexdigest()[:16]
