"""Patches of the default model: parity with PEFT, facts that go in, the command line, and model-written samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.documents import Document
from typer.testing import CliRunner

from rag import Engine
from rag.cli.app import app
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import PatchDocument, Sample
from rag.patches.profiles import PRAG, RECITE
from rag.patches.questions.model import ModelAugmenter
from rag.patches.questions.recital import write_recital
from rag.patches.training.trainer import Trained, Trainer
from tests.patches.test_trainer import assert_same, peft_run

pytestmark = pytest.mark.real
MILL = "The Orm Mill was built by Aron Pellvane. The owner of the Orm Mill is Mira Tamsin."


def test_documents_together_equal_peft_runs(precise_generator: TransformersGenerator) -> None:
    """Every A and every B, in float64.

    AdamW's first steps are the signs of the gradients, and in float32 rounding decides those of the smallest.
    """
    documents = [
        [Sample("Who built the mill?", "Aron Pellvane", MILL), Sample("Who owns the mill?", "Mira Tamsin")],
        [Sample("Where is the school?", "Corvane", "It is in Corvane."), Sample("Who leads it?", "Ada Quist")],
    ]
    together = dict(Trainer(precise_generator, PRAG).train(documents))
    for index, samples in enumerate(documents):
        assert_same(together[index], peft_run(precise_generator, samples, PRAG), PRAG.alpha / PRAG.rank)


def test_build_and_ask_from_the_command_line(tmp_path: Path, generator: TransformersGenerator) -> None:
    """The fact is not in the prompt; the answer is right with the patch, and wrong without it."""
    folder = str(tmp_path / "library")
    with Engine.open(folder) as engine:
        engine.add([Document(MILL, metadata={"source": "Orm Mill", "title": "Orm Mill"})])
    runner = CliRunner()
    refused = runner.invoke(app, ["ask", folder, "Who owns the Orm Mill?", "--patches", "only"])
    assert refused.exit_code == 2
    assert "concord patch build" in refused.stderr
    assert runner.invoke(app, ["patch", "build", folder]).exit_code == 0
    (info,) = json.loads(runner.invoke(app, ["patch", "ls", folder, "--json"]).stdout)
    asked = runner.invoke(app, ["ask", folder, "Who owns the Orm Mill?", "--patches", "only", "--json"])
    answer = json.loads(asked.stdout)
    assert "Tamsin" in answer["text"]
    assert "Tamsin" not in answer["conflict"]["memory_answer"]
    (citation,) = answer["citations"]
    assert (citation["passage"], citation["location"]) == (MILL, "recited by its patch")
    assert info["learnt"] == ["sentence 1", "sentence 2"]
    assert [(use["key"], use["weight"]) for use in answer["patches"]] == [(info["key"], 1.0)]
    unrelated = runner.invoke(app, ["ask", folder, "What is the capital of Peru?", "--patches", "only", "--json"])
    assert json.loads(unrelated.stdout)["patches"] == []
    assert runner.invoke(app, ["patch", "rm", folder, info["key"]]).exit_code == 0
    assert runner.invoke(app, ["patch", "inspect", folder, info["key"]]).exit_code == 2


def test_a_long_document_is_learnt_by_number(generator: TransformersGenerator) -> None:
    """Every sentence word for word, those with two digits too; the training stops when it is done."""
    rooms = ("red", "old", "large", "dark", "cold", "first", "narrow", "blue", "new", "high", "empty", "last")
    text = " ".join(
        f"The {room} room of the Orm Mill belongs to the {rooms[-place]} tower." for place, room in enumerate(rooms)
    )
    samples = write_recital(PatchDocument("mill", "Orm Mill", text, "hash"))
    ((_, trained),) = Trainer(generator, RECITE, is_probed=True).train_probed([samples])
    assert isinstance(trained, Trained)
    assert len(trained.is_solved) == len(rooms)
    assert sum(trained.is_solved) >= len(rooms) - 1


def test_the_model_writes_samples(generator: TransformersGenerator, tmp_path: Path) -> None:
    """What a small model cannot write is reported and replaced; what there is is well-formed, and not written twice."""
    document = PatchDocument("mill", "Orm Mill", MILL, "hash", (MILL,))
    augmenter = ModelAugmenter(generator, tmp_path)
    (samples,), problems = augmenter.write([document])
    assert len({sample.question for sample in samples}) >= 2
    assert all(problem.item and problem.reason for problem in problems)
    assert all(sample.question.endswith("?") and sample.answer in MILL for sample in samples)
    broken = ModelAugmenter(replace_name(generator), tmp_path)
    assert broken.write([document]) == ([samples], [])


def replace_name(generator: TransformersGenerator) -> TransformersGenerator:
    """A generator of the same name whose use would fail: the second answer must come from the cache."""
    cached: TransformersGenerator = object.__new__(TransformersGenerator)
    cached.name = generator.name
    return cached


def test_profiles_differ_in_identity() -> None:
    assert PRAG.fingerprint() != replace(PRAG, seed=1).fingerprint()
