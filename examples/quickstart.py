"""The README's first command: a library from ``examples/corpus``, and three questions to it."""

from pathlib import Path

from rich.console import Console

from rag import Engine, TokenEvent
from rag.cli import render

HERE = Path(__file__).parent
QUESTIONS = (
    "Who was the first person to walk on the moon?",
    "What is the tallest mountain in the world?",
    "Who is the harbour master of Port Selwick?",
)


def main() -> None:
    console = Console()
    with Engine.open(HERE.parent / "demo-library") as engine:
        with console.status("adding examples/corpus (the first run converts the default model) ..."):
            report = engine.add(HERE / "corpus")
        console.print(render.add_report(report))
        console.print(render.legend())
        for question in QUESTIONS:
            console.print(f"\n[bold]{question}[/]")
            for event in engine.stream(question):
                if isinstance(event, TokenEvent):
                    console.print(render.token(event), end="")
                else:
                    console.print()
                    render.print_answer(console, event, is_explained=False)


if __name__ == "__main__":
    main()
