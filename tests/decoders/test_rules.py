"""The decoding rules against golden vectors, identities and a readable twin."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.ckplug import gate_is_open, head_mask, kept_entropy
from decoders.params import DECODER_NAMES, AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from decoders.rules import RULES, Coefficients, Mixture, mix
from decoders.signals import Signals
from decoders.streams import CONTEXT, PARAMETRIC, PASSAGES, expand_streams, passage_stream
from tests.oracles import twin

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden_vectors.json").read_text())
CASES = sorted(GOLDEN)
EVERY_RULE: list[DecoderParams] = [
    Plain(),
    Memory(),
    Cad(),
    Cad(0.3),
    AdaCad(),
    AdaCad(floor=0.3, log_base="2"),
    *(CkPlug(alpha) for alpha in (0.0, 0.25, 0.5, 1.0)),
    CkPlug(),
    CkPlug(profile="paper"),
    CkPlug(0.2, profile="paper", epsilon=-1.0),
    Coiecd(),
    *(Dial(alpha) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)),
    Dial(),
    Dial(knows=0.9),
]


def streams(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    rows = GOLDEN[case]
    return tuple(torch.tensor([rows[key]], dtype=torch.float64) for key in ("z_ctx", "z_par"))  # type: ignore[return-value]


def logits(num_pairs: int, vocab: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(seed)
    return tuple(3 * torch.randn(num_pairs, vocab, generator=rng, dtype=dtype) for _ in range(2))


def mix_pair(z_c: torch.Tensor, z_p: torch.Tensor, params: DecoderParams) -> Mixture:
    return mix(params, {CONTEXT: z_c, PARAMETRIC: z_p})


def numbers(mixture: Mixture) -> list[torch.Tensor]:
    """Everything that a mixture reports, one row per answer."""
    return [mixture.scores, *mixture.coefficients.values(), *mixture.signals.entropies.values(), mixture.signals.jsd]


def assert_scores(scores: torch.Tensor, expected: list[float], keep: list[bool] | None = None) -> None:
    """Equal to 1e-9 on kept tokens, excluded (-inf) on the others."""
    keep = keep or [True] * len(expected)
    for score, want, is_kept in zip(scores[0].tolist(), expected, keep, strict=True):
        assert (score == pytest.approx(want, abs=1e-9)) if is_kept else (score == -math.inf)


@pytest.mark.parametrize("case", CASES)
def test_golden_divergence(case: str) -> None:
    z_c, z_p = streams(case)
    nats = mix_pair(z_c, z_p, Plain()).signals.jsd
    assert nats.item() == pytest.approx(GOLDEN[case]["jsd_nat"], abs=1e-9)
    bits = -mix_pair(z_c, z_p, AdaCad(log_base="2")).coefficients[PARAMETRIC]
    assert bits.item() == pytest.approx(GOLDEN[case]["jsd_log2"], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_golden_cad(case: str, alpha: float) -> None:
    golden = GOLDEN[case][f"cad_{alpha}"]
    scores = mix_pair(*streams(case), Cad(alpha)).scores
    assert_scores(scores, golden["scores"])
    assert scores.argmax().item() == golden["argmax"]
    assert scores.softmax(-1)[0].tolist() == pytest.approx(golden["p"], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_golden_adacad(case: str, floor: float) -> None:
    golden = GOLDEN[case][f"adacad_lam{floor}"]
    mixture = mix_pair(*streams(case), AdaCad(floor=floor))
    assert mixture.coefficients[PARAMETRIC].item() == pytest.approx(-golden["alpha"], abs=1e-9)
    assert_scores(mixture.scores, golden["scores"])
    assert mixture.scores.argmax().item() == golden["argmax"]


@pytest.mark.parametrize("case", CASES)
def test_golden_coiecd(case: str) -> None:
    golden = GOLDEN[case]["coiecd_a1_r4"]
    scores = mix_pair(*streams(case), Coiecd(alpha=1.0, ratio=4.0)).scores
    assert_scores(scores, golden["scores"])
    assert scores.argmax().item() == golden["argmax"]


CKPLUG_KEYS = sorted({(case, key) for case in CASES for key in GOLDEN[case] if key.startswith("ckplug")})


@pytest.mark.parametrize(("case", "key"), CKPLUG_KEYS)
def test_golden_ckplug(case: str, key: str) -> None:
    golden: dict[str, Any] = GOLDEN[case][key]
    _, epsilon, alpha, num_head = key.split("_")
    params = CkPlug(
        alpha="auto" if alpha == "adaptive" else float(alpha[1:]),
        epsilon=float(epsilon[1:]),
        num_head=int(num_head[1:]),
    )
    z_c, z_p = streams(case)
    l_c, l_p = z_c.log_softmax(-1), z_p.log_softmax(-1)
    keep = head_mask(l_c, params.num_head, 0.01) | head_mask(l_p, params.num_head, 0.01)
    h_c, h_p = (kept_entropy(log_probs, keep, params) for log_probs in (l_c, l_p))
    assert keep[0].tolist() == golden["keep"]
    assert h_c.item() == pytest.approx(golden["H_ctx"], abs=1e-9)
    assert h_p.item() == pytest.approx(golden["H_par"], abs=1e-9)
    assert gate_is_open(h_c, h_p, params).item() == golden["adjusted"]
    scores = mix_pair(z_c, z_p, params).scores
    assert_scores(scores, golden["scores"], golden["keep"])
    assert scores.argmax().item() == golden["argmax"]


def test_golden_file_is_covered() -> None:
    """Every entry of the file is checked by a test above."""
    checked = ("z_ctx", "z_par", "jsd_", "cad_", "adacad_", "coiecd_", "ckplug_")
    assert all(key.startswith(checked) for case in CASES for key in GOLDEN[case])
    assert len(CKPLUG_KEYS) == 4 * 12


@pytest.mark.parametrize("params", EVERY_RULE, ids=repr)
def test_rows_are_independent(params: DecoderParams) -> None:
    z_c, z_p = logits(7, 50, seed=3)
    together = mix_pair(z_c, z_p, params)
    order = [3, 0, 6, 1, 5, 2, 4]
    shuffled = mix_pair(z_c[order], z_p[order], params)
    for place, row in enumerate(order):
        alone = mix_pair(z_c[row : row + 1], z_p[row : row + 1], params)
        for whole, one, moved in zip(numbers(together), numbers(alone), numbers(shuffled), strict=True):
            torch.testing.assert_close(one[0], whole[row], rtol=0, atol=1e-12)
            torch.testing.assert_close(moved[place], whole[row], rtol=0, atol=1e-12)


@given(seed=st.integers(0, 10_000), vocab=st.integers(2, 60), scale=st.floats(0.1, 30))
@settings(max_examples=60, deadline=None)
def test_divergences_stay_in_range(seed: int, vocab: int, scale: float) -> None:
    z_c, z_p = (scale * z.float() for z in logits(3, vocab, seed))
    mixture = mix_pair(z_c, z_p, AdaCad())
    assert (mixture.signals.jsd >= 0).all()
    assert (mixture.signals.jsd <= math.log(2)).all()
    for entropy in mixture.signals.entropies.values():
        assert (entropy >= 0).all()
        assert (entropy <= math.log(vocab) + 1e-4).all()
    assert mixture.scores.isfinite().all()


@pytest.mark.parametrize("params", [AdaCad(), Cad(0.0), Plain(), CkPlug(0.5), Coiecd(alpha=0.0), Dial(0.5)], ids=repr)
def test_rules_that_reduce_to_greedy(params: DecoderParams) -> None:
    z_c, z_p = logits(40, 30, seed=5)
    if isinstance(params, AdaCad):
        z_p = z_c.clone()  # identical prompts
    assert mix_pair(z_c, z_p, params).scores.argmax(-1).tolist() == z_c.argmax(-1).tolist()


def test_ckplug_endpoints() -> None:
    z_c, z_p = logits(40, 30, seed=6)
    always_open = {"epsilon": -1e9}
    memory = mix_pair(z_c, z_p, CkPlug(1.0, **always_open)).scores  # type: ignore[arg-type]
    assert memory.argmax(-1).tolist() == z_p.argmax(-1).tolist()
    documents = mix_pair(z_c, z_p, CkPlug(0.0, **always_open)).scores  # type: ignore[arg-type]
    is_finite = documents.isfinite()
    torch.testing.assert_close(documents[is_finite], (z_c - z_p)[is_finite])
    third = mix_pair(z_c, z_p, CkPlug(1 / 3, **always_open)).scores  # type: ignore[arg-type]
    contrasted = mix_pair(z_c, z_p, Cad(1.0)).scores.masked_fill(~third.isfinite(), -math.inf)
    assert third.argmax(-1).tolist() == contrasted.argmax(-1).tolist()


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        (Cad(1.0), twin.cad(1.0)),
        (AdaCad(), twin.adacad),
        (CkPlug(0.2), twin.ckplug(0.2)),
        (CkPlug(), twin.ckplug(None)),
        (Coiecd(), twin.coiecd),
        *((Dial(alpha), twin.dial(alpha)) for alpha in (0.0, 0.25, 0.75)),
        (Dial(), twin.dial(None)),
        (Dial(knows=0.8), twin.dial(None, knows=0.8)),
    ],
    ids=lambda value: repr(value) if not callable(value) else "",
)
def test_choices_equal_the_twin(params: DecoderParams, rule: twin.Rule) -> None:
    z_c, z_p = logits(200, 40, seed=7)
    ours = mix_pair(z_c, z_p, params).scores.argmax(-1).tolist()
    assert ours == [int(rule(c, p).argmax()) for c, p in zip(z_c, z_p, strict=True)]


def test_half_precision_is_mixed_in_float32() -> None:
    z_c, z_p = (z.bfloat16() for z in logits(2, 20, seed=8))
    assert mix_pair(z_c, z_p, AdaCad()).scores.dtype == torch.float32


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="\\[P, V\\] logits"):
        mix_pair(torch.zeros(shape), torch.zeros(shape), Plain())
    with pytest.raises(ValueError, match="one shape"):
        mix_pair(torch.zeros(2, 3), torch.zeros(3, 2), Plain())


def test_two_certain_streams_share_equally() -> None:
    """Adaptive CK-PLUG with no doubt on either side must not divide by zero."""
    z = torch.full((1, 4), -1e4, dtype=torch.float64)
    z_c, z_p = z.clone(), z.clone()
    z_c[0, 0] = z_p[0, 1] = 1e4
    mixture = mix_pair(z_c, z_p, CkPlug(epsilon=1.0, num_head=1, profile="paper"))
    assert not mixture.scores.isnan().any()
    # alpha = 1/2: half of the context stream, nothing of the memory.
    assert [mixture.coefficients[name].item() for name in (CONTEXT, PARAMETRIC)] == [0.5, 0.0]


ONE_SUM = [params for params in EVERY_RULE if not isinstance(params, (Coiecd, Dial))]


@pytest.mark.parametrize("params", [*ONE_SUM, CkPlug(0.3, epsilon=-1e9)], ids=repr)
def test_scores_are_the_sum_that_the_coefficients_say(params: DecoderParams) -> None:
    z_c, z_p = logits(60, 30, seed=9)
    mixture = mix_pair(z_c, z_p, params)
    a_c, a_p = (mixture.coefficients[name][:, None] for name in (CONTEXT, PARAMETRIC))
    is_finite = mixture.scores.isfinite()
    torch.testing.assert_close(mixture.scores[is_finite], (a_c * z_c + a_p * z_p)[is_finite])


def test_coiecd_is_piecewise() -> None:
    z_c, z_p = logits(60, 30, seed=10)
    l_c, l_p = z_c.log_softmax(-1), z_p.log_softmax(-1)
    mixture = mix_pair(z_c, z_p, Coiecd(alpha=0.7))
    a_c, a_p = (mixture.coefficients[name][:, None] for name in (CONTEXT, PARAMETRIC))
    top = l_c >= l_c.amax(-1, keepdim=True) - math.log(4)
    margin_of_worst = l_c > l_c.amin(-1, keepdim=True) + math.log(4)
    torch.testing.assert_close(mixture.scores[top], (a_c * l_c + a_p * l_p)[top])
    outside = ~top & margin_of_worst
    torch.testing.assert_close(mixture.scores[outside], l_c[outside])
    assert set(a_p.flatten().tolist()) == {-0.7, 0.0}


def test_ckplug_at_a_fixed_half_is_plain_for_greedy_choices_only() -> None:
    """Where the gate is open the scores are half of the context's: the order is the same, the temperature double."""
    z_c, z_p = logits(40, 30, seed=11)
    mixture = mix_pair(z_c, z_p, CkPlug(0.5))
    scale = mixture.coefficients[CONTEXT]
    assert set(scale.tolist()) == {0.5, 1.0}
    is_finite = mixture.scores.isfinite()
    torch.testing.assert_close(mixture.scores[is_finite], (scale[:, None] * z_c)[is_finite])


def test_ckplug_coefficients_do_not_sum_to_one() -> None:
    z_c, z_p = logits(40, 30, seed=12)
    coefficients = mix_pair(z_c, z_p, CkPlug(0.25, epsilon=-1e9)).coefficients
    assert (coefficients[CONTEXT] + coefficients[PARAMETRIC]).tolist() == pytest.approx([0.25] * 40)


def test_a_rule_may_get_more_streams_than_it_reads() -> None:
    z_c, z_p = logits(5, 30, seed=13)
    more = {CONTEXT: z_c, passage_stream(1): z_p.flip(0), PARAMETRIC: z_p}
    mixture = mix(AdaCad(), more)
    assert torch.equal(mixture.scores, mix_pair(z_c, z_p, AdaCad()).scores)
    assert set(mixture.coefficients) == set(mixture.signals.entropies) == set(more)
    assert mixture.coefficients["passage:1"].tolist() == [0.0] * 5


def test_one_stream_is_enough_for_a_rule_that_reads_one() -> None:
    z_c, _ = logits(3, 20, seed=14)
    mixture = mix(Plain(), {CONTEXT: z_c})
    assert torch.equal(mixture.scores, z_c)
    assert mixture.signals.jsd.isnan().all()


def test_a_missing_stream_is_told() -> None:
    with pytest.raises(ValueError, match="'cad' reads context, parametric; missing: parametric"):
        mix(Cad(), {CONTEXT: torch.zeros(1, 4)})


def test_a_rule_over_passages_is_one_class_and_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rule with any number of streams costs: its settings, and an entry in ``RULES``."""

    @dataclass(frozen=True)
    class Mean:
        name: ClassVar[str] = "mean"
        streams: ClassVar[tuple[str, ...]] = (PASSAGES, PARAMETRIC)

    def mean(params: Mean, signals: Signals) -> tuple[torch.Tensor, Coefficients]:
        each = {name: logits for name, logits in signals.logits.items() if name != PARAMETRIC}
        share = torch.full_like(next(iter(signals.entropies.values())), 1 / len(each))
        return torch.stack(list(each.values())).mean(dim=0), dict.fromkeys(each, share)

    monkeypatch.setitem(RULES, Mean, mean)
    names = expand_streams(Mean.streams, 3)
    assert names == ("passage:1", "passage:2", "passage:3", "parametric")
    rng = torch.Generator().manual_seed(15)
    streams = {name: torch.randn(4, 20, generator=rng, dtype=torch.float64) for name in names}
    mixture = mix(Mean(), streams)  # type: ignore[arg-type]  # a rule of this test's own
    expected = sum(streams[name] for name in names[:3]) / 3
    torch.testing.assert_close(mixture.scores, expected)
    assert mixture.coefficients["passage:2"].tolist() == pytest.approx([1 / 3] * 4)
    assert mixture.coefficients[PARAMETRIC].tolist() == [0.0] * 4


def test_every_decoder_has_a_rule_and_reads_streams_that_exist() -> None:
    assert {params.name for params in RULES} == set(DECODER_NAMES)
    for params in EVERY_RULE:
        assert expand_streams(params.streams, 1) == params.streams


def test_a_passage_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="'passage:3'; this question has context, parametric, passage:1"):
        expand_streams(("context", "passage:3"), 1)
