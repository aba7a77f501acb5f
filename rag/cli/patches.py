"""``concord patch``: a library's documents as LoRA patches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rag.cli.common import err, open_engine, out, print_json, progress_bar, say
from rag.cli.options import AsJson, LibraryPlace, SettingsFile

if TYPE_CHECKING:
    from rag.patches.patchset import PatchSet

patch_app = typer.Typer(help="Documents as LoRA patches, for 'concord ask --patches'.", no_args_is_help=True)

ModelName = Annotated[str | None, typer.Option("--model", help="Generator that the patches are for.")]


@patch_app.command()
def build(
    library: LibraryPlace,
    docs: Annotated[
        list[str] | None, typer.Option("--docs", help="Only these files, folders or doc_ids; may be repeated.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Most documents that train together; default: what fits.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that train; several run on Ray: concord-rag[ray].")
    ] = 1,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", help="recite (says sentences, which are read), fast (answers), quiet, or prag as published."
        ),
    ] = None,
    model: ModelName = None,
    config: SettingsFile = None,
) -> None:
    """Make the patches that are missing. Each is kept when it is done: a build that was killed continues.

    Several workers share the documents; each loads the model. RAY_ADDRESS names a cluster to run them on.
    """
    with (
        _open_patches(library, config, model=model, patch_profile=profile) as patches,
        progress_bar("patching") as progress,
    ):
        report = patches.build(docs or (), jobs=jobs, workers=workers, progress=progress)
    err.print(f"{len(report.built)} built, {len(report.skipped)} were there", style="green")
    for item in report.incomplete:
        say(f"written without it: {item.doc_id}: {item.reason}", "yellow")
    for item in report.failed:
        say(f"no patch: {item.doc_id}: {item.reason}", "red")
    if report.evicted:
        say(f"removed to make room: the patches of {', '.join(report.evicted)}", "yellow")
    if report.warning:
        say(report.warning, "red")
    if report.failed or report.left_out:
        raise typer.Exit(1 if report.built or report.skipped else 2)


@patch_app.command()
def ls(library: LibraryPlace, as_json: AsJson = False) -> None:
    """List the patches of a library."""
    with _open_patches(library) as patches:
        infos, unreadable = patches.ls(), patches.store.unreadable()
    for key in unreadable:
        say(f"damaged: {key}; remove it with 'concord patch rm' and build it again", "red")
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    table = Table()
    for name in ("key", "document", "title", "model", "profile", "rank", "samples", "KiB"):
        table.add_column(name, justify="right" if name in ("rank", "samples", "KiB") else "left", overflow="fold")
    for info in infos:
        numbers = (str(info.rank), str(info.num_samples), f"{info.size_bytes / 1024:.0f}")
        table.add_row(info.key[:12], info.doc_id, info.title, info.base_name, info.profile, *numbers)
    out.print(table)


@patch_app.command()
def inspect(
    library: LibraryPlace,
    key: Annotated[str, typer.Argument(help="Its key, or the beginning of it.")],
) -> None:
    """Check one patch against its manifest, and print that."""
    with _open_patches(library) as patches:
        info = patches.inspect(key)
    print_json(asdict(info))


@patch_app.command()
def rm(
    library: LibraryPlace,
    names: Annotated[list[str], typer.Argument(help="Keys (their beginning is enough) or doc_ids.")],
) -> None:
    """Remove patches."""
    with _open_patches(library) as patches:
        removed = patches.remove(names)
    err.print(f"removed {len(removed)} patches", style="green")


@contextmanager
def _open_patches(library: str, config: Path | None = None, **settings: Any) -> Iterator[PatchSet]:
    with open_engine(library, config, **settings) as engine:
        yield engine.patches
