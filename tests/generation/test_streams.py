"""Any number of streams: rows, mixture and probes of a rule over the passages, against a loop by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from decoders.params import AdaCad, Memory, Plain
from decoders.rules import RULES
from decoders.signals import Signals
from rag.core.query import Sampling
from rag.generation.base import Request
from rag.generation.request import Prompt
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.generation.test_request import EACH, EachPassage

IDS = {
    "context": tuple(range(20, 50)),
    "parametric": tuple(range(40, 46)),
    "passage:1": tuple(range(60, 80)),
    "passage:2": tuple(range(90, 101)),
}


def mean(params: EachPassage, signals: Signals) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
    names = [name for name in signals.logits if name != "parametric"]
    scores = torch.stack([signals.logits[name] for name in names]).mean(dim=0)
    return scores, {name: torch.full_like(signals.jsd, 1 / len(names)) for name in names}


@pytest.fixture(autouse=True)
def rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, EachPassage, mean)


@pytest.fixture
def rows(tiny: TransformersGenerator) -> list[int]:
    """Rows of every forward from now on."""
    sizes: list[int] = []
    tiny.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    return sizes


@pytest.fixture
def tiny() -> Any:
    generator = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
    yield generator
    generator.close()


def by_hand(model: torch.nn.Module, names: tuple[str, ...], max_tokens: int) -> list[int]:
    tokens: list[int] = []
    with torch.inference_mode():
        while len(tokens) < max_tokens:
            logits = [model(torch.tensor([[*IDS[name], *tokens]])).logits[0, -1] for name in names]
            token = int(torch.stack(logits).mean(dim=0).argmax())
            if token == 1:
                break
            tokens.append(token)
    return tokens


@pytest.mark.parametrize("has_probes", [False, True])
def test_a_rule_over_passages(tiny: TransformersGenerator, has_probes: bool) -> None:
    request = Request(
        {name: Prompt(ids) for name, ids in IDS.items()}, EACH, Sampling(max_tokens=12), has_probes=has_probes
    )
    others = [Request.pair(IDS["context"], IDS["parametric"], AdaCad(), Sampling(max_tokens=12)), request]
    got = tiny.generate([request, *others])
    model = tiny_model("llama")
    expected = by_hand(model, ("context", "passage:1", "passage:2"), 12)
    assert list(got[0].token_ids) == list(got[2].token_ids) == expected
    assert set(got[0].answers) == (set(IDS) if has_probes else set())
    for name, answer in got[0].answers.items():
        assert answer.split() == [f"w{token}" for token in by_hand(model, (name,), 12)]
    # The report compares context and parametric stream where both ran.
    assert all((step.jsd is not None) == has_probes for step in got[0].steps)


@pytest.mark.parametrize(
    ("params", "read", "unread"), [(Plain(), "context", "parametric"), (Memory(), "parametric", "context")]
)
def test_one_stream_without_a_report(
    tiny: TransformersGenerator, rows: list[int], params: Any, read: str, unread: str
) -> None:
    """One row a forward, the same tokens, and nothing made up about the stream that did not run."""
    asked = {
        has_probes: Request.pair(
            IDS["context"], IDS["parametric"], params, Sampling(max_tokens=8), has_probes=has_probes
        )
        for has_probes in (True, False)
    }
    whole = tiny.generate([asked[True]])[0]
    assert max(rows) > 1
    rows.clear()
    alone = tiny.generate([asked[False]])[0]
    assert set(rows) == {1}
    assert alone.token_ids == whole.token_ids
    for step, other in zip(alone.steps, whole.steps, strict=True):
        assert step.jsd is getattr(step, f"{unread}_entropy") is getattr(step, f"{unread}_top") is None
        assert getattr(step, f"{unread}_logprob") is None
        assert getattr(step, f"{read}_top") == getattr(other, f"{read}_top")
        assert getattr(step, f"{read}_entropy") == pytest.approx(getattr(other, f"{read}_entropy"), abs=1e-4)
        assert (step.context_coefficient, step.parametric_coefficient, step.weight) == (
            other.context_coefficient,
            other.parametric_coefficient,
            other.weight,
        )


def test_a_report_has_every_number(tiny: TransformersGenerator) -> None:
    result = tiny.generate([Request.pair(IDS["context"], IDS["parametric"], Plain(), Sampling(max_tokens=4))])[0]
    assert all(value is not None for step in result.steps for value in vars(step).values())
