"""Patch controls: whose patch a question gets, and that it reaches the model (a tiny one, really trained)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval import evaluate
from eval.datasets import load_dataset
from eval.run.arms import build_trials
from eval.run.config import RunConfig
from eval.run.controls import KNOWN_FACTS, with_patches
from eval.run.evaluation import Evaluation
from eval.types import Question
from rag import Engine
from rag.core.errors import SettingError
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

LIMITS = {"max_tokens": 6, "batch_size": 3}


@pytest.fixture
def questions(samples: Path) -> tuple[Question, ...]:
    return load_dataset("documents", str(samples / "documents.jsonl")).questions


def patched(questions: tuple[Question, ...], control: str, arm: str = "memory", seed: int = 0) -> list[list[str]]:
    trials = build_trials(questions, arm)  # type: ignore[arg-type]
    changed = with_patches(trials, questions, arm, control, seed=seed)  # type: ignore[arg-type]
    assert [replace(trial, patched=()) for trial in changed] == trials  # what stands in the prompt stays
    return [[passage.doc_id for passage in trial.patched] for trial in changed]


def test_whose_patch_a_question_gets(questions: tuple[Question, ...]) -> None:
    assert patched(questions, "none") == [[]] * 4
    assert patched(questions, "right") == [["Harrow Mill"], ["Harrow Mill"], ["Orme Mill"], ["Sand Pier"]]
    assert patched(questions, "format_only") == [["known facts"]] * 4


@pytest.mark.parametrize("seed", range(5))
def test_swapped_is_of_the_same_group_where_there_is_one(questions: tuple[Question, ...], seed: int) -> None:
    swapped = patched(questions, "swapped", seed=seed)
    assert swapped[:3] == [["Orme Mill"], ["Orme Mill"], ["Harrow Mill"]]
    assert swapped[3] in (["Harrow Mill"], ["Orme Mill"])


def test_swapped_holds_no_answer(questions: tuple[Question, ...]) -> None:
    same = replace(questions[2], answers=("Tilda Marsh",))
    assert patched((*questions[:2], same, questions[3]), "swapped")[2] == ["Sand Pier"]


def test_conflicting_patches_say_what_conflicting_passages_say(samples: Path) -> None:
    pairs = load_dataset("nq_synth", str(samples / "nq_synth.jsonl")).questions
    for arm, control in (("conflicting", "right"), ("agreeing", "right")):
        shown = [item.counter_passages if arm == "conflicting" else item.passages for item in pairs]
        assert patched(pairs, control, arm) == [[passage.doc_id for passage in row] for row in shown]


def test_right_takes_the_gold_passages_where_they_are_known(samples: Path) -> None:
    changed = load_dataset("hotpotqa", str(samples / "hotpotqa.json")).questions
    assert patched(changed, "right")[0] == ["Brannick pump", "Una Brannick"]


def test_what_a_control_lacks_is_said(questions: tuple[Question, ...]) -> None:
    bare = replace(questions[0], passages=())
    with pytest.raises(SettingError, match=r"patches='right' needs passages .* 1 of 1 questions lack \(first: "):
        patched((bare,), "right")
    with pytest.raises(SettingError, match="no other question's document can be swapped in for 'documents-1-1'"):
        patched(questions[:2], "swapped")


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings, generator=tiny, patch_profile="fast") as opened:
        yield opened


def run(samples: Path, path: Path, engine: Engine, **values: Any) -> Evaluation:
    base = {"dataset": "documents", "data": str(samples / "documents.jsonl"), "arm": "memory", "decoder": "plain"}
    return evaluate(RunConfig.from_values(base | LIMITS | values), output=path, engine=engine)


def streams(done: Evaluation) -> list[tuple[str, str]]:
    traces = [record.conflict for record in done.run.records]
    return [(trace.context_answer, trace.memory_answer) for trace in traces if trace]


def test_each_control_reaches_the_model(samples: Path, tmp_path: Path, engine: Engine) -> None:
    done = {name: run(samples, tmp_path / name, engine, patches=name) for name in ("none", "right", "swapped")}
    jsd = {name: [r.conflict.max_jsd for r in it.run.records if r.conflict] for name, it in done.items()}
    assert max(jsd["none"]) == 0.0  # without a patch both streams are one
    assert min(jsd["right"]) > 0.0
    assert min(jsd["swapped"]) > 0.0
    assert jsd["right"] != jsd["swapped"]
    memories = [[memory for _, memory in streams(it)] for it in done.values()]
    assert memories[0] == memories[1] == memories[2]  # the other stream stays the base
    assert [info.doc_id for info in engine.patches.ls()] == ["Harrow Mill", "Orme Mill", "Sand Pier"]
    assert all("patch" in record.timings_ms for record in done["right"].run.records)


def test_a_patch_is_made_once(samples: Path, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(samples, tmp_path / "right", engine, patches="right")
    keys = {info.key for info in engine.patches.ls()}
    with monkeypatch.context() as context:
        context.setitem(engine.patches.__dict__, "writer", None)  # whoever trained now would fail
        run(samples, tmp_path / "swapped", engine, patches="swapped")
    run(samples, tmp_path / "form", engine, patches="format_only")
    assert {info.doc_id for info in engine.patches.ls() if info.key not in keys} == {"known facts"}


def test_passages_and_patches_together(samples: Path, tmp_path: Path, engine: Engine) -> None:
    both = run(samples, tmp_path / "both", engine, arm="agreeing", patches="right").run.records
    alone = run(samples, tmp_path / "alone", engine, arm="agreeing").run.records
    assert [record.citations for record in both] == [record.citations for record in alone] != [()] * 4
    assert [r.conflict and r.conflict.mean_jsd for r in both] != [r.conflict and r.conflict.mean_jsd for r in alone]


def test_a_document_that_makes_no_patch_costs_its_questions(tmp_path: Path, engine: Engine) -> None:
    file = tmp_path / "documents.jsonl"
    file.write_text(
        '{"title": "a", "text": "It was built by Aron Pell.", "questions": [{"question": "?", "answer": "Pell"}]}\n'
        '{"title": "b", "text": "Hm.", "questions": [{"question": "?", "answer": "x"}]}\n'
    )
    done = run(file, tmp_path / "run", engine, data=str(file), patches="right")
    assert done.run.records[0].answer is not None
    assert done.run.records[1].error == "no patch can be made of 'b': too short or too plain to ask about"
    assert done.summary.num_refused == 1


@pytest.mark.parametrize("change", [{"patches": "swapped"}, {"known_facts": "A horse has 4 legs."}])
def test_the_control_is_part_of_the_identity(
    samples: Path, tmp_path: Path, engine: Engine, change: dict[str, str]
) -> None:
    run(samples, tmp_path / "run", engine, patches="format_only")
    with pytest.raises(SettingError, match=f"another configuration.*{next(iter(change))}"):
        run(samples, tmp_path / "run", engine, **({"patches": "format_only"} | change))
    assert "patch_profile" in run(samples, tmp_path / "run", engine, patches="format_only").run.identity
    assert KNOWN_FACTS in run(samples, tmp_path / "run", engine, patches="format_only").run.identity.values()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"patches": "left"}, r"patches='left': input should be 'none', 'right', 'swapped' or 'format_only'"),
        ({"patches": "right", "decoder": "memory"}, "patches='right' changes nothing with decoder 'memory'"),
        ({"patches": "right", "is_retrieval_only": True}, "changes nothing with is_retrieval_only"),
    ],
)
def test_impossible_controls(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RunConfig.from_values({"dataset": "documents", "data": "x.jsonl"} | values)
