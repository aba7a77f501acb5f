"""``concord kg``: what the knowledge graph of a library shows, and what goes into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import err, open_engine, say
from rag.cli.conflicts import conflicts
from rag.cli.options import LibraryPlace

kg_app = typer.Typer(help="The knowledge graph of a library.", no_args_is_help=True)


kg_app.command()(conflicts)  # its name before version 0.2


@kg_app.command("import")
def import_(
    library: LibraryPlace,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON lines: {"doc_id", "entities": [...], "triples": [[s, r, o]]}.')
    ],
) -> None:
    """Add ready triples to the graph. They stay as long as the passages they belong to; bad rows are listed."""
    from kg.imports import import_triples
    from retrievers.graph.store import import_extractions

    with open_engine(library) as engine:
        rows = engine.library.passages(engine.library.live_ids()[0].tolist())
        report = import_triples(file, list(rows.values()))
        with engine.library.writing():
            num_passages = import_extractions(engine.library, rows, report.extractions)
    num_triples = sum(len(extraction.triples) for extraction in report.extractions)
    err.print(f"{num_triples} triples imported for {num_passages} passages", style="green")
    _list_rejected([f"line {row.line}: {row.reason}" for row in report.rejected], is_any_taken=num_passages > 0)


@kg_app.command()
def export(
    library: LibraryPlace,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .graphml, .gexf or .json (node-link).")],
) -> None:
    """Write the graph for Gephi, networkx and other tools: entities, passages, claims and who makes them."""
    from kg.export import export_graph

    with open_engine(library) as engine:
        num_edges = export_graph(engine.graph.graph, file)
    say(f"{num_edges} edges written to {file}", "green")


@kg_app.command()
def extract(
    library: LibraryPlace,
    model: Annotated[str | None, typer.Option("--model", help="Generator: a name, a folder, or a .gguf file.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Let the generator read every passage for the graph; it can be interrupted, and continues where it was.

    What it read is used with the setting extractor = "model" (CONCORD_EXTRACTOR=model).
    """
    from rich.progress import Progress

    from retrievers.graph.store import read_passages

    rejected: list[str] = []
    num_claims = num_passages = 0
    with open_engine(library, config, model=model, extractor="model") as engine, Progress(console=err) as bar:
        ids, _ = engine.library.live_ids()
        task = bar.add_task("reading", total=len(ids) * len(engine.extractors))
        for first in range(0, len(ids), _ROWS):
            rows = engine.library.passages(ids[first : first + _ROWS].tolist())
            num_passages += len(rows)
            for extractor in engine.extractors:
                for item in read_passages(engine.library, extractor, rows, lambda n: bar.advance(task, n)):
                    num_claims += len(item.triples)
                    rejected += [f"{item.passage_id}: {reason}" for reason in item.rejected]
    err.print(f"{num_claims} claims in {num_passages} passages", style="green")
    _list_rejected(rejected, is_any_taken=True)


_ROWS = 1000


def _list_rejected(lines: Sequence[str], *, is_any_taken: bool) -> None:
    for line in lines:
        say(f"not taken: {line}", "red")
    if lines:
        raise typer.Exit(1 if is_any_taken else 2)
