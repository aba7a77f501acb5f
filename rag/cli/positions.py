"""The verdict for a terminal: its sentence, then a line for each position, and one for memory."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rag.core.answer import Citation
from rag.core.verdict import Memory, Position, Reading, Verdict

# Kinds that a reader must not miss, those worth a look, and the others.
_STYLES = {
    "contradiction": ("⚡", "bold red"),
    "misinformation": ("⚡", "bold red"),
    "outdated": ("↻", "yellow"),
    "opinions": ("↔", "yellow"),
    "silent": ("○", "yellow"),
    "none": ("○", "yellow"),
}
_CALM = ("✓", "green")
_ALARM = _STYLES["contradiction"]
# More positions than these are counted, not listed.
_MAX_SHOWN = 8


def verdict_lines(verdict: Verdict, citations: Sequence[Citation]) -> RenderableType:
    """The summary, and the positions below it where there is more to say than one answer."""
    is_alarming = verdict.memory is not None and verdict.memory.relation == "contradicts"
    mark, style = _ALARM if is_alarming else _STYLES.get(verdict.kind, _CALM)
    head = Text(f"{mark} {verdict.summary}", style=style)
    if len(verdict.positions) < 2 and not is_alarming and verdict.kind != "silent":
        return head
    return Group(head, _table(verdict, citations))


def _table(verdict: Verdict, citations: Sequence[Citation]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    ranks = {citation.passage_id: rank for rank, citation in enumerate(citations, start=1)}
    for position in verdict.positions[:_MAX_SHOWN]:
        style = "dim" if position.is_superseded else ""
        table.add_row(Text(f"  {position.answer}", style=style), _support(position), _sources(position, ranks))
    if (num_more := len(verdict.positions) - _MAX_SHOWN) > 0:
        table.add_row(Text(f"  and {num_more} more", style="dim"))
    if verdict.memory is not None and verdict.memory.answer:
        table.add_row(
            Text(f"  {_one_line(verdict.memory.answer)}"), Text("memory", style="magenta"), _doubt(verdict.memory)
        )
    return table


def _support(position: Position) -> Text:
    if position.is_superseded:
        return Text("superseded", style="dim")
    return Text("1 source" if position.num_sources == 1 else f"{position.num_sources} sources", style="cyan")


def _sources(position: Position, ranks: dict[str, int]) -> Text:
    return Text("  ".join(_source(reading, ranks) for reading in position.readings), style="dim")


def _source(reading: Reading, ranks: dict[str, int]) -> str:
    rank = ranks.get(reading.passage_id)
    name = reading.title or reading.source
    about = ", ".join(part for part in (name, reading.location, reading.date) if part)
    return f"[{rank}] {about}" if rank else about


def _doubt(memory: Memory) -> Text:
    calibrated = "" if memory.is_calibrated else ", uncalibrated"
    return Text(f"knows it with probability {memory.knows:.2f}{calibrated}", style="dim")


def _one_line(text: str) -> str:
    return " ".join(text.split())
