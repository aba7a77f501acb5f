"""Skill: choose what the passages of a question are read with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.pipeline.state import State, update_by
from rag.skills.choose import AUTO, NONE
from rag.skills.serving import SkillSet


@dataclass(frozen=True)
class SkillStage:
    """Sets ``skill`` of questions that have passages in their prompt.

    A question to the model alone, or to patches that recite nothing, is answered without: a reader reads passages. So
    is one that wants JSON, unless it names a skill: readers learnt to answer in a few words.
    """

    skills: Callable[[], SkillSet]
    name: str = "skill"

    def run(self, states: Sequence[State]) -> list[State]:
        """Questions with one wish are looked up together.

        Raises:
            SkillError: there is no such skill, or it was made for another model.
        """
        return update_by(states, _wish, self._choose)

    def _choose(self, wish: str, states: list[State]) -> list[State]:
        skill = self.skills().reader(wish)
        return [replace(state, skill=skill) for state in states]


def _wish(state: State) -> str | None:
    has_passages = state.is_supported and bool(state.readable)
    wish, wants_json = state.query.skill, bool(state.query.sampling.json_schema)
    is_wanted = wish != NONE and not (wish == AUTO and wants_json)
    return wish if has_passages and is_wanted else None
