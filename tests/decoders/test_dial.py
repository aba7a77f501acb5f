"""The dial: golden vectors, its two ends and its middle, and what moving it does."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from decoders.dial import agreement, auto_alpha, plausible_tokens
from decoders.params import Cad, Dial
from decoders.rules import Mixture, mix
from decoders.signals import Signals, read_signals
from decoders.streams import CONTEXT, PARAMETRIC

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "dial_vectors.json").read_text())
CASES = json.loads((Path(__file__).parents[1] / "golden" / "golden_vectors.json").read_text())

alphas = st.floats(0, 1)
documents_side = st.floats(0, 0.5)
shares = st.floats(0.01, 1)
seeds = st.integers(0, 10_000)


def signals(seed: int, vocab: int = 40, scale: float = 3.0) -> Signals:
    rng = torch.Generator().manual_seed(seed)
    z_c, z_p = (scale * torch.randn(4, vocab, generator=rng, dtype=torch.float64) for _ in range(2))
    return read_signals({CONTEXT: z_c, PARAMETRIC: z_p})


def turned(said: Signals, params: Dial) -> Mixture:
    return mix(params, said.logits)


def probabilities(said: Signals, params: Dial) -> Tensor:
    return turned(said, params).scores.softmax(dim=-1)


def favoured(said: Signals, plausible: float) -> Tensor:
    """Plausible tokens that the documents favour."""
    l_c, l_p = said.log_probs[CONTEXT], said.log_probs[PARAMETRIC]
    return plausible_tokens(l_c, plausible) & (l_c >= l_p)


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: f"{entry['case']}-{entry['settings']}")
def test_golden(entry: dict[str, object]) -> None:
    case = CASES[entry["case"]]
    z_c, z_p = (torch.tensor([case[key]], dtype=torch.float64) for key in ("z_ctx", "z_par"))
    mixture = mix(Dial(**entry["settings"]), {CONTEXT: z_c, PARAMETRIC: z_p})  # type: ignore[arg-type]
    assert mixture.scores[0].tolist() == pytest.approx(entry["scores"], abs=1e-9)
    assert mixture.coefficients[PARAMETRIC].item() == pytest.approx(entry["parametric"], abs=1e-9)
    assert mixture.coefficients[CONTEXT].item() == pytest.approx(1 - entry["parametric"], abs=1e-9)  # type: ignore[operator]


@given(seed=seeds, scale=st.floats(0.1, 30), plausible=shares, strength=st.floats(0, 8))
def test_the_middle_is_plain_and_the_end_is_memory(seed: int, scale: float, plausible: float, strength: float) -> None:
    said = signals(seed, scale=scale)
    for alpha, stream in ((0.5, CONTEXT), (1.0, PARAMETRIC)):
        mixture = turned(said, Dial(alpha, plausible, strength))
        assert torch.equal(mixture.scores, said.logits[stream])
        assert [mixture.coefficients[name].tolist() for name in (stream,)] == [[1.0] * 4]


@given(seed=seeds, alpha=alphas, plausible=shares, scale=st.floats(0.1, 300))
def test_scores_are_finite_and_a_distribution(seed: int, alpha: float, plausible: float, scale: float) -> None:
    said = signals(seed, scale=scale)
    mixture = turned(said, Dial(alpha, plausible))
    assert mixture.scores.isfinite().all()
    torch.testing.assert_close(mixture.scores.softmax(-1).sum(-1), torch.ones(4, dtype=torch.float64))


@given(seed=seeds, alpha=st.floats(0, 1), step=st.floats(0, 0.05), plausible=shares)
@settings(max_examples=200)
def test_a_small_turn_is_a_small_change(seed: int, alpha: float, step: float, plausible: float) -> None:
    """Total variation grows no faster than the spread of what documents add, or than that of the two streams."""
    said, other = signals(seed), min(alpha + step, 1.0)
    before, after = (probabilities(said, Dial(value, plausible)) for value in (alpha, other))
    distance = (before - after).abs().sum(-1) / 2
    added = said.logits[CONTEXT] - said.logits[PARAMETRIC]
    fastest = (added.amax(-1) - added.amin(-1)).clamp(min=2.0)
    assert (distance <= fastest * (other - alpha) + 1e-9).all()


@given(seed=seeds, alpha=documents_side, plausible=shares, strength=st.floats(0, 8))
def test_contrast_stays_in_the_language(seed: int, alpha: float, plausible: float, strength: float) -> None:
    said = signals(seed)
    mixture = turned(said, Dial(alpha, plausible, strength))
    is_plausible = plausible_tokens(said.log_probs[CONTEXT], plausible)
    worst_inside = mixture.scores.masked_fill(~is_plausible, math.inf).amin(-1)
    best_outside = mixture.scores.masked_fill(is_plausible, -math.inf).amax(-1)
    assert (worst_inside > best_outside).all()
    new, plain = mixture.scores.softmax(-1), said.log_probs[CONTEXT].exp()
    assert (new <= plain + 1e-12)[~is_plausible].all()


@given(seed=seeds, alpha=st.floats(0.5, 1), plausible=shares)
def test_no_token_is_a_compromise(seed: int, alpha: float, plausible: float) -> None:
    """Between plain and memory each token's probability lies between those of the two streams."""
    said = signals(seed)
    new = probabilities(said, Dial(alpha, plausible))
    p, q = (said.log_probs[name].exp() for name in (CONTEXT, PARAMETRIC))
    assert (new <= torch.maximum(p, q) + 1e-9).all()
    assert (new >= torch.minimum(p, q) - 1e-9).all()


@given(seed=seeds, pair=st.tuples(alphas, alphas), plausible=shares, strength=st.floats(0, 8))
@settings(max_examples=200)
def test_documents_lose_what_memory_gains(
    seed: int, pair: tuple[float, float], plausible: float, strength: float
) -> None:
    said = signals(seed)
    is_favoured = favoured(said, plausible)
    low, high = (
        (probabilities(said, Dial(alpha, plausible, strength)) * is_favoured).sum(-1) for alpha in sorted(pair)
    )
    assert (high <= low + 1e-9).all()


def test_where_everything_is_plausible_and_memory_is_not_it_is_cad() -> None:
    z_c = torch.tensor([[30.0, 29.5, 29.0, -20.0]], dtype=torch.float64)
    z_p = torch.tensor([[0.0, 2.0, 1.0, 9.0]], dtype=torch.float64)
    streams = {CONTEXT: z_c, PARAMETRIC: z_p}
    for alpha, contrast in ((0.0, 1.5), (0.25, 0.75)):
        expected = mix(Cad(contrast), streams)
        torch.testing.assert_close(mix(Dial(alpha, plausible=0.0, strength=1.5), streams).scores, expected.scores)


def test_where_both_would_say_the_same_nothing_is_pressed() -> None:
    z_c = torch.tensor([[5.0, 4.8, 0.0]], dtype=torch.float64)
    z_p = torch.tensor([[9.0, 0.0, 0.0]], dtype=torch.float64)
    streams = {CONTEXT: z_c, PARAMETRIC: z_p}
    assert mix(Cad(1.0), streams).scores.argmax().item() == 1
    assert torch.equal(mix(Dial(0.0, strength=8.0), streams).scores, z_c)


@given(seed=seeds, knows=st.floats(0, 1))
def test_auto_gives_memory_no_more_than_it_knows(seed: int, knows: float) -> None:
    said = signals(seed)
    alpha = auto_alpha(Dial(knows=knows), said)
    assert (alpha >= 0.5).all()
    assert (alpha <= (1 + knows) / 2 + 1e-12).all()
    assert torch.equal(turned(said, Dial(knows=0.0)).scores, said.logits[CONTEXT])


def test_auto_is_plain_where_the_streams_agree() -> None:
    z = torch.randn(3, 20, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    mixture = mix(Dial(knows=0.7), {CONTEXT: z, PARAMETRIC: z.clone()})
    torch.testing.assert_close(mixture.scores, z)


def test_auto_leaves_the_documents_alone_where_they_say_something_else() -> None:
    z_c = torch.tensor([[9.0, 0.0, 0.0, 0.0], [1.1, 1.0, 0.0, 0.0]], dtype=torch.float64)
    z_p = torch.tensor([[0.0, 9.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]], dtype=torch.float64)
    mixture = mix(Dial(knows=1.0), {CONTEXT: z_c, PARAMETRIC: z_p})
    assert mixture.scores.argmax(-1).tolist() == [0, 1]  # contradicted; open
    assert mixture.coefficients[PARAMETRIC].tolist() == pytest.approx([math.exp(-9), math.exp(-0.1)])


def test_two_certain_streams_give_numbers() -> None:
    z = torch.full((1, 4), -1e4, dtype=torch.float64)
    z_c, z_p = z.clone(), z.clone()
    z_c[0, 0] = z_p[0, 1] = 1e4
    for params in (Dial(0.0), Dial(0.75), Dial(), Dial(knows=1.0)):
        mixture = mix(params, {CONTEXT: z_c, PARAMETRIC: z_p})
        assert mixture.scores.isfinite().all()
        assert not any(value.isnan().any() for value in mixture.coefficients.values())


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_step_tells_where_the_dial_stood(alpha: float) -> None:
    params, said = Dial(alpha, strength=2.0), signals(3)
    told = [params.memory_share(value) for value in turned(said, params).coefficients[PARAMETRIC].tolist()]
    pressed = max(0.5 - alpha, 0.0) * agreement(said)  # what was not pressed, since the two agree
    assert told == pytest.approx((alpha + pressed).tolist())
