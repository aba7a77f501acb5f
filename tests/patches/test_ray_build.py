"""A build on Ray: the workers share the documents and one store, wherever it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from rag.core.errors import SettingError
from rag.engine import Engine
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import BuildReport
from rag.patches.ray_build import _check_same_model, _cut, _merge
from tests.conftest import ROOT
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.test_patchset import TextWriter, opened, write_docs


def test_parts_are_small_and_hold_everything() -> None:
    hashes = {f"d{n}": f"h{n}" for n in range(100)}
    parts = _cut(hashes, 3)
    assert max(map(len, parts)) == 9
    assert {key: value for part in parts for key, value in part.items()} == hashes
    assert [len(part) for part in _cut({"d": "h"}, 8)] == [1]
    assert max(map(len, _cut({f"d{n}": "h" for n in range(5000)}, 2))) == 16


def test_reports_are_one_report() -> None:
    parts = [
        BuildReport(built=("a",), left_out=("b", "c"), warning="2 documents got no patch: full"),
        BuildReport(skipped=("d",), left_out=("e",), warning="1 documents got no patch: full"),
    ]
    assert _merge(parts) == BuildReport(
        built=("a",), skipped=("d",), left_out=("b", "c", "e"), warning="3 documents got no patch: full"
    )


def test_workers_with_different_models_are_refused() -> None:
    _check_same_model([("host1", "b1"), ("host2", "b1")])
    with pytest.raises(SettingError, match=r"different models \(b1 on host1, b2 on host2\)"):
        _check_same_model([("host1", "b1"), ("host2", "b2")])


def test_a_writer_of_ones_own_stays_here(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    from rag.patches.patchset import PatchSet

    with opened(tmp_path / "library", embeddings, tiny) as engine:
        engine.add(write_docs(tmp_path / "docs", {"mill": "The tide mill has 14 rooms."}))
        patches = PatchSet(engine.library, engine.config, engine._encoder, lambda: tiny, TextWriter(tiny))
        with pytest.raises(SettingError, match="a patch writer of your own"):
            patches.build(workers=2)


@pytest.mark.real
def test_a_library_is_built_by_two_workers(postgres: str, tmp_path: Path, embeddings: Any) -> None:
    """By the command, as a user would: what it built is what one process looks for."""
    place = f"{postgres}/{uuid4().hex}"
    model = tmp_path / "model"
    tiny_model("llama").save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    texts = {f"d{n}": f"The mill of place {n} was built by Aron Pell{n}." for n in range(6)} | {"short": "* * *"}
    with Engine.open(place, embeddings=embeddings, model=str(model)) as engine:
        engine.add(write_docs(tmp_path / "docs", texts))
    config = tmp_path / "concord.toml"
    config.write_text(f"model = {json.dumps(str(model))}\n")
    command = [sys.executable, "-m", "rag", "patch", "build", place, "--workers", "2", "--config", str(config)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 1, result.stderr  # one of them holds nothing
    assert "6 built, 0 were there" in result.stderr
    assert "too short" in result.stderr
    with Engine.open(place, embeddings=embeddings, model=str(model)) as engine:
        assert len(engine.patches.patched()) == 6
        assert engine.patches.store.damaged() == []
        report = engine.patches.build()
        assert (report.built, len(report.skipped), len(report.failed)) == ((), 6, 1)
