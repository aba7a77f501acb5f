"""Steps of the report: both coefficients, and the number that older clients read."""

from __future__ import annotations

import pytest
import torch

from decoders.ckplug import gate_is_open, head_mask, kept_entropy
from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from decoders.rules import mix
from decoders.streams import CONTEXT, PARAMETRIC
from rag.generation.codec import decoder_alpha


def logits(seed: int) -> dict[str, torch.Tensor]:
    noise = torch.Generator().manual_seed(seed)
    return {name: 3 * torch.randn(30, 40, generator=noise, dtype=torch.float64) for name in (CONTEXT, PARAMETRIC)}


def alphas(params: DecoderParams, streams: dict[str, torch.Tensor]) -> list[float]:
    """As a client reads them."""
    coefficients = mix(params, streams).coefficients
    each = zip(coefficients[CONTEXT].tolist(), coefficients[PARAMETRIC].tolist(), strict=True)
    return [decoder_alpha(params, context, parametric) for context, parametric in each]


@pytest.mark.parametrize(
    ("params", "alpha"),
    [
        (Plain(), 0.0),
        (Memory(), 1.0),
        (Cad(0.7), 0.7),
        (CkPlug(0.25, epsilon=-1e9), 0.25),
        (CkPlug(1.0, epsilon=-1e9), 1.0),
        (Dial(0.5), 0.5),
        (Dial(0.9), 0.9),
    ],
)
def test_a_fixed_alpha_is_told_as_it_was_set(params: DecoderParams, alpha: float) -> None:
    assert alphas(params, logits(0)) == pytest.approx([alpha] * 30)


def test_adacads_alpha_is_the_divergence() -> None:
    streams = logits(1)
    assert alphas(AdaCad(), streams) == pytest.approx(mix(AdaCad(), streams).signals.jsd.tolist())


def test_ckplugs_alpha_is_the_share_of_memory_and_one_half_where_the_gate_is_shut() -> None:
    streams, params = logits(2), CkPlug()
    l_c, l_p = (streams[name].log_softmax(-1) for name in (CONTEXT, PARAMETRIC))
    keep = head_mask(l_c, 10, 0.01) | head_mask(l_p, 10, 0.01)
    h_c, h_p = (kept_entropy(log_probs, keep, params) for log_probs in (l_c, l_p))
    is_open = gate_is_open(h_c, h_p, params)
    assert is_open.any()
    assert not is_open.all()
    expected = torch.where(is_open, h_c / (h_c + h_p), 0.5)
    assert alphas(params, streams) == pytest.approx(expected.tolist())


def test_coiecds_alpha_is_zero_where_the_best_token_stands_alone() -> None:
    streams = logits(3)
    l_c = streams[CONTEXT].log_softmax(-1)
    has_rivals = (l_c > l_c.amax(-1, keepdim=True) - 1.3862943611198906).sum(-1) > 1
    assert alphas(Coiecd(0.7), streams) == pytest.approx([0.7 if rivals else 0.0 for rivals in has_rivals.tolist()])
