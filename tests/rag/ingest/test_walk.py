"""Every file of a folder once, and nothing followed for ever."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from rag.engine import Engine
from rag.ingest.gather import gather
from rag.ingest.walk import walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    return folder


def left_out(folder: Path) -> dict[str, str]:
    return {Path(entry.source).name: entry.reason for entry in walk(folder).left_out}


def read(folder: Path) -> list[str]:
    return [path.name for path in walk(folder).files]


def test_a_link_to_a_file_below_is_no_second_document(folder: Path) -> None:
    (folder / "0.txt").symlink_to(folder / "a.txt")
    assert read(folder) == ["a.txt", "b.txt"]
    assert left_out(folder) == {"0.txt": f"a link to {folder / 'a.txt'}, which is read itself"}


def test_a_link_to_a_file_elsewhere_is_read_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("other")
    (folder / "first.txt").symlink_to(tmp_path / "other.txt")
    (folder / "second.txt").symlink_to(tmp_path / "other.txt")
    assert read(folder) == ["a.txt", "first.txt", "b.txt"]
    assert list(left_out(folder)) == ["second.txt"]


def test_links_to_folders_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "above").symlink_to(tmp_path)
    (folder / "gone").symlink_to(tmp_path / "nothing")
    (folder / "round").symlink_to(folder / "about")
    (folder / "about").symlink_to(folder / "round")
    assert read(folder) == ["a.txt", "b.txt"]
    assert left_out(folder) == {
        "up": f"a link to the folder {folder}; name that to add it",
        "above": f"a link to the folder {tmp_path}; name that to add it",
        "gone": "a link to nothing",
        "round": "a link in a circle",
        "about": "a link in a circle",
    }


def test_pipes_and_sockets_are_named(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    (folder / "to-pipe.txt").symlink_to(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.txt"))
        assert left_out(folder) == {"pipe.txt": "a pipe", "s.txt": "a socket", "to-pipe.txt": "a link to a pipe"}
    assert read(folder) == ["a.txt", "b.txt"]


def test_a_link_into_a_hidden_folder_is_read(folder: Path) -> None:
    """As git-annex keeps its files."""
    (folder / ".store").mkdir()
    (folder / ".store" / "1").write_text("kept")
    (folder / "c.txt").symlink_to(folder / ".store" / "1")
    assert read(folder) == ["a.txt", "c.txt", "b.txt"]


def test_the_report_names_them_and_all_else_is_in(folder: Path, tmp_path: Path, embeddings: Any) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text("odd")
    with Engine.open(tmp_path / "library", embeddings=embeddings) as engine:
        report = engine.add(folder)
    assert [Path(name).name for name in report.added] == ["a.txt", "b.txt"]
    assert [Path(entry.source).name for entry in report.left_out] == ["up"]
    assert [Path(failed.source).name for failed in report.failed] == ["\\udcff.txt"]


@pytest.mark.parametrize("name", ["a\0b.txt", "~nobody-here/a.txt", "x" * 300 + ".txt"])
def test_names_that_the_system_cannot_take(name: str) -> None:
    [failed] = gather([name]).failed
    assert failed.reason
    assert "\n" not in failed.reason
