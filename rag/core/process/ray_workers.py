"""Workers on Ray: each is an object in a process of its own, on this machine or on a cluster.

``RAY_ADDRESS`` names a running cluster; without it Ray starts on this machine and stops with the work.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rag.core.errors import ConcordError, SettingError


@dataclass(frozen=True)
class WorkerNeeds:
    """How many workers, and the share of the machine that each one takes.

    ``restarts``: so often a worker that died is started again, and what it was at is done again by it.
    """

    workers: int
    cpus: float = 1.0
    gpus: float = 0.0
    restarts: int = 0


class RayWorkers:
    """Workers that are there; their methods give errors of this engine as values, not raised.

    Raised, Ray would wrap an error into a page of traceback.
    """

    def __init__(self, ray: Any, workers: list[Any]) -> None:
        self._ray, self._workers = ray, workers

    def call_all(self, method: str) -> list[Any]:
        """What each worker gives.

        Raises:
            ConcordError: a worker failed, or died.
        """
        with _deaths_explained(self._ray):
            return [value(one) for one in self._ray.get([getattr(w, method).remote() for w in self._workers])]

    def map(self, method: str, items: Iterable[Any], *, is_ordered: bool = True) -> Iterator[Any]:
        """What the workers give for each item; as many are in flight as there are workers.

        Raises:
            ConcordError: a worker failed, or died.
        """
        pool = importlib.import_module("ray.util").ActorPool(self._workers)
        run = pool.map if is_ordered else pool.map_unordered
        with _deaths_explained(self._ray):
            for result in run(lambda worker, item: getattr(worker, method).remote(item), items):
                yield value(result)

    def stream(self, method: str, items: Iterable[Any]) -> Iterator[Any]:
        """What the workers give, as it comes; an item is taken when a worker is free.

        Raises:
            ConcordError: a worker failed, or died more often than it may.
        """
        pool = importlib.import_module("ray.util").ActorPool(self._workers)
        with _deaths_explained(self._ray):
            for item in items:
                if not pool.has_free():
                    yield value(pool.get_next_unordered())
                pool.submit(lambda worker, item: getattr(worker, method).remote(item), item)
            while pool.has_next():
                yield value(pool.get_next_unordered())


@contextmanager
def ray_workers(kind: type, arguments: tuple[Any, ...], needs: WorkerNeeds) -> Iterator[RayWorkers]:
    """Workers of a class, which end with the context.

    Args:
        kind: the class.
        arguments: of its constructor.
        needs: how many there are.

    Raises:
        SettingError: Ray is not installed, or lacks what the workers need.
    """
    with _running_ray(needs) as ray:
        options = {"max_restarts": needs.restarts, "max_task_retries": needs.restarts}
        remote = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, **options)(kind)
        workers = [remote.remote(*arguments) for _ in range(needs.workers)]
        try:
            yield RayWorkers(ray, workers)
        finally:
            for worker in workers:
                ray.kill(worker)


def value(result: Any) -> Any:
    """A result, raised if it is an error."""
    if isinstance(result, ConcordError):
        raise result
    return result


@contextmanager
def _running_ray(needs: WorkerNeeds) -> Iterator[Any]:
    """Ray with room for the workers; started here unless it runs already."""
    # Ray would send usage statistics.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise SettingError(f"workers={needs.workers} needs the package 'ray'; install concord-rag[ray]") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        _check_room(ray.cluster_resources(), needs)
        yield ray
    finally:
        if is_ours:
            ray.shutdown()


def _check_room(resources: Mapping[str, float], needs: WorkerNeeds) -> None:
    # Ray would wait for missing resources, without a message and without end.
    for kind, need in (("CPU", needs.workers * needs.cpus), ("GPU", needs.workers * needs.gpus)):
        if need > resources.get(kind, 0.0):
            there = resources.get(kind, 0.0)
            raise SettingError(f"workers={needs.workers} need {need:g} {kind}s, Ray has {there:g}; ask for fewer")


@contextmanager
def _deaths_explained(ray: Any) -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayActorError as error:
        raise ConcordError(
            f"a Ray worker died ({str(error).splitlines()[0]}); it may lack memory for the model: use fewer workers"
        ) from error
