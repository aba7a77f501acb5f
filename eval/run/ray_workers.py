"""A run's batches on Ray workers (:mod:`rag.core.process.ray_workers`).

Each has its own model and treats a batch as a single process would. Every worker must be able to read the data, the
library and the model.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from eval.run.answerer import Answerer
from eval.run.batches import BatchOutcome, TrialBatch, ask
from eval.run.config import RunConfig
from rag.core.errors import ConcordError, SettingError
from rag.core.process.ray_workers import WorkerNeeds, ray_workers
from rag.core.process.threads import configure_threads


class BatchWorker:
    """Answers batches in its own process."""

    def __init__(self, make: Callable[[], Answerer], configs: Sequence[RunConfig]) -> None:
        self._make, self._configs = make, configs

    def start(self) -> tuple[str, dict[str, str]] | ConcordError:
        """Load the models; returns the host's name and what the answers depend on there."""
        configure_threads()
        try:
            self._answerer = self._make()
            if not self._configs[0].is_retrieval_only:
                # Workers share the work: each makes the patches of a batch when it gets the batch.
                self._answerer.warm_up([])
            return socket.gethostname(), conditions(self._answerer)
        except ConcordError as error:
            return error

    def ask(self, batch: TrialBatch) -> BatchOutcome | ConcordError:
        """See :func:`eval.run.batches.ask`."""
        try:
            return ask(self._configs, self._answerer, batch, lambda: None)
        except ConcordError as error:
            return error


def conditions(answerer: Answerer) -> dict[str, str]:
    """Everything that the answers depend on, except the settings."""
    return {**answerer.identity(), **{f"version.{key}": value for key, value in answerer.versions().items()}}


@contextmanager
def on_workers(
    configs: Sequence[RunConfig], answerer: Answerer, batches: Sequence[TrialBatch]
) -> Iterator[Iterator[BatchOutcome]]:
    """The outcomes of ``batches`` in their order; as many are in flight as there are workers.

    Raises:
        SettingError: Ray is not installed or lacks what the workers need, or a worker is set up differently.
        ConcordError: a worker failed.
    """
    if not batches:
        yield iter(())
        return
    config = configs[0]
    needs = WorkerNeeds(config.workers, config.worker_cpus, config.worker_gpus)
    with ray_workers(BatchWorker, (answerer.factory(), list(configs)), needs) as workers:
        for started in workers.call_all("start"):
            _check_same_conditions(conditions(answerer), *started)
        yield workers.map("ask", batches)


def _check_same_conditions(here: Mapping[str, str], host: str, there: Mapping[str, str]) -> None:
    keys = [key for key in sorted({*here, *there}) if here.get(key) != there.get(key)]
    if keys:
        differences = "; ".join(f"{key}: {here.get(key)!r} here, {there.get(key)!r} there" for key in keys)
        raise SettingError(
            f"the worker on {host} is set up differently ({differences}); use the same settings and versions on all"
        )
