"""How much memory this machine, or the container, has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def memory_limit(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process may use: the machine's, or the container's where that is less.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, memory.max; v1's memory.limit_in_bytes
    """
    import psutil

    return min([int(psutil.virtual_memory().total), *_limits(cgroups, membership)])


def device_memory(device: str) -> int:
    """Bytes of memory that a model on ``device`` may use: the GPU's, or what this process may use."""
    if device == "cpu":
        return memory_limit()
    import torch

    return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)


def available_memory(device: str) -> int:
    """Bytes that are free on ``device`` now: the GPU's, or this machine's within what this process may use."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    import psutil

    return min(int(psutil.virtual_memory().available), memory_limit() - int(psutil.Process().memory_info().rss))


def _limits(cgroups: Path, membership: Path) -> Iterator[int]:
    for file in _limit_files(cgroups, membership):
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # version 2 writes "max" for no limit
            yield int(text)


def _limit_files(cgroups: Path, membership: Path) -> Iterator[Path]:
    """The limit of the process's group and of each group that it lies in; a container may see only the topmost."""
    yield cgroups / "memory.max"
    yield cgroups / "memory" / "memory.limit_in_bytes"
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        version2 = not controllers
        if version2 or "memory" in controllers.split(","):
            root, name = (cgroups, "memory.max") if version2 else (cgroups / "memory", "memory.limit_in_bytes")
            group = root / path.lstrip("/")
            yield from (folder / name for folder in (group, *group.parents) if root in (folder, *folder.parents))
