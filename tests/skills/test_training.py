"""The trainer: it learns, equals PEFT, goes on after a kill, and refuses what cannot go well."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from rag.cli.app import app
from rag.core.errors import InputError, ModelError
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.training.packing import Tokens
from rag.skills.data.gather import write_rows
from rag.skills.data.judging import JudgementMaker
from rag.skills.store import SkillStore
from rag.skills.training.batches import pad, plan_batches
from rag.skills.training.checkpoint import load_checkpoint
from rag.skills.training.make import Material, Order, make_skill
from rag.skills.training.measure import measure_judge
from rag.skills.training.objectives import ReplyObjective
from rag.skills.training.settings import Training
from rag.skills.training.trainer import SkillTrainer
from tests.skills.test_data import PASSAGES

TRAINING = Training(rank=4, alpha=8.0, step_tokens=200, learning_rate=1e-2, num_checks=4)


def sequences(number: int, seed: int) -> list[Tokens]:
    """A prompt that ends in a marker; the reply is its first token."""
    rng = random.Random(seed)
    prompts = [[rng.randint(40, 60) for _ in range(rng.randint(3, 12))] for _ in range(number)]
    return [Tokens((*prompt, 20, prompt[0], 2), len(prompt) + 1) for prompt in prompts]


def test_every_example_is_in_one_batch_and_no_batch_is_too_large() -> None:
    lengths = [random.Random(0).randint(1, 90) for _ in range(500)] + [400]
    plan = plan_batches(lengths, 300, seed=0)
    assert sorted(index for batch in plan for index in batch) == list(range(501))
    assert all(len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 300 for batch in plan)


def test_labels_are_the_tokens_that_follow() -> None:
    batch = pad([Tokens((5, 6, 7, 8), 2), Tokens((5, 6), 1)], torch.device("cpu"))
    assert batch.labels.tolist() == [[-100, 7, 8, -100], [6, -100, -100, -100]]


def test_the_held_out_loss_falls_and_the_model_stays_as_it_was(tiny: TransformersGenerator) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    trained = SkillTrainer(tiny.model, TRAINING).train(sequences(600, 1), sequences(40, 2), ReplyObjective())
    assert trained.losses[-1][1] < 0.9 * trained.losses[0][1]
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny.model.state_dict().items())
    assert {name.rpartition(".")[2] for name in trained.tensors} == set(TRAINING.modules)


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_run_that_was_killed_goes_on_where_it_was(
    tiny: TransformersGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.skills.training.trainer._SAVE_EVERY_S", 0.0)
    examples, held_out, state = sequences(300, 1), sequences(20, 2), tmp_path / "state.ckpt"
    whole = SkillTrainer(tiny.model, TRAINING).train(examples, held_out, ReplyObjective())

    def kill(step: int, total: int, loss: float) -> None:
        if step == total // 2:
            raise Killed

    with pytest.raises(Killed):
        SkillTrainer(tiny.model, TRAINING).train(examples, held_out, ReplyObjective(), state=state, key="k", show=kill)
    assert load_checkpoint(state, "another run") is None
    steps: list[int] = []
    resumed = SkillTrainer(tiny.model, TRAINING).train(
        examples, held_out, ReplyObjective(), state=state, key="k", show=lambda step, total, loss: steps.append(step)
    )
    assert steps[0] > 1
    for name, (a, b) in whole.tensors.items():
        torch.testing.assert_close(resumed.tensors[name][0], a, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(resumed.tensors[name][1], b, atol=1e-4, rtol=1e-3)


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "state.ckpt").write_bytes(b"half a file")
    assert load_checkpoint(tmp_path / "state.ckpt", "k") is None


def test_a_loss_that_is_no_number_ends_the_run(tiny: TransformersGenerator) -> None:
    training = Training(rank=4, alpha=1e30, step_tokens=200, learning_rate=1e30)
    with pytest.raises(ModelError, match=r"no number|not fallen"):
        SkillTrainer(tiny.model, training).train(sequences(100, 1), sequences(10, 2), ReplyObjective())


def test_a_skill_is_made_measured_and_kept_with_its_card(tiny: TransformersGenerator, tmp_path: Path) -> None:
    store = SkillStore(tmp_path / "skills", tmp_path / "none")
    order = Order("reader", "reader", "tiny", 60, training=TRAINING)
    made = make_skill(tiny, Material((), tuple(PASSAGES)), order, store)
    card = store.inspect("reader").card
    assert card == made.skill.card
    assert set(card.before) == set(card.after) >= {"agreeing", "altered", "foreign_refused", "closed_book"}
    assert card.rank == 4
    assert not list((tmp_path / "skills").rglob("*.ckpt"))
    tiny.check_adapter(Adapter.single("x", made.trained.tensors))


def test_too_little_data_is_refused_with_what_to_do(tiny: TransformersGenerator, tmp_path: Path) -> None:
    material = Material((), tuple(PASSAGES[:4]))
    with pytest.raises(InputError, match=r"too little data: .* --data"):
        make_skill(tiny, material, Order("reader", "reader", "tiny", 60), SkillStore(tmp_path))


def test_the_command_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "Who?"}), encoding="utf-8")
    for arguments, text in (
        (["reader"], "--data"),
        (["writer", "--data", str(path)], "reader or judge"),
        (["reader", "--data", str(path)], "question, answers, text"),
        (["judge", "--data", str(path), "--prefer", "reader"], "trains a reader further"),
        (["reader", "--data", str(tmp_path / "none")], "no data at"),
    ):
        result = CliRunner().invoke(app, ["skill", "train", *arguments])
        assert result.exit_code == 2
        assert text in " ".join(result.output.split())


def test_a_judge_that_always_says_the_same_is_no_gain(
    tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    judgements = list(JudgementMaker(write_rows(PASSAGES)).draw(60, seed=0))
    monkeypatch.setattr(
        type(tiny), "score", lambda self, prompts, labels, adapter=None: [(1.0, 0.0, 0.0) for _ in prompts]
    )
    figures = measure_judge(tiny, judgements, None)
    assert figures == {"right": 0.333, "supports": 1.0, "contradicts": 0.0, "nothing": 0.0}
