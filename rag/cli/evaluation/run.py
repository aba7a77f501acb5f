"""``concord eval``: run and list here; compare, report, sweep and table in :mod:`rag.cli.evaluation.reports`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import counting_bar, errors_to_exit, out, print_json, without_none
from rag.cli.evaluation import reports
from rag.cli.evaluation.common import MetricNames, exit_if_partly_done, keep_results, parse_assignments
from rag.cli.evaluation.questions import make_questions
from rag.cli.evaluation.setting_options import Chosen, with_setting_options
from rag.cli.options import AsJson

if TYPE_CHECKING:
    from eval.run.config import RunConfig
    from eval.run.evaluation import Evaluation

Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting by its name, such as decoder_settings.floor=0.3 or engine.top_k=7; can be repeated. "
        "'concord eval list' names them.",
    ),
]

eval_app = typer.Typer(help="Measure the engine on questions with known answers.", no_args_is_help=True)


@eval_app.command()
@with_setting_options
def run(
    config: Annotated[Path | None, typer.Argument(help="TOML file with the run's settings.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Result file. A run that stopped continues there.")
    ] = None,
    metric: MetricNames = None,
    settings: Assignments = None,
    as_json: AsJson = False,
    *,
    chosen: Chosen,
) -> None:
    """Ask every question of a data set and score the answers. Options override the settings in CONFIG.

    Examples:

    * concord eval run --dataset hotpotqa --data hotpot_dev.json --limit 100
    * concord eval run --dataset plain --data questions.jsonl --library mylibrary/ --policy newest
    """
    with errors_to_exit():
        options = chosen["run"] | without_none({"metrics": metric or None})
        _show(_run(_load(config, options, chosen["engine"], settings or []), output), as_json)


@eval_app.command(name="list")
def list_choices(as_json: AsJson = False) -> None:
    """Name the data sets, arms, patch controls, metrics and settings."""
    from eval.datasets import DATASET_NAMES
    from eval.metrics.names import METRIC_MEANINGS
    from eval.run.arms import ARM_MEANINGS
    from eval.run.config import RunConfig
    from eval.run.controls import CONTROL_MEANINGS
    from rag.core.settings.config import Config

    choices: dict[str, Mapping[Any, str]] = {
        "arms": ARM_MEANINGS,
        "patches": CONTROL_MEANINGS,
        "metrics": METRIC_MEANINGS,
        "settings": {name: field.description or "" for name, field in RunConfig.model_fields.items()},
        "engine_settings": {name: field.description or "" for name, field in Config.model_fields.items()},
    }
    if as_json:
        print_json({"datasets": DATASET_NAMES} | choices)
        return
    print(f"data sets (--dataset): {', '.join(DATASET_NAMES)}")
    titles = (
        "arms (--arm)",
        "patch controls (--patches)",
        "metrics (--metric)",
        "settings of a run (--set)",
        "settings of the engine (--set)",
    )
    for title, meanings in zip(titles, choices.values(), strict=True):
        print(f"\n{title}")
        for name, meaning in meanings.items():
            print(f"  {name:<29} {meaning}")


eval_app.command()(make_questions)
eval_app.command()(reports.compare)
eval_app.command()(reports.report)
eval_app.command()(reports.sweep)
eval_app.command()(reports.table)


def _load(file: Path | None, options: Mapping[str, Any], engine: Mapping[str, Any], assigned: list[str]) -> RunConfig:
    """The run's settings: those of ``file``, then of ``--set``, then of the other options; later ones win."""
    from eval.run.config import RunConfig
    from rag.core.settings.toml_file import read_toml

    values = read_toml(file) if file else {}
    for layer in (parse_assignments(assigned), without_none(options), {"engine": without_none(engine)}):
        merged = {key: values.get(key, {}) | layer[key] for key in ("engine", "decoder_settings") if key in layer}
        values = values | layer | merged
    return RunConfig.from_values(values)


def _run(config: RunConfig, output: Path | None) -> Evaluation:
    from eval.run.evaluation import default_output, evaluate

    path = output or default_output(config)
    with keep_results(path), counting_bar("asking") as progress:
        return evaluate(config, output=path, progress=progress)


def _show(evaluation: Evaluation, as_json: bool) -> None:
    from eval.output.tables import summary_lines, summary_table
    from eval.output.verdicts import verdict_table

    if as_json:
        extra = {
            "path": str(evaluation.run.path),
            "overhead": evaluation.report.overhead,
            "num_malformed": len(evaluation.malformed),
        }
        print_json(evaluation.summary.to_dict() | extra)
    else:
        table = summary_table(evaluation)
        if table is not None:
            out.print(table)
        if evaluation.summary.verdicts is not None:
            out.print(verdict_table(evaluation.summary.verdicts))
        for line in summary_lines(evaluation):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    exit_if_partly_done(evaluation.malformed, evaluation.summary.num_refused)
