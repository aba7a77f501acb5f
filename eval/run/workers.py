"""Where the batches of a run are asked: in this process, or by Ray workers on one or many machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from eval.run.answerer import Answerer, OnAnswer
from eval.run.batches import BatchOutcome, TrialBatch, ask
from eval.run.config import RunConfig


def asking(
    configs: Sequence[RunConfig], answerer: Answerer, batches: Sequence[TrialBatch], on_answer: OnAnswer
) -> AbstractContextManager[Iterator[BatchOutcome]]:
    """The outcomes of ``batches`` in their order. Models are loaded on entry; taking an outcome asks its batch.

    Raises:
        SettingError: Ray is asked for, but is not installed or lacks what the workers need.
    """
    if configs[0].workers:
        from eval.run.ray_workers import on_workers

        return on_workers(configs, answerer, batches)
    return _in_this_process(configs, answerer, batches, on_answer)


@contextmanager
def _in_this_process(
    configs: Sequence[RunConfig], answerer: Answerer, batches: Sequence[TrialBatch], on_answer: OnAnswer
) -> Iterator[Iterator[BatchOutcome]]:
    if batches and not configs[0].is_retrieval_only:
        answerer.warm_up([trial for batch in batches for trial in batch.trials])
    yield (ask(configs, answerer, batch, on_answer) for batch in batches)
