"""The preference stage: its pairs, its loss, a run that learns and survives a kill, and the skill that it makes."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rag.core.errors import InputError
from rag.core.passages import Passage
from rag.core.verdict import NOT_STATED
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.training.packing import Tokens
from rag.patches.training.twin import frozen_twin
from rag.skills.choose import find_default
from rag.skills.data.examples import PREFERENCE_RECIPE, Example, Maker
from rag.skills.data.gather import write_rows
from rag.skills.data.preferences import invent_wrong, make_preferences
from rag.skills.store import SkillStore
from rag.skills.training.adapter import SkillAdapter
from rag.skills.training.make import Material, Order, make_skill
from rag.skills.training.measure import is_better
from rag.skills.training.objectives import PreferenceObjective, TokenPair, preference_losses, score_pairs
from rag.skills.training.settings import Training
from rag.skills.training.trainer import SkillTrainer
from tests.skills.conftest import make_card, random_skill
from tests.skills.test_data import PASSAGES
from tests.skills.test_training import Killed

TRAINING = Training(rank=3, alpha=6.0, step_tokens=200, learning_rate=1e-2, num_checks=4)
PASSAGE = Passage("", "", "", "Film", "It was directed by Ann Holm in 1961 and shot in Bergen.")
ALTERED = Example("altered", "Who directed it?", (PASSAGE,), "Ann Holm", original="Per Lie")
FOREIGN = Example("foreign", "When was the bridge opened?", (PASSAGE,), NOT_STATED)


def test_a_wrong_reply_is_rejected_as_it_was_said() -> None:
    said = ["Bergen", "the documents do not say", "1961"]
    pairs = list(make_preferences([ALTERED, ALTERED, FOREIGN], said, share_right=0.0, seed=0))
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [
        ("Ann Holm", "Bergen"),
        ("Ann Holm", NOT_STATED),
        (NOT_STATED, "1961"),
    ]
    assert pairs[2].question == FOREIGN.question


def test_a_right_reply_gets_a_wrong_one_in_its_share_of_cases_and_the_same_ones_again() -> None:
    said = ["It was Ann Holm.", f"{NOT_STATED} "]
    examples, replies = [ALTERED, FOREIGN] * 100, said * 100
    assert not list(make_preferences(examples, replies, share_right=0.0, seed=0))
    pairs = list(make_preferences(examples, replies, share_right=0.3, seed=0))
    assert 30 < len(pairs) < 90
    assert pairs == list(make_preferences(examples, replies, share_right=0.3, seed=0))
    assert {pair.rejected for pair in pairs if pair.kind == "altered"} == {"Per Lie", NOT_STATED}
    assert {pair.rejected for pair in pairs if pair.kind == "foreign"} == {"1961"}


def test_examples_of_rows_know_what_was_altered_and_have_wrong_replies() -> None:
    examples = list(Maker(write_rows(PASSAGES), PREFERENCE_RECIPE).draw(200, seed=0))
    altered = [example for example in examples if example.kind == "altered"]
    assert altered
    assert all(example.original and example.original != example.reply for example in altered)
    rng = random.Random(0)
    wrong = [(example, invent_wrong(example, rng)) for example in examples]
    assert all(reply != example.reply for example, reply in wrong if reply)
    assert sum(bool(reply) for _, reply in wrong) > 150


def test_the_loss_is_that_of_the_paper() -> None:
    # -log sigmoid(0.5 (3 - 1)) = log(1 + e^-1), and log 2 where nothing has changed.
    losses = preference_losses(torch.tensor([3.0, -2.0]), torch.tensor([1.0, -2.0]), beta=0.5)
    torch.testing.assert_close(losses, torch.tensor([math.log(1 + math.exp(-1)), math.log(2)]))


def pairs(number: int, seed: int) -> list[TokenPair]:
    """A prompt that ends in a marker; right is its first token, wrong are two others."""
    rng = random.Random(seed)
    prompts = [tuple(rng.randint(40, 60) for _ in range(rng.randint(3, 12))) for _ in range(number)]
    return [
        TokenPair(
            Tokens((*prompt, 20, prompt[0], 2), len(prompt) + 1), Tokens((*prompt, 20, 61, 62, 2), len(prompt) + 1)
        )
        for prompt in prompts
    ]


def test_replies_that_share_a_prompt_score_as_alone(tiny: TransformersGenerator) -> None:
    items = pairs(4, seed=3)
    with torch.no_grad():
        scores = score_pairs(frozen_twin(tiny.model), items)
        for row, item in enumerate(items):
            for side, reply in enumerate((item.chosen, item.rejected)):
                logits = tiny.model(torch.tensor([reply.ids])).logits[0].log_softmax(-1)
                alone = sum(logits[place - 1, reply.ids[place]] for place in range(reply.first_learnt, len(reply.ids)))
                torch.testing.assert_close(scores[row, side], alone, atol=1e-3, rtol=1e-3)


def test_the_right_reply_gains_and_a_killed_run_goes_on_where_it_was(
    tiny: TransformersGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.skills.training.trainer._SAVE_EVERY_S", 0.0)
    start, state, steps = random_skill(tiny), tmp_path / "state.ckpt", list[int]()
    trainer, objective = SkillTrainer(tiny.model, TRAINING, start), PreferenceObjective(0.1, 0.2)
    learnt, held_out = trainer.refer(pairs(150, 1)), trainer.refer(pairs(20, 2))
    assert len({pair.reference for pair in learnt}) > 100
    whole = trainer.train(learnt, held_out, objective)
    assert whole.losses[-1][1] < 0.9 * whole.losses[0][1]

    def kill(step: int, total: int, loss: float) -> None:
        if step == total // 2:
            raise Killed

    with pytest.raises(Killed):
        trainer.train(learnt, held_out, objective, state=state, key="k", show=kill)
    resumed = trainer.train(
        learnt, held_out, objective, state=state, key="k", show=lambda step, total, loss: steps.append(step)
    )
    assert steps[0] > 1
    for name, (a, b) in whole.tensors.items():
        torch.testing.assert_close(resumed.tensors[name][0], a, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(resumed.tensors[name][1], b, atol=1e-4, rtol=1e-3)


def test_an_adapter_goes_on_from_its_start_and_its_state_is_a_copy(tiny: TransformersGenerator) -> None:
    start = random_skill(tiny)
    adapter = SkillAdapter(frozen_twin(tiny.model), TRAINING, start)
    state = adapter.state()
    with torch.no_grad():
        for parameter in adapter.parameters:
            parameter.zero_()
    adapter.load(state)
    for name, (a, b) in adapter.tensors().items():
        torch.testing.assert_close(a, start[name][0])
        torch.testing.assert_close(b, start[name][1])


def test_a_reader_is_made_of_a_reader_and_says_so(tiny: TransformersGenerator, base: str, tmp_path: Path) -> None:
    store = SkillStore(tmp_path / "skills", tmp_path / "none")
    start = store.save(random_skill(tiny), make_card(base, license="CC BY-SA 4.0"))
    order = Order("reader", "firm", "tiny", 60, training=replace(TRAINING, learning_rate=1e-3), start=start)
    with pytest.raises(InputError, match=r"would replace reader-\w+, .* --name"):
        make_skill(tiny, Material((), tuple(PASSAGES)), replace(order, name="reader"), store)
    card = make_skill(tiny, Material((), tuple(PASSAGES)), order, store).skill.card
    assert (card.started_from, card.license, card.rank) == (start.card.sha256, "CC BY-SA 4.0", 3)
    assert card.sha256 != start.card.sha256
    assert not card.is_default
    assert set(card.before) == set(card.after) >= {"agreeing", "altered", "foreign_refused"}


def test_of_two_readers_the_newer_answers(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    for name, created in (("b", "2026-01-02"), ("a", "2026-01-01")):
        store.save(random_skill(tiny), make_card(base, name=name, created=created, is_default=True))
    newest = find_default(store, base)
    assert newest is not None
    assert newest.card.name == "b"


def test_a_reader_that_lost_refusals_does_not_answer_by_default() -> None:
    before = {"agreeing": 0.6, "altered": 0.7, "foreign_refused": 0.85, "f1": 0.7}
    better = {"agreeing": 0.7, "altered": 0.8, "foreign_refused": 0.82, "f1": 0.8}
    assert is_better("reader", before, better)
    assert not is_better("reader", before, better | {"foreign_refused": 0.71})
    assert not is_better("reader", before, better | {"agreeing": 0.6})
