"""``concord conflicts``: what contradicts what in a library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from rag.cli.common import counting_bar, open_engine, out, print_json
from rag.cli.options import AsJson, LibraryPlace

if TYPE_CHECKING:
    from rag.conflicts.library.search import LibraryConflict, Side

_MAX_PLACES = 3


def conflicts(
    library: LibraryPlace,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many, the surest ones.")] = 100,
) -> None:
    """List what contradicts what in a library: both sentences, their sources and dates, the surest first.

    No model is needed. Claims that are denied, quoted, asked or tied to a condition contradict nobody, and so does what
    was true in the past. An interrupted comparison goes on where it was. Example:  concord conflicts mylibrary/
    """
    from rag.survey.conflicts import compare_library

    with open_engine(library) as engine, counting_bar("comparing sentences") as report:
        clashes = compare_library(engine, report)
    if as_json:
        print_json([asdict(clash) for clash in clashes[:limit]])
        return
    for clash in clashes[:limit]:
        _print_conflict(clash)
    if clashes:
        out.print(build_table(clashes))
    else:
        out.print("no two documents contradict each other, as far as rules can tell")


def build_table(clashes: Sequence[LibraryConflict]) -> Table:
    """How many conflicts there are, by kind."""
    table = Table("kind", "conflicts", "documents", box=SIMPLE_HEAD)
    for kind in dict.fromkeys(clash.kind for clash in clashes):
        part = [clash for clash in clashes if clash.kind == kind]
        documents = {place.doc_id for clash in part for side in clash.sides for place in side.places}
        table.add_row(_KINDS[kind], str(len(part)), str(len(documents)))
    return table


_KINDS = {
    "value": "different values",
    "negation": "one says yes, one says no",
    "opposite": "opposites",
    "claim": "claims of the graph",
}


def _print_conflict(clash: LibraryConflict) -> None:
    head = " · ".join(part for part in (clash.relation, clash.subject) if part)
    title = head or " / ".join(side.object for side in clash.sides if not _is_sentence(side)) or _KINDS[clash.kind]
    out.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    for side in clash.sides:
        for line in _side_lines(side):
            out.print(line, markup=False, highlight=False, soft_wrap=True)


def _is_sentence(side: Side) -> bool:
    """Whether the whole sentence differs, as where one denies what the other says."""
    return any(side.object == place.sentence for place in side.places)


def _side_lines(side: Side) -> Iterator[str]:
    from rag.cli.render import short_path

    for place in side.places[:_MAX_PLACES]:
        where = ", ".join(part for part in (short_path(place.source), place.location, place.date) if part)
        value = "" if _is_sentence(side) else f"{side.object}: "
        yield f"  {value}{place.sentence} ({where})"
    if len(side.places) > _MAX_PLACES:
        yield f"  {side.object}: {len(side.places) - _MAX_PLACES} more places"
