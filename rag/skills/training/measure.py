"""What a skill does on examples that it was not trained on, and what it does to memory; for its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files

from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.core.replies import first_line, is_refusal
from rag.core.verdict import NOT_STATED
from rag.generation.adapters.adapter import Adapter
from rag.generation.request import Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.skills.data.examples import Example
from rag.skills.data.judging import Judgement
from rag.skills.prompts import JUDGE_LABELS
from rag.skills.training.tokens import encode_prompt
from rag.skills.words import contains, overlap

_MAX_TOKENS = 16
_NUM_FACTS = 60
_CHUNK = 64
# A reader that answers more at the price of so many refusals is no better one.
_REFUSALS_LOST = 0.05


def measure_reader(
    generator: TransformersGenerator, examples: Sequence[Example], adapter: Adapter | None
) -> dict[str, float]:
    """Shares of answers that say what the passage says, and of refusals where it says nothing; word overlap; memory."""
    replies = read_replies(generator, examples, adapter)
    pairs = list(zip(examples, replies, strict=True))
    figures = {
        "agreeing": _mean(contains(reply, item.reply) for item, reply in pairs if item.kind == "agreeing"),
        "altered": _mean(contains(reply, item.reply) for item, reply in pairs if item.kind == "altered"),
        "foreign_refused": _mean(is_refusal(reply) for item, reply in pairs if item.kind == "foreign"),
        "answered": _mean(not is_refusal(reply) for item, reply in pairs if item.reply != NOT_STATED),
        "f1": _mean(overlap(reply, item.reply) for item, reply in pairs if item.reply != NOT_STATED),
        "closed_book": _closed_book(generator, adapter),
    }
    return {name: round(value, 3) for name, value in figures.items() if value is not None}


def read_replies(
    generator: TransformersGenerator,
    examples: Sequence[Example],
    adapter: Adapter | None,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """What is replied to each example; ``show`` is told how many are done, and their number."""
    replies: list[str] = []
    for first in range(0, len(examples), _CHUNK):
        prompts = [encode_prompt(generator, item) for item in examples[first : first + _CHUNK]]
        replies += _answer(generator, prompts, adapter)
        show(len(replies), len(examples))
    return replies


def measure_judge(
    generator: TransformersGenerator, judgements: Sequence[Judgement], adapter: Adapter | None
) -> dict[str, float]:
    """Share of right labels by label, and their mean: one that always says the same gets a third."""
    prompts = [encode_prompt(generator, item) for item in judgements]
    scores = generator.score(prompts, JUDGE_LABELS, adapter=adapter)
    chosen = [max(zip(row, JUDGE_LABELS, strict=True))[1] for row in scores]
    pairs = [(said, item.label) for said, item in zip(chosen, judgements, strict=True)]
    shares = {label: _mean([said == label for said, right in pairs if right == label]) for label in JUDGE_LABELS}
    by_label = {label: value for label, value in shares.items() if value is not None}
    figures = {"right": sum(by_label.values()) / max(1, len(by_label)), **by_label}
    return {name: round(value, 3) for name, value in figures.items()}


def is_better(kind: str, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Whether a skill shall be used without being asked for.

    A reader must gain on passages that agree and on altered ones, and refuse foreign ones about as often; a judge must
    gain over its labels. What the model answers without passages does not count: no row without passages has a skill.
    """
    if kind == "judge":
        return after["right"] > before["right"]
    if after.get("foreign_refused", 0.0) < before.get("foreign_refused", 0.0) - _REFUSALS_LOST:
        return False
    return all(after[name] > before[name] for name in ("agreeing", "altered", "f1"))


def _closed_book(generator: TransformersGenerator, adapter: Adapter | None) -> float | None:
    facts = list(_facts())[:_NUM_FACTS]
    prompts = [generator.encode(build_prompts(str(fact["question"]), ()).parametric) for fact in facts]
    replies = _answer(generator, prompts, adapter)
    return _mean(
        any(contains(reply, answer) for answer in fact["answers"]) for fact, reply in zip(facts, replies, strict=True)
    )


def _facts() -> Iterator[dict[str, list[str]]]:
    text = (files("rag.conflicts") / "data" / "facts.jsonl").read_text(encoding="utf-8")
    # Every third one: the file is sorted by what it asks about.
    yield from (json.loads(line) for line in text.splitlines()[::3])


def _answer(generator: TransformersGenerator, prompts: Sequence[tuple[int, ...]], adapter: Adapter | None) -> list[str]:
    sampling = Sampling(max_tokens=_MAX_TOKENS, stop=generator.default_stop)
    requests = [Request.single(prompt, sampling, adapter=adapter) for prompt in prompts]
    return [first_line(generation.text) for generation in generator.generate(requests)]


def _mean(values: Iterator[float | bool] | Sequence[float | bool]) -> float | None:
    items = list(values)
    return sum(items) / len(items) if items else None
