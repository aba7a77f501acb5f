"""From a text to passages."""

from __future__ import annotations

from rag.ingest.gather import gather
from rag.ingest.load import load
from rag.ingest.split import split
from tests.conftest import CORPUS


def test_passages_point_into_the_text() -> None:
    source = gather([CORPUS / "town-library.md"]).sources[0]
    loaded = load(source, source.read())
    passages = split(source, loaded, chunk_chars=200, chunk_overlap=40)
    assert len(passages) > 2
    for passage in passages:
        assert loaded.text[passage.start : passage.start + len(passage.text)] == passage.text
        assert len(passage.text) <= 200
    assert len({passage.passage_id for passage in passages}) == len(passages)
