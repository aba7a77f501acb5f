"""The two prompts differ by the passages and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.passages import Passage
from rag.core.prompts import build_prompts, passage_block, plain_text
from rag.core.query import Message

texts = st.text(min_size=1, max_size=40)


def passage(text: str, title: str = "") -> Passage:
    return Passage("d:0", "d", "s", title, text)


@given(question=texts, blocks=st.lists(texts, max_size=4), history=st.lists(texts, max_size=3))
def test_removing_the_passages_gives_the_parametric_prompt(
    question: str, blocks: list[str], history: list[str]
) -> None:
    turns = [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(history)]
    pair = build_prompts(question, [passage(text) for text in blocks], turns)
    assert pair.context[:-1] == pair.parametric[:-1] == tuple(turns)
    inserted = "".join(f"{text}\n\n" for text in reversed(blocks))
    head, tail = pair.parametric[-1].content.split("\n\n", 1)
    assert pair.context[-1].content == f"{head}\n\n{inserted}{tail}"
    assert build_prompts(question, [], turns).context == pair.parametric


def test_the_best_passage_stands_next_to_the_question() -> None:
    content = build_prompts("Q?", [passage("best"), passage("second")]).context[-1].content
    assert content.index("second") < content.index("best") < content.index("Q?")


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("", "text", "text"),
        ("Tides", "The sea rises.", "Tides\nThe sea rises."),
        ("Tides", "# Tides\n\nThe sea rises.", "# Tides\n\nThe sea rises."),
        ("Tides", "TIDES\nThe sea rises.", "TIDES\nThe sea rises."),
    ],
)
def test_a_title_is_not_repeated(title: str, text: str, expected: str) -> None:
    assert passage_block(passage(text, title)) == expected


def test_plain_text_ends_where_the_answer_begins() -> None:
    first = build_prompts("Who?", []).context
    then = build_prompts("Where?", [], [*first, Message("assistant", "Edda.")]).context
    assert plain_text(first).endswith("Question: Who?\nAnswer:")
    assert "Answer: Edda.\n\n" in plain_text(then)
    assert plain_text(then).endswith("Question: Where?\nAnswer:")
