"""What clients send to be added: names that keep their folders, each name once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from rag.ingest.load import KNOWN_TYPES, LOADERS
from rag.service.jobs.store import Upload
from rag.service.problems import Problem
from rag.service.schemas import NewText

_MAX_NAME_CHARS = 500
_DRIVE = re.compile(r"[A-Za-z]:")
_MAGIC = {".pdf": b"%PDF-", ".docx": b"PK\x03\x04"}


def file_upload(filename: str, content: bytes) -> Upload:
    """A file as it came in.

    Raises:
        Problem: 400, its name or type cannot be taken.
    """
    name = clean_name(filename)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in LOADERS:
        raise Problem(400, "unknown_file_type", f"{name!r}: known types are {KNOWN_TYPES}", param="files")
    magic = _MAGIC.get(suffix, b"")
    if magic not in content[:1024]:
        raise Problem(400, "invalid_file", f"{name!r} is named {suffix}, but its content is not; save it again")
    return Upload(name, suffix, content)


def text_upload(item: NewText) -> Upload:
    """A text as it came in. Texts of one source are parts of one document."""
    return Upload(item.source, ".txt", item.text.encode(), item.title, item.location)


def clean_name(filename: str) -> str:
    """The client's name of a file, with its folders. It is a name only: it never becomes a path.

    Raises:
        Problem: 400, it is empty, too long, or has control characters.
    """
    parts = filename.replace("\\", "/").split("/")
    name = "/".join(part for part in parts if part not in ("", ".", "..") and not _DRIVE.fullmatch(part))
    if not name or len(name) > _MAX_NAME_CHARS or any(ord(character) < 32 for character in name):
        expected = f"1 to {_MAX_NAME_CHARS} characters, none of them a control character"
        raise Problem(400, "invalid_name", f"a file is named {filename[:80]!r}; expected {expected}", param="files")
    return name


def check_names(uploads: Sequence[Upload]) -> None:
    """Refuse files of one name: the last would replace the others without a word.

    Raises:
        Problem: 400, there are some.
    """
    name, count = Counter(upload.name for upload in uploads).most_common(1)[0]
    if count > 1:
        message = f"{count} files are named {name!r}; send them with their folders, or rename them"
        raise Problem(400, "duplicate_name", message, param="files")
