"""``concord add``, ``remove``, ``ls`` and ``check``: what is in a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import err, open_engine, out, print_json, progress_bar, say
from rag.cli.options import AsJson, EncoderName, LibraryPlace, SettingsFile


def add(
    library: LibraryPlace,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files or folders (recursively): PDF, Office, web pages, mail, tables, text, source code."),
    ],
    sync: Annotated[
        bool, typer.Option("--sync", help="Follow the folders: remove documents whose file is gone from them.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="Processes that read and encode; several run on Ray: concord-rag[ray]."),
    ] = 1,
    as_json: AsJson = False,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Add documents. Unchanged files are left alone, changed ones replace their passages.

    What cannot be read is listed with the reason, and all else is added (exit code 1). Moved files keep one document.
    Several workers share the files, and this process publishes; RAY_ADDRESS names a cluster to run them on.
    """
    from rag.cli import render

    with (
        open_engine(library, config, must_exist=False, encoder=encoder) as engine,
        progress_bar("reading", has_names=True) as progress,
    ):
        report = engine.add(list(paths), progress, sync=sync, workers=workers)
    err.print(render.add_report(report), soft_wrap=True)
    if as_json:
        print_json(asdict(report))
    if report.failed:
        raise typer.Exit(1 if report.num_read else 2)


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
