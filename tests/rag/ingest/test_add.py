"""Adding from a stream: bounded memory, interruption and resumption, and the bill."""

from __future__ import annotations

import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docx import Document as new_docx
from langchain_core.documents import Document

from rag.cli.render import add_report
from rag.core.process.progress import Progress
from rag.engine import Engine
from rag.ingest import add as adding


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_CHUNK_ITEMS", 4)
    monkeypatch.setattr(adding, "_FLUSH_PASSAGES", 3)


def document(number: int, text: str = "") -> Document:
    return Document(page_content=text or f"Lamp number {number} shines.", metadata={"source": f"lamp-{number}"})


class Interruption(Exception):
    pass


def test_a_stream_is_read_as_it_comes(engine: Engine) -> None:
    alive: list[weakref.ref[Document]] = []
    most = 0

    def documents() -> Iterator[Document]:
        nonlocal most
        for number in range(40):
            fresh = document(number)
            alive.append(weakref.ref(fresh))
            most = max(most, sum(ref() is not None for ref in alive))
            yield fresh
            del fresh

    report = engine.add(documents())
    assert (len(report.added), report.num_passages) == (40, 40)
    assert most <= 15, "documents pile up in memory"


def test_progress_is_told_of_every_source(engine: Engine) -> None:
    totals: list[int] = []
    names: list[str] = []

    class Told(Progress):
        def start(self, num_sources: int) -> None:
            totals.append(num_sources)

        def advance(self, source: str) -> None:
            names.append(source)

    engine.add((document(number) for number in range(6)), Told())
    assert totals == [4, 6]
    assert names == [f"lamp-{number}" for number in range(6)]


def test_an_interrupted_add_is_gone_on_with(engine: Engine) -> None:
    def breaking() -> Iterator[Document]:
        yield from (document(number) for number in range(8))
        raise Interruption

    with pytest.raises(Interruption):
        engine.add(breaking())
    assert engine.documents() == []
    report = engine.add(document(number) for number in range(12))
    assert len(report.added) == 12
    assert report.cost.num_resumed == 6  # the last two had not been flushed
    assert report.cost.num_embedded == 6
    assert 0 < report.cost.embed_seconds < report.cost.seconds
    assert report.cost.bytes_per_passage * 12 == pytest.approx(engine.library.size_bytes, rel=0.5)
    shown = str(add_report(report).renderables)  # type: ignore[union-attr]
    assert "embedded 6 passages" in shown
    assert "6 documents taken over from an interrupted add" in shown


def test_nothing_new_costs_nothing(engine: Engine) -> None:
    engine.add([document(1), document(2)])
    report = engine.add([document(1), document(2)])
    assert (len(report.unchanged), report.cost.num_embedded, report.cost.num_resumed) == (2, 0, 0)


def words(engine: Engine, source: str) -> list[str]:
    [doc_id] = [document.doc_id for document in engine.documents() if document.source == source]
    return [word for passage in engine.library.document_passages(doc_id) for word in passage.text.split()]


def test_documents_of_one_source_are_its_parts_however_far_apart(engine: Engine) -> None:
    engine.add(document(number) for number in range(10))
    again = [document(1, "Out."), *(document(number) for number in range(2, 9)), document(1, "Dim.")]
    report = engine.add(iter(again))
    assert list(report.replaced) == ["lamp-1"]
    assert words(engine, "lamp-1") == ["Out.", "Dim."]
    assert engine.library.match('"dim"', 5)
    report = engine.add(iter(again))
    assert "lamp-1" in report.unchanged
    assert report.replaced == ()
    assert words(engine, "lamp-1") == ["Out.", "Dim."]
    assert engine.library.hashes(is_live=False) == {}, "the first part alone was left behind"


def test_all_that_can_be_read_is_in(engine: Engine, tmp_path: Path) -> None:
    """One line for each other file, with its name and the reason."""
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "good.txt").write_text("The mill grinds rye.")
    (folder / "good.html").write_text("<p>The mill stands.</p>")
    (folder / "page.docx").write_bytes(b"PK\x03\x04 and then nothing")
    (folder / "page.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "empty.md").write_text(" ")
    broken = new_docx()
    broken.add_paragraph("The mill burns.")
    broken.save(str(folder / "xml.docx"))
    spoil(folder / "xml.docx", "word/document.xml", b"<w:p")
    report = engine.add(folder)
    assert [Path(name).name for name in report.added] == ["good.html", "good.txt"]
    assert [Path(failed.source).name for failed in report.failed] == ["empty.md", "page.docx", "page.pdf", "xml.docx"]
    assert all(failed.reason and "\n" not in failed.reason for failed in report.failed)


def spoil(file: Path, part: str, content: bytes) -> None:
    """Put ``content`` in the place of one part of a Word file."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**parts, part: content}.items():
            archive.writestr(name, data)
