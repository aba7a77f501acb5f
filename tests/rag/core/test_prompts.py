"""The two prompts: they differ by the passages, and by what a conversation took from documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.history import alternate_turns
from rag.core.passages import Passage
from rag.core.prompts import build_prompts, passage_block, plain_text
from rag.core.query import Message

texts = st.text(min_size=1, max_size=40)


def passage(text: str, title: str = "") -> Passage:
    return Passage("d:0", "d", "s", title, text)


@given(question=texts, blocks=st.lists(texts, max_size=4))
def test_removing_the_passages_gives_the_parametric_prompt(question: str, blocks: list[str]) -> None:
    pair = build_prompts(question, [passage(text) for text in blocks])
    inserted = "".join(f"{text}\n\n" for text in reversed(blocks))
    head, tail = pair.parametric[-1].content.split("\n\n", 1)
    assert pair.context[-1].content == f"{head}\n\n{inserted}{tail}"
    assert build_prompts(question, []).context == pair.parametric


@given(turns=st.lists(st.tuples(texts, texts, texts), max_size=3), clarified=st.sampled_from(["", "Q?", "Clear Q?"]))
def test_replies_reach_the_context_prompt_alone(turns: list[tuple[str, str, str]], clarified: str) -> None:
    """Whatever the assistant said before, the parametric prompt is the same."""
    one = [m for asked, reply, _ in turns for m in (Message("user", asked), Message("assistant", f"1 {reply}"))]
    two = [m for asked, _, reply in turns for m in (Message("user", asked), Message("assistant", f"2 {reply}"))]
    first, second = (build_prompts("Q?", [passage("text")], history, clarified) for history in (one, two))
    assert first.parametric == second.parametric
    assert [message.role for message in first.parametric] == ["user"]
    assert first.context[:-1] == tuple(one)


def test_a_follow_up_that_was_not_clarified_keeps_what_the_user_asked() -> None:
    history = [Message("user", "Who runs the harbour?"), Message("assistant", "Edda Lindqvist")]
    (asked,) = build_prompts("And before her?", [passage("text")], history).parametric
    assert asked.content.index("Who runs the harbour?") < asked.content.index("Question: And before her?")
    (clear,) = build_prompts("Before her?", [], history, "Who ran the harbour before Edda?").parametric
    assert clear == build_prompts("Who ran the harbour before Edda?", []).parametric[-1]


def test_instructions_reach_both_prompts() -> None:
    history = alternate_turns([("system", "Answer in French."), ("user", "Who?"), ("assistant", "Edda.")])
    pair = build_prompts("Where?", [passage("text")], history)
    assert pair.parametric[:-1] == tuple(history[:2]) == pair.context[:2]
    assert "Edda" not in "".join(message.content for message in pair.parametric)


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
