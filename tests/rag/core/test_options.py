"""Options of a question: good ones become a query, bad ones are one error that names them."""

from __future__ import annotations

from typing import Any

import pytest

from rag.core.errors import QuestionError, SettingError
from rag.core.query import Message, Query, Sampling
from rag.core.settings.config import Config
from rag.core.settings.options import build_query


def query(**options: Any) -> Query:
    return build_query("Who?", options, Config(), has_own_retrievers=True)


def test_one_stop_text_is_a_list_of_one() -> None:
    assert query(stop="END").sampling.stop == ("END",)
    assert query(stop=["END", "STOP"]).sampling.stop == ("END", "STOP")
    assert Sampling(stop="END").stop == ("END",)  # type: ignore[arg-type]


def test_history_of_messages_or_mappings() -> None:
    turns = [{"role": "user", "content": "Hello"}, Message("assistant", "Hello!")]
    assert query(history=turns).history == (Message("user", "Hello"), Message("assistant", "Hello!"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": "hot"}, "temperature='hot'; expected a number"),
        ({"temperature": True}, "temperature=True; expected a number"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"max_tokens": True}, "max_tokens=True; expected a whole number"),
        ({"max_tokens": 2.5}, "max_tokens=2.5"),
        ({"max_tokens": "8"}, "max_tokens='8'"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"top_p": "x"}, "top_p='x'"),
        ({"min_p": None, "sample_top_k": False}, "sample_top_k=False"),
        ({"stop": 3}, "stop=3; expected a text"),
        ({"stop": ["a", 3]}, "stop="),
        ({"stop": ""}, "stop="),
        ({"history": [{"rol": "user", "content": "x"}]}, "history holds {'rol'"),
        ({"history": [{"role": "robot", "content": "x"}]}, "role='robot'; expected 'user' or 'assistant'"),
        ({"history": [{"role": "user", "content": 3}]}, "content=3; expected a text"),
        ({"history": "hello"}, "history='hello'; expected a list of messages"),
        ({"history": 3}, "history=3"),
        ({"top_k": True}, "top_k=True"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": "many"}, "top_k='many'"),
        ({"patches": "maybe"}, "patches='maybe'"),
        ({"conflict_report": "no"}, "conflict_report='no'"),
        ({"filter": ["encoder"]}, "filter=\\['encoder'\\]"),
        ({"memory": True}, "option 'memory' is called 'question_cache' now"),
        ({"decoder": "adacad", "alpha": "x"}, "alpha"),
        ({"nothing": 1}, "unknown option 'nothing'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        query(**options)


@pytest.mark.parametrize("question", ["", "  ", None, 3])
def test_a_question_is_a_text(question: Any) -> None:
    with pytest.raises(QuestionError, match="the question is empty"):
        build_query(question, {}, Config(), has_own_retrievers=True)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(QuestionError, match="the question has a character that is no valid text"):
        build_query("Who \udcff?", {}, Config(), has_own_retrievers=True)
    with pytest.raises(QuestionError, match="the history has a character"):
        query(history=[Message("user", "\ud800")])
