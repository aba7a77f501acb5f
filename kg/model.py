"""The extractor that asks a language model for entities and triples. It is slow, and never the default.

Replies are checked: each must contain a JSON object of the right shape, and the subject and object of a triple must
occur in the passage. The rest is listed with the reason in :attr:`kg.types.Extraction.rejected`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kg.imports import build_extraction, checked_items
from kg.names import canonical, contains_name
from kg.types import Claim, Extraction
from rag.core.passages import Passage
from rag.core.query import Message, Sampling
from rag.core.replies import find_object
from rag.generation.base import Generation, Generator, Request

_PROMPT = """\
List the facts of a text as one JSON object with two keys: "entities", the names in the text, and "triples", what the \
text says of them as [subject, relation, object]. Use the words of the text, and write nothing but the JSON.

Text: Selwick Mill
The mill was built by Ada Penrose in 1764.
JSON: {"entities": ["Selwick Mill", "Ada Penrose"], "triples": [["Selwick Mill", "built by", "Ada Penrose"], \
["Selwick Mill", "built in", "1764"]]}

Text: %s
JSON:"""


class ModelExtractor:
    """Entities and triples from a generator, decoded greedily; contract of :class:`kg.types.Extractor`.

    Args:
        generator: any generator.
        max_tokens: limit of a reply.
        batch_size: passages in one call, which is also the most that an interruption loses.
        cache_salt: of the requests to the generator.
    """

    def __init__(self, generator: Generator, max_tokens: int = 384, batch_size: int = 8, cache_salt: str = "") -> None:
        self._generator = generator
        self._cache_salt = cache_salt
        self._sampling = Sampling(max_tokens=max_tokens, stop=generator.default_stop)
        self.batch_size = batch_size
        self.fingerprint = f"model-1:{generator.name}:{max_tokens}"

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage; one whose reply cannot be used has only a reason."""
        prompts = [self._generator.encode([Message("user", _PROMPT % _full_text(p))]) for p in passages]
        room = self._generator.window - self._sampling.max_tokens
        asked = [i for i, ids in enumerate(prompts) if len(ids) <= room]
        requests = [Request.single(prompts[i], self._sampling, cache_salt=self._cache_salt) for i in asked]
        replies: dict[int, Generation] = {}
        for first in range(0, len(asked), self.batch_size):
            batch = slice(first, first + self.batch_size)
            replies |= zip(asked[batch], self._generator.generate(requests[batch]), strict=True)
        return [
            read_reply(replies[i], passage)
            if i in replies
            else _reject(passage, f"{len(prompts[i])} tokens do not fit the window of {self._generator.window}")
            for i, passage in enumerate(passages)
        ]


def read_reply(reply: Generation, passage: Passage) -> Extraction:
    """The extraction of a passage from a model's reply; what cannot be used is rejected."""
    try:
        row = find_object(reply.text, ("entities", "triples"))
        if row is None:
            raise ValueError("no JSON object with 'entities' or 'triples' in the reply")
        entities, claims, reasons = checked_items(row)
    except ValueError as error:
        cut = " (it was cut off)" if reply.finish_reason == "length" else ""
        return _reject(passage, f"{error}{cut}: {' '.join(reply.text.split())[:80]!r}")
    words = canonical(_full_text(passage))
    missing = [claim for claim in claims if not _occurs_in(words, claim[0]) or not _occurs_in(words, claim[2])]
    reasons += [f"{list(claim)!r} names something that is not in the passage; left out" for claim in missing]
    extraction = build_extraction(
        passage,
        [entity for entity in entities if _occurs_in(words, entity)],
        [claim for claim in claims if claim not in missing],
    )
    return replace(extraction, triples=_without_repeats(extraction.triples), rejected=tuple(reasons))


def _occurs_in(words: str, name: str) -> bool:
    return contains_name(words, canonical(name))


def _without_repeats(triples: Sequence[Any]) -> tuple[Any, ...]:
    by_claim: dict[Claim, Any] = {}
    for triple in triples:
        by_claim.setdefault(triple.claim, triple)
    return tuple(by_claim.values())


def _reject(passage: Passage, reason: str) -> Extraction:
    return Extraction(passage.doc_id, passage.passage_id, rejected=(reason,))


def _full_text(passage: Passage) -> str:
    return f"{passage.title}\n{passage.text}"
