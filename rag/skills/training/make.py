"""Make a skill: from data to a measured adapter with its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.core.errors import InputError
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.fingerprint import model_fingerprint
from rag.skills.card import JUDGE, READER, SkillCard, SkillSource, check_name, skill_key
from rag.skills.data.examples import Example, Maker, Recipe
from rag.skills.data.gather import split, write_rows
from rag.skills.data.judging import Judgement, JudgementMaker
from rag.skills.data.rows import Row
from rag.skills.store import Skill, SkillStore
from rag.skills.training.measure import is_better, measure_judge, measure_reader
from rag.skills.training.settings import Preferring, Training
from rag.skills.training.stages import PreferenceStage, ReplyStage, Stage, Watch
from rag.skills.training.trainer import Trained

_MIN_ROWS = 40
_NUM_HELD_OUT, _NUM_MEASURED = 120, 240


@dataclass(frozen=True)
class Material:
    """What a skill is made of.

    Attributes:
        rows: questions with their passages, from files.
        passages: ``(document, title, text)``; questions are written about them.
        sources: where all of it came from.
    """

    rows: tuple[Row, ...]
    passages: tuple[tuple[str, str, str], ...]
    sources: tuple[SkillSource, ...] = ()


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes:
        kind: ``reader`` or ``judge``.
        name: of the skill.
        model_name: of the base, as the user named it.
        num_examples: to learn from.
        license: of the weights.
        training: the numbers of the training.
        recipe: how much of each kind of example.
        start: a reader to go on from, by a preference stage; without one a skill is trained anew.
        preferring: the numbers of that stage.

    Raises:
        SettingError: the name cannot be a skill's. Said before anything is trained.
    """

    kind: str
    name: str
    model_name: str
    num_examples: int
    license: str = ""
    training: Training = field(default_factory=Training)
    recipe: Recipe = field(default_factory=Recipe)
    start: Skill | None = None
    preferring: Preferring = field(default_factory=Preferring)

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True)
class Made:
    """A skill, saved, and how its training went."""

    skill: Skill
    trained: Trained


def make_skill(
    generator: TransformersGenerator, material: Material, order: Order, store: SkillStore, watch: Watch | None = None
) -> Made:
    """Train a skill for the generator's model, anew or from ``order.start``, measure it before and after, and keep it.

    A run that was killed goes on from its last checkpoint, if model, data and numbers are the same.

    Raises:
        InputError: there is too little data, or the skill would replace the one that it starts from.
        ModelError: the model cannot learn it, or the loss does not fall.
        SkillError: the skill to start from is damaged.
        StorageError: the disk does not take the checkpoint or the skill.
    """
    watch = watch or Watch()
    watch.say("Writing questions and examples")
    learnt, held_out = split([*material.rows, *write_rows(material.passages)])
    _refuse_too_little(learnt, held_out)
    examples, checked = (
        _draw(order, rows, number) for rows, number in ((learnt, order.num_examples), (held_out, _NUM_MEASURED))
    )
    base = model_fingerprint(generator.model)
    stage = _begin(generator, order, store.folder / skill_key(order.name, base))
    watch.say("Measuring the skill as it is" if stage.start else "Measuring the model as it is")
    before = _measure(generator, order.kind, checked, stage.start)
    state = store.folder / ".training" / f"{order.name}-{base[:8]}.ckpt"
    trained = stage.train(examples, checked[:_NUM_HELD_OUT], state, _key(base, order, material), watch)
    watch.say("Measuring the skill")
    after = _measure(generator, order.kind, checked, Adapter.single(base[:16], trained.tensors))
    skill = store.save(
        {name: (a.half(), b.half()) for name, (a, b) in trained.tensors.items()},
        _write_card(order, base, material.sources, before, after),
    )
    state.unlink(missing_ok=True)
    return Made(skill, trained)


def _begin(generator: TransformersGenerator, order: Order, place: Path) -> Stage:
    """How it is to learn; ``place`` is where the skill goes."""
    if order.start is None:
        return ReplyStage(generator, order.training)
    if order.start.folder.resolve() == place.resolve():
        raise InputError(
            f"the new skill would replace {order.start.folder.name}, from which it starts; give it another --name"
        )
    return PreferenceStage(generator, order.start, order.training, order.preferring)


def _write_card(
    order: Order,
    base: str,
    sources: tuple[SkillSource, ...],
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> SkillCard:
    """The card; what a skill owes to the one that it started from stands on it too."""
    start = order.start.card if order.start else None
    return SkillCard(
        name=order.name,
        kind=order.kind,
        base=base,
        base_name=order.model_name,
        rank=order.training.rank,
        modules=order.training.modules,
        sources=tuple(dict.fromkeys((*start.sources, *sources))) if start else sources,
        license=order.license or (start.license if start else ""),
        seed=order.training.seed,
        before=before,
        after=after,
        started_from=start.sha256 if start else "",
        is_default=is_better(order.kind, before, after) and (start is None or start.is_default),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _draw(order: Order, rows: Sequence[Row], number: int) -> list[Example] | list[Judgement]:
    seed = order.training.seed
    if order.kind == JUDGE:
        return list(JudgementMaker(rows, order.recipe).draw(number, seed))
    return list(Maker(rows, order.recipe).draw(number, seed))


def _measure(
    generator: TransformersGenerator, kind: str, items: Sequence[Any], adapter: Adapter | None
) -> dict[str, float]:
    return (measure_reader if kind == READER else measure_judge)(generator, items, adapter)


def _refuse_too_little(learnt: Sequence[Row], held_out: Sequence[Row]) -> None:
    num_answered = len({(row.text, row.answers) for row in learnt if row.answers})
    if num_answered < _MIN_ROWS or not any(row.answers for row in held_out):
        raise InputError(
            f"too little data: {num_answered} answers to learn, and documents are held out to measure; a skill needs "
            f"at least {_MIN_ROWS} answers from 20 documents or more; give more with --data or --from-library"
        )


def _key(base: str, order: Order, material: Material) -> str:
    """Of everything that decides how the run goes."""
    digest = hashlib.sha256(json.dumps([base, asdict(order)], sort_keys=True, default=str).encode())
    for row in material.rows:
        digest.update(repr(row).encode())
    for passage in material.passages:
        digest.update(repr(passage).encode())
    return digest.hexdigest()
