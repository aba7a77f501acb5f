"""Long work tells how far it is, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rag.cli import common
from rag.cli.common import LogLines, counting_bar, progress_bar


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the error stream gets where it is no terminal."""
    file = io.StringIO()
    monkeypatch.setattr(common, "err", Console(file=file, force_terminal=False, width=80))
    return file


def test_a_log_gets_a_line_when_it_is_time(log: io.StringIO) -> None:
    lines = LogLines(every_s=0.0)
    lines.tell("training: step 3 of 9")
    LogLines(every_s=60.0).tell("too early")
    assert log.getvalue() == "training: step 3 of 9\n"


def test_a_terminal_has_the_bar_alone(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "err", Console(file=log, force_terminal=True, width=80))
    LogLines(every_s=0.0).tell("training: step 3 of 9")
    assert log.getvalue() == ""


def test_counting_tells_a_log_too(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "LogLines", lambda: LogLines(every_s=0.0))
    with counting_bar("Reading") as show:
        show(1, 2)
    assert "Reading: 1 of 2\n" in log.getvalue()


def test_items_are_told_with_their_number(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "LogLines", lambda: LogLines(every_s=0.0))
    with progress_bar("adding", has_names=True) as progress:
        progress.start(3)
        progress.advance("a.txt")
        progress.advance("b.txt")
    assert "adding: 2 of 3\n" in log.getvalue()
