"""From names to sources: files, folders, LangChain documents."""

from __future__ import annotations

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
