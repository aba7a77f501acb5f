"""From files to documents to passages, through well-kept loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from rag.core.errors import SourceError
from rag.core.passages import Passage
from rag.core.reports import FailedSource
from rag.models.loading import one_at_a_time

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter


@dataclass(frozen=True)
class Source:
    """Something to add: a file on disk, or text that the caller holds.

    Attributes:
        name: what citations show; the resolved path of a file.
        read: its bytes; raises :class:`SourceError` when they cannot be had.
        suffix: the type, such as ``.md``.
        title: overrides the title found in the text.
    """

    name: str
    read: Callable[[], bytes]
    suffix: str
    title: str = ""

    @property
    def doc_id(self) -> str:
        """Stable name of the document: sixteen hex digits of the source's name."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Text:
    """A document's title and text."""

    title: str
    text: str


@dataclass(frozen=True)
class Gathered:
    """The sources that were found, those that were not, and files of other types inside folders."""

    sources: tuple[Source, ...]
    failed: tuple[FailedSource, ...]
    skipped: tuple[str, ...]


def gather(items: Iterable[str | Path | Document | Source]) -> Gathered:
    """Find what ``items`` name: files, folders (recursively, hidden entries left out), LangChain documents, sources."""
    sources: dict[str, Source] = {}
    failed: list[FailedSource] = []
    skipped: list[str] = []
    for item in items:
        if isinstance(item, Source):
            sources[item.name] = item
            continue
        if isinstance(item, Document):
            source = _from_document(item)
            sources[source.name] = source
            continue
        path = Path(item).expanduser()
        if not path.exists():
            failed.append(FailedSource(str(item), "no such file or folder"))
        elif path.is_dir():
            for file in _walk(path):
                if file.suffix.lower() in LOADERS:
                    sources[str(file)] = _from_file(file)
                else:
                    skipped.append(str(file))
        elif path.suffix.lower() not in LOADERS:
            failed.append(FailedSource(str(item), f"unknown type {path.suffix or '(none)'!r}; known are {KNOWN_TYPES}"))
        else:
            sources[str(path.resolve())] = _from_file(path.resolve())
    return Gathered(tuple(sources.values()), tuple(failed), tuple(skipped))


def load(source: Source, content: bytes) -> Text:
    """The title and text of ``content``.

    Raises:
        SourceError: damaged, encrypted, or without any text.
    """
    text = LOADERS[source.suffix](content)
    if not text.text.strip():
        hint = " (scanned pages need OCR first)" if source.suffix == ".pdf" else ""
        raise SourceError(f"there is no text in it{hint}")
    return Text(source.title or text.title or Path(source.name).stem, text.text)


@one_at_a_time
def _splitter_class() -> type[RecursiveCharacterTextSplitter]:
    """Its package imports ``transformers``, which another thread may be loading a model with."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter


def split(source: Source, text: Text, *, chunk_chars: int, chunk_overlap: int) -> list[Passage]:
    """The passages of a document, cut at paragraphs, lines, sentences or words, in this preference."""
    splitter = _splitter_class()(
        chunk_size=chunk_chars,
        chunk_overlap=chunk_overlap,
        separators=["\n\n", "\n", ". ", " ", ""],
        add_start_index=True,
    )
    pieces = splitter.create_documents([text.text])
    return [
        Passage(
            passage_id=f"{source.doc_id}:{ordinal}",
            doc_id=source.doc_id,
            source=source.name,
            title=text.title,
            text=piece.page_content,
            start=piece.metadata["start_index"],
        )
        for ordinal, piece in enumerate(pieces)
    ]


def content_hash(content: bytes, source: Source, splitter: Sequence[int], encoder: str) -> str:
    """Changes when the bytes, the title, the way of splitting or the encoder change."""
    head = f"{source.suffix}|{source.title}|{list(splitter)}|{encoder}|".encode()
    return hashlib.sha256(head + content).hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_file() and not is_hidden:
            yield path


def _from_file(path: Path) -> Source:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from error

    return Source(str(path), read, path.suffix.lower())


def _from_document(document: Document) -> Source:
    content = document.page_content.encode()
    given = document.metadata.get("source") or document.metadata.get("doc_id") or document.id
    name = str(given or f"text:{hashlib.sha256(content).hexdigest()[:16]}")
    return Source(name, lambda: content, ".txt", str(document.metadata.get("title", "")))


def _load_text(content: bytes) -> Text:
    return Text("", _decode(content))


def _load_markdown(content: bytes) -> Text:
    text = _decode(content)
    headings = (line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#"))
    return Text(next(headings, ""), text)


def _load_html(content: bytes) -> Text:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(content, "html.parser")
    title = soup.title.get_text(strip=True) if soup.title else ""
    for tag in soup(["script", "style", "nav", "header", "footer", "aside", "noscript", "template"]):
        tag.decompose()
    body = soup.find("main") or soup.find("article") or soup.body or soup
    blocks = body.get_text("\n", strip=True) if not body.find(_BLOCKS) else _blocks_of(body)
    return Text(title, blocks)


_BLOCKS = ["p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "dt", "dd", "pre", "blockquote"]


def _blocks_of(body: object) -> str:
    from bs4 import Tag

    assert isinstance(body, Tag)
    rows = []
    for tag in body.find_all([*_BLOCKS, "tr"]):
        if tag.find(_BLOCKS) and tag.name != "tr":
            continue  # its inner blocks come by themselves
        if tag.name in ("td", "th"):
            continue  # its row comes as one line
        rows.append(" ".join(tag.get_text(" ", strip=True).split()))
    return "\n\n".join(row for row in rows if row)


def _load_pdf(content: bytes) -> Text:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError("it is encrypted; save it without a password first")
        pages = [page.extract_text() for page in reader.pages]
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        # Damaged files make the parser trip in many ways; each means the same to the user.
        raise SourceError(f"it is not a readable PDF: {error}") from error
    return Text(title, "\n\n".join(pages))


def _load_docx(content: bytes) -> Text:
    from zipfile import BadZipFile

    from docx import Document as open_docx
    from docx.opc.exceptions import OpcError

    try:
        document = open_docx(BytesIO(content))
    except (BadZipFile, OpcError, KeyError, ValueError) as error:
        raise SourceError(f"it is not a readable Word document: {error}") from error
    blocks = [paragraph.text for paragraph in document.paragraphs]
    blocks += [" | ".join(cell.text for cell in row.cells) for table in document.tables for row in table.rows]
    return Text(document.core_properties.title, "\n\n".join(block for block in blocks if block.strip()))


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(content).best()
        if best is None:
            raise SourceError("its text is in no known encoding; save it as UTF-8") from None
        return str(best)


LOADERS: dict[str, Callable[[bytes], Text]] = {
    ".txt": _load_text,
    ".text": _load_text,
    ".md": _load_markdown,
    ".markdown": _load_markdown,
    ".html": _load_html,
    ".htm": _load_html,
    ".pdf": _load_pdf,
    ".docx": _load_docx,
}
KNOWN_TYPES = "txt, md, html, pdf, docx"
