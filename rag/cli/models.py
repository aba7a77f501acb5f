"""``concord models``: list, get, calibrate and remove models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from rag.cli.common import counting_bar, errors_to_exit, out, say
from rag.cli.options import AsJson, SettingsFile

if TYPE_CHECKING:
    from rag.models.listing import ModelInfo

models_app = typer.Typer(help="The models of this machine: list, get, calibrate and remove them.")
_CACHE_TOKENS = 1000


@models_app.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    as_json: AsJson = False,
    config: SettingsFile = None,
) -> None:
    """List the models that are cached or embedded, and whether they fit in memory.

    A name in the list is what --model or --encoder takes. 'concord models get NAME' fetches a model from the hub.
    """
    if context.invoked_subcommand is not None:
        return
    from rag.core.settings.config import Config
    from rag.models import listing
    from rag.models.loading import resolve_device, resolve_dtype
    from rag.models.memory import device_memory

    with errors_to_exit():
        settings = Config.load(config)
        models = listing.list_models(settings)
    if as_json:
        typer.echo(json.dumps([asdict(model) for model in models], indent=2, ensure_ascii=False))
        return
    device = resolve_device(settings.device)
    out.print(_table(models, resolve_dtype(settings.dtype, device)))
    say(
        f"memory here: {_size(device_memory(device))}. A model needs its weights, {_size(listing.RUNTIME_BYTES)} "
        f"for the program, and for each of two streams the cache (shown for {_CACHE_TOKENS:,} tokens).",
        "dim",
    )


@models_app.command()
def get(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Hub names such as OWNER/NAME, .gguf files, or 'default'.")
    ],
    config: SettingsFile = None,
) -> None:
    """Fetch models now, so that later commands need no network. A download that stopped continues where it was."""
    from rag.core.settings.config import Config
    from rag.models.fetching import get_model

    with errors_to_exit():
        settings = Config.load(config)
        for name in names:
            for folder in get_model(name, settings):
                say(f"{name} is in {folder}", "green")


@models_app.command()
def calibrate(
    name: Annotated[str, typer.Argument(help="As --model takes it; 'default' is the default model.")] = "default",
    facts: Annotated[
        Path | None,
        typer.Option(
            help='JSON lines with "question" and "answers", instead of the facts that ship.', show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    config: SettingsFile = None,
) -> None:
    """Find out how a model shows that it knows: ask it some 400 facts, a few minutes on a processor.

    The verdict then says how likely the model's own answer is right. Without a calibration it never says that the model
    knows. The default model's calibration ships; do this once for any other model.
    """
    from rag.conflicts.memory import calibration
    from rag.core.settings.config import Config
    from rag.generation.load import generator_fingerprint, load_generator
    from rag.models.cache import calibrations_folder

    with errors_to_exit():
        settings = Config.load(config, model=name, engine="transformers")
        chosen = None if facts is None else calibration.parse_facts(_read_text(facts))
        generator = load_generator(settings)
        try:
            with counting_bar(f"Asking {name}") as show:
                result = calibration.calibrate(generator, generator_fingerprint(generator, settings), chosen, show)
        finally:
            generator.close()
        file = calibration.save_calibration(result, calibrations_folder(settings.cache_dir))
    if as_json:
        typer.echo(json.dumps(asdict(result), indent=2, ensure_ascii=False))
        return
    say(
        f"{name} answers {result.num_known} of {result.num_facts} facts; its signs tell right from wrong answers with "
        f"an area under the curve of {result.auc:.2f} (on facts left out of the fit)",
        "green",
    )
    say(f"written to {file}", "dim")


def _read_text(file: Path) -> str:
    """The text of a file that the user named.

    Raises:
        SourceError: it cannot be read.
    """
    from rag.core.errors import SourceError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SourceError(f"cannot read the facts {file} ({reason})") from error


@models_app.command("rm")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, as 'concord models' shows them.")],
    config: SettingsFile = None,
) -> None:
    """Remove converted and downloaded models from the cache."""
    from rag.core.settings.config import Config
    from rag.models.listing import remove_model

    with errors_to_exit():
        settings = Config.load(config)
        for name in names:
            num_bytes = remove_model(name, settings)
            say(f"removed {name} ({_size(num_bytes)})", "green")


def _table(models: Sequence[ModelInfo], dtype: str) -> Table:
    table = Table(title=f"models, with their memory in {dtype}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("name and what it is", overflow="fold", min_width=36)
    for heading in ("disk", "window", "weights", "cache"):
        table.add_column(heading, justify="right")
    table.add_column("fits")
    for model in models:
        cache = model.cache_bytes_per_token
        details = f"{model.origin} {model.kind}, {model.format}, {model.license or 'licence not stated'}"
        table.add_row(
            Text(model.name).append(f"\n  {details}", style="dim"),
            _size(model.disk_bytes),
            f"{model.window:,}" if model.window else "?",
            _size(model.weights_bytes),
            "-" if model.kind == "encoder" else _size(cache * _CACHE_TOKENS if cache else None),
            {True: "yes", False: "no", None: "?"}[model.fits],
        )
    return table


def _size(num_bytes: int | None) -> str:
    if num_bytes is None:
        return "?"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
