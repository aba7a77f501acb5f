"""Tables of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eval.metrics.stats import Interval
from eval.output.results import results_page
from eval.run.evaluation import Evaluation, evaluate_together
from eval.run.runner import OnProgress, RunJob
from eval.studies.comparison_table import TableConfig, figures, markdown, run_table
from eval.studies.engines import EvaluateTogether
from eval.studies.findings import finding
from rag.core.errors import SettingError
from rag.core.settings.toml_file import checked


def table(samples: Path, **values: Any) -> TableConfig:
    base = {
        "base": {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl")},
        "rows": [{"name": "plain", "decoder": "plain"}, {"name": "CAD (1)", "decoder": "cad", "alpha": 1.0}],
        "columns": [{"name": arm, "arm": arm} for arm in ("conflicting", "agreeing")],
        "metrics": ["accuracy", "mr"],
    }
    return checked(TableConfig, base | values)


def runner(deterministic: ModuleType, seen: list[list[RunJob]] | None = None) -> EvaluateTogether:
    """Evaluates with the deterministic answerer; keeps in ``seen`` what was asked together."""

    def run(jobs: Sequence[RunJob], progress: OnProgress | None) -> list[Evaluation]:
        if seen is not None:
            seen.append(list(jobs))
        return evaluate_together(jobs, answerer=deterministic.DeterministicAnswerer(), progress=progress)

    return run


def test_every_cell_is_run_and_shown(samples: Path, tmp_path: Path, deterministic: ModuleType) -> None:
    seen: list[list[RunJob]] = []
    settings = table(samples)
    cells = run_table(settings, tmp_path, runner(deterministic, seen))
    assert [(cell.column, cell.row, len(cell.differences)) for cell in cells] == [
        ("conflicting", "plain", 0),
        ("conflicting", "CAD (1)", 2),
        ("agreeing", "plain", 0),
        ("agreeing", "CAD (1)", 1),
    ]
    assert [[job.config.decoder for job in jobs] for jobs in seen] == [["plain", "cad"]] * 2
    paths = {job.path for jobs in seen for job in jobs}
    assert len(paths) == 4
    assert all(path.parent == tmp_path and path.is_file() for path in paths)
    text = markdown(settings, cells)
    conflicting, agreeing = text.split("### ")[1:]
    assert "| | accuracy | mr |" in conflicting
    assert "| | accuracy |\n" in agreeing
    assert "differs from plain" in text
    assert "* **CAD (1): no better than plain**; the interval of the paired difference contains 0, +0.000" in agreeing
    scores = {item.metric: item.interval.value for item in cells[0].evaluation.summary.scores}
    assert figures(cells)["conflicting"]["plain"] == {name: scores[name] for name in ("accuracy", "mr")}
    assert f"| plain | {scores['accuracy']:.3f} [" in conflicting


def test_all_intervals_of_a_table_have_the_confidence_of_its_runs(
    samples: Path, tmp_path: Path, deterministic: ModuleType
) -> None:
    base = {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "confidence": 0.8}
    settings = table(samples, base=base)
    cells = run_table(settings, tmp_path, runner(deterministic))
    assert {cell.evaluation.summary.confidence for cell in cells} == {0.8}
    assert {item.confidence for cell in cells for item in cell.differences} == {0.8}
    assert "Value [80 % interval]" in markdown(settings, cells)


def test_rows_that_differ_in_more_than_the_decoder_are_asked_apart(
    samples: Path, tmp_path: Path, deterministic: ModuleType
) -> None:
    rows = [
        {"name": "short", "max_tokens": 4},
        {"name": "plain", "decoder": "plain"},
        {"name": "float32", "engine": {"dtype": "float32"}},
        {"name": "cad", "decoder": "cad"},
    ]
    base = {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "engine": {"window": 512}}
    seen: list[list[RunJob]] = []
    settings = table(samples, base=base, rows=rows, columns=[{"name": "conflicting", "arm": "conflicting"}])
    run_table(settings, tmp_path, runner(deterministic, seen))
    assert [[job.path.name.split("-")[1] for job in jobs] for jobs in seen] == [
        ["short"],
        ["plain", "cad"],
        ["float32"],
    ]
    assert seen[2][0].config.engine == {"window": 512, "dtype": "float32"}


def test_a_killed_table_resumes_and_another_row_starts_anew(
    samples: Path, tmp_path: Path, deterministic: ModuleType
) -> None:
    settings = table(samples)
    first = run_table(settings, tmp_path, runner(deterministic))
    again = run_table(settings, tmp_path, runner(deterministic))
    assert [cell.evaluation.report.num_asked for cell in again] == [0] * 4
    assert markdown(settings, again) == markdown(settings, first)
    # What is asked together may differ in the last bit of a sum, so it is another run.
    wider = table(samples, rows=[*(row.model_dump() for row in settings.rows), {"name": "ada", "decoder": "adacad"}])
    assert {cell.evaluation.report.num_asked for cell in run_table(wider, tmp_path, runner(deterministic))} == {4}


def test_the_page_names_what_made_it(samples: Path, tmp_path: Path, deterministic: ModuleType) -> None:
    settings = table(samples, title="Pairs", note="Four of them.").limited(3)
    page = results_page([(settings, run_table(settings, tmp_path, runner(deterministic)))], "concord eval table x", 3)
    for part in ("# Results", "`concord eval table x`", "deterministic 1", "Fingerprint", "## Pairs", "Four of them."):
        assert part in page
    assert "at most 3 questions" in page
    assert "(3 questions)" in page


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, "x: better than plain, "),
        (-0.2, -0.01, "**x: worse than plain**"),
        (0.0, 0.2, "**x: no better than"),
    ],
)
def test_findings_follow_from_the_interval(low: float, high: float, said: str) -> None:
    text = finding("x", "plain", Interval((low + high) / 2, low, high))
    assert text.startswith(said)
    assert f"[{low:+.3f}, {high:+.3f}]" in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"baseline": "cad"}, "baseline='cad' is no row; rows are plain, CAD"),
        ({"metrics": []}, "metrics"),
        ({"metrics": ["bleu"]}, "unknown metric 'bleu'"),
        ({"columns": [{"name": "x"}, {"name": "x"}]}, "two columns share a name"),
        ({"columns": [{"name": "x", "decoder": "plain"}]}, "both set decoder"),
        ({"columns": [{"name": "x", "colour": 1}]}, "unknown setting 'colour'"),
    ],
)
def test_impossible_tables(samples: Path, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    def run(jobs: Sequence[RunJob], progress: OnProgress | None) -> list[Evaluation]:
        raise AssertionError("an impossible table must not be begun")

    with pytest.raises(SettingError, match=message):
        run_table(table(samples, **values), tmp_path, run)
    with pytest.raises(SettingError, match="cannot read settings from"):
        TableConfig.load(tmp_path / "absent.toml")
