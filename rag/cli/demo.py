"""``concord demo``: a library from the example documents, and three questions to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import open_engine, out

CORPUS = Path(__file__).parents[1] / "demo" / "corpus"
QUESTIONS = (
    "Who was the first person to walk on the moon?",
    "What is the tallest mountain in the world?",
    "Who is the harbour master of Port Selwick?",
)


def demo(
    library: Annotated[Path, typer.Argument(metavar="[LIBRARY]", help="Folder for the library of the demo.")] = Path(
        "demo-library"
    ),
) -> None:
    """See it run: add 24 short documents, eight of them wrong on purpose, and ask three questions."""
    from rag.cli import render
    from rag.core.answer import TokenEvent

    with open_engine(library, must_exist=False) as engine:
        with out.status("adding the example documents (the first run prepares the default model) ..."):
            report = engine.add(CORPUS)
        out.print(render.add_report(report))
        out.print(render.legend())
        for question in QUESTIONS:
            out.print(f"\n[bold]{question}[/]")
            for event in engine.stream(question):
                if isinstance(event, TokenEvent):
                    out.print(render.token(event), end="")
                else:
                    out.print()
                    render.print_answer(out, event, is_explained=False)
