"""JSON in what models write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.core.replies import find_object


def test_the_first_object_of_the_asked_shape() -> None:
    reply = 'Sure! {"note": {"x": 1}} and {broken {"triples": []} {"triples": [1]}'
    assert find_object(reply) == {"note": {"x": 1}}
    assert find_object(reply, ("entities", "triples")) == {"triples": []}
    assert find_object(reply, ("queries",)) is None
    assert find_object("[1, 2]") is None


def test_braces_without_end_are_given_up() -> None:
    assert find_object("{" * 100_000 + '{"a": 1}') is None


@given(st.text(max_size=80))
def test_any_reply_is_read_without_error(text: str) -> None:
    find_object(text)
    assert find_object('{"a": ' + text, ("b",)) is None or "b" in text
