"""``concord kg``: importing triples with bad rows, and letting the generator read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rag.cli.graph import kg_app
from rag.engine import Engine
from tests.conftest import HashEmbeddings

RUNNER = CliRunner()


@pytest.fixture
def library(tmp_path: Path, embeddings: Any) -> Path:
    for name, text in {"old": "A note on the harbour.", "new": "Another note."}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        engine.add([tmp_path / "old.txt", tmp_path / "new.txt"])
    return tmp_path / "library"


def row(file: Path, *triples: list[str]) -> str:
    return json.dumps({"doc_id": str(file), "triples": triples})


def test_import_lists_bad_rows_and_keeps_the_good(library: Path, tmp_path: Path) -> None:
    file = tmp_path / "triples.jsonl"
    lines = [
        row(tmp_path / "old.txt", ["Harbour", "the master", "Edda Lindqvist"]),
        "no json",
        row(tmp_path / "gone.txt", ["a", "b", "c"]),
        row(tmp_path / "new.txt", ["Harbour", "the master", "Cora Vane"], ["only", "two"]),
    ]
    file.write_text("\n".join(lines))
    result = RUNNER.invoke(kg_app, ["import", str(library), str(file)])
    assert result.exit_code == 1, result.output
    assert "2 triples imported for 2 passages" in result.output
    for number in (2, 3, 4):
        assert f"not taken: line {number}: " in result.output
    shown = RUNNER.invoke(kg_app, ["conflicts", str(library), "--json"])
    [clash] = json.loads(shown.stdout)
    assert (clash["subject"], clash["relation"]) == ("harbour", "the master")
    assert {side["object"] for side in clash["sides"]} == {"edda lindqvist", "cora vane"}


def test_import_of_nothing(library: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert RUNNER.invoke(kg_app, ["import", str(library), str(tmp_path / "bad.jsonl")]).exit_code == 2
    missing = RUNNER.invoke(kg_app, ["import", str(library), str(tmp_path / "none.jsonl")])
    assert missing.exit_code == 2
    assert "cannot read the triple file" in missing.output
    assert RUNNER.invoke(kg_app, ["import", str(tmp_path / "none"), str(tmp_path / "bad.jsonl")]).exit_code == 2


def test_claims_in_a_circle(library: Path, tmp_path: Path) -> None:
    """A knows B, B knows A, A knows itself: imported, listed, and searched along."""
    file = tmp_path / "circle.jsonl"
    circle = [["Edda", "knows", "Cora"], ["Cora", "knows", "Edda"], ["Edda", "knows", "Edda"]]
    file.write_text(row(tmp_path / "old.txt", *circle))
    result = RUNNER.invoke(kg_app, ["import", str(library), str(file)])
    assert (result.exit_code, "3 triples imported for 1 passages" in result.output) == (0, True)
    assert RUNNER.invoke(kg_app, ["conflicts", str(library)]).exit_code == 0
    with Engine.open(library, embeddings=HashEmbeddings(), must_exist=True) as engine:
        state = engine.search([engine.query("Whom does Edda know?", retrieval="graph", top_k=2)])[0]
    assert len(state.ranking) == 2
    assert state.paths


@pytest.mark.real
def test_the_generator_reads_and_goes_on(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = RUNNER.invoke(kg_app, ["extract", str(library)])
    assert first.exit_code in (0, 1), first.output
    assert "claims in 2 passages" in first.output
    monkeypatch.setattr("kg.model.ModelExtractor.extract", lambda self, passages: [] if not passages else 1 / 0)
    again = RUNNER.invoke(kg_app, ["extract", str(library)])
    assert again.output.split("claims in")[1] == first.output.split("claims in")[1]
