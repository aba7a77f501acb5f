"""One step of all pairs in a batch, in place."""

from __future__ import annotations

import pytest
import torch

from decoders.forcing import decide
from decoders.pairing import Half, HalfRow, MatchedPair
from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from decoders.rules import mix
from decoders.sampling import Draw, choose
from decoders.streams import CONTEXT, PARAMETRIC
from decoders.trace import StepTrace

RULES: list[DecoderParams] = [
    AdaCad(),
    Cad(2.0),
    CkPlug(),
    CkPlug(alpha=0.0),
    Coiecd(),
    Dial(0.0),
    Dial(0.8),
    Dial(),
    Plain(),
    Memory(),
]
VOCABULARY = 500


def pair(
    rows: tuple[int, int], params: DecoderParams, draw: Draw | None = None, output: tuple[int, ...] = ()
) -> MatchedPair:
    halves = [HalfRow(Half(str(rows), role, params, draw), (1, 2), output) for role in ("context", "parametric")]
    return MatchedPair(*rows, *halves)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(20, VOCABULARY, generator=torch.Generator().manual_seed(0)) * 4


def test_every_pair_gets_its_rules_token_on_both_rows(logits: torch.Tensor) -> None:
    before = logits.clone()
    pairs = [pair((number, 19 - number), params) for number, params in enumerate(RULES)]
    traces = decide(logits, pairs)
    for number, params in enumerate(RULES):
        mixture = mix(params, {CONTEXT: before[number : number + 1], PARAMETRIC: before[19 - number : 20 - number]})
        token = int(mixture.scores.argmax())
        assert int(logits[number].argmax()) == int(logits[19 - number].argmax()) == token
        trace = StepTrace.from_numbers(traces[number].tolist())
        assert trace.jsd == pytest.approx(float(mixture.signals.jsd), abs=1e-6)
        assert trace.streams[CONTEXT].top == int(before[number].argmax())
        assert trace.streams[CONTEXT].logprob == pytest.approx(float(before[number].log_softmax(-1)[token]), abs=1e-4)


@pytest.mark.parametrize("params", RULES, ids=str)
def test_a_forced_token_is_chosen_with_the_probability_that_the_streams_give_it(
    logits: torch.Tensor, params: DecoderParams
) -> None:
    """Beyond the forced ones the rule chooses, and a number beyond the vocabulary reaches no index."""
    before, draw = logits.clone(), Draw(forced=(3, VOCABULARY + 7))
    traces = decide(logits, [pair((number, 19 - number), params, draw, (3,) * number) for number in range(3)])
    assert logits[:3].argmax(dim=-1).tolist()[:2] == [3, VOCABULARY - 1]
    mixture = mix(params, {CONTEXT: before[2:3], PARAMETRIC: before[17:18]})
    assert int(logits[2].argmax()) == int(mixture.scores.argmax())
    trace = StepTrace.from_numbers(traces[0].tolist())
    assert trace.streams[CONTEXT].logprob == pytest.approx(float(before[0].log_softmax(-1)[3]), abs=1e-4)


@pytest.mark.parametrize("params", RULES, ids=str)
@pytest.mark.parametrize("draw", [Draw(), Draw(temperature=5.0, seed=2)], ids=["greedy", "drawn"])
def test_a_banned_token_is_never_chosen_and_the_trace_stays_finite(
    logits: torch.Tensor, params: DecoderParams, draw: Draw
) -> None:
    """A grammar's bans are ``-inf`` in both rows; the rule sees what the grammar allows and nothing else."""
    allowed = torch.tensor([7, 100, 333])
    banned = torch.ones(VOCABULARY, dtype=torch.bool)
    banned[allowed] = False
    logits[:2, banned] = -torch.inf
    bare = logits[:2][:, allowed].clone()
    halves = [
        HalfRow(Half("a", role, params, draw), (1, 2), (), is_constrained=True) for role in ("context", "parametric")
    ]
    (row,) = decide(logits, [MatchedPair(0, 1, *halves)])
    token = int(logits[0].argmax())
    assert token in allowed.tolist()
    if draw.temperature == 0.0:
        scores = mix(params, {CONTEXT: bare[:1], PARAMETRIC: bare[1:]}).scores
        assert token == int(allowed[int(scores.argmax())])
    trace = StepTrace.from_numbers(row.tolist())
    assert not trace.is_broken
    assert trace.jsd == pytest.approx(
        float(mix(params, {CONTEXT: bare[:1], PARAMETRIC: bare[1:]}).signals.jsd), abs=1e-5
    )


def test_other_rows_keep_every_bit(logits: torch.Tensor) -> None:
    before = logits.clone()
    decide(logits, [pair((3, 11), AdaCad()), pair((4, 12), CkPlug())])
    others = [row for row in range(20) if row not in (3, 4, 11, 12)]
    assert torch.equal(logits[others], before[others])


def test_batch_mates_do_not_matter(logits: torch.Tensor) -> None:
    together, alone = logits.clone(), logits.clone()
    pairs = [pair((number, number + 10), RULES[number % len(RULES)]) for number in range(10)]
    traces = decide(together, pairs)
    for number, each in enumerate(pairs):
        torch.testing.assert_close(decide(alone, [each])[0], traces[number])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("draw", [Draw(temperature=1.0, top_p=0.9, seed=5), Draw(repetition_penalty=1.5)])
def test_the_forced_token_is_the_drawn_one_whatever_the_sampler_does_next(logits: torch.Tensor, draw: Draw) -> None:
    before = logits.clone()
    decide(logits, [pair((0, 1), AdaCad(), draw, (7, 8, 9))])
    scores = mix(AdaCad(), {CONTEXT: before[:1], PARAMETRIC: before[1:2]}).scores[0]
    expected = int(choose(scores, draw, 3, (1, 2), (7, 8, 9)))
    for row in (0, 1):
        assert float((logits[row] / 1.7).softmax(-1)[expected]) == 1.0


def test_halves_out_of_step_are_left_alone_and_marked(logits: torch.Tensor) -> None:
    before = logits.clone()
    halves = [HalfRow(Half("x", "context", AdaCad()), (), (1,)), HalfRow(Half("x", "parametric", AdaCad()), (), ())]
    traces = decide(logits, [MatchedPair(0, 1, *halves)])
    assert StepTrace.from_numbers(traces[0].tolist()).is_broken
    assert torch.equal(logits, before)
