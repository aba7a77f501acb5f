"""``concord kg``: what the knowledge graph of a library shows, and what goes into it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from rag.core.errors import ConcordError

if TYPE_CHECKING:
    from rag.engine import Engine

kg_app = typer.Typer(help="The knowledge graph of a library.", no_args_is_help=True)
_out = Console()
_err = Console(stderr=True)
LibraryPath = Annotated[str, typer.Argument(metavar="LIBRARY", help="Folder of the library.")]


@kg_app.command()
def conflicts(
    library: LibraryPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List claims on which documents contradict each other: one subject, one relation, different objects."""
    from rag.conflicts.claims import find_clashes

    with _opened(library) as engine:
        documents = {document.doc_id: document for document in engine.documents()}
        clashes = find_clashes(engine.graph.graph, {name: item.added_at for name, item in documents.items()})
    if as_json:
        sys.stdout.write(json.dumps([asdict(clash) for clash in clashes], ensure_ascii=False) + "\n")
        return
    for clash in clashes:
        _out.print(f"{clash.relation} · {clash.subject}", style="bold", markup=False, highlight=False)
        for side in clash.sides:
            names = sorted({documents[source.doc_id].source for source in side.sources})
            _out.print(f"  {side.object}: {', '.join(names)}", markup=False, highlight=False, soft_wrap=True)
    if not clashes:
        _out.print("no two documents contradict each other in a claim that the graph holds")


@kg_app.command("import")
def import_(
    library: LibraryPath,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON lines: {"doc_id", "entities": [...], "triples": [[s, r, o]]}.')
    ],
) -> None:
    """Add ready triples to the graph. They stay as long as the passages they belong to; bad rows are listed."""
    from kg.imports import import_triples
    from retrievers.graph.store import import_extractions

    with _opened(library) as engine:
        rows = engine.library.passages(engine.library.live_ids()[0].tolist())
        report = import_triples(file, list(rows.values()))
        with engine.library.writing():
            num_passages = import_extractions(engine.library, rows, report.extractions)
    num_triples = sum(len(extraction.triples) for extraction in report.extractions)
    _err.print(f"{num_triples} triples imported for {num_passages} passages", style="green")
    _list_rejected([f"line {row.line}: {row.reason}" for row in report.rejected], is_any_taken=num_passages > 0)


@kg_app.command()
def extract(
    library: LibraryPath,
    model: Annotated[str | None, typer.Option("--model", help="Generator: a name, a folder, or a .gguf file.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Let the generator read every passage for the graph; it can be interrupted, and goes on where it was.

    What it read is used with the setting extractor = "model" (CONCORD_EXTRACTOR=model).
    """
    from rich.progress import Progress

    from retrievers.graph.store import read_passages

    rejected: list[str] = []
    num_claims = num_passages = 0
    with _opened(library, config, model=model, extractor="model") as engine, Progress(console=_err) as bar:
        ids, _ = engine.library.live_ids()
        task = bar.add_task("reading", total=len(ids) * len(engine.extractors))
        for first in range(0, len(ids), _ROWS):
            rows = engine.library.passages(ids[first : first + _ROWS].tolist())
            num_passages += len(rows)
            for extractor in engine.extractors:
                for item in read_passages(engine.library, extractor, rows, lambda n: bar.advance(task, n)):
                    num_claims += len(item.triples)
                    rejected += [f"{item.passage_id}: {reason}" for reason in item.rejected]
    _err.print(f"{num_claims} claims in {num_passages} passages", style="green")
    _list_rejected(rejected, is_any_taken=True)


_ROWS = 1000


@contextmanager
def _opened(library: str, config: Path | None = None, **settings: Any) -> Iterator[Engine]:
    """The library's engine; an error becomes one line for the user."""
    from rag.core.config import Config
    from rag.engine import Engine

    try:
        with Engine.open(library, must_exist=True, config=Config.load(config, **settings)) as engine:
            yield engine
    except ConcordError as error:
        _err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _list_rejected(lines: Sequence[str], *, is_any_taken: bool) -> None:
    for line in lines:
        _err.print(f"not taken: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    if lines:
        raise typer.Exit(1 if is_any_taken else 2)
