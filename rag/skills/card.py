"""The card of a skill: what it is, which model it is for, and what it was measured to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rag.core.errors import SettingError, SkillError

CARD = "skill.json"
VERSION = 1
READER, JUDGE = "reader", "judge"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class SkillSource:
    """Data that a skill was trained on.

    Attributes:
        name: of the data set, or of the library.
        license: as the data says it.
        num_rows: samples made from it.
    """

    name: str
    license: str
    num_rows: int = 0


@dataclass(frozen=True)
class SkillCard:
    """What a skill is; ``skill.json`` in its folder.

    Attributes:
        name: what ``--skill`` takes: lower-case letters, digits, ``-`` and ``_``.
        kind: ``reader`` answers from passages, ``judge`` says whether a passage supports an answer; other kinds are
            used only by name.
        base: fingerprint of the model that it was made for (:mod:`rag.models.fingerprint`).
        base_name: that model, as the user named it.
        rank: the largest rank of its layers.
        modules: names of the layers that it changes, such as ``q_proj``.
        instruction: first line of the prompts that it learnt; empty for the product's own.
        sources: the data, with licences.
        license: of the weights.
        seed: of the training.
        before, after: figures by name: of the base model, or of the skill that a preference stage started from, and of
            this skill.
        started_from: ``sha256`` of the skill that a preference stage started from; empty where there was none.
        is_default: it was measured to be better than the base model, and is used without being asked for.
        created: ISO 8601.
        sha256: of the weights' file.
        version: of this format.
    """

    name: str
    kind: str
    base: str
    base_name: str
    rank: int
    modules: tuple[str, ...]
    instruction: str = ""
    sources: tuple[SkillSource, ...] = ()
    license: str = ""
    seed: int = 0
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    started_from: str = ""
    is_default: bool = False
    created: str = ""
    sha256: str = ""
    version: int = VERSION

    def __post_init__(self) -> None:
        check_name(self.name)
        if not _FINGERPRINT.fullmatch(self.base):
            raise SkillError(f"skill {self.name!r} has base={self.base!r}; expected a model's fingerprint, hex digits")

    @property
    def key(self) -> str:
        """The name of its folder: its name and the beginning of its model's fingerprint."""
        return skill_key(self.name, self.base)

    def to_json(self) -> str:
        """The text of ``skill.json``."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def skill_key(name: str, base: str) -> str:
    """The name of a skill's folder, by its own name and its model's fingerprint."""
    return f"{name}-{base[:8]}"


def check_name(name: str) -> None:
    """Refuse what cannot be a skill's name.

    Raises:
        SettingError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(f"skill={name!r}; expected lower-case letters, digits, '-' and '_', such as reader")


def read_card(folder: Path) -> SkillCard:
    """The card in a skill's folder.

    Raises:
        SkillError: there is none, it is damaged, or a later version of this program wrote it.
    """
    try:
        card = TypeAdapter(SkillCard).validate_json((folder / CARD).read_bytes())
    except FileNotFoundError:
        raise SkillError(
            f"{folder.name!r} is no skill: it holds no {CARD}; 'concord skill ls' lists the skills"
        ) from None
    except (OSError, ValidationError, SettingError) as error:
        reason = str(error).splitlines()[0]
        raise SkillError(
            f"the skill {folder.name} is damaged: {CARD} is unreadable ({reason}); train it again"
        ) from error
    if card.version > VERSION:
        raise SkillError(
            f"the skill {folder.name} has format {card.version}, this version reads up to {VERSION}; update concord-rag"
        )
    return card
