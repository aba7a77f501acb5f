"""``concord skill``: list, look, remove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from rag.cli.skill import skill_app
from rag.skills.card import SkillCard, SkillSource
from rag.skills.store import SkillStore, skills_folder

RUNNER = CliRunner()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCORD_CACHE_DIR", str(tmp_path))
    return tmp_path


def save(cache: Path, base: str = "0" * 16, **values: Any) -> None:
    tensors = {"model.layers.0.mlp.up_proj": (torch.ones(2, 8), torch.ones(8, 2))}
    sources = (SkillSource("squad2", "CC BY-SA 4.0", 560),)
    card = SkillCard("reader", "reader", base, "some/model", 0, (), sources=sources, license="Apache-2.0", **values)
    SkillStore(skills_folder(cache)).save(tensors, card)


def test_ls_inspect_rm(cache: Path) -> None:
    save(cache, is_default=True)
    save(cache, base="1" * 16, after={"f1": 0.5})
    listed = json.loads(RUNNER.invoke(skill_app, ["ls", "--json"]).stdout)
    own = [item for item in listed if not item["is_shipped"]]
    assert [item["key"] for item in own] == ["reader-00000000", "reader-11111111"]
    assert "reader-00000000" in RUNNER.invoke(skill_app, ["ls"]).stdout
    shown = json.loads(RUNNER.invoke(skill_app, ["inspect", "reader-11111111"]).stdout)
    assert shown["after"] == {"f1": 0.5}
    assert shown["sources"] == [{"name": "squad2", "license": "CC BY-SA 4.0", "num_rows": 560}]
    several = RUNNER.invoke(skill_app, ["rm", "reader"])
    assert several.exit_code == 2
    assert "several skills" in several.output
    assert RUNNER.invoke(skill_app, ["rm", "reader-00000000", "reader-11111111"]).exit_code == 0
    assert not [
        item for item in json.loads(RUNNER.invoke(skill_app, ["ls", "--json"]).stdout) if not item["is_shipped"]
    ]


def test_bad_names(cache: Path) -> None:
    for words in (["rm", "nobody"], ["inspect", "nobody"], ["inspect", str(cache)]):
        result = RUNNER.invoke(skill_app, words)
        assert result.exit_code == 2, words
        assert result.output.startswith("error: ")
        assert len(result.output.strip().splitlines()) <= 2


def test_a_bad_name_is_said_before_anything_is_trained(cache: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"question": "Who?", "answers": ["Ann"], "text": "It is Ann."}) + "\n")
    # No such model: whoever looks for it first says something else.
    words = ["train", "reader", "--name", "readerA", "--data", str(rows), "--model", "nobody/nothing"]
    result = RUNNER.invoke(skill_app, words)
    assert result.exit_code == 2
    assert "expected lower-case letters" in result.output


def test_a_damaged_one_is_named(cache: Path) -> None:
    save(cache)
    (skills_folder(cache) / "reader-00000000" / "skill.json").write_text("{}")
    result = RUNNER.invoke(skill_app, ["ls"])
    assert result.exit_code == 0
    assert "damaged" in result.output
