"""Engines shared by many runs: a model is loaded once, and one library holds the passages of all questions."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from eval.config import RunConfig, fingerprint
from eval.datasets import load_dataset
from eval.evaluation import Evaluation, evaluate, open_engine, select

if TYPE_CHECKING:
    from rag.engine import Engine


class Engines:
    """One engine for all runs that would open it alike.

    Args:
        base: names the data; runs may ask some of its questions, the library holds the passages of all.
        folder: where libraries lie.
    """

    def __init__(self, base: RunConfig, folder: Path) -> None:
        self._base, self._folder = base, folder
        self._engines: dict[str, Engine] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def evaluate(self, config: RunConfig, path: Path) -> Evaluation:
        """Run ``config`` into the result file ``path``; raises as :func:`eval.evaluation.evaluate`."""
        is_retrieving = config.arm == "retrieved"
        key = json.dumps([config.engine, config.dataset, config.data, is_retrieving], sort_keys=True, default=str)
        if key not in self._engines:
            whole = config.changed(first=self._base.first, limit=self._base.limit)
            dataset = load_dataset(whole.dataset, whole.data, whole.subset, whole.split)
            questions = select(dataset.questions, whole.first, whole.limit)
            name = f"{whole.dataset}-{fingerprint({'engine': whole.engine, 'data': whole.data})[:6]}"
            self._engines[key] = self._stack.enter_context(open_engine(whole, questions, self._folder / name))
        return evaluate(config, output=path, engine=self._engines[key])
