"""A library follows its folders: what moved, what is a copy, what is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from rag.core.reports import CopiedSource, MovedSource
from rag.engine import Engine
from rag.ingest.follow import LiveDocument, compare, is_below, is_file_gone


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "town"
    folder.mkdir()
    (folder / "old.txt").write_text("The harbour master of Corvin is Liv Sandar. She took office in 2019.")
    (folder / "keep.txt").write_text("The mill of Corvin grinds rye.")
    return folder


def names(engine: Engine) -> list[str]:
    return [Path(document.source).name for document in engine.documents()]


def test_without_sync_the_report_says_what_is_gone(engine: Engine, folder: Path) -> None:
    engine.add(folder)
    (folder / "old.txt").unlink()
    (folder / "new.txt").write_text("The harbour master of Corvin is Tarek Holm. He took office in 2024.")
    report = engine.add(folder)
    assert [list(map(str, names)) for names in (report.gone, report.removed)] == [[str(folder / "old.txt")], []]
    assert names(engine) == ["keep.txt", "new.txt", "old.txt"]


def test_with_sync_what_is_gone_goes(engine: Engine, folder: Path) -> None:
    engine.add([folder, Document("A note.", metadata={"source": "note"})])
    (folder / "old.txt").unlink()
    (folder / "keep.txt").write_text("The mill of Corvin grinds wheat.")
    report = engine.add(folder, sync=True)
    assert (list(report.removed), list(report.gone)) == ([str(folder / "old.txt")], [])
    assert [Path(name).name for name in report.replaced] == ["keep.txt"]
    assert names(engine) == ["keep.txt", "note"]
    assert all("Sandar" not in s.passage.text for s in engine.retrieve(["Who is the harbour master?"], 5)[0])
    assert engine.add(folder, sync=True).removed == ()


def test_only_the_named_folders_are_followed(engine: Engine, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "town-archive"
    other.mkdir()
    (other / "old.txt").write_text("The former mill stood there.")
    engine.add([folder, other])
    (other / "old.txt").unlink()
    (folder / "old.txt").unlink()
    report = engine.add(folder / "keep.txt", sync=True)
    assert (report.removed, report.gone) == ((), ())
    report = engine.add(folder, sync=True)
    assert list(report.removed) == [str(folder / "old.txt")]
    assert sorted(names(engine)) == ["keep.txt", "old.txt"]


def test_a_folder_that_is_not_there_takes_nothing_with_it(engine: Engine, folder: Path) -> None:
    engine.add(folder)
    folder.rename(folder.with_name("away"))
    report = engine.add(folder, sync=True)
    assert [failed.reason for failed in report.failed] == ["no such file or folder"]
    assert len(names(engine)) == 2


def test_a_file_that_cannot_be_read_any_more_is_not_gone(engine: Engine, folder: Path) -> None:
    engine.add(folder)
    (folder / "old.txt").write_text(" ")
    report = engine.add(folder, sync=True)
    assert [failed.reason for failed in report.failed] == ["there is no text in it"]
    assert report.removed == ()
    assert len(names(engine)) == 2


def test_a_moved_file_stays_one_document(engine: Engine, folder: Path) -> None:
    engine.add(folder)
    (folder / "2019").mkdir()
    (folder / "old.txt").rename(folder / "2019" / "master.txt")
    report = engine.add(folder)
    assert list(report.moved) == [MovedSource(str(folder / "2019" / "master.txt"), str(folder / "old.txt"))]
    assert (report.added, report.gone, report.copies) == ((), (), ())
    assert sorted(names(engine)) == ["keep.txt", "master.txt"]


def test_a_moved_folder_stays_one(engine: Engine, folder: Path) -> None:
    engine.add(folder)
    moved = folder.rename(folder.with_name("city"))
    report = engine.add(moved)
    assert [Path(pair.former).name for pair in report.moved] == ["keep.txt", "old.txt"]
    assert {Path(document.source).parent for document in engine.documents()} == {moved}


def test_copies_are_named(engine: Engine, folder: Path) -> None:
    for name in ("report.txt", "report (1).txt", "Copy of report.txt", "report-final.txt"):
        (folder / name).write_text("The lock gate of Ostrel was rebuilt.")
    report = engine.add(folder)
    original = str(folder / "report.txt")
    assert [Path(copy.source).name for copy in report.copies] == [
        "Copy of report.txt",
        "report (1).txt",
        "report-final.txt",
    ]
    assert {copy.original for copy in report.copies} == {original}
    assert len(report.added) == 6
    (folder / "a.txt").write_text("The lock gate of Ostrel was rebuilt.")
    assert CopiedSource(str(folder / "a.txt"), original) in engine.add(folder / "a.txt").copies


def test_a_copy_of_a_file_that_goes_stays(engine: Engine, folder: Path) -> None:
    (folder / "copy.txt").write_bytes((folder / "old.txt").read_bytes())
    engine.add(folder)
    (folder / "old.txt").unlink()
    report = engine.add(folder, sync=True)
    assert (list(report.removed), report.moved) == ([str(folder / "old.txt")], ())
    assert sorted(names(engine)) == ["copy.txt", "keep.txt"]


def test_uploads_have_no_file_to_look_for() -> None:
    before = [LiveDocument("town/a.txt", "1"), LiveDocument("town/b.txt", "2"), LiveDocument("note", "3")]
    read = {"town/b.txt": "2", "town/c/a.txt": "1"}
    changes = compare(before, read, read, ["town"], lambda source: is_below(source, ["town"]))
    assert changes.moved == (MovedSource("town/c/a.txt", "town/a.txt"),)
    assert (changes.copies, changes.gone) == ((), ())
    assert not is_below("township/a.txt", ["town"])


def test_swapped_files_are_replaced() -> None:
    before = [LiveDocument("/x/a", "1"), LiveDocument("/x/b", "2")]
    changes = compare(before, {"/x/a": "2", "/x/b": "1"}, {"/x/a", "/x/b"}, ["/x"], is_file_gone)
    assert (changes.moved, changes.copies, changes.gone) == ((), (), ())
