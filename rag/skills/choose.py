"""Which skill answers: the one that was asked for, or the best reader that was made for this model."""

from __future__ import annotations

from pathlib import Path

from rag.core.errors import SkillError
from rag.models.defaults import GENERATOR
from rag.skills.card import JUDGE, READER, check_name
from rag.skills.store import Skill, SkillStore, is_path, open_skill

AUTO, NONE = "auto", "none"


def choose_skill(wanted: str, store: SkillStore, base: str, base_name: str, kind: str = READER) -> Skill | None:
    """The skill to use.

    Args:
        wanted: ``auto``, ``none``, a name, or a folder.
        store: the skills of this machine.
        base: fingerprint of the model that is to run it; ``base_name``: as the user named that model.
        kind: what it is to do; ``auto`` looks for this kind only.

    Returns:
        ``None`` for ``none``, and for ``auto`` where no skill was measured to be better for this model.

    Raises:
        SkillError: there is no such skill, it is of another kind, or it was made for another model.
    """
    if wanted == NONE:
        return None
    if wanted == AUTO:
        return find_default(store, base, kind)
    if is_path(wanted):
        skill = open_skill(Path(wanted).expanduser())
        _check(skill, base, base_name, kind)
        return skill
    check_name(wanted)
    named = [skill for skill in store.ls() if wanted in (skill.card.name, skill.folder.name)]
    fitting = [skill for skill in named if skill.card.base == base]
    chosen = next(iter(fitting or named), None)
    if chosen is None:
        raise SkillError(f"there is no skill {wanted!r}; 'concord skill ls' lists them, {_make(wanted, base_name)}")
    _check(chosen, base, base_name, kind)
    return chosen


def find_default(store: SkillStore, base: str, kind: str = READER) -> Skill | None:
    """The skill of a kind that is used without being asked for: the user's newest, or else one that ships."""
    fitting = [skill for skill in store.ls() if skill.card.kind == kind and skill.card.base == base]
    usable = [skill for skill in fitting if skill.card.is_default]
    return max(usable, key=lambda skill: (not skill.is_shipped, skill.card.created), default=None)


def may_answer(skill: Skill, model: str, kind: str) -> bool:
    """Whether a skill might be used unasked, before anything of the model is read.

    Those that ship are for the default model, the user's own for any: the fingerprint of a large one takes time.

    Args:
        model: as the user named it.
    """
    is_for_model = not skill.is_shipped or model in ("default", GENERATOR.name)
    return skill.card.is_default and skill.card.kind == kind and is_for_model


def _check(skill: Skill, base: str, base_name: str, kind: str) -> None:
    card = skill.card
    if JUDGE in (card.kind, kind) and card.kind != kind:
        raise SkillError(f"skill {card.name!r} is a {card.kind}; expected a {kind}")
    if card.base != base:
        raise SkillError(
            f"skill {card.name!r} was made for model {card.base_name!r} ({card.base}), not for {base_name!r} ({base}); "
            f"{_make(card.name, base_name)}"
        )


def _make(name: str, base_name: str) -> str:
    kind = name if name in (READER, JUDGE) else READER
    return f"make one for this model: concord skill train {kind} --model {base_name}"
