"""What a client sends: names that keep their folders, each once; what cannot be read is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document

from rag.client import uploads
from rag.client.uploads import batch_texts, file_requests, read_uploads
from rag.core.errors import SourceError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for name, text in (("2019/mayor.md", "Ann"), ("2023/mayor.md", "Ben"), (".git/notes.txt", "no"), ("map.png", "no")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_names_keep_their_folders(archive: Path) -> None:
    sent = read_uploads([archive])
    assert [(file.name, file.content) for file in sent.files] == [
        ("archive/2019/mayor.md", b"Ann"),
        ("archive/2023/mayor.md", b"Ben"),
    ]
    assert sent.folders == ("archive",)
    assert [Path(name).name for name in sent.report.skipped] == ["map.png"]


def test_two_files_of_one_name_are_refused(archive: Path) -> None:
    with pytest.raises(SourceError, match=r"two files would be named 'mayor\.md'"):
        read_uploads([archive / "2019" / "mayor.md", archive / "2023" / "mayor.md"])


def test_what_cannot_be_read_is_told_and_all_else_is_sent(archive: Path) -> None:
    sent = read_uploads([archive / "gone.md", archive / "map.png", archive / "2019"])
    assert [file.name for file in sent.files] == ["2019/mayor.md"]
    assert [failed.reason.split(";")[0] for failed in sent.report.failed] == [
        "no such file or folder",
        "unknown type '.png'",
    ]


def test_many_files_go_in_several_requests(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [params for _, params in file_requests(read_uploads([archive]), sync=False)] == [
        {"folder": ["archive"], "sync": False}
    ]
    monkeypatch.setattr(uploads, "_MAX_FILES", 1)
    assert [params for _, params in file_requests(read_uploads([archive]), sync=False)] == [{}, {}]
    assert [params for _, params in file_requests(read_uploads([archive]), sync=True)] == [
        {"folder": ["archive"], "sync": True}
    ]
    single = read_uploads([archive / "2019" / "mayor.md"])
    assert [params for _, params in file_requests(single, sync=True)] == [{}]


def test_documents_of_one_source_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_MAX_TEXTS", 3)
    pages = [Document(f"Page {n}.", metadata={"source": f"{n % 2}.pdf", "page": n}) for n in range(4)]
    first, second = batch_texts(pages)
    assert [text["source"] for text in first["documents"]] == ["0.pdf", "0.pdf"]
    assert [text["location"] for text in second["documents"]] == ["page 2", "page 4"]
