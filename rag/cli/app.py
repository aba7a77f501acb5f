"""The command line, ``concord``. Exit codes: 0 done, 1 partly done (failures listed), 2 the input is at fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from decoders.params import DECODER_NAMES
from rag.cli.evaluation import eval_app
from rag.cli.graph import kg_app
from rag.cli.models import models_app
from rag.cli.patches import patch_app
from rag.cli.serve import keys_app, serve
from rag.cli.serve_llm import serve_llm
from rag.core.errors import ConcordError, SettingError

if TYPE_CHECKING:
    from rag.engine import Engine

app = typer.Typer(
    help="Ask your documents, and see where they disagree with the model's own memory.\n\n"
    'Start with:  concord add mylibrary/ docs/   then   concord ask mylibrary/ "Who runs the harbour?"',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(eval_app, name="eval")
app.add_typer(kg_app, name="kg")
app.add_typer(keys_app, name="keys")
app.add_typer(models_app, name="models")
app.add_typer(patch_app, name="patch")
app.command()(serve)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve_llm)
_out = Console()
_err = Console(stderr=True)

LibraryPath = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="Folder of the library, or postgresql://[USER@]HOST/DATABASE/LIBRARY.")
]
SettingsFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings; CONCORD_* variables override it.")
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Generator: a Hugging Face name, a folder, or a .gguf file.", show_default=False),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="What generates: auto, transformers, vllm, or http://host:port.", show_default=False),
]
EncoderName = Annotated[
    str | None, typer.Option("--encoder", help="Sentence encoder: a name or a local folder.", show_default=False)
]


@app.command()
def add(
    library: LibraryPath,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders (recursively): txt, md, html, pdf, docx.")],
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Add documents. Unchanged files are left alone, changed ones replace their passages; all or nothing."""
    from rag.cli import render

    with _errors_to_exit(), _open(library, config, encoder=encoder) as engine, _progress() as progress:
        report = engine.add(list(paths), progress)
    _err.print(render.add_report(report))
    if report.failed:
        num_read = len(report.added) + len(report.replaced) + len(report.unchanged)
        raise typer.Exit(1 if num_read else 2)


@app.command()
def remove(
    library: LibraryPath,
    sources: Annotated[list[str], typer.Argument(help="Files, folders or doc_ids, as 'concord ls' shows them.")],
) -> None:
    """Remove documents and every passage that came from them."""
    from rag.cli import render

    with _errors_to_exit(), _open(library, None, must_exist=True) as engine:
        removed = engine.remove(sources)
    for document in removed:
        _err.print(f"removed {render.short_path(document.source)} ({document.num_passages} passages)", style="green")


@app.command()
def ls(
    library: LibraryPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the documents of a library."""
    from dataclasses import asdict

    from rag.cli import render

    with _errors_to_exit(), _open(library, None, must_exist=True) as engine:
        documents = engine.documents()
    if as_json:
        _print_json([asdict(document) for document in documents])
    else:
        _out.print(render.documents_table(documents))


@app.command()
def ask(
    library: LibraryPath,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    decoder: Annotated[
        str | None, typer.Option(help=f"How the two streams are mixed: {', '.join(DECODER_NAMES)}.")
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option(help="cad, coiecd: contrast from 0. ckplug: 0 = documents ... 1 = memory, or 'auto'."),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting of the decoder, such as floor=0.3."),
    ] = None,
    top_k: Annotated[
        str | None, typer.Option(help="Passages in the prompt: a number, or 'auto' by the question's complexity.")
    ] = None,
    retrieval: Annotated[
        str | None, typer.Option(help="How passages are found: hybrid, dense, sparse or graph.", show_default=False)
    ] = None,
    rewrite: Annotated[
        str | None, typer.Option(help="Who words the search: off, rules or model.", show_default=False)
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--filter", help="Who drops passages that do not help: off, encoder or model.", show_default=False
        ),
    ] = None,
    abstain: Annotated[
        bool | None,
        typer.Option("--abstain/--no-abstain", help="Say so if the documents hold no answer.", show_default=False),
    ] = None,
    memory: Annotated[
        bool | None,
        typer.Option("--memory/--no-memory", help="Use passages that served alike questions.", show_default=False),
    ] = None,
    patches: Annotated[
        str | None,
        typer.Option(help="auto: passages and patches; only: patches without passages; off.", show_default=False),
    ] = None,
    portable: Annotated[
        bool, typer.Option("--portable", help="Also use patches that were made for another base model.")
    ] = False,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed for a temperature above 0.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with the whole trace.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how passages were found, and what both streams said.")
    ] = False,
    model: ModelName = None,
    generation: EngineName = None,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Ask a question. The answer's tokens are coloured by how much documents and memory disagree."""
    from rag.cli import render
    from rag.core.answer import Answer

    options: dict[str, Any] = {
        "decoder": decoder,
        "alpha": None if alpha is None else _number(alpha),
        "top_k": None if top_k is None else _number(top_k),
        "retrieval": retrieval,
        "rewrite": rewrite,
        "filter": judge,
        "abstain": abstain,
        "memory": memory,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
        "patches": patches,
    }
    settings = {"model": model, "engine": generation, "encoder": encoder, "patch_portable": portable or None}
    with _errors_to_exit(), _open(library, config, must_exist=True, **settings) as engine:
        options |= _pairs(params or [])
        if as_json:
            _print_json(engine.ask(question, **options).to_dict())
            return
        for event in _with_spinner(engine, question, options):
            if isinstance(event, Answer):
                _out.print()
                render.print_answer(_out, event, is_explained=explain)
            else:
                _out.print(render.token(event), end="")


@app.command()
def doctor(
    library: LibraryPath,
    is_mending: Annotated[bool, typer.Option("--repair", help="Mend what is wrong.")] = False,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Check texts, vectors, indexes and graph of a library against each other. Exit code 1: something is wrong."""
    with _errors_to_exit(), _open(library, config, must_exist=True, encoder=encoder) as engine:
        findings = engine.examine(is_mending=is_mending)
        num_passages = engine.library.num_passages
    for finding in findings:
        mark, style = ("mended", "green") if finding.is_mended else ("wrong", "red")
        _err.print(
            f"{mark}: {finding.part}: {finding.problem}", style=style, markup=False, highlight=False, soft_wrap=True
        )
    if not findings:
        _err.print(f"the library is sound; it holds {num_passages} passages", style="green")
    if not all(finding.is_mended for finding in findings):
        raise typer.Exit(1)


@contextmanager
def _open(library: str, config: Path | None, *, must_exist: bool = False, **settings: Any) -> Iterator[Engine]:
    from rag.core.config import Config
    from rag.engine import Engine

    with Engine.open(library, must_exist=must_exist, config=Config.load(config, **settings)) as engine:
        yield engine


@contextmanager
def _errors_to_exit() -> Iterator[None]:
    """One line for the user instead of a traceback."""
    try:
        yield
    except ConcordError as error:
        _err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


@contextmanager
def _progress() -> Iterator[Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rag.cli import render
    from rag.core import progress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True) as bar:

        class BarProgress(progress.Progress):
            task = bar.add_task("reading", total=None)

            def start(self, num_sources: int) -> None:
                bar.update(self.task, total=num_sources)

            def advance(self, source: str) -> None:
                bar.update(self.task, advance=1, description=render.short_path(source)[-40:])

        yield BarProgress()


def _with_spinner(engine: Engine, question: str, options: dict[str, Any]) -> Iterator[Any]:
    """The events of an answer, with a sign of life until the first one."""
    from rag.models.resolve import resolve_generator

    if not engine.config.engine.startswith(("http://", "https://")):
        resolve_generator(
            engine.config
        )  # a download or conversion has a bar of its own, which no spinner may overwrite
    events = engine.stream(question, **options)
    with _err.status("reading the documents ..."):
        first = next(events)
    yield first
    yield from events


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def _number(text: str) -> float | int | str:
    for kind in _NUMBERS:
        try:
            return kind(text)
        except ValueError:
            continue
    return text


_NUMBERS: tuple[Callable[[str], float | int], ...] = (int, float)


def _pairs(texts: list[str]) -> dict[str, float | int | str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise SettingError(f"--set {text!r}; expected NAME=VALUE, such as floor=0.3")
        pairs[name] = value if name == "log_base" else _number(value)
    return pairs


def main() -> None:
    """Entry point of the ``concord`` command."""
    app()
