"""``concord eval``: run, list, compare, report, sweep and table.

Exit codes: 0 done; 1 done, but rows of the data were malformed or questions were refused; 2 the input is at fault.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.core.errors import ConcordError, InputError, SettingError

if TYPE_CHECKING:
    from eval.run.evaluation import Evaluation
    from eval.run.store import Run
    from eval.types import MalformedRow

eval_app = typer.Typer(help="Measure the engine on questions with known answers.", no_args_is_help=True)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Result file; a run that stopped goes on there.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", "-m", help="Metric to show; may be repeated; 'concord eval list' names them."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
_SHOWN_ROWS = 10


@eval_app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="TOML file with the run's settings.")] = None,
    output: Output = None,
    dataset: Annotated[
        str | None, typer.Option(help="Data set, e.g. hotpotqa; 'concord eval list' names them.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Its file, or hub:OWNER/NAME.")] = None,
    subset: Annotated[str | None, typer.Option(help="Subset of a hub's data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a hub's data set.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most questions to ask.")] = None,
    corpus: Annotated[str | None, typer.Option(help="JSONL of documents to retrieve from.")] = None,
    library: Annotated[str | None, typer.Option(help="Library to retrieve from.")] = None,
    arm: Annotated[str | None, typer.Option(help="Which context the model sees, e.g. conflicting.")] = None,
    patches: Annotated[str | None, typer.Option(help="Whose patch the model answers with, e.g. right.")] = None,
    decoder: Annotated[str | None, typer.Option(help="Decoder, e.g. adacad.")] = None,
    alpha: Annotated[str | None, typer.Option(help="The decoder's alpha, a number or 'auto'.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Passages in the prompt.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions handed to the engine at once.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers, each with its own model.")] = None,
    retrieval_only: Annotated[bool, typer.Option("--retrieval-only", help="Rank and do not answer.")] = False,
    metric: Metrics = None,
    model: Annotated[str | None, typer.Option(help="Generator: a name, a folder, a .gguf file, or 'default'.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, tokens.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask every question of a data set and score the answers; settings here win over those of CONFIG."""
    given: dict[str, Any] = {
        "dataset": dataset,
        "data": data,
        "subset": subset,
        "split": split,
        "limit": limit,
        "corpus": corpus,
        "library": library,
        "arm": arm,
        "patches": patches,
        "decoder": decoder,
        "alpha": _alpha(alpha),
        "top_k": top_k,
        "batch_size": batch_size,
        "workers": workers,
        "is_retrieval_only": retrieval_only or None,
        "metrics": metric or None,
        "max_tokens": max_tokens,
    }
    with _errors_as_exit_codes():
        _finish(_run(config, output, given, model), as_json)


@eval_app.command(name="list")
def list_choices(as_json: AsJson = False) -> None:
    """Say which data sets, arms, patch controls and metrics there are."""
    from eval.datasets import DATASET_NAMES
    from eval.metrics.scores import METRIC_MEANINGS
    from eval.run.arms import ARM_MEANINGS
    from eval.run.controls import CONTROL_MEANINGS

    meanings: list[Mapping[Any, str]] = [ARM_MEANINGS, CONTROL_MEANINGS, METRIC_MEANINGS]
    if as_json:
        print(
            json.dumps({"datasets": DATASET_NAMES} | dict(zip(("arms", "patches", "metrics"), meanings, strict=True)))
        )
        return
    print(f"data sets (--dataset): {', '.join(DATASET_NAMES)}")
    options = ("arms (--arm)", "patch controls (--patches)", "metrics (--metric)")
    for title, named in zip(options, meanings, strict=True):
        print(f"\n{title}")
        for name, meaning in named.items():
            print(f"  {name:<21} {meaning}")


@eval_app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Result files; each is compared with the first.")],
    metric: Metrics = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs question by question."""
    from eval.output.tables import comparison_dict, comparison_table, print_differences
    from eval.studies.compare import compare_runs, differing_settings

    with _errors_as_exit_codes():
        found = _read(runs, minimum=2)
        names = _metrics(metric)
        items = [item for other in found[1:] for item in compare_runs(found[0], other, names)]
        if as_json:
            print(json.dumps([comparison_dict(item) for item in items], ensure_ascii=False))
            return
        for other in found[1:]:
            print_differences(found[0].name, other.name, differing_settings(found[0], other))
        comparison_table(items)


@eval_app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Result files; differences are to the first.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    metric: Metrics = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Evaluation",
) -> None:
    """Write a self-contained page with plots, tables and the answers."""
    from eval.output.report import report_page
    from eval.run.summary import summarize
    from eval.studies.compare import compare_runs

    with _errors_as_exit_codes():
        found, names = _read(runs, minimum=1), _metrics(metric)
        summaries = [summarize(item, names) for item in found]
        differences = [
            item for other in found[1:] if _is_alike(found[0], other) for item in compare_runs(found[0], other, names)
        ]
        _write(output, report_page(found, summaries, differences, title))
        print(f"wrote {output}")


@eval_app.command()
def sweep(
    config: Annotated[Path, typer.Argument(help="TOML file with base, grid and metric.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the result files.")] = Path("runs/sweep"),
    as_json: AsJson = False,
) -> None:
    """Try a grid of settings on one half of the questions and report the best on the other."""
    from eval.output.tables import sweep_dict, sweep_table
    from eval.studies.sweep import SweepConfig, run_sweep

    with _errors_as_exit_codes():
        settings = SweepConfig.load(config)
        with _results_kept(folder):
            result = run_sweep(settings, folder)
        if as_json:
            print(json.dumps(sweep_dict(settings.metric, result), ensure_ascii=False))
        else:
            sweep_table(settings.metric, result)


@eval_app.command()
def table(
    configs: Annotated[list[Path], typer.Argument(help="TOML files with base, rows, columns and metrics.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Page to write, e.g. docs/RESULTS.md.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder for the result files; the same command goes on there.")] = Path(
        "runs/table"
    ),
    limit: Annotated[int | None, typer.Option(help="Most questions per figure, for a trial run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run every row of settings in every column; print or write the figures, and what they come to, as Markdown."""
    from eval.output.results import results_page
    from eval.output.tables import progress_bar, run_line
    from eval.studies.comparison_table import TableConfig, figures, run_table

    with _errors_as_exit_codes():
        settings = [TableConfig.load(config).limited(limit) for config in configs]
        with _results_kept(folder):
            tables = [(item, run_table(item, folder, watch=progress_bar)) for item in settings]
        page = results_page(tables, _table_command(configs, output, limit), limit)
        if output is not None:
            _write(output, page)
        if as_json:
            print(json.dumps({item.title: figures(cells) for item, cells in tables}, ensure_ascii=False))
        else:
            print(page if output is None else f"wrote {output}", end="\n" if output else "")
        evaluations = [cell.evaluation for _, cells in tables for cell in cells]
        print(run_line([item.report for item in evaluations]), file=sys.stderr)
        malformed = list(dict.fromkeys(row for item in evaluations for row in item.malformed))
        _exit_if_partly_done(malformed, sum(item.summary.num_refused for item in evaluations))


def _table_command(configs: list[Path], output: Path | None, limit: int | None) -> str:
    options = [f"-o {output}"] * (output is not None) + [f"--limit {limit}"] * (limit is not None)
    return " ".join(["concord eval table", *map(str, configs), *options])


def _run(config: Path | None, output: Path | None, given: dict[str, Any], model: str | None) -> Evaluation:
    from eval.output.tables import progress_bar
    from eval.run.config import RunConfig
    from eval.run.evaluation import default_output, evaluate

    settings = RunConfig.load(config, **given)
    if model is not None:
        settings = settings.changed(engine={**settings.engine, "model": model})
    path = output or default_output(settings)
    with _results_kept(path), progress_bar() as progress:
        return evaluate(settings, output=path, progress=progress)


def _finish(evaluation: Evaluation, as_json: bool) -> None:
    from eval.output.tables import summary_table

    report = evaluation.report
    if as_json:
        extra = {
            "path": str(evaluation.run.path),
            "overhead": report.overhead,
            "num_malformed": len(evaluation.malformed),
        }
        print(json.dumps(evaluation.summary.to_dict() | extra, ensure_ascii=False))
    else:
        summary_table(evaluation)
    _exit_if_partly_done(evaluation.malformed, evaluation.summary.num_refused)


def _exit_if_partly_done(malformed: Sequence[MalformedRow], num_refused: int) -> None:
    for row in malformed[:_SHOWN_ROWS]:
        print(f"malformed, left out: {row}", file=sys.stderr)
    if len(malformed) > _SHOWN_ROWS:
        print(f"... and {len(malformed) - _SHOWN_ROWS} more malformed rows", file=sys.stderr)
    if malformed or num_refused:
        raise typer.Exit(1)


def _alpha(given: str | None) -> float | str | None:
    if given is None or given == "auto":
        return given
    try:
        return float(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is neither a number nor 'auto'", param_hint="--alpha") from None


def _metrics(given: list[str] | None) -> tuple[str, ...]:
    from eval.metrics.scores import DEFAULT_METRICS, check_metrics

    check_metrics(given or ())
    return tuple(given) if given else DEFAULT_METRICS


def _read(paths: list[Path], minimum: int) -> list[Run]:
    from eval.run.store import read_run

    if len(paths) < minimum:
        raise SettingError(f"got {len(paths)} result files; a comparison needs at least {minimum}")
    return [read_run(path) for path in paths]


def _is_alike(base: Run, other: Run) -> bool:
    """Whether the runs asked the same questions; a report may also show runs that did not."""
    return {record.question_id for record in base.records} == {record.question_id for record in other.records}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingError(f"cannot write {path}: {error.strerror}; choose another place") from error


@contextmanager
def _results_kept(path: Path) -> Iterator[None]:
    """Says where the results are when a run is cut short."""
    try:
        yield
    except InputError:
        raise  # the input was at fault, so nothing was asked
    except BaseException:  # an interrupt leaves results, too
        if path.exists():
            print(f"results so far are safe in {path}; the same command goes on from there", file=sys.stderr)
        raise


@contextmanager
def _errors_as_exit_codes() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except ConcordError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
