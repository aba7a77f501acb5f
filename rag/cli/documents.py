"""``concord add``, ``remove``, ``ls`` and ``check``: what is in a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import err, open_engine, out, print_json, progress_bar, say
from rag.cli.options import EncoderName, LibraryPlace, SettingsFile
from rag.ingest.loaders.base import KNOWN_TYPES


def add(
    library: LibraryPlace,
    paths: Annotated[list[Path], typer.Argument(help=f"Files or folders (recursively): {KNOWN_TYPES}.")],
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Add documents. Unchanged files are left alone, changed ones replace their passages; all or nothing."""
    from rag.cli import render

    with (
        open_engine(library, config, must_exist=False, encoder=encoder) as engine,
        progress_bar("reading", has_names=True) as progress,
    ):
        report = engine.add(list(paths), progress)
    err.print(render.add_report(report))
    if report.failed:
        num_read = len(report.added) + len(report.replaced) + len(report.unchanged)
        raise typer.Exit(1 if num_read else 2)


def remove(
    library: LibraryPlace,
    sources: Annotated[list[str], typer.Argument(help="Files, folders or doc_ids, as 'concord ls' shows them.")],
) -> None:
    """Remove documents and every passage that came from them."""
    from rag.cli import render

    with open_engine(library) as engine:
        removed = engine.remove(sources)
    for document in removed:
        say(f"removed {render.short_path(document.source)} ({document.num_passages} passages)", "green")


def ls(
    library: LibraryPlace,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the documents of a library."""
    from rag.cli import render

    with open_engine(library) as engine:
        documents = engine.documents()
    if as_json:
        print_json([asdict(document) for document in documents])
    else:
        out.print(render.documents_table(documents))


def check(
    library: LibraryPlace,
    is_repairing: Annotated[bool, typer.Option("--repair", help="Repair what is wrong.")] = False,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Check texts, vectors, indexes and graph of a library against each other. Exit code 1: something is wrong."""
    with open_engine(library, config, encoder=encoder) as engine:
        findings = engine.check(is_repairing=is_repairing)
        num_passages = engine.library.num_passages
    for finding in findings:
        mark, style = ("repaired", "green") if finding.is_repaired else ("wrong", "red")
        say(f"{mark}: {finding.part}: {finding.problem}", style)
    if not findings:
        say(f"the library is sound; it holds {num_passages} passages", "green")
    if not all(finding.is_repaired for finding in findings):
        raise typer.Exit(1)
