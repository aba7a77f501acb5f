"""Atomic writing: a file is whole or absent, whatever fails and whoever else writes."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag.core.process.files import write_atomically, write_folder_atomically


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when data is flushed to it, as with delayed allocation."""

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for content in (b"one", b"", b"three" * 1000):
        write_atomically(tmp_path / "f", content)
        assert (tmp_path / "f").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0  # only the owner may read it


def test_a_failed_write_changes_nothing(tmp_path: Path, full_disk: None) -> None:
    (tmp_path / "f").write_bytes(b"former")
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(tmp_path / "f", content), contents))
    assert (tmp_path / "f").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deep" / "folder"
    assert write_folder_atomically(folder, {"a": b"1", "b": b"2"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"1", "b": b"2"}
    assert not write_folder_atomically(folder, {"c": b"3"})  # who came first stays
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(OSError, match="No space"):
        write_folder_atomically(tmp_path / "folder", {"a": b"1"})
    assert list(tmp_path.iterdir()) == []
