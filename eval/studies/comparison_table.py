"""Comparison tables: every row of settings in every column, with intervals and a test against one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eval.metrics.names import check_metrics
from eval.metrics.stats import show_confidence
from eval.run.config import RunConfig
from eval.run.evaluation import Evaluation
from eval.run.runner import RunJob, batch_fingerprint
from eval.studies.compare import Comparison, compare_runs
from eval.studies.engines import Engines, EvaluateTogether, Watch, silent
from eval.studies.findings import findings
from rag.core.errors import SettingError
from rag.core.settings.toml_file import checked, read_toml


class TableLine(BaseModel):
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

    title: str = Field("Figures", description="Heading.")
    note: str = Field("", description="What a reader should know, below the heading.")
    base: dict[str, Any] = Field(default_factory=dict, description="Settings that all runs share.")
    rows: tuple[TableLine, ...] = Field(min_length=1, description="Usually decoders.")
    columns: tuple[TableLine, ...] = Field(min_length=1, description="Usually arms; each becomes its own table.")
    metrics: tuple[str, ...] = Field(
        ("accuracy", "f1", "conr", "parr", "mr"),
        min_length=1,
        description="Figures of each run; by the first, which must be better when higher, rows are judged.",
    )
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

    def limited(self, limit: int | None) -> TableConfig:
        """The table with at most ``limit`` questions per figure; ``None`` leaves it alone."""
        return self if limit is None else self.model_copy(update={"base": self.base | {"limit": limit}})

    @property
    def first(self) -> str:
        """The row that the others are compared with."""
        return self.baseline or self.rows[0].name


@dataclass(frozen=True)
class Cell:
    """One run of the table, and how it differs from the baseline in its column (empty for the baseline itself)."""

    row: str
    column: str
    evaluation: Evaluation
    differences: tuple[Comparison, ...]


def run_table(
    table: TableConfig,
    folder: Path,
    run: EvaluateTogether | None = None,
    watch: Watch = silent,
) -> list[Cell]:
    """Run every cell; rows of a column that differ in their decoders alone are asked in the same batches.

    Result files are kept in ``folder``, so a killed table resumes.

    Args:
        run: evaluates runs that can share batches.
        watch: opens a progress display with a heading.

    Raises:
        SettingError: an impossible cell (before anything is run).
    """
    configs = {(column.name, row.name): _config(table, row, column) for column in table.columns for row in table.rows}
    if run is None:
        base = next(iter(configs.values()))
        with Engines(folder, base.first, base.limit) as engines:
            return run_table(table, folder, engines.evaluate_together, watch)
    done: dict[tuple[str, str], Evaluation] = {}
    for names in _group_by_batch(configs):
        together = [configs[name] for name in names]
        jobs = [RunJob(configs[name], _path(folder, name, configs[name], together)) for name in names]
        with watch(f"{names[0][0]}: {', '.join(row for _, row in names)}") as progress:
            done.update(zip(names, run(jobs, progress), strict=True))
    return [_cell(table, configs[name], name, done) for name in configs]


def markdown(table: TableConfig, cells: Sequence[Cell]) -> str:
    """A Markdown table per column and its findings in words; ``*`` marks p < 0.05, not corrected for many tests."""
    parts = [f"## {table.title}", *([table.note.strip()] if table.note else [])]
    confidences = dict.fromkeys(show_confidence(cell.evaluation.summary.confidence) for cell in cells)
    parts.append(
        f"Value [{' or '.join(confidences)} interval]; * differs from {table.first} "
        "(paired permutation test over questions, p < 0.05)."
    )
    for column in table.columns:
        parts += _column(table, [cell for cell in cells if cell.column == column.name])
    return "\n\n".join(parts) + "\n"


def figures(cells: Sequence[Cell]) -> dict[str, dict[str, dict[str, float]]]:
    """Values by column, row and metric."""
    by_column: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        values = {item.metric: item.interval.value for item in cell.evaluation.summary.scores}
        by_column.setdefault(cell.column, {})[cell.row] = values
    return by_column


def _config(table: TableConfig, row: TableLine, column: TableLine) -> RunConfig:
    clash = sorted(row.settings.keys() & column.settings.keys())
    if clash:
        raise SettingError(f"row {row.name!r} and column {column.name!r} both set {', '.join(clash)}")
    settings = row.settings | column.settings
    engine = table.base.get("engine", {}) | settings.get("engine", {})
    return RunConfig.from_values({"metrics": table.metrics} | table.base | settings | {"engine": engine})


def _group_by_batch(configs: dict[tuple[str, str], RunConfig]) -> list[list[tuple[str, str]]]:
    """The cells that can be answered together, within one column."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, config in configs.items():
        groups.setdefault((name[0], config.batch_key()), []).append(name)
    return list(groups.values())


def _path(folder: Path, name: tuple[str, str], config: RunConfig, together: Sequence[RunConfig]) -> Path:
    text = "".join(c if c.isalnum() or c in ".-" else "_" for c in "-".join(name))
    return folder / f"{text}-{batch_fingerprint(config, together)[:6]}.jsonl"


def _cell(
    table: TableConfig, config: RunConfig, name: tuple[str, str], done: dict[tuple[str, str], Evaluation]
) -> Cell:
    column, row = name
    if row == table.first:
        return Cell(row, column, done[name], ())
    base, run = done[column, table.first].run, done[name].run
    differences = compare_runs(base, run, table.metrics, config.confidence, config.seed)
    return Cell(row, column, done[name], tuple(differences))


def _column(table: TableConfig, cells: Sequence[Cell]) -> list[str]:
    shown = [name for name in table.metrics if any(name in cell.evaluation.summary.aggregates() for cell in cells)]
    num = max(cell.evaluation.summary.num_trials for cell in cells)
    head = [f"| | {' | '.join(shown)} |", f"|---{'|---' * len(shown)}|"]
    lines = [" | ".join([cell.row, *(_figure(cell, name) for name in shown)]) for cell in cells]
    sentences = findings(table.metrics[0], table.first, [(cell.row, cell.differences) for cell in cells])
    parts = [f"### {cells[0].column} ({num} questions)", "\n".join([*head, *(f"| {line} |" for line in lines)])]
    return (
        [*parts, f"By {table.metrics[0]}:\n\n" + "\n".join(f"* {text}" for text in sentences)] if sentences else parts
    )


def _figure(cell: Cell, metric: str) -> str:
    score = next((item for item in cell.evaluation.summary.scores if item.metric == metric), None)
    if score is None:
        return "-"
    mark = "*" if any(item.metric == metric and item.is_significant for item in cell.differences) else ""
    interval = score.interval
    return f"{interval.value:.3f}{mark} [{interval.low:.3f}, {interval.high:.3f}]"
