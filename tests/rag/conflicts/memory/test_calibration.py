"""Calibrations: fitted, kept, and cautious where there is none."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.conflicts.memory.calibration import (
    Calibration,
    Fact,
    calibrate,
    fit,
    knows,
    load_calibration,
    logistic_fit,
    parse_facts,
    save_calibration,
    shipped_facts,
)
from rag.conflicts.memory.recall import SIGN_NAMES, Recall, Signs
from rag.core.errors import ModelError, SourceError, StorageError
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.fingerprint import model_fingerprint
from tests.generation.conftest import tiny_model, tiny_tokenizer

SURE = Signs(-0.1, -0.2, 0.1, 1.0, 1.0, -0.2, 1.0, 0.0, 0.0)
UNSURE = Signs(-2.0, -5.0, 3.0, 0.1, 0.1, -2.5, 2.0, 1.0, 0.0)


def signs(count: int) -> list[Signs]:
    """Half of them sure, half unsure, each a little different."""
    rng = np.random.default_rng(0)
    rows = [asdict(SURE if i % 2 else UNSURE) for i in range(count)]
    return [Signs(**{name: value + rng.normal(0, 0.05) for name, value in row.items()}) for row in rows]


@pytest.fixture
def calibration() -> Calibration:
    return fit("tiny", "abc", signs(60), [bool(i % 2) for i in range(60)])


def test_it_learns_what_tells(calibration: Calibration) -> None:
    assert calibration.knows(SURE) > 0.9
    assert calibration.knows(UNSURE) < 0.1
    assert (calibration.num_facts, calibration.num_known, calibration.auc) == (60, 30, 1.0)


def test_an_echo_is_no_knowledge(calibration: Calibration) -> None:
    recall = Recall("Paris", SURE, ("Paris",) * 3)
    assert knows(recall, calibration) > 0.9
    assert knows(replace(recall, is_echo=True), calibration) == 0.0


def test_the_fit_is_at_the_optimum() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 3))
    y = (x[:, 0] + rng.normal(size=80) > 0.3).astype(float)
    weights, bias = logistic_fit(x, y, 2.0)
    p = 1 / (1 + np.exp(-(x @ weights + bias)))
    assert x.T @ (p - y) + 2.0 * weights == pytest.approx(np.zeros(3), abs=1e-6)
    assert float((p - y).sum()) == pytest.approx(0, abs=1e-6)


def test_a_model_that_knows_nothing_cannot_be_calibrated() -> None:
    with pytest.raises(ModelError, match="answers 3 of 60 facts"):
        fit("tiny", "abc", signs(60), [i < 3 for i in range(60)])


def test_without_a_calibration_it_never_knows() -> None:
    assert 0 < knows(Recall("Paris", SURE, ()), None) < 0.5
    assert knows(Recall("Paris", UNSURE, ()), None) < knows(Recall("Paris", SURE, ()), None)
    assert knows(Recall("Paris", None, ()), None) == 0


def test_an_empty_answer_is_not_known(calibration: Calibration) -> None:
    assert knows(Recall("", SURE, ()), calibration) == 0
    assert knows(Recall("Paris", SURE, ()), calibration) == calibration.knows(SURE)


def test_kept_by_fingerprint(calibration: Calibration, tmp_path: Path) -> None:
    folder = tmp_path / "calibrations"
    assert load_calibration("abc", folder) is None
    assert save_calibration(calibration, folder).name == "abc.json"
    assert load_calibration("abc", folder) == calibration
    assert load_calibration("abd", folder) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"model": "x"})])
def test_a_damaged_file_is_no_calibration(damage: str, calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(calibration, tmp_path).write_text(damage, encoding="utf-8")
    assert load_calibration("abc", tmp_path) is None


def test_other_signs_are_another_version(calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(replace(calibration, weights={"mean_logprob": 1.0}), tmp_path)
    assert load_calibration("abc", tmp_path) is None


def test_a_folder_that_cannot_be_made(calibration: Calibration, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StorageError, match="cache_dir"):
        save_calibration(calibration, tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "is_stated"),
    [("It is Québec.", True), ("quebec city", True), ("Quebecois", False), ("", False), ("New Brunswick", False)],
)
def test_stated_on_word_boundaries(text: str, is_stated: bool) -> None:
    assert Fact("?", ("Quebec", "PQ")).is_stated(text) is is_stated


def test_the_facts_that_ship() -> None:
    facts = shipped_facts()
    assert len(facts) >= 200
    assert len({fact.question for fact in facts}) == len(facts)
    assert not [fact for fact in facts if fact.is_stated(fact.question)]


@pytest.mark.parametrize(
    "line", ["no", '{"question": "a"}', '{"question": "a", "answers": "b"}', '{"question": "a", "answers": []}']
)
def test_facts_that_are_none(line: str) -> None:
    with pytest.raises(SourceError, match="line 2 of the facts"):
        parse_facts('{"question": "a?", "answers": ["b"]}\n' + line)


def test_a_model_is_asked_all_facts() -> None:
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
    facts = [Fact(f"w{i} w{i + 1}", ("w150",)) for i in range(3, 33)]
    told: list[tuple[int, int]] = []
    with pytest.raises(ModelError, match="of 30 facts"):
        calibrate(tiny, "abc", facts, lambda done, of: told.append((done, of)))
    assert told == [(25, 30), (30, 30)]


@pytest.mark.real
def test_the_default_model_ships_calibrated(generator: Any, tmp_path: Path) -> None:
    calibration = load_calibration(model_fingerprint(generator.model), tmp_path)
    assert calibration is not None
    assert tuple(calibration.weights) == SIGN_NAMES
