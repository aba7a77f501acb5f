"""Engines shared by many runs: a model is loaded once, and one library holds the passages of all questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from eval.datasets import load_dataset
from eval.run.config import RunConfig, fingerprint
from eval.run.evaluation import Evaluation, evaluate_together, open_engine, select
from eval.run.runner import OnProgress, RunJob
from rag.core.settings.config import Config

if TYPE_CHECKING:
    from rag.engine import Engine

# Evaluates runs that differ in their decoders alone; reports to the progress.
EvaluateTogether = Callable[[Sequence[RunJob], OnProgress | None], list[Evaluation]]
# From a heading to a progress display.
Watch = Callable[[str], AbstractContextManager[OnProgress | None]]

# The settings that decide what stands in a library; engines that differ in others can share it.
_LIBRARY_SETTINGS = ("encoder", "chunk_tokens", "chunk_overlap_tokens")


def silent(heading: str) -> AbstractContextManager[None]:
    """A :data:`Watch` that shows nothing."""
    return nullcontext()


class Engines:
    """One engine for all runs that would open it with the same settings.

    Args:
        folder: for the libraries.
        first, limit: the questions of all runs together. A run may ask a part of them; the library holds the
            passages of all.
    """

    def __init__(self, folder: Path, first: int = 0, limit: int | None = None) -> None:
        self._folder, self._first, self._limit = folder, first, limit
        self._engines: dict[str, Engine] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def evaluate(self, config: RunConfig, path: Path) -> Evaluation:
        """Run ``config`` into the result file ``path``; raises as :func:`eval.run.evaluation.evaluate`."""
        return self.evaluate_together([RunJob(config, path)])[0]

    def evaluate_together(self, jobs: Sequence[RunJob], progress: OnProgress | None = None) -> list[Evaluation]:
        """Run ``jobs``, which differ in their decoders alone; raises as :func:`eval.run.evaluation.evaluate`."""
        return evaluate_together(jobs, engine=self._engine(jobs[0].config), progress=progress)

    def _engine(self, config: RunConfig) -> Engine:
        library = self._library(config)
        key = json.dumps([config.engine, str(library)], sort_keys=True, default=str)
        if key not in self._engines:
            whole = config.changed(first=self._first, limit=self._limit)
            dataset = load_dataset(whole.dataset, whole.data, whole.subset, whole.split)
            questions = select(dataset.questions, whole.first, whole.limit)
            self._engines[key] = self._stack.enter_context(open_engine(whole, questions, library))
        return self._engines[key]

    def _library(self, config: RunConfig) -> Path:
        if config.library:
            return Path(config.library)
        if config.arm != "retrieved":
            return self._folder / ".no-library"
        engine = Config.load(**config.engine)
        identity = {name: getattr(engine, name) for name in _LIBRARY_SETTINGS}
        identity |= {"data": config.data, "corpus": config.corpus, "first": self._first, "limit": self._limit}
        return self._folder / f"{config.dataset}-{fingerprint(identity)[:6]}.library"
