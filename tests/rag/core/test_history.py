"""Whatever turns a client sends, templates get users and assistants in strict alternation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.core.history import SpeakerRole, alternate_turns

ROLES: tuple[SpeakerRole, ...] = ("system", "developer", "user", "assistant")


def test_an_ordinary_conversation_stays_as_it_is() -> None:
    turns: list[tuple[SpeakerRole, str]] = [("user", "a"), ("assistant", "b")]
    assert [(m.role, m.content) for m in alternate_turns(turns)] == turns
    assert alternate_turns([]) == []


def test_a_system_turn_is_the_first_exchange() -> None:
    history = alternate_turns([("system", "be brief"), ("user", "a"), ("assistant", "b")])
    assert [m.content for m in history] == ["be brief", "Understood.", "a", "b"]


@given(st.lists(st.tuples(st.sampled_from(ROLES), st.text("abc", min_size=1, max_size=3)), max_size=8))
def test_turns_alternate_and_no_text_is_lost(turns: list[tuple[SpeakerRole, str]]) -> None:
    history = alternate_turns(turns)
    assert [m.role for m in history] == ["user", "assistant"] * (len(history) // 2)
    said = "\n".join(m.content for m in history)
    assert all(content in said for _, content in turns)
