"""Sweeps: the grid, the split, the budget, the choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eval.run.config import RunConfig
from eval.run.evaluation import Evaluation, evaluate
from eval.run.runner import OnProgress, RunJob
from eval.studies.engines import EvaluateTogether
from eval.studies.sweep import SweepConfig, run_sweep
from rag.core.errors import SettingError


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    rows = [
        {
            "id": str(n),
            "question": f"When did port {n} open?",
            "answers": [str(1900 + n)],
            "passages": [f"it opened in {1900 + n}{'.' * (n + 1)}"],
        }
        for n in range(10)
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"dataset": "plain", "data": str(tmp_path / "q.jsonl"), "arm": "given"}


@pytest.fixture
def ran(deterministic: ModuleType) -> tuple[EvaluateTogether, list[list[RunConfig]]]:
    """Evaluates with the deterministic answerer, which cad makes blind; keeps the configurations it saw."""
    seen: list[list[RunConfig]] = []

    class Blind(deterministic.DeterministicAnswerer):  # type: ignore[misc, name-defined]
        def _one(self, trial: Any, params: Any) -> Any:
            from dataclasses import replace

            return super()._one(replace(trial, passages=()), params)

    def run(jobs: Sequence[RunJob], progress: OnProgress | None) -> list[Evaluation]:
        seen.append([job.config for job in jobs])
        makers = [Blind if job.config.decoder == "cad" else deterministic.DeterministicAnswerer for job in jobs]
        return [evaluate(job.config, output=job.path, answerer=make()) for job, make in zip(jobs, makers, strict=True)]

    return run, seen


def sweep(base: dict[str, Any], **values: Any) -> SweepConfig:
    return SweepConfig.model_validate({"base": base, "grid": {"decoder": ["cad", "plain"]}, "metric": "f1"} | values)


def test_chooses_on_one_half_and_reports_the_other(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    run, seen = ran
    result = run_sweep(sweep(base), tmp_path / "out", run)
    assert result.best.point == {"decoder": "plain"}
    assert [item.score.interval.value for item in result.tried] == [0.0, 1.0]
    assert (result.best_rest.interval.value, result.gains[0].test.interval.value) == (1.0, 1.0)
    assert [[(c.decoder, c.first, c.limit) for c in together] for together in seen] == [
        [("cad", 0, 5), ("plain", 0, 5)],
        [("plain", 5, 5)],
        [("cad", 5, 5)],
    ]
    ids = [set(result.best.score.parts), set(result.best_rest.parts)]
    assert ids[0] | ids[1] == {str(n) for n in range(10)}
    assert not ids[0] & ids[1]


def test_intervals_have_the_confidence_of_the_base(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    widths = []
    for confidence in (0.5, 0.99):
        settings = sweep(base | {"confidence": confidence}, metric="context_tokens")
        result = run_sweep(settings, tmp_path / str(confidence), ran[0])
        interval = result.best_rest.interval
        widths.append(interval.high - interval.low)
        assert result.confidence == confidence
    assert widths[0] < widths[1]


def test_lower_may_be_better_and_the_first_may_win(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    result = run_sweep(sweep(base, is_higher_better=False), tmp_path / "out", ran[0])
    assert result.best.point == {"decoder": "cad"}
    assert result.gains == ()


def test_resumes_from_its_folder(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    first = run_sweep(sweep(base), tmp_path / "out", ran[0])
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jsonl")}
    assert run_sweep(sweep(base), tmp_path / "out", ran[0]).best_rest == first.best_rest
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.jsonl")} == times
    assert len(times) == 4


def test_grid_skip_and_budget(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    grid = {"decoder": ["cad", "ckplug"], "alpha": [0.5, 1.0]}
    assert sweep(base, grid=grid).combinations() == [
        {"decoder": decoder, "alpha": alpha} for decoder in ("cad", "ckplug") for alpha in (0.5, 1.0)
    ]
    skipped = sweep(base, grid=grid, skip=[{"decoder": "cad", "alpha": 1.0}], max_runs=2)
    assert skipped.combinations() == [{"decoder": "cad", "alpha": 0.5}, {"decoder": "ckplug", "alpha": 0.5}]
    # A bounded sweep asks point by point.
    result = run_sweep(sweep(base, max_seconds=1e-9), tmp_path / "out", ran[0])
    assert (len(result.tried), result.num_left_out) == (1, 1)  # one is always tried


def test_points_that_differ_in_more_than_the_decoder_are_asked_apart(
    base: dict[str, Any], ran: Any, tmp_path: Path
) -> None:
    run, seen = ran
    result = run_sweep(sweep(base, grid={"decoder": ["cad", "plain"], "max_tokens": [4, 8]}), tmp_path / "out", run)
    assert [[(c.decoder, c.max_tokens) for c in together] for together in seen[:2]] == [
        [("cad", 4), ("plain", 4)],
        [("cad", 8), ("plain", 8)],
    ]
    assert [item.point for item in result.tried] == [
        {"decoder": decoder, "max_tokens": num} for decoder in ("cad", "plain") for num in (4, 8)
    ]


def test_an_impossible_point_stops_the_sweep_before_it_runs(base: dict[str, Any], ran: Any, tmp_path: Path) -> None:
    run, seen = ran
    with pytest.raises(SettingError, match="decoder 'plain' has no setting 'alpha'"):
        run_sweep(sweep(base, grid={"decoder": ["cad", "plain"], "alpha": [0.5]}), tmp_path / "out", run)
    assert seen == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric": "mr"}, "applies to no question"),
        ({"skip": [{}]}, "leaves no combination"),
        ({"dev_share": 0.01}, "empty"),
    ],
)
def test_impossible_sweeps(
    base: dict[str, Any], ran: Any, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        run_sweep(sweep(base, **values), tmp_path / "out", ran[0])


def test_files(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('metric = "f1"\ncolour = 1\n[base]\n[grid]\ndecoder = ["cad"]\n')
    with pytest.raises(SettingError, match=r"'colour'.*known are base, grid"):
        SweepConfig.load(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text('metric = "f2"\n[base]\n[grid]\ndecoder = ["cad"]\n')
    with pytest.raises(SettingError, match="unknown metric 'f2'"):
        SweepConfig.load(tmp_path / "s.toml")
    with pytest.raises(SettingError, match="cannot read settings from"):
        SweepConfig.load(tmp_path / "absent.toml")
