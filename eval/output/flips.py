"""Flips in a terminal: the right answer, the answer of before and the one of now, question by question."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from eval.studies.flips import Flips


def flip_line(flips: Flips) -> str:
    """How many questions changed sides."""
    num_worse, num_better = len(flips.negative), len(flips.positive)
    return (
        f"{flips.base} -> {flips.other}, by {flips.metric}: {num_worse} right before and wrong now, "
        f"{num_better} wrong before and right now"
    )


def flip_table(flips: Flips, num_shown: int) -> Table | None:
    """The negative flips one by one; ``None`` where there is none to show."""
    shown = flips.negative[:num_shown]
    if not shown:
        return None
    left = len(flips.negative) - len(shown)
    caption = f"{left} more; --flips {len(flips.negative)} shows them" if left else None
    table = Table(title="right before, wrong now", title_justify="left", caption=caption, show_lines=True)
    for heading in ("question", "right answer", flips.base, flips.other):
        table.add_column(Text(heading), overflow="fold")
    for flip in shown:
        right = " | ".join(flip.references) or "(none: abstain)"
        table.add_row(*map(Text, (flip.question, right, flip.before, flip.after)))
    return table
