"""What the commands share: consoles, one line for an error, progress bars."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from rag.core.errors import ConcordError
from rag.core.process.progress import Progress

if TYPE_CHECKING:
    from rich import progress as rich_progress

    from rag.engine import Engine

out = Console()
err = Console(stderr=True)


@contextmanager
def open_engine(
    library: str | Path, config: Path | None = None, *, must_exist: bool = True, **settings: Any
) -> Iterator[Engine]:
    """The library's engine; ``settings`` win over the settings file. An error ends the command with one line."""
    from rag.core.settings.config import Config
    from rag.engine import Engine

    with errors_to_exit():
        with counting_bar("bringing the library up to date") as report:
            engine = Engine.open(
                library, must_exist=must_exist, config=Config.load(config, **settings), on_upgrade=report
            )
        with engine:
            yield engine


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """Turn an error of the engine into one line for the user and exit code 2."""
    try:
        yield
    except ConcordError as error:
        say(f"error: {error}", "red")
        raise typer.Exit(2) from error


@contextmanager
def progress_bar(description: str, *, has_names: bool = False) -> Iterator[Progress]:
    """A bar on the terminal, as the :class:`Progress` that long work reports to.

    Args:
        description: what is being done, until an item's name replaces it.
        has_names: show the name of the item that was finished last.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=err, transient=True) as bar:
        yield _BarProgress(bar, description, has_names=has_names)


@contextmanager
def counting_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal for work that reports how many of how many items are done.

    It appears with the first report, so that an error about the input stands alone.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = RichProgress(*columns, console=err, transient=True)
    task = bar.add_task(description if len(description) <= 40 else f"{description[:39]}…", total=None)
    lines = LogLines()

    def show(num_done: int, num_all: int) -> None:
        bar.start()
        bar.update(task, completed=num_done, total=num_all)
        lines.tell(f"{description}: {num_done} of {num_all}")

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


class LogLines:
    """Lines about long work for a log, where nobody sees a bar: none before the first minute, then one each minute.

    Args:
        every_s: seconds between two lines.
    """

    def __init__(self, every_s: float = 60.0) -> None:
        self._every_s = every_s
        self._last = time.monotonic()

    def tell(self, text: str) -> None:
        """Print ``text`` if it is time, and if the error stream is no terminal."""
        if not err.is_terminal and time.monotonic() - self._last >= self._every_s:
            self._last = time.monotonic()
            say(text)


class _BarProgress(Progress):
    def __init__(self, bar: rich_progress.Progress, description: str, *, has_names: bool) -> None:
        self._bar = bar
        self._task = bar.add_task(description, total=None)
        self._has_names = has_names
        self._description = description
        self._lines = LogLines()

    def start(self, num_sources: int) -> None:
        self._bar.update(self._task, total=num_sources)

    def advance(self, source: str) -> None:
        from rag.cli.render import short_path

        name = short_path(source)[-40:] if self._has_names else None
        self._bar.update(self._task, advance=1, description=name)
        (task,) = self._bar.tasks
        self._lines.tell(f"{self._description}: {task.completed:.0f} of {task.total or 0:.0f}")


def say(text: str, style: str = "") -> None:
    """One line on the error stream, exactly as it is."""
    err.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One line of JSON on the output stream."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def parse_number(text: str) -> float | int | str:
    """``text`` as a whole number or a number, else as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_optional_number(text: str | None) -> float | int | str | None:
    """:func:`parse_number` of an option that may be left out."""
    return None if text is None else parse_number(text)


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not ``None``."""
    return {name: value for name, value in values.items() if value is not None}
