"""``concord eval`` on several runs: compare, report, sweep and table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import counting_bar, errors_to_exit, out, print_json, say
from rag.cli.evaluation.common import MetricNames, exit_if_partly_done, keep_results, select_metrics, write_text
from rag.cli.options import AsJson
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from eval.run.store import Run
    from eval.studies.flips import Flips

Confidence = Annotated[float, typer.Option(help="Confidence of the intervals, between 0 and 1.")]


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Result files. Each is compared with the first.")],
    metric: MetricNames = None,
    confidence: Confidence = 0.95,
    num_flips: Annotated[
        int, typer.Option("--flips", min=0, help="Most questions to list that were right before and are wrong now.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Compare runs question by question, and list what was right before and is wrong now.

    An answer counts as right by accuracy, or by the first of accuracy, strict_accuracy and exact_match that --metric
    names. --json lists all flips, in both directions.
    """
    from eval.output.tables import comparison_dict, comparison_table
    from eval.studies.compare import compare_runs
    from eval.studies.flips import choose_decisive, find_flips

    with errors_to_exit():
        base, *others = _read(runs, minimum=2)
        names = select_metrics(metric)
        _check_confidence(confidence)
        items = [item for other in others for item in compare_runs(base, other, names, confidence)]
        flips = [find_flips(base, other, choose_decisive(names)) for other in others]
        if as_json:
            print_json({"comparisons": [comparison_dict(item) for item in items], "flips": list(map(asdict, flips))})
            return
        _print_differing(base, others)
        out.print(comparison_table(items))
        _print_flips(flips, num_flips)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Result files. Differences are to the first.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    metric: MetricNames = None,
    confidence: Confidence = 0.95,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Evaluation",
) -> None:
    """Write a self-contained page with plots, tables and the answers."""
    from eval.output.report import report_page
    from eval.run.summary import summarize
    from eval.studies.compare import compare_runs

    with errors_to_exit():
        loaded, names = _read(runs, minimum=1), select_metrics(metric)
        _check_confidence(confidence)
        base, *others = loaded
        summaries = [summarize(item, names, confidence) for item in loaded]
        comparable = [other for other in others if _asked_the_same(base, other)]
        differences = [item for other in comparable for item in compare_runs(base, other, names, confidence)]
        write_text(output, report_page(loaded, summaries, differences, title))
        print(f"wrote {output}")


def sweep(
    config: Annotated[Path, typer.Argument(help="TOML file with base, grid and metric.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the result files.")] = Path("runs/sweep"),
    as_json: AsJson = False,
) -> None:
    """Try a grid of settings on one half of the questions, and report the best on the other half."""
    from eval.output.tables import sweep_dict, sweep_lines, sweep_table
    from eval.studies.sweep import SweepConfig, run_sweep

    with errors_to_exit():
        settings = SweepConfig.load(config)
        with keep_results(folder):
            result = run_sweep(settings, folder, watch=counting_bar)
        if as_json:
            print_json(sweep_dict(settings.metric, result))
            return
        out.print(sweep_table(settings.metric, result))
        for line in sweep_lines(result):
            out.print(line, highlight=False, soft_wrap=True, markup=False)


def table(
    configs: Annotated[list[Path], typer.Argument(help="TOML files with base, rows, columns and metrics.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page to write, such as docs/RESULTS.md.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Folder for the result files. The same command continues there.")] = Path(
        "runs/table"
    ),
    limit: Annotated[int | None, typer.Option(help="Most questions per figure, for a trial run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run every row of settings in every column; print or write the figures and findings as Markdown."""
    from eval.output.results import results_page
    from eval.output.tables import run_line
    from eval.studies.comparison_table import TableConfig, figures, run_table

    with errors_to_exit():
        settings = [TableConfig.load(config).limited(limit) for config in configs]
        with keep_results(folder):
            tables = [(item, run_table(item, folder, watch=counting_bar)) for item in settings]
        page = results_page(tables, _table_command(configs, output, limit), limit)
        if output is not None:
            write_text(output, page)
        if as_json:
            print_json({item.title: figures(cells) for item, cells in tables})
        else:
            print(page if output is None else f"wrote {output}", end="\n" if output else "")
        evaluations = [cell.evaluation for _, cells in tables for cell in cells]
        say(run_line([item.report for item in evaluations]))
        malformed = list(dict.fromkeys(row for item in evaluations for row in item.malformed))
        exit_if_partly_done(malformed, sum(item.summary.num_refused for item in evaluations))


def _print_differing(base: Run, others: list[Run]) -> None:
    """The settings in which the runs differ."""
    from eval.output.tables import difference_line
    from eval.studies.compare import differing_settings

    for other in others:
        line = difference_line(base.name, other.name, differing_settings(base, other))
        out.print(line, highlight=False, soft_wrap=True, markup=False)


def _print_flips(flips: list[Flips], num_shown: int) -> None:
    from eval.output.flips import flip_line, flip_table

    for item in flips:
        out.print(flip_line(item), highlight=False, soft_wrap=True, markup=False)
        table = flip_table(item, num_shown)
        if table is not None:
            out.print(table)


def _table_command(configs: list[Path], output: Path | None, limit: int | None) -> str:
    options = [f"-o {output}"] * (output is not None) + [f"--limit {limit}"] * (limit is not None)
    return " ".join(["concord eval table", *map(str, configs), *options])


def _read(paths: list[Path], minimum: int) -> list[Run]:
    from eval.run.store import read_run

    if len(paths) < minimum:
        raise SettingError(f"got {len(paths)} result files; a comparison needs at least {minimum}")
    return [read_run(path) for path in paths]


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise SettingError(f"confidence={confidence!r}; expected a number between 0 and 1, such as 0.95")


def _asked_the_same(base: Run, other: Run) -> bool:
    """Whether the runs asked the same questions; a report may also show runs that did not."""
    return {record.question_id for record in base.records} == {record.question_id for record in other.records}
