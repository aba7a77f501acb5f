"""Tables of runs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eval.config import RunConfig
from eval.evaluation import Evaluation, evaluate
from eval.standing import TableConfig, figures, markdown, run_table
from rag.errors import SettingError


def table(samples: Path, **values: Any) -> TableConfig:
    base = {
        "base": {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl")},
        "rows": [{"name": "plain", "decoder": "plain"}, {"name": "CAD (1)", "decoder": "cad", "alpha": 1.0}],
        "columns": [{"name": arm, "arm": arm} for arm in ("conflicting", "agreeing")],
        "metrics": ["accuracy", "mr"],
    }
    return TableConfig.model_validate(base | values)


def test_every_cell_is_run_and_shown(samples: Path, tmp_path: Path, deterministic: ModuleType) -> None:
    paths: list[Path] = []

    def run(config: RunConfig, path: Path) -> Evaluation:
        paths.append(path)
        return evaluate(config, output=path, answerer=deterministic.DeterministicAnswerer())

    settings = table(samples)
    cells = run_table(settings, tmp_path, run)
    assert [(cell.column, cell.row, len(cell.differences)) for cell in cells] == [
        ("conflicting", "plain", 0),
        ("conflicting", "CAD (1)", 2),
        ("agreeing", "plain", 0),
        ("agreeing", "CAD (1)", 1),
    ]
    assert len(set(paths)) == 4
    assert all(path.parent == tmp_path and path.is_file() for path in paths)
    text = markdown(settings, cells)
    conflicting, agreeing, note = text.split("\n\n### ")[0], text.split("\n\n### ")[1], text.strip().split("\n")[-1]
    assert "| | accuracy | mr |" in conflicting
    assert "| | accuracy |\n" in agreeing
    assert "differs from plain" in note
    scores = {item.metric: item.interval.value for item in cells[0].evaluation.summary.scores}
    assert figures(cells)["conflicting"]["plain"] == scores
    assert f"| plain | {scores['accuracy']:.3f} [" in conflicting


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"baseline": "cad"}, "baseline='cad' is no row; rows are plain, CAD"),
        ({"metrics": ["bleu"]}, "unknown metric 'bleu'"),
        ({"columns": [{"name": "x"}, {"name": "x"}]}, "two columns share a name"),
        ({"columns": [{"name": "x", "decoder": "plain"}]}, "both set decoder"),
        ({"columns": [{"name": "x", "colour": 1}]}, "unknown setting 'colour'"),
    ],
)
def test_impossible_tables(samples: Path, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    def run(config: RunConfig, path: Path) -> Evaluation:
        raise AssertionError("an impossible table must not be begun")

    with pytest.raises(SettingError, match=message):
        run_table(table(samples, **values), tmp_path, run)
    with pytest.raises(SettingError, match="cannot read settings from"):
        TableConfig.load(tmp_path / "absent.toml")
