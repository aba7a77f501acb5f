"""What the command line prints about an ``add``."""

from __future__ import annotations

from rich.console import Console

from rag.cli.render import add_report
from rag.core.reports import AddCost, AddReport


def printed(cost: AddCost) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(add_report(AddReport(cost=cost)))
    return capture.get()


def test_the_rate_is_that_of_embedding_alone() -> None:
    text = printed(AddCost(seconds=10.0, num_embedded=100, embed_seconds=2.0))
    assert "embedded 100 passages in 10.0 s (2.0 s embedding, 50 a second)" in text


def test_nothing_embedded_has_no_rate() -> None:
    assert "a second" not in printed(AddCost(seconds=1.0))
