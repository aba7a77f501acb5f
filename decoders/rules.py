"""The decoding rules: the streams' logits in, one row of scores out.

With ``z_c`` the logits with the context in the prompt and ``z_p`` those without it, most rules are a weighted sum
``s = a_c z_c + a_p z_p`` whose coefficients the rule chooses at each step, for each answer:

===================  ==============================  =======================
rule                 ``a_c``                         ``a_p``
===================  ==============================  =======================
plain                1                               0
memory               0                               1
cad, adacad          1 + alpha                       -alpha
ckplug, gate open    scale (1 - alpha)               scale (2 alpha - 1)
ckplug, gate shut    1                               0
coiecd               1 + alpha inside, 1 outside     -alpha inside, 0 outside
dial up to 0.5       1 + g if plausible, else 1      -g if plausible, else 0
===================  ==============================  =======================

The coefficients of ckplug do not sum to 1: their sum is a temperature. It also excludes tokens. Coiecd is piecewise:
two sums, one for the tokens inside its constraint and one for the others. Dial is piecewise too, and above 0.5 it
mixes probabilities in place of logits (:mod:`decoders.dial`). The trace reports ``(a_c, a_p)``.

How to write a rule (interface of this module):

1. Give its settings a class in :mod:`decoders.params`, with ``streams``: the names of the streams that it reads
   (:mod:`decoders.streams`).
2. Write a pure function ``rule(params, signals) -> (scores, coefficients)`` and enter it in ``RULES``. It reads
   :class:`decoders.signals.Signals` by stream name, must treat each row alone, and returns ``[P, V]`` scores and, by
   stream name, ``[P]`` coefficients; a stream that it leaves out has coefficient 0.

A generator runs the streams ``expand_streams(params.streams, num_passages)`` and calls ``mix(params, logits_by_name)``.
It may give more streams than the rule reads: they change no score, and the trace reports them too.

Shapes: P answers, V tokens of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from decoders.ckplug import ckplug
from decoders.dial import dial
from decoders.divergence import LN2
from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from decoders.signals import Signals, Streams, read_signals
from decoders.streams import CONTEXT, PARAMETRIC, PASSAGES

Coefficients = Mapping[str, Tensor]
Rule = Callable[[Any, Signals], tuple[Tensor, Coefficients]]


@dataclass(frozen=True)
class Mixture:
    """What a rule made of P answers at one step.

    Attributes:
        scores: ``[P, V]`` logits to choose the next token from; ``-inf`` marks an excluded token.
        coefficients: by stream, ``[P]`` the factor on that stream's logits. For coiecd those inside its constraint; for
            dial those of plausible tokens, and above 0.5 the weight of the stream's probabilities.
        signals: what the streams said, for the trace.
    """

    scores: Tensor
    coefficients: Coefficients
    signals: Signals


def mix(params: DecoderParams, streams: Streams) -> Mixture:
    """Apply one decoding rule to P answers.

    Args:
        params: the rule and its settings, shared by all P answers.
        streams: by name, ``[P, V]`` next-token logits, each stream's after the same generated suffix.

    Returns:
        Scores, coefficients and signals in float32 (float64 for float64 input).

    Raises:
        ValueError: a stream that the rule reads is missing, or the logits differ in shape.
    """
    missing = [name for name in params.streams if name not in streams and name != PASSAGES]
    if missing:
        raise ValueError(f"decoder {params.name!r} reads {', '.join(params.streams)}; missing: {', '.join(missing)}")
    signals = read_signals(streams)
    scores, coefficients = RULES[type(params)](params, signals)
    absent = torch.zeros_like(signals.jsd)
    return Mixture(scores, {name: coefficients.get(name, absent) for name in streams}, signals)


def plain(params: Plain, signals: Signals) -> tuple[Tensor, Coefficients]:
    """The context stream alone."""
    return signals.logits[CONTEXT], {CONTEXT: torch.ones_like(signals.jsd)}


def memory(params: Memory, signals: Signals) -> tuple[Tensor, Coefficients]:
    """The parametric stream alone."""
    return signals.logits[PARAMETRIC], {PARAMETRIC: torch.ones_like(signals.jsd)}


def cad(params: Cad, signals: Signals) -> tuple[Tensor, Coefficients]:
    """CAD: :func:`contrast` with the fixed strength ``params.alpha``."""
    return contrast(signals, torch.full_like(signals.jsd, params.alpha))


def adacad(params: AdaCad, signals: Signals) -> tuple[Tensor, Coefficients]:
    """AdaCAD: :func:`contrast` with the strength ``max(JSD, floor)`` of each row and step.

    Source: AdaCAD (Wang et al. 2024), equations 3 and 4.
    """
    divergence = signals.jsd / LN2 if params.log_base == "2" else signals.jsd
    return contrast(signals, divergence.clamp(min=params.floor))


def contrast(signals: Signals, alpha: Tensor) -> tuple[Tensor, Coefficients]:
    """``(1 + alpha) z_c - alpha z_p`` with one ``alpha`` per row (``[P]``).

    Source: CAD (Shi et al. 2023), equation 2, without the nucleus fill of the released program.
    """
    z_c, z_p = signals.logits[CONTEXT], signals.logits[PARAMETRIC]
    # This form takes one pass over [P, V], and is exactly z_c where alpha is 0.
    return z_c + alpha[:, None] * (z_c - z_p), {CONTEXT: 1 + alpha, PARAMETRIC: -alpha}


def coiecd(params: Coiecd, signals: Signals) -> tuple[Tensor, Coefficients]:
    """COIECD: contrast ``l_c + alpha (l_c - l_p)`` inside the constraint, ``l_c`` outside.

    The variant is the released program's, in which the entropy term of the paper's constraint cancels. Inside are
    the tokens within ``ratio`` of the best context token, unless the best stands alone. Those within ``ratio`` of the
    worst token are inside too; they never matter to the choice of a token.

    Source: COIECD (Yuan et al. 2024), released variant.
    """
    l_c, l_p = signals.log_probs[CONTEXT], signals.log_probs[PARAMETRIC]
    margin = math.log(params.ratio)
    top = l_c >= l_c.amax(dim=-1, keepdim=True) - margin
    has_rivals = top.sum(dim=-1) > 1
    bottom = l_c <= l_c.amin(dim=-1, keepdim=True) + margin
    inside = (top & has_rivals[:, None]) | bottom
    scores = torch.where(inside, l_c + params.alpha * (l_c - l_p), l_c)
    alpha = params.alpha * has_rivals.to(l_c.dtype)
    return scores, {CONTEXT: 1 + alpha, PARAMETRIC: -alpha}


RULES: dict[type[Any], Rule] = {
    Plain: plain,
    Memory: memory,
    Cad: cad,
    AdaCad: adacad,
    CkPlug: ckplug,
    Coiecd: coiecd,
    Dial: dial,
}
