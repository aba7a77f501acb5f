"""The verdicts of runs as a table, for the terminal and for the report page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from eval.metrics.verdicts import VerdictCounts

_ROWS = (
    ("documents agree", "documents_agree"),
    ("documents contradict each other", "documents_contradict"),
    ("documents are silent", "documents_silent"),
    ("several positions", "several_positions"),
    ("memory agrees", "memory_agrees"),
    ("memory contradicts", "memory_contradicts"),
    ("memory is unsure", "memory_unsure"),
)


def verdict_rows(runs: Sequence[VerdictCounts | None]) -> list[list[str]]:
    """What each row is called, and its count in every run; ``-`` for a run without verdicts."""
    rows = [["policy", *(counts.policy or "-" if counts else "-" for counts in runs)]]
    rows += [[title, *(_share(counts, name) for counts in runs)] for title, name in _ROWS]
    return [*rows, ["answer states a position", *map(_supported, runs)]]


def verdict_table(counts: VerdictCounts) -> Table:
    """The verdicts of one run."""
    table = Table("verdict", "questions", title=f"{counts.num_verdicts} verdicts", title_justify="left")
    for row in verdict_rows([counts]):
        table.add_row(*row)
    return table


def _share(counts: VerdictCounts | None, name: str) -> str:
    if counts is None:
        return "-"
    number: int = getattr(counts, name)
    return f"{number} ({number / counts.num_verdicts:.0%})"


def _supported(counts: VerdictCounts | None) -> str:
    if counts is None or counts.supported_share is None:
        return "-"
    return f"{counts.num_supported} of {counts.num_positioned} ({counts.supported_share:.0%})"
