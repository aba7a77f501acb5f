"""What the commands of ``concord eval`` share: metric names, ``--set``, and what happens to a run that is cut short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import parse_number, say
from rag.core.errors import ConcordError, InputError, SettingError

if TYPE_CHECKING:
    from eval.types import MalformedRow

MetricNames = Annotated[
    list[str] | None,
    typer.Option("--metric", "-m", help="Metric to show; can be repeated. 'concord eval list' names them."),
]
_NUM_ROWS_SHOWN = 10


def select_metrics(names: Sequence[str] | None) -> tuple[str, ...]:
    """The metrics to show: ``names``, or the default ones.

    Raises:
        SettingError: an unknown metric.
    """
    from eval.metrics.names import DEFAULT_METRICS, check_metrics

    check_metrics(names or ())
    return tuple(names) if names else DEFAULT_METRICS


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Settings of a run from texts ``NAME=VALUE``; those of the engine come under ``engine``.

    A name is a field of the run's settings, of the engine's settings, or ``decoder_settings.NAME``; the run's come
    first where both have one. ``engine.NAME`` means the engine's in any case. A value is read as JSON where it is
    JSON (``3``, ``true``, ``["f1"]``) and the setting takes more than texts, else as text.

    Raises:
        SettingError: no ``=``, or an unknown name.
    """
    from eval.run.config import RunConfig
    from rag.core.settings.config import Config

    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise SettingError(f"--set {text!r}; expected NAME=VALUE, such as dtype=float32")
        group, _, field = name.rpartition(".")
        if not group and name not in RunConfig.model_fields:
            group, field = "engine", name
        if (group == "engine" and field not in Config.model_fields) or group not in ("", "engine", "decoder_settings"):
            raise SettingError(_unknown_name(name, [*RunConfig.model_fields, *Config.model_fields]))
        target = values.setdefault(group, {}) if group else values
        target[field] = _parse(group, field, value)
    return values


def _parse(group: str, field: str, text: str) -> Any:
    from eval.run.config import RunConfig
    from rag.cli.evaluation.setting_options import parse_setting
    from rag.core.settings.config import Config

    fields = {"": RunConfig.model_fields, "engine": Config.model_fields}.get(group, {})
    # Others are a decoder's.
    return parse_setting(fields[field], text) if field in fields else parse_number(text)


def _unknown_name(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.rpartition(".")[2], known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"--set: unknown setting {name!r}{hint}; 'concord eval list' names the settings of a run and of the engine"


@contextmanager
def keep_results(path: Path) -> Iterator[None]:
    """Say where the results are when a run is cut short; exit code 1, since it is partly done."""
    try:
        yield
    except InputError:
        raise  # the input was at fault, so nothing was asked
    except ConcordError as error:
        if not path.exists():
            raise
        say(f"error: {error}", "red")
        _say_where(path)
        raise typer.Exit(1) from error
    except BaseException:  # an interrupt leaves results, too
        if path.exists():
            _say_where(path)
        raise


def exit_if_partly_done(malformed: Sequence[MalformedRow], num_refused: int) -> None:
    """List malformed rows; exit code 1 where there are some, or where the engine refused questions."""
    for row in malformed[:_NUM_ROWS_SHOWN]:
        say(f"malformed, left out: {row}", "red")
    if len(malformed) > _NUM_ROWS_SHOWN:
        say(f"... and {len(malformed) - _NUM_ROWS_SHOWN} more malformed rows", "red")
    if malformed or num_refused:
        raise typer.Exit(1)


def write_text(path: Path, text: str) -> None:
    """Write a page.

    Raises:
        SettingError: it cannot be written there.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingError(f"cannot write {path}: {error.strerror}; choose another place") from error


def _say_where(path: Path) -> None:
    say(f"results so far are safe in {path}; the same command continues from there")
