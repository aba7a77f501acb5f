"""A run's batches on Ray workers. Each has its own model and treats a batch as a single process would.

``RAY_ADDRESS`` names a running cluster; without it Ray starts on this machine and stops with the run. Every worker must
be able to read the data, the library and the model.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from eval.run.answerer import Answerer
from eval.run.batches import BatchOutcome, TrialBatch, ask
from eval.run.config import RunConfig
from rag.core.errors import ConcordError, SettingError
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
            return error  # as a value: raised, Ray would wrap it into a page of traceback

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
    with _ray(configs[0]) as ray:
        config = configs[0]
        remote = ray.remote(num_cpus=config.worker_cpus, num_gpus=config.worker_gpus)(BatchWorker)
        workers = [remote.remote(answerer.factory(), list(configs)) for _ in range(config.workers)]
        try:
            with _deaths_explained(ray):
                for started in ray.get([worker.start.remote() for worker in workers]):
                    _check_same_conditions(conditions(answerer), *_value(started))
            yield _outcomes(ray, workers, batches)
        finally:
            for worker in workers:
                ray.kill(worker)


def _outcomes(ray: Any, workers: Sequence[Any], batches: Sequence[TrialBatch]) -> Iterator[BatchOutcome]:
    pool = importlib.import_module("ray.util").ActorPool(workers)
    with _deaths_explained(ray):
        for outcome in pool.map(lambda worker, batch: worker.ask.remote(batch), batches):
            yield _value(outcome)


@contextmanager
def _ray(config: RunConfig) -> Iterator[Any]:
    """Ray with room for the workers; started here unless it runs already."""
    # Ray would send usage statistics.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise SettingError(f"workers={config.workers} needs the package 'ray'; install concord-rag[ray]") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        _check_room(ray.cluster_resources(), config)
        yield ray
    finally:
        if is_ours:
            ray.shutdown()


def _check_room(resources: Mapping[str, float], config: RunConfig) -> None:
    # Ray would wait for missing resources, without a message and without end.
    needs = {"CPU": config.workers * config.worker_cpus, "GPU": config.workers * config.worker_gpus}
    for kind, need in needs.items():
        if need > resources.get(kind, 0.0):
            there = resources.get(kind, 0.0)
            raise SettingError(f"workers={config.workers} need {need:g} {kind}s, Ray has {there:g}; ask for fewer")


def _check_same_conditions(here: Mapping[str, str], host: str, there: Mapping[str, str]) -> None:
    keys = [key for key in sorted({*here, *there}) if here.get(key) != there.get(key)]
    if keys:
        differences = "; ".join(f"{key}: {here.get(key)!r} here, {there.get(key)!r} there" for key in keys)
        raise SettingError(
            f"the worker on {host} is set up differently ({differences}); use the same settings and versions on all"
        )


@contextmanager
def _deaths_explained(ray: Any) -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayActorError as error:
        raise ConcordError(
            f"a Ray worker died ({str(error).splitlines()[0]}); it may lack memory for the model: use fewer workers"
        ) from error


def _value(result: Any) -> Any:
    if isinstance(result, ConcordError):
        raise result
    return result
