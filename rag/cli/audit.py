"""``concord audit``: what a model holds of a library's claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from rag.cli.common import counting_bar, open_engine, out, print_json, say
from rag.cli.options import AsJson, EngineName, LibraryPlace, ModelName, SettingsFile

if TYPE_CHECKING:
    from rag.conflicts.library.audit import Belief

_HEADS = {"contradicts": "it knows otherwise", "unsure": "it does not know", "agrees": "it knows"}
_STYLES = {"contradicts": "red", "unsure": "dim", "agrees": "green"}


def audit(
    library: LibraryPlace,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Ask about at most this many claims.")] = 200,
    model: ModelName = None,
    engine: EngineName = None,
    config: SettingsFile = None,
) -> None:
    """Ask a model, without documents, what the library's own claims answer, and compare.

    Lists what it holds otherwise, and counts what it does not know and what it knows: the conflicts that questions
    would meet, before anybody asks. Questions are made of English sentences by rules. An interrupted audit goes on
    where it was. Example:  concord audit mylibrary/
    """
    from rag.survey.audit import audit_library

    with open_engine(library, config, model=model, engine=engine) as opened, counting_bar("asking the model") as report:
        beliefs = audit_library(opened, limit, report)
        is_calibrated = opened.components.calibration is not None
    if as_json:
        print_json([asdict(belief) for belief in beliefs])
        return
    if not is_calibrated:
        say("this model is not calibrated, so it never knows otherwise: concord models calibrate", "yellow")
    _print(beliefs)


def _print(beliefs: Sequence[Belief]) -> None:
    from rag.cli.render import short_path

    for belief in beliefs:
        if belief.relation == "contradicts":
            claim = belief.claim
            out.print(claim.question, style="bold", markup=False, highlight=False, soft_wrap=True)
            out.print(f"  {short_path(claim.source)}: {claim.answer}", markup=False, highlight=False, soft_wrap=True)
            said = f"  the model: {belief.answer} (knows it with probability {belief.knows:.2f})"
            out.print(said, style="magenta", markup=False, highlight=False, soft_wrap=True)
    out.print(build_table(beliefs) if beliefs else "the documents hold no claim that a question could be made of")


def build_table(beliefs: Sequence[Belief]) -> Table:
    """How many claims the model holds otherwise, does not know, knows."""
    table = Table("the model", "claims", "documents", box=SIMPLE_HEAD)
    for relation, head in _HEADS.items():
        chosen = [belief for belief in beliefs if belief.relation == relation]
        documents = {belief.claim.doc_id for belief in chosen}
        table.add_row(head, str(len(chosen)), str(len(documents)), style=_STYLES[relation])
    return table
