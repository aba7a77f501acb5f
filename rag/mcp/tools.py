"""What an agent's tools give back: plain JSON objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from rag.core.answer import Answer
from rag.core.errors import LibraryError
from rag.core.passages import Passage
from rag.engine import Engine
from rag.mcp.desk import Desk
from rag.survey.conflicts import compare_library

_SCHEME = "concord"
# What a model that reads the answer has no use for.
_LEFT_OUT = ("timings_ms", "tokens", "settings", "trace", "paths", "question")


def document_uri(library: str, doc_id: str) -> str:
    """The resource of a document."""
    return f"{_SCHEME}://{quote(library, safe='')}/{quote(doc_id, safe='')}"


def choose_library(desk: Desk, name: str) -> str:
    """The library of this name; the only one there is, if none is named.

    Raises:
        LibraryError: none is named and there are several, or none.
    """
    if name:
        return name
    names = desk.libraries()
    if len(names) != 1:
        raise LibraryError(f"name a library; there are {', '.join(names) or 'none'}")
    return names[0]


def describe_answer(answer: Answer, library: str) -> dict[str, Any]:
    """An answer with its citations, and what it says about documents and memory; without its tokens."""
    fields = {name: value for name, value in answer.to_dict().items() if name not in _LEFT_OUT}
    fields["conflict"].pop("steps", None)
    for citation in fields["citations"]:
        citation["uri"] = document_uri(library, citation["doc_id"])
    return {**fields, "library": library}


def search(engine: Engine, library: str, query: str, top_k: int | None) -> dict[str, Any]:
    """The best passages for a query, best first."""
    (ranking,) = engine.retrieve([query], top_k)
    passages = [
        {**asdict(one.passage), "score": one.score, "uri": document_uri(library, one.passage.doc_id)} for one in ranking
    ]
    return {"library": library, "passages": passages}


def list_conflicts(engine: Engine, library: str, limit: int) -> dict[str, Any]:
    """What contradicts what in a library, surest first: every side with its sentences and their documents."""
    found = compare_library(engine)
    conflicts = [asdict(conflict) for conflict in found[:limit]]
    for place in (place for conflict in conflicts for side in conflict["sides"] for place in side["places"]):
        place["uri"] = document_uri(library, place["doc_id"])
    return {"library": library, "num_conflicts": len(found), "conflicts": conflicts}


def list_documents(engine: Engine, library: str) -> dict[str, Any]:
    """The documents of a library, by source."""
    documents = [{**asdict(one), "uri": document_uri(library, one.doc_id)} for one in engine.documents()]
    return {"library": library, "documents": documents}


def read_document(engine: Engine, doc_id: str) -> str:
    """The text of a document as the library holds it.

    Raises:
        LibraryError: there is none of this doc_id.
    """
    passages = engine.library.document_passages(doc_id)
    if not passages:
        raise LibraryError(f"there is no document {doc_id[:80]!r}; the tool 'documents' lists them")
    return join_passages(passages)


def join_passages(passages: Sequence[Passage]) -> str:
    """The text that passages were cut from: where two overlap, the second one's beginning is left out."""
    text, end = "", 0
    for passage in passages:
        overlap = end - passage.start
        if 0 <= overlap <= len(passage.text):
            text += passage.text[overlap:]
        else:
            text += ("\n\n" if text else "") + passage.text
        end = passage.start + len(passage.text)
    return text
