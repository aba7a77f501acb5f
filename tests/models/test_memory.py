"""The memory of the machine, and a container's limit."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from rag.models.memory import memory_limit


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_without_a_limit_it_is_the_machines(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "max\n")
    write(tmp_path / "membership", "0::/\n")
    assert memory_limit(tmp_path, tmp_path / "membership") == psutil.virtual_memory().total
    assert memory_limit(tmp_path / "none", tmp_path / "none") == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/", "memory.max"),
        ("0::/user.slice/job", "user.slice/job/memory.max"),
        ("0::/user.slice/job", "user.slice/memory.max"),
        ("0::/not/shown/here", "memory.max"),
        ("7:cpu:/x\n5:memory:/docker/1", "memory/docker/1/memory.limit_in_bytes"),
        ("5:memory:/docker/1", "memory/memory.limit_in_bytes"),
    ],
)
def test_the_lowest_limit_counts(membership: str, file: str, tmp_path: Path) -> None:
    write(tmp_path / "groups" / file, "1000000\n")
    write(tmp_path / "membership", membership + "\n")
    assert memory_limit(tmp_path / "groups", tmp_path / "membership") == 1_000_000
