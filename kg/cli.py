"""``concord kg``: what the knowledge graph of a library shows."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rag.errors import ConcordError

kg_app = typer.Typer(help="Look at the knowledge graph of a library.", no_args_is_help=True)


@kg_app.callback()
def _group() -> None:
    """Keeps ``conflicts`` a subcommand while it is the only one."""


@kg_app.command()
def conflicts(
    library: Annotated[Path, typer.Argument(metavar="LIBRARY", help="Folder of the library.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List claims on which documents contradict each other: one subject, one relation, different objects."""
    from kg.conflicts import find_clashes
    from rag.engine import Engine

    err = Console(stderr=True)
    try:
        with Engine.open(library, must_exist=True) as engine:
            documents = {document.doc_id: document for document in engine.documents()}
            clashes = find_clashes(engine.graph.graph, {name: item.added_at for name, item in documents.items()})
    except ConcordError as error:
        err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if as_json:
        sys.stdout.write(json.dumps([asdict(clash) for clash in clashes], ensure_ascii=False) + "\n")
        return
    out = Console()
    for clash in clashes:
        out.print(f"{clash.relation} · {clash.subject}", style="bold", markup=False, highlight=False)
        for side in clash.sides:
            names = sorted({documents[source.doc_id].source for source in side.sources})
            out.print(f"  {side.object}: {', '.join(names)}", markup=False, highlight=False, soft_wrap=True)
    if not clashes:
        out.print("no two documents contradict each other in a claim that the graph holds")
