"""What the command line prints about an ``add``."""

from __future__ import annotations

from rich.console import Console

from rag.cli.render import add_report
from rag.core.reports import AddCost, AddReport, CopiedSource, FailedSource, MovedSource


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


def test_one_line_for_each_file_that_is_not_simply_added() -> None:
    report = AddReport(
        failed=[FailedSource("/x/a.docx", "it is damaged")],
        left_out=[FailedSource("/x/loop", "a link in a circle")],
        moved=[MovedSource("/x/new.txt", "/x/old.txt")],
        copies=[CopiedSource("/x/report (1).txt", "/x/report.txt")],
        gone=["/x/gone.txt"],
        removed=["/x/removed.txt"],
    )
    console = Console(width=40)
    with console.capture() as capture:
        console.print(add_report(report), soft_wrap=True)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines[0].startswith("0 added, 0 replaced, 0 unchanged, 1 moved, 1 removed;")
    assert lines[2:] == [
        "moved: /x/old.txt is /x/new.txt now",
        "copy: /x/report (1).txt has the content of /x/report.txt",
        "removed: /x/removed.txt: its file is gone",
        "gone: /x/gone.txt: its file is gone, the library still answers from it; --sync removes it",
        "left out: /x/loop: a link in a circle",
        "not added: /x/a.docx: it is damaged",
    ]
