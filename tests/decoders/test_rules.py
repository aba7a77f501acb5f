"""The decoding rules against golden vectors, identities and a readable twin."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Memory, Plain
from decoders.rules import adacad_weight, ckplug_is_open, head_mask, kept_entropy, mix
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
]


def streams(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    rows = GOLDEN[case]
    return tuple(torch.tensor([rows[key]], dtype=torch.float64) for key in ("z_ctx", "z_par"))  # type: ignore[return-value]


def logits(num_pairs: int, vocab: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(seed)
    return tuple(3 * torch.randn(num_pairs, vocab, generator=rng, dtype=dtype) for _ in range(2))


def assert_scores(scores: torch.Tensor, expected: list[float], keep: list[bool] | None = None) -> None:
    """Equal to 1e-9 on kept tokens, excluded (-inf) on the others."""
    keep = keep or [True] * len(expected)
    for score, want, is_kept in zip(scores[0].tolist(), expected, keep, strict=True):
        assert (score == pytest.approx(want, abs=1e-9)) if is_kept else (score == -math.inf)


@pytest.mark.parametrize("case", CASES)
def test_golden_divergence(case: str) -> None:
    z_c, z_p = streams(case)
    jsd = mix(z_c, z_p, Plain()).jsd
    assert jsd.item() == pytest.approx(GOLDEN[case]["jsd_nat"], abs=1e-9)
    assert adacad_weight(jsd, AdaCad(log_base="2")).item() == pytest.approx(GOLDEN[case]["jsd_log2"], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_golden_cad(case: str, alpha: float) -> None:
    golden = GOLDEN[case][f"cad_{alpha}"]
    scores = mix(*streams(case), Cad(alpha)).scores
    assert_scores(scores, golden["scores"])
    assert scores.argmax().item() == golden["argmax"]
    assert scores.softmax(-1)[0].tolist() == pytest.approx(golden["p"], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_golden_adacad(case: str, floor: float) -> None:
    golden = GOLDEN[case][f"adacad_lam{floor}"]
    mixture = mix(*streams(case), AdaCad(floor=floor))
    assert mixture.weight.item() == pytest.approx(golden["alpha"], abs=1e-9)
    assert_scores(mixture.scores, golden["scores"])
    assert mixture.scores.argmax().item() == golden["argmax"]


@pytest.mark.parametrize("case", CASES)
def test_golden_coiecd(case: str) -> None:
    golden = GOLDEN[case]["coiecd_a1_r4"]
    scores = mix(*streams(case), Coiecd(alpha=1.0, ratio=4.0)).scores
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
    assert ckplug_is_open(h_c, h_p, params).item() == golden["adjusted"]
    scores = mix(z_c, z_p, params).scores
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
    together = mix(z_c, z_p, params)
    order = [3, 0, 6, 1, 5, 2, 4]
    shuffled = mix(z_c[order], z_p[order], params)
    for place, row in enumerate(order):
        alone = mix(z_c[row : row + 1], z_p[row : row + 1], params)
        for field in ("scores", "weight", "jsd", "context_entropy", "parametric_entropy"):
            whole = getattr(together, field)[row]
            torch.testing.assert_close(getattr(alone, field)[0], whole, rtol=0, atol=1e-12)
            torch.testing.assert_close(getattr(shuffled, field)[place], whole, rtol=0, atol=1e-12)


@given(seed=st.integers(0, 10_000), vocab=st.integers(2, 60), scale=st.floats(0.1, 30))
@settings(max_examples=60, deadline=None)
def test_divergences_stay_in_range(seed: int, vocab: int, scale: float) -> None:
    z_c, z_p = (scale * z.float() for z in logits(3, vocab, seed))
    mixture = mix(z_c, z_p, AdaCad())
    assert (mixture.jsd >= 0).all()
    assert (mixture.jsd <= math.log(2)).all()
    for entropy in (mixture.context_entropy, mixture.parametric_entropy):
        assert (entropy >= 0).all()
        assert (entropy <= math.log(vocab) + 1e-4).all()
    assert mixture.scores.isfinite().all()


@pytest.mark.parametrize("params", [AdaCad(), Cad(0.0), Plain(), CkPlug(0.5), Coiecd(alpha=0.0)], ids=repr)
def test_rules_that_reduce_to_greedy(params: DecoderParams) -> None:
    z_c, z_p = logits(40, 30, seed=5)
    if isinstance(params, AdaCad):
        z_p = z_c.clone()  # identical prompts
    assert mix(z_c, z_p, params).scores.argmax(-1).tolist() == z_c.argmax(-1).tolist()


def test_ckplug_endpoints() -> None:
    z_c, z_p = logits(40, 30, seed=6)
    always_open = {"epsilon": -1e9}
    memory = mix(z_c, z_p, CkPlug(1.0, **always_open)).scores  # type: ignore[arg-type]
    assert memory.argmax(-1).tolist() == z_p.argmax(-1).tolist()
    documents = mix(z_c, z_p, CkPlug(0.0, **always_open)).scores  # type: ignore[arg-type]
    kept = documents.isfinite()
    torch.testing.assert_close(documents[kept], (z_c - z_p)[kept])
    third = mix(z_c, z_p, CkPlug(1 / 3, **always_open)).scores  # type: ignore[arg-type]
    contrasted = mix(z_c, z_p, Cad(1.0)).scores.masked_fill(~third.isfinite(), -math.inf)
    assert third.argmax(-1).tolist() == contrasted.argmax(-1).tolist()


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        (Cad(1.0), twin.cad(1.0)),
        (AdaCad(), twin.adacad),
        (CkPlug(0.2), twin.ckplug(0.2)),
        (CkPlug(), twin.ckplug(None)),
        (Coiecd(), twin.coiecd),
    ],
    ids=lambda value: repr(value) if not callable(value) else "",
)
def test_choices_equal_the_twin(params: DecoderParams, rule: twin.Rule) -> None:
    z_c, z_p = logits(200, 40, seed=7)
    ours = mix(z_c, z_p, params).scores.argmax(-1).tolist()
    assert ours == [int(rule(c, p).argmax()) for c, p in zip(z_c, z_p, strict=True)]


def test_half_precision_is_mixed_in_float32() -> None:
    z_c, z_p = (z.bfloat16() for z in logits(2, 20, seed=8))
    assert mix(z_c, z_p, AdaCad()).scores.dtype == torch.float32


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two \\[P, V\\] tensors"):
        mix(torch.zeros(shape), torch.zeros(shape), Plain())
    with pytest.raises(ValueError, match="one shape"):
        mix(torch.zeros(2, 3), torch.zeros(3, 2), Plain())


def test_two_certain_streams_share_the_weight() -> None:
    """Adaptive CK-PLUG with no doubt on either side must not divide by zero."""
    z = torch.full((1, 4), -1e4, dtype=torch.float64)
    z_c, z_p = z.clone(), z.clone()
    z_c[0, 0] = z_p[0, 1] = 1e4
    mixture = mix(z_c, z_p, CkPlug(epsilon=-1.0, num_head=1, profile="paper"))
    assert not mixture.scores.isnan().any()
    assert 0 <= mixture.weight.item() <= 1
