"""The two ways in which a skill learns: right replies, anew; and right replies over its own wrong ones, after that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rag.core.errors import InputError
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.skills.data.examples import Example
from rag.skills.data.preferences import make_preferences
from rag.skills.store import Skill, read_tensors
from rag.skills.training.measure import read_replies
from rag.skills.training.objectives import PreferenceObjective, ReplyObjective, TokenPair
from rag.skills.training.settings import Preferring, Training
from rag.skills.training.tokens import tokenize, tokenize_pair
from rag.skills.training.trainer import SkillTrainer, Trained

# Prompts beyond this would make a step of a small machine too large; so long a passage teaches nothing more.
_MAX_TOKENS = 900
_MIN_PAIRS = 20


@dataclass(frozen=True)
class Watch:
    """What is told on the way: what is being done now, how far it is, and each step with its loss."""

    say: Callable[[str], None] = lambda text: None
    count: Callable[[str, int, int], None] = lambda what, done, total: None
    step: Callable[[int, int, float], None] = lambda step, total, loss: None


class Stage(Protocol):
    """A training of a skill."""

    start: Adapter | None

    def train(self, examples: Sequence[Any], held_out: Sequence[Any], state: Path, key: str, watch: Watch) -> Trained:
        """As :meth:`SkillTrainer.train`, of examples or judgements; ``state`` and ``key`` are the checkpoint's."""


class ReplyStage:
    """Learns the right replies, from nothing.

    Args:
        generator: tokenizes; its model is the skill's.
        training: the numbers.
    """

    start: Adapter | None = None

    def __init__(self, generator: TransformersGenerator, training: Training) -> None:
        self._generator, self._training = generator, training

    def train(self, examples: Sequence[Any], held_out: Sequence[Any], state: Path, key: str, watch: Watch) -> Trained:
        """As :meth:`Stage.train`."""
        watch.say("Training")
        tokens = [tokenize(self._generator, example) for example in examples]
        return SkillTrainer(self._generator.model, self._training).train(
            [item for item in tokens if len(item.ids) <= _MAX_TOKENS],
            [tokenize(self._generator, example) for example in held_out],
            ReplyObjective(),
            state=state,
            key=key,
            show=watch.step,
        )


class PreferenceStage:
    """A reader reads examples, and learns to prefer the right replies to those that it gave.

    Args:
        generator: runs and tokenizes; its model is the skill's.
        skill: the reader.
        training, preferring: the numbers.

    Raises:
        SkillError: the reader is damaged.
    """

    def __init__(
        self, generator: TransformersGenerator, skill: Skill, training: Training, preferring: Preferring
    ) -> None:
        tensors, digest = read_tensors(skill)
        self.start: Adapter | None = Adapter.single(digest[:32], tensors, is_lasting=True)
        self._generator, self._training, self._preferring = generator, training, preferring
        self._trainer = SkillTrainer(generator.model, training, tensors)

    def train(
        self, examples: Sequence[Example], held_out: Sequence[Example], state: Path, key: str, watch: Watch
    ) -> Trained:
        """As :meth:`Stage.train`.

        Raises:
            InputError: the reader gets nearly all examples right.
        """
        watch.say("Reading examples with the skill")
        learnt, checks = (self._pair(items, watch) for items in (examples, held_out))
        if len(learnt) < _MIN_PAIRS or not checks:
            raise InputError(
                f"too little to prefer: {len(learnt)} pairs of {len(examples)} examples, and {len(checks)} held out; "
                "give more with --examples, or other data with --data"
            )
        watch.say(f"Training on {len(learnt)} pairs")
        objective = PreferenceObjective(self._preferring.beta, self._preferring.reply_weight)
        return self._trainer.train(learnt, checks, objective, state=state, key=key, show=watch.step)

    def _pair(self, examples: Sequence[Example], watch: Watch) -> list[TokenPair]:
        """The right reply and a wrong one of each example, with the margin that the reader gives them now."""
        replies = read_replies(
            self._generator, examples, self.start, lambda done, total: watch.count("reading", done, total)
        )
        preferences = make_preferences(examples, replies, self._preferring.share_right, self._training.seed)
        pairs = [tokenize_pair(self._generator, item) for item in preferences]
        fitting = [pair for pair in pairs if len(pair.chosen.ids) + pair.rejected.num_learnt <= _MAX_TOKENS]
        return self._trainer.refer(fitting, lambda done, total: watch.count("comparing", done, total))
