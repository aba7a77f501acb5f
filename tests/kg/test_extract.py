"""The extractors: spans point at what they name, and a passage's extraction depends on that passage alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.extract import ImportedExtractor, NameExtractor
from kg.names import canonical
from kg.types import Extraction, Extractor, Mention, Provenance, Triple
from rag.core.passages import Passage


def passage(doc_id: str, title: str, text: str) -> Passage:
    return Passage(f"{doc_id}:0", doc_id, doc_id, title, text)


MILL = passage("d1", "Tide mill", "The Tide Mill in Port Selwick was built by Ada Penrose.")
PORT = passage("d2", "Port Selwick", "Port Selwick lies on the Selwick.")
AT = Provenance("d1", "d1:0", 4, 13)
IMPORTED = [
    Extraction("d1", "d1:0", (Mention("tide mill", AT),), (Triple("tide mill", "built by", "ada penrose", AT),))
]


@pytest.mark.parametrize("extractor", [NameExtractor(), ImportedExtractor(IMPORTED)])
def test_contract(extractor: Extractor) -> None:
    both = extractor.extract([MILL, PORT])
    assert [item.passage_id for item in both] == ["d1:0", "d2:0"]
    assert both == [extractor.extract([MILL])[0], extractor.extract([PORT])[0]]
    assert extractor.extract([]) == []


def test_names_titles_and_spans() -> None:
    mentions = NameExtractor().extract([MILL])[0].mentions
    assert [m.entity for m in mentions if m.is_title] == ["tide mill"]
    in_text = [m for m in mentions if not m.is_title]
    assert {"tide mill", "port selwick", "ada penrose"} <= {m.entity for m in in_text}
    for mention in in_text:
        assert canonical(MILL.text[mention.source.start : mention.source.end]) == mention.entity


def test_imported_rows_of_one_passage_are_united() -> None:
    more = Extraction("d1", "d1:0", (Mention("ada penrose", AT),))
    united = ImportedExtractor([*IMPORTED, more, *IMPORTED]).extract([MILL])[0]
    assert [m.entity for m in united.mentions] == ["tide mill", "ada penrose"]
    assert united.triples == IMPORTED[0].triples


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_text_is_read_without_error(text: str, title: str) -> None:
    for mention in NameExtractor().extract([passage("d", title, text)])[0].mentions:
        assert mention.entity == canonical(mention.entity)
        assert 0 <= mention.source.start <= mention.source.end <= len(text)


def test_what_is_read_changes_only_with_the_fingerprint() -> None:
    """Libraries keep what was read under the fingerprint: raise it, and this digest, when the rules change."""
    from hashlib import sha256

    text = (
        "In 1764 the New York City Council met. The mayor of Port Selwick is Edda Lindqvist; Ada Penrose's house, "
        "built by J. R. Vane, stands on St. Anne Street. Which of the Isles of Scilly is largest? Apples grow there."
    )
    passages = [MILL, PORT, passage("d3", "Council (Port Selwick), The", text)]
    digest = sha256(repr(NameExtractor().extract(passages)).encode()).hexdigest()[:16]
    assert (NameExtractor.fingerprint, digest) == ("names-2", "90e1432279e01db3")
