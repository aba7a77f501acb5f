"""What a client sends: names that keep their folders, each once; what cannot be read is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document

from rag.client import uploads
from rag.client.uploads import batch_texts, find_uploads, read_batch
from rag.core.errors import SourceError
from rag.core.reports import DocumentInfo


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for name, text in (("2019/mayor.md", "Ann"), ("2023/mayor.md", "Ben"), (".git/notes.txt", "no"), ("map.png", "no")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_names_keep_their_folders(archive: Path) -> None:
    sent = find_uploads([archive])
    assert [(file.name, file.source.read()) for file in sent.files] == [
        ("archive/2019/mayor.md", b"Ann"),
        ("archive/2023/mayor.md", b"Ben"),
    ]
    assert sent.folders == ("archive",)
    assert [Path(name).name for name in sent.report.skipped] == ["map.png"]


def test_two_files_of_one_name_are_refused(archive: Path) -> None:
    with pytest.raises(SourceError, match=r"two files would be named 'mayor\.md'"):
        find_uploads([archive / "2019" / "mayor.md", archive / "2023" / "mayor.md"])


def test_what_cannot_be_read_is_told_and_all_else_is_sent(archive: Path) -> None:
    sent = find_uploads([archive / "gone.md", archive / "map.png", archive / "2019"])
    assert [file.name for file in sent.files] == ["2019/mayor.md"]
    assert [failed.reason.split(";")[0] for failed in sent.report.failed] == [
        "no such file or folder",
        "unknown type '.png'",
    ]


def test_many_files_go_in_several_requests(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [[file.name for file in batch] for batch in find_uploads([archive]).batches()] == [
        ["archive/2019/mayor.md", "archive/2023/mayor.md"]
    ]
    monkeypatch.setattr(uploads, "_MAX_FILES", 1)
    assert [len(batch) for batch in find_uploads([archive]).batches()] == [1, 1]
    monkeypatch.setattr(uploads, "_MAX_FILES", 9)
    monkeypatch.setattr(uploads, "_MAX_BYTES", 4)
    assert [len(batch) for batch in find_uploads([archive]).batches()] == [1, 1]


def test_no_file_is_read_before_its_request(archive: Path) -> None:
    found = find_uploads([archive])
    (archive / "2019" / "mayor.md").unlink()
    (archive / "2023" / "mayor.md").write_text("Cleo")
    (batch,) = found.batches()
    contents, failed = read_batch(batch)
    assert contents == [("archive/2023/mayor.md", b"Cleo")]
    assert [Path(item.source).name for item in failed] == ["mayor.md"]


def test_what_is_gone_is_told_by_the_file_and_not_by_the_upload(archive: Path) -> None:
    found = find_uploads([archive])
    names = ["archive/2019/mayor.md", "archive/2020/mayor.md", "archive/map.png", "archives/2019/mayor.md", "note"]
    documents = [DocumentInfo(name, name, "", 1, 1, "") for name in names]
    assert [document.source for document in found.find_gone(documents)] == ["archive/2020/mayor.md"]


def test_documents_of_one_source_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_MAX_TEXTS", 3)
    pages = [Document(f"Page {n}.", metadata={"source": f"{n % 2}.pdf", "page": n}) for n in range(4)]
    first, second = batch_texts(pages)
    assert [text["source"] for text in first["documents"]] == ["0.pdf", "0.pdf"]
    assert [text["location"] for text in second["documents"]] == ["page 2", "page 4"]
