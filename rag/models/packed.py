"""A sentence encoder's linear layers with weights packed for this processor.

PyTorch multiplies float32 matrices with MKL, which uses the wide registers of Intel's processors alone. oneDNN, which
PyTorch brings too, uses those of every processor, and keeps the weights in the order in which it reads them. The
numbers are the same up to float32 rounding (``benchmarks/encoding.py``).

The two operations of PyTorch have private names. So the packed layers are taken only if a probe's vectors are the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PROBES = ["Ferry", "The ferry carried 37 passengers, two horses and a grand piano across the quiet bay."]
# The packed order depends little on the number of rows; this is that of a batch.
_ROWS = 512
_TOLERANCE = 1e-4
# oneDNN prepares an operation anew for every number of rows, and keeps 1,024 of them in each of two caches (its own and
# that of PyTorch's bridge), about a megabyte each. The layers of one forward need four.
_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
_NUM_CACHED = 16
Replaced = list[tuple[torch.nn.Module, str, torch.nn.Linear]]


class PackedLinear(torch.nn.Module):
    """What a float32 :class:`torch.nn.Linear` computes; the weights are kept in oneDNN's order alone."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """``[..., inputs]`` to ``[..., outputs]``."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(values, self._weight, self._bias, "none", [], "")
        return product


def bound_caches() -> None:
    """Bound what oneDNN keeps. No effect if this process has used it, or if the environment says otherwise."""
    for name in _CACHES:
        os.environ.setdefault(name, str(_NUM_CACHED))


def pack(model: SentenceTransformer) -> bool:
    """Pack the float32 linear layers of a model on the CPU; the model stays as it is where that is not possible.

    Returns:
        Whether they are packed.
    """
    if model.device.type != "cpu":
        return False
    bound_caches()
    replaced: Replaced = []
    try:
        before = _vectors(model)
        replaced = _replace(model)
        if replaced and np.allclose(before, _vectors(model), rtol=0.0, atol=_TOLERANCE):
            return True
    except (AttributeError, RuntimeError, TypeError):
        # This PyTorch lacks the operations, or the model looks at the weights of its layers.
        pass
    for parent, name, linear in replaced:
        setattr(parent, name, linear)
    return False


def _vectors(model: SentenceTransformer) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = model.encode(_PROBES, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def _replace(model: torch.nn.Module) -> Replaced:
    """Put packed layers in; returns what was there."""
    plain: Replaced = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear and child.weight.dtype == torch.float32
    ]
    # All are packed before one is replaced: a failure leaves the model whole.
    packed = [PackedLinear(linear) for _, _, linear in plain]
    for (parent, name, _), layer in zip(plain, packed, strict=True):
        setattr(parent, name, layer)
    return plain
