"""The dial: from the documents (0) over plain decoding (0.5) to the model's memory (1), always in the language.

With ``l_c`` and ``l_p`` the streams' log-probabilities, ``k = l_c - l_p`` what the documents add to memory, and
``r = p_c(m) / max p_c`` how plausible memory's best token ``m`` is to the documents:

* **alpha up to 0.5**: the context stream is in charge, and its plausible tokens are contrasted with memory. Where
  memory's own word is plausible to the documents, the two agree, and there is nothing to press::

      P = {v: l_c(v) >= max l_c + ln plausible}
      g = strength (1 - 2 alpha) (1 - r)
      s(v) = l_c(v) + g k(v)          for v in P
      s(v) = l_c(v) + g min_P k       for any other token

* **alpha from 0.5**: the parametric stream takes over, ``t = 2 alpha - 1``::

      s(v) = ln((1 - t) exp l_c(v) + t exp l_p(v))

What follows, for every pair of streams and every temperature 1 draw (``tests/decoders/test_dial.py``):

* The scores are plain decoding's at 0.5 and memory's at 1, to the bit, and continuous in alpha. No token is excluded,
  so nothing jumps when the dial moves.
* Up to 0.5 every plausible token scores above every other one, and no implausible token is more probable than under
  plain decoding. Contrast alone can choose a token that neither stream would say; this cannot. From 0.5 on no token
  is more probable than in the stream that likes it better.
* The probability of the plausible tokens that documents favour (``k >= 0``) never rises when alpha does.

Source: ours. The contrast is CAD's (Shi et al. 2023), the plausible set that of contrastive decoding (Li et al. 2023).

Shapes: P answers, V tokens of the vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from decoders.params import Dial
from decoders.signals import Signals
from decoders.streams import CONTEXT, PARAMETRIC


def dial(params: Dial, signals: Signals) -> tuple[Tensor, dict[str, Tensor]]:
    """The scores of this module's formulas, at ``params.alpha`` or at :func:`auto_alpha`.

    Returns:
        ``[P, V]`` scores, and by stream ``[P]`` coefficients: ``1 + g`` and ``-g`` up to 0.5 (of the plausible
        tokens), the weights ``1 - t`` and ``t`` of the streams' probabilities from there on.
    """
    alpha = auto_alpha(params, signals) if params.alpha == "auto" else torch.full_like(signals.jsd, params.alpha)
    strength = params.strength * (1 - 2 * alpha).clamp(min=0) * (1 - agreement(signals))
    share = (2 * alpha - 1).clamp(min=0)
    contrasted, mixed = contrast_plausible(params, signals, strength), mix_probabilities(signals, share)
    scores = torch.where((share > 0)[:, None], mixed, contrasted)
    parametric = share - strength
    return scores, {CONTEXT: 1 - parametric, PARAMETRIC: parametric}


def auto_alpha(params: Dial, signals: Signals) -> Tensor:
    """``alpha = (1 + knows r) / 2``, ``[P]``, with ``r`` of :func:`agreement`.

    Where the documents name another word than memory, ``r`` is near 0 and they stand as they are. Where they leave it
    open how to go on, memory has a say: it keeps to the question, and it ends the answer. With ``knows = 0`` it has
    none.
    """
    return (1 + params.knows * agreement(signals)) / 2


def agreement(signals: Signals) -> Tensor:
    """``r = p_c(m) / max p_c``, ``[P]``: how plausible memory's best token ``m`` is to the documents, 0 to 1."""
    l_c = signals.log_probs[CONTEXT]
    best = signals.log_probs[PARAMETRIC].argmax(dim=-1, keepdim=True)
    return (l_c.gather(1, best) - l_c.amax(dim=-1, keepdim=True)).exp()[:, 0]


def contrast_plausible(params: Dial, signals: Signals, strength: Tensor) -> Tensor:
    """``[P, V]`` contrast of this strength (``[P]``) among plausible tokens; the others follow the last of them."""
    z_c, z_p = signals.logits[CONTEXT], signals.logits[PARAMETRIC]
    added = z_c - z_p
    is_plausible = plausible_tokens(signals.log_probs[CONTEXT], params.plausible)
    least = added.masked_fill(~is_plausible, math.inf).amin(dim=-1, keepdim=True)
    return z_c + strength[:, None] * torch.where(is_plausible, added, least)


def mix_probabilities(signals: Signals, share: Tensor) -> Tensor:
    """``[P, V]`` logarithm of the mean of both streams' probabilities, memory's weight being ``share`` (``[P]``).

    Each row has the constant by which the streams' logits differ from log-probabilities, so that the scores meet the
    logits at both ends.
    """
    z_c, z_p = signals.logits[CONTEXT], signals.logits[PARAMETRIC]
    l_c, l_p = signals.log_probs[CONTEXT], signals.log_probs[PARAMETRIC]
    t = share[:, None]
    constant = (1 - t) * (z_c - l_c).amax(dim=-1, keepdim=True) + t * (z_p - l_p).amax(dim=-1, keepdim=True)
    mixed = torch.logaddexp(l_c + torch.log1p(-t), l_p + t.log()) + constant
    return torch.where(t < 1, mixed, z_p)


def plausible_tokens(log_probs: Tensor, ratio: float) -> Tensor:
    """``[P, V]`` mask of the tokens whose probability is at least ``ratio`` of the best one's."""
    margin = math.log(ratio) if ratio > 0 else -math.inf
    return log_probs >= log_probs.amax(dim=-1, keepdim=True) + margin
