"""What the streams say at one step: computed once, read by the rule and by the trace.

Shapes: P answers that decode by one rule, V tokens of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from decoders.divergence import divergences, entropy
from decoders.streams import CONTEXT, PARAMETRIC

# By stream name: ``[P, V]`` next-token logits, each stream's after the same generated suffix.
Streams = Mapping[str, Tensor]


@dataclass(frozen=True)
class Signals:
    """The streams of P answers at one step, by stream name; float32 (float64 for float64 logits).

    Attributes:
        logits: ``[P, V]`` each, as the model gave them.
        log_probs: ``[P, V]`` each.
        entropies: ``[P]`` each, nats, whole vocabulary.
        jsd: ``[P]`` Jensen-Shannon divergence of context and parametric stream, nats; nan without both of them.
    """

    logits: Streams
    log_probs: Streams
    entropies: Streams
    jsd: Tensor


def read_signals(streams: Streams) -> Signals:
    """Log-probabilities, entropies and divergence of ``streams``.

    Raises:
        ValueError: the logits differ in shape or are not two-dimensional.
    """
    shapes = {name: tuple(logits.shape) for name, logits in streams.items()}
    if not shapes or len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 2:
        raise ValueError(f"expected [P, V] logits of one shape for each stream, got {shapes}")
    logits = {name: _at_least_float32(values) for name, values in streams.items()}
    log_probs = {name: values.log_softmax(dim=-1) for name, values in logits.items()}
    if CONTEXT in log_probs and PARAMETRIC in log_probs:
        jsd, h_c, h_p = divergences(log_probs[CONTEXT], log_probs[PARAMETRIC])
        entropies = {CONTEXT: h_c, PARAMETRIC: h_p}
    else:
        first = next(iter(log_probs.values()))[:, 0]
        jsd, entropies = torch.full_like(first, math.nan), {}
    entropies |= {name: entropy(values) for name, values in log_probs.items() if name not in entropies}
    return Signals(logits, log_probs, entropies, jsd)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
