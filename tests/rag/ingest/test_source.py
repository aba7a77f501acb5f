"""When a source counts as changed."""

from __future__ import annotations

from rag.ingest.gather import gather
from rag.ingest.source import content_hash
from tests.conftest import CORPUS


def test_the_hash_sees_every_setting() -> None:
    source = gather([CORPUS / "town-library.md"]).sources[0]
    base = content_hash(b"x", source, (800, 100), "enc")
    assert base == content_hash(b"x", source, (800, 100), "enc")
    others = [
        content_hash(b"y", source, (800, 100), "enc"),
        content_hash(b"x", source, (400, 100), "enc"),
        content_hash(b"x", source, (800, 100), "other"),
    ]
    assert base not in others
