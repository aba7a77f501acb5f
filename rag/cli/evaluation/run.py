"""``concord eval``: run and list here; compare, report, sweep and table in :mod:`rag.cli.evaluation.reports`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import counting_bar, errors_to_exit, out, parse_optional_number, print_json, without_none
from rag.cli.evaluation import reports
from rag.cli.evaluation.common import MetricNames, exit_if_partly_done, keep_results, parse_assignments
from rag.cli.options import AsJson, EncoderName, EngineName, ModelName, SkillName
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from eval.run.config import RunConfig
    from eval.run.evaluation import Evaluation

Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting of the run or the engine, such as ranking_depth=50, dtype=float32 or "
        "decoder_settings.floor=0.3; can be repeated. 'concord eval list' names them.",
    ),
]

eval_app = typer.Typer(help="Measure the engine on questions with known answers.", no_args_is_help=True)


@eval_app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="TOML file with the run's settings.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Result file. A run that stopped continues there.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Data set, such as hotpotqa. 'concord eval list' names them.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Its file, or hub:OWNER/NAME.")] = None,
    subset: Annotated[str | None, typer.Option(help="Subset of a hub's data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a hub's data set.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most questions to ask.")] = None,
    corpus: Annotated[str | None, typer.Option(help="JSONL file of documents to retrieve from.")] = None,
    library: Annotated[str | None, typer.Option(help="Library to retrieve from.")] = None,
    arm: Annotated[str | None, typer.Option(help="Which context the model sees, such as conflicting.")] = None,
    patches: Annotated[str | None, typer.Option(help="Whose patch the model answers with, such as right.")] = None,
    decoder: Annotated[str | None, typer.Option(help="Decoder, such as adacad.")] = None,
    alpha: Annotated[str | None, typer.Option(help="The decoder's alpha: a number, or 'auto'.")] = None,
    top_k: Annotated[str | None, typer.Option(help="Passages in the prompt: a number, or 'auto'.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, tokens.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions given to the engine at once.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers, each with its own model.")] = None,
    retrieval_only: Annotated[bool, typer.Option("--retrieval-only", help="Rank, but do not answer.")] = False,
    metric: MetricNames = None,
    model: ModelName = None,
    skill: SkillName = None,
    engine: EngineName = None,
    encoder: EncoderName = None,
    settings: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Ask every question of a data set and score the answers. Options override the settings in CONFIG."""
    asked: dict[str, Any] = {"dataset": dataset, "data": data, "subset": subset, "split": split, "limit": limit}
    passages: dict[str, Any] = {"corpus": corpus, "library": library, "arm": arm, "patches": patches}
    answer: dict[str, Any] = {"decoder": decoder, "top_k": parse_optional_number(top_k), "max_tokens": max_tokens}
    work: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "metrics": metric or None}
    parts: dict[str, Any] = {"model": model, "skill": skill, "engine": engine, "encoder": encoder}
    with errors_to_exit():
        answer |= {"alpha": _parse_alpha(alpha), "is_retrieval_only": retrieval_only or None}
        run_config = _load(config, asked | passages | answer | work, parts, settings or [])
        _show(_run(run_config, output), as_json)


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


def _parse_alpha(text: str | None) -> float | str | None:
    value = parse_optional_number(text)
    if isinstance(value, str) and value != "auto":
        raise SettingError(f"--alpha {text!r} is neither a number nor 'auto'")
    return value


def _run(config: RunConfig, output: Path | None) -> Evaluation:
    from eval.run.evaluation import default_output, evaluate

    path = output or default_output(config)
    with keep_results(path), counting_bar("asking") as progress:
        return evaluate(config, output=path, progress=progress)


def _show(evaluation: Evaluation, as_json: bool) -> None:
    from eval.output.tables import summary_lines, summary_table

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
        for line in summary_lines(evaluation):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    exit_if_partly_done(evaluation.malformed, evaluation.summary.num_refused)
