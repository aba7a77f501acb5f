"""``concord eval make-questions``: questions of a user's own documents, for ``concord eval run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from rag.cli import options as opt
from rag.cli.common import counting_bar, open_engine, out, print_json
from rag.cli.evaluation.common import write_text
from rag.core.errors import SettingError, SourceError

if TYPE_CHECKING:
    from eval.questions.types import Limits, Made
    from rag.engine import Engine
    from retrievers.judging.base import Judge

_JUDGES = ("encoder", "model", "off")
_NUM_SHOWN = 5


def make_questions(
    library: opt.LibraryPlace,
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL file to write.")] = Path("questions.jsonl"),
    writer: Annotated[
        str, typer.Option(help="Who writes: rules (fast, English), or model (the engine's own generator).")
    ] = "rules",
    judge: Annotated[str, typer.Option(help=f"Who checks that the passage answers: {', '.join(_JUDGES)}.")] = "encoder",
    min_support: Annotated[float, typer.Option(min=0, max=1, help="Least support by the judge.")] = 0.5,
    limit: Annotated[int, typer.Option(min=1, help="Most questions.")] = 100,
    per_document: Annotated[int, typer.Option(min=1, help="Most questions about one document.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the order of the documents.")] = 0,
    is_replacing: Annotated[bool, typer.Option("--replace", help="Overwrite the file.")] = False,
    as_json: opt.AsJson = False,
    model: opt.ModelName = None,
    engine: opt.EngineName = None,
    encoder: opt.EncoderName = None,
    config: opt.SettingsFile = None,
) -> None:
    """Make questions with answers out of a library's documents, to measure the library with.

    Read the file and strike what you would not ask: each line has the question, the answer, the document, the place
    and the sentence. A question to which two documents give different answers is left out, and named.

    Examples:

    * concord eval make-questions mylibrary/ -o questions.jsonl
    * concord eval run --dataset plain --data questions.jsonl --library mylibrary/
    """
    from eval.questions.types import Limits

    with open_engine(library, config, model=model, engine=engine, encoder=encoder) as opened:
        if output.exists() and not is_replacing:
            raise SettingError(f"{output} exists, and may have been reviewed; give another --output, or --replace")
        made = _make(opened, writer, _choose_judge(opened, judge), Limits(limit, per_document, min_support, seed))
        write_text(output, "".join(json.dumps(item.to_row(), ensure_ascii=False) + "\n" for item in made.questions))
    if as_json:
        print_json({"path": str(output), **_counts(made), "ambiguous": made.ambiguous})
        return
    _show(made, output, library)


def _make(engine: Engine, writer: str, judge: Judge | None, limits: Limits) -> Made:
    from eval.questions.make import make_questions as make
    from eval.questions.writers import choose_writer

    write = choose_writer(writer, lambda: engine.generator)
    with counting_bar("Making questions") as show:
        made = make(engine.library, write, judge, limits, writer, show)
    if not made.questions:
        reason = f"the judge refused {made.num_unsupported} drafts" if made.num_unsupported else "no draft was direct"
        raise SourceError(
            f"no question could be made of {made.num_documents} documents ({reason}); "
            "add documents, or try --writer model or a lower --min-support"
        )
    return made


def _choose_judge(engine: Engine, name: str) -> Judge | None:
    if name not in _JUDGES:
        raise SettingError(f"--judge {name!r}; expected one of {', '.join(_JUDGES)}")
    judge: Judge | None = None if name == "off" else engine.components.filter(name).judge
    return judge


def _counts(made: Made) -> dict[str, int]:
    documents = {source for item in made.questions for source in item.sources}
    return {
        "num_questions": len(made.questions),
        "num_documents_asked": len(documents),
        "num_documents": made.num_documents,
        "num_unsupported": made.num_unsupported,
    }


def _show(made: Made, output: Path, library: str) -> None:
    """The first questions, what was left out, and what to do next."""
    from rag.cli.render import short_path

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("question", "answer", "where it stands"):
        table.add_column(heading, overflow="fold")
    for item in made.questions[:_NUM_SHOWN]:
        place = ", ".join(filter(None, (short_path(item.sources[0]), item.location)))
        table.add_row(Text(item.question), Text(item.answer), Text(place))
    out.print(table)
    counts = _counts(made)
    lines = [
        "{num_questions} questions about {num_documents_asked} of {num_documents} documents; the judge refused "
        "{num_unsupported}".format(**counts),
        *(f"left out, documents differ: {question}" for question in made.ambiguous[:_NUM_SHOWN]),
        f"wrote {output}; read it, strike what you would not ask, then:",
        f"  concord eval run --dataset plain --data {output} --library {library}",
    ]
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
