"""What the decoders do to the real model, on a few facts; the full table is ``benchmarks/conflict.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.metrics.answers import contains_answer
from rag.core.passages import Passage
from rag.engine import Engine

pytestmark = pytest.mark.real


def test_the_dial_moves_answers_from_documents_to_memory(
    generator: Any, facts: list[dict[str, Any]], tmp_path: Path
) -> None:
    chosen = facts[:20]
    questions = [fact["question"] for fact in chosen]
    passages = [[Passage("p:0", "p", "s", "", fact["conflicting_context"])] for fact in chosen]

    def share(key: str, **options: Any) -> float:
        # Without the reader: with it, plain decoding follows the documents already, and no dial can add to that.
        answers = engine.answer_with(questions, passages, max_tokens=14, verdict=False, skill="none", **options)
        hits = [contains_answer(a.text, [fact[key]]) for a, fact in zip(answers, chosen, strict=True)]
        return sum(hits) / len(hits)

    with Engine.open(tmp_path, generator=generator) as engine:
        documents = [share("conflicting_answer", decoder="ckplug", alpha=alpha) for alpha in (1.0, 0.5, 0.0)]
        memory = [share("agreeing_answer", decoder="ckplug", alpha=alpha) for alpha in (1.0, 0.5, 0.0)]
        assert documents == sorted(documents)
        assert documents[-1] > documents[0]
        assert memory[0] > memory[-1]
        assert share("conflicting_answer", decoder="cad") > share("conflicting_answer", decoder="plain")
