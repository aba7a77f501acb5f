"""Cross entropy from hidden states; the logits of all tokens never exist at one time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Tokens whose logits exist at one time: 200 MB for a vocabulary of 200,000 in float32.
_CHUNK = 256


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Losses of all tokens. The same pass computes the gradient of the hidden states, chunk by chunk."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
        precise = torch.promote_types(hidden.dtype, torch.float32)
        losses = hidden.new_empty(labels.shape, dtype=precise)
        gradient = torch.empty_like(hidden)
        for first in range(0, len(labels), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            logits = torch.nn.functional.linear(hidden[chunk], weight, bias).to(precise)
            losses[chunk] = cross_entropy(logits, labels[chunk], reduction="none")
            probabilities = logits.softmax(dim=-1)
            probabilities[torch.arange(len(probabilities)), labels[chunk]] -= 1.0
            gradient[chunk] = probabilities.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0][:, None].to(gradient.dtype), None, None, None


def token_losses(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Cross entropy of each token.

    Args:
        hidden: ``[N, h]``, what the head reads; gradients flow into it alone.
        weight, bias: of the frozen head, ``[V, h]`` and ``[V]``.
        labels: ``[N]``.

    Returns:
        ``[N]``, float32 or finer.
    """
    losses: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, labels)  # type: ignore[no-untyped-call]
    return losses


def are_greedy(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Whether each label is the head's most probable token, ``[N]``; arguments as in :func:`token_losses`."""
    flags = torch.empty(len(labels), dtype=torch.bool, device=labels.device)
    for first in range(0, len(labels), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        logits = torch.nn.functional.linear(hidden[chunk], weight, bias)
        flags[chunk] = logits.argmax(dim=-1) == labels[chunk]
    return flags
