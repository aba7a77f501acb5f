"""``concord models``: list, get and remove models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from rag.cli.common import errors_to_exit, out, say
from rag.cli.options import AsJson, SettingsFile

if TYPE_CHECKING:
    from rag.models.listing import ModelInfo

models_app = typer.Typer(help="The models of this machine: list, get and remove them.")
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
