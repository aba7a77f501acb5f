"""``concord conflicts``: what contradicts what in a library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rag.cli.app import app
from rag.engine import Engine

RUNNER = CliRunner()


@pytest.fixture
def library(tmp_path: Path, embeddings: Any) -> Path:
    texts = {
        "notice-2019.txt": "The harbour master of Port Selwick is Edda Lindqvist.",
        "notice-2023.txt": "The harbour master of Port Selwick is Tomas Orrel. Dogs are not allowed on the pier.",
        "guide.txt": "Dogs are allowed on the pier. The ferry is blue.",
        "rumours.txt": "Nobody believes that the harbour master of Port Selwick is Cora Vane.",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        engine.add([tmp_path / name for name in texts])
    return tmp_path / "library"


def test_both_sentences_with_source_and_date_and_a_table(library: Path) -> None:
    result = RUNNER.invoke(app, ["conflicts", str(library)])
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "Tomas Orrel: The harbour master of Port Selwick is Tomas Orrel." in words
    assert words.index("Tomas Orrel: The") < words.index("Edda Lindqvist: The")
    assert "notice-2023.txt, line 1, 2023)" in words
    assert words.count("Dogs are not allowed on the pier.") == 1
    assert "Cora Vane" not in words
    assert "different values 1 2" in words
    assert "one says yes, one says no 1 2" in words


def test_json_of_the_command_and_of_its_old_name(library: Path) -> None:
    outputs = [
        RUNNER.invoke(app, [*name, str(library), "--json"]).stdout for name in (["conflicts"], ["kg", "conflicts"])
    ]
    assert outputs[0] == outputs[1]
    conflicts = json.loads(outputs[0])
    assert len(conflicts) == 2
    master = next(conflict for conflict in conflicts if conflict["kind"] == "value")
    assert [side["object"] for side in master["sides"]] == ["Tomas Orrel", "Edda Lindqvist"]
    assert master["sides"][0]["places"][0]["date"] == "2023"
    assert len(json.loads(RUNNER.invoke(app, ["conflicts", str(library), "--json", "--limit", "1"]).stdout)) == 1


def test_nothing_and_no_library(tmp_path: Path, embeddings: Any) -> None:
    (tmp_path / "a.txt").write_text("The ferry is blue.")
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        engine.add([tmp_path / "a.txt"])
    result = RUNNER.invoke(app, ["conflicts", str(tmp_path / "library")])
    assert (result.exit_code, "no two documents contradict each other" in result.output) == (0, True)
    assert RUNNER.invoke(app, ["conflicts", str(tmp_path / "none")]).exit_code == 2
