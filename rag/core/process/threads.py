"""Threads of the numerical libraries: as many as the container may use, and no long spinning while they wait.

OpenMP reads its settings once, when its library is loaded. So :func:`configure_threads` comes before the first import
of torch (or numpy's BLAS, faiss, scikit-learn): at the entry of a program. Another program that uses the
engine gets :func:`configure_threads_before_torch`.

The wheels of torch, faiss and scikit-learn bring GNU's libgomp. Its waiting threads spin 300,000 times before they
sleep, which is some ten milliseconds. On a busy machine the thread that they wait for needs the very processor on
which they spin, and every parallel region pays for it. :data:`SPIN_COUNT` bounds the spin: long enough to bridge the
gap between two operations of a model, short enough to cost little. ``benchmarks/threads.py`` measures both sides.
numpy's and scipy's OpenBLAS has threads of its own. After each product they spin for some 30 milliseconds, which kept a
whole processor busy for nothing during a search; :data:`_BLAS_TIMEOUT` bounds that.

Work that takes a few milliseconds gains little from a second thread on an idle machine, and pays for it dearly on a
busy one: :func:`one_thread`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# Turns of libgomp's waiting loop before a thread sleeps.
SPIN_COUNT = 10_000
# The same for Intel's and LLVM's libraries, which vLLM may preload: milliseconds, the shortest wait but none.
_BLOCKTIME_MS = 1
# OpenBLAS's threads sleep after 2 to the power of this many ticks of the processor's clock.
_BLAS_TIMEOUT = 16


def configure_threads(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what the environment does not set itself; no effect on libraries that are loaded already.

    ``OMP_NUM_THREADS`` is set only where a quota allows less than the processors: the libraries know those better.
    """
    limit = available_cpus()
    if limit < _num_cpus():
        environ.setdefault("OMP_NUM_THREADS", str(limit))
    environ.setdefault("OPENBLAS_THREAD_TIMEOUT", str(_BLAS_TIMEOUT))
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
        environ.setdefault("KMP_BLOCKTIME", str(_BLOCKTIME_MS))


def configure_threads_before_torch(
    environ: MutableMapping[str, str] = os.environ, modules: Container[str] = sys.modules
) -> None:
    """:func:`configure_threads`, unless torch is loaded: then the program has chosen, and a change would only reach its
    children.

    Args:
        environ: the process's environment.
        modules: names of the modules that are loaded.
    """
    if "torch" not in modules:
        configure_threads(environ)


def num_threads(environ: MutableMapping[str, str] = os.environ) -> int:
    """Threads of one numerical operation: ``OMP_NUM_THREADS``, or else :func:`available_cpus`."""
    explicit = environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(explicit) if explicit.isdecimal() and int(explicit) > 0 else available_cpus()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, what this thread starts in OpenMP (torch, faiss) stays in this thread; other threads keep theirs.

    The libraries must be loaded before: one that comes later starts as many threads as it likes.
    """
    with _openmp_libraries(tuple(name for name in ("torch", "faiss") if name in sys.modules)).limit(limits=1):
        yield


@cache
def _openmp_libraries(modules: tuple[str, ...]) -> ThreadpoolController:
    """The OpenMP libraries that are loaded with ``modules``; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


def available_cpus() -> int:
    """Processors that this process may keep busy: its affinity, or the container's quota if that is less."""
    quota = cpu_quota()
    return _num_cpus() if quota is None else max(1, min(_num_cpus(), int(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Processors that the process's control groups allow, versions 1 and 2; ``None`` without a limit.

    A group is bound by those above it. Inside a container its own group may stand at the top, whatever its name.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = mount / path.lstrip("/")
        read = _quota_v1 if controllers else _quota_v2
        above = [folder for folder in (group, *group.parents) if folder.is_relative_to(mount)]
        quotas += [quota for folder in above if (quota := read(folder)) is not None]
    return min(quotas, default=None)


def _quota_v2(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return float(quota) / float(period) if quota not in ("", "max") else None


def _quota_v1(group: Path) -> float | None:
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return float(quota) / float(period) if quota and period and float(quota) > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
