"""From names to sources: files, folders, LangChain documents."""

from __future__ import annotations

import os
from pathlib import Path

from langchain_core.documents import Document

from rag.ingest.gather import Gathered, gather
from rag.ingest.load import load


def test_gathering(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.MD", "b/.hidden.txt", ".git/config.txt", "b/picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    gathered = gather([tmp_path, tmp_path / "a.txt", tmp_path / "gone.txt", tmp_path / "b" / "picture.png"])
    assert [Path(source.name).name for source in gathered.sources] == ["a.txt", "c.MD"]
    assert [Path(name).name for name in gathered.skipped] == ["picture.png"]
    assert [failure.reason.split(";")[0] for failure in gathered.failed] == [
        "no such file or folder",
        "unknown type '.png'",
    ]


def test_langchain_documents() -> None:
    gathered: Gathered = gather([Document("text", metadata={"source": "web:1", "title": "T"}), Document("other")])
    first, second = gathered.sources
    assert (first.name, load(first, first.read()).title) == ("web:1", "T")
    assert second.name.startswith("text:")


def test_names_that_the_system_or_the_library_cannot_take(tmp_path: Path) -> None:
    """One line for each; the good file is in."""
    (tmp_path / "good.txt").write_text("good")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")
    Path(odd).write_text("odd")
    os.mkfifo(tmp_path / "pipe.txt")
    long = tmp_path / f"{'a' * 300}.txt"
    gathered = gather([tmp_path, long, tmp_path / "pipe.txt", odd])
    assert [Path(source.name).name for source in gathered.sources] == ["good.txt"]
    assert [failed.reason for failed in gathered.failed] == [
        "its name is not UTF-8; rename it",
        "File name too long",
        "no regular file",
        "its name is not UTF-8; rename it",
    ]
