"""Standing tables: every row of settings in every column of settings, as Markdown with intervals.

A difference from the baseline row is marked, so that the table itself says where a method does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eval.compare import Comparison, compare_runs
from eval.config import RunConfig, fingerprint
from eval.engines import Engines
from eval.evaluation import Evaluation
from eval.scores import check_metrics
from rag.errors import SettingError
from rag.settings_file import checked, read_toml

Evaluate = Callable[[RunConfig, Path], Evaluation]


class Line(BaseModel):
    """A row or a column: its heading, and the settings that make it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(min_length=1)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, without the heading."""
        return dict(self.model_extra or {})


class TableConfig(BaseModel):
    """A table of runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: dict[str, Any] = Field(description="Settings that all runs share.")
    rows: tuple[Line, ...] = Field(min_length=1, description="Usually decoders.")
    columns: tuple[Line, ...] = Field(min_length=1, description="Usually arms; each becomes a table of its own.")
    metrics: tuple[str, ...] = Field(("accuracy", "f1", "conr", "parr", "mr"), description="Figures of each run.")
    baseline: str | None = Field(None, description="Row that the others are compared with; None is the first.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_metrics(self.metrics)
        names = [row.name for row in self.rows]
        if self.baseline is not None and self.baseline not in names:
            raise SettingError(f"baseline={self.baseline!r} is no row; rows are {', '.join(names)}")
        for kind, lines in (("row", self.rows), ("column", self.columns)):
            if len({line.name for line in lines}) != len(lines):
                raise SettingError(f"two {kind}s share a name; names must differ")
        return self

    @classmethod
    def load(cls, file: Path) -> TableConfig:
        """Read a TOML file.

        Raises:
            SettingError: an unreadable file, an unknown key, a missing or a bad value.
        """
        return checked(cls, read_toml(file), str(file))


@dataclass(frozen=True)
class Cell:
    """One run of the table, and how it differs from the baseline in its column (empty for the baseline itself)."""

    row: str
    column: str
    evaluation: Evaluation
    differences: tuple[Comparison, ...]


def run_table(table: TableConfig, folder: Path, run: Evaluate | None = None) -> list[Cell]:
    """Run every cell, column by column; result files are kept in ``folder``, so a killed table resumes.

    Args:
        run: how one configuration is evaluated, into the result file given.

    Raises:
        SettingError: an impossible cell (before anything is run).
    """
    base = RunConfig.of(table.base)
    if run is None:
        with Engines(base, folder) as engines:
            return run_table(table, folder, engines.evaluate)
    grid = [(row, column, _config(base, row, column)) for column in table.columns for row in table.rows]
    done = {(row.name, column.name): run(config, _path(folder, row, column, config)) for row, column, config in grid}
    first = table.baseline or table.rows[0].name
    cells = []
    for (row, column), evaluation in done.items():
        baseline = done[first, column]
        others = () if row == first else compare_runs(baseline.run, evaluation.run, table.metrics)
        cells.append(Cell(row, column, evaluation, tuple(others)))
    return cells


def markdown(table: TableConfig, cells: Sequence[Cell]) -> str:
    """One Markdown table per column; ``*`` marks p < 0.05 against the baseline, not corrected for many tests."""
    first = table.baseline or table.rows[0].name
    parts = [_table(table, [cell for cell in cells if cell.column == column.name]) for column in table.columns]
    note = f"Value [95 % interval]; * differs from {first} (paired permutation test over questions, p < 0.05)."
    return "\n\n".join([*parts, note]) + "\n"


def figures(cells: Sequence[Cell]) -> dict[str, dict[str, dict[str, float]]]:
    """Values by column, row and metric."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        values = {item.metric: item.interval.value for item in cell.evaluation.summary.scores}
        found.setdefault(cell.column, {})[cell.row] = values
    return found


def _config(base: RunConfig, row: Line, column: Line) -> RunConfig:
    clash = sorted(row.settings.keys() & column.settings.keys())
    if clash:
        raise SettingError(f"row {row.name!r} and column {column.name!r} both set {', '.join(clash)}")
    return base.changed(**row.settings, **column.settings)


def _path(folder: Path, row: Line, column: Line, config: RunConfig) -> Path:
    name = "".join(c if c.isalnum() or c in ".-" else "_" for c in f"{column.name}-{row.name}")
    return folder / f"{name}-{fingerprint(config.identity())[:6]}.jsonl"


def _table(table: TableConfig, cells: Sequence[Cell]) -> str:
    shown = [name for name in table.metrics if any(name in cell.evaluation.summary.aggregates() for cell in cells)]
    num = max(cell.evaluation.summary.num_trials for cell in cells)
    head = [f"### {cells[0].column} ({num} questions)", "", f"| | {' | '.join(shown)} |", f"|---{'|---' * len(shown)}|"]
    lines = [" | ".join([cell.row, *(_figure(cell, name) for name in shown)]) for cell in cells]
    return "\n".join([*head, *(f"| {line} |" for line in lines)])


def _figure(cell: Cell, metric: str) -> str:
    found = next((item for item in cell.evaluation.summary.scores if item.metric == metric), None)
    if found is None:
        return "-"
    mark = "*" if any(item.metric == metric and item.is_significant for item in cell.differences) else ""
    interval = found.interval
    return f"{interval.value:.3f}{mark} [{interval.low:.3f}, {interval.high:.3f}]"
