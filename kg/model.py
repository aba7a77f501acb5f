"""The extractor that asks a language model for entities and triples. Slow, and as good as the model; never the default.

Nothing a model says is believed unread: a reply must hold a JSON object of the asked shape, and a triple must name two
things that stand in the passage. What does not is listed with its reason in :attr:`kg.types.Extraction.rejected`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kg.imports import build_extraction, checked_items
from kg.names import canonical
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
    """Entities and triples from a generator, greedily; contract of :class:`kg.types.Extractor`.

    Args:
        generator: any generator.
        max_tokens: longest reply.
        batch_size: passages of one call; also how many are lost when an extraction is interrupted.
        cache_salt: of the generator's requests.
    """

    def __init__(self, generator: Generator, max_tokens: int = 384, batch_size: int = 8, cache_salt: str = "") -> None:
        self._generator = generator
        self._cache_salt = cache_salt
        self._sampling = Sampling(max_tokens=max_tokens, stop=generator.default_stop)
        self.batch_size = batch_size
        self.fingerprint = f"model-1:{generator.name}:{max_tokens}"

    def extract(self, passages: Sequence[Passage]) -> list[Extraction]:
        """One extraction per passage; those whose reply is of no use have only a reason."""
        prompts = [self._generator.encode([Message("user", _PROMPT % _full_text(p))]) for p in passages]
        room = self._generator.window - self._sampling.max_tokens
        asked = [i for i, ids in enumerate(prompts) if len(ids) <= room]
        requests = [Request.single(prompts[i], self._sampling, cache_salt=self._cache_salt) for i in asked]
        replies: dict[int, Generation] = {}
        for first in range(0, len(asked), self.batch_size):
            some = slice(first, first + self.batch_size)
            replies |= zip(asked[some], self._generator.generate(requests[some]), strict=True)
        return [
            read_reply(replies[i], passage)
            if i in replies
            else _refused(passage, f"{len(prompts[i])} tokens do not fit the window of {self._generator.window}")
            for i, passage in enumerate(passages)
        ]


def read_reply(reply: Generation, passage: Passage) -> Extraction:
    """What a model's reply says of a passage, as far as it can be used."""
    try:
        row = find_object(reply.text, ("entities", "triples"))
        if row is None:
            raise ValueError("no JSON object with 'entities' or 'triples' in the reply")
        entities, claims, reasons = checked_items(row)
    except ValueError as error:
        cut = " (it was cut off)" if reply.finish_reason == "length" else ""
        return _refused(passage, f"{error}{cut}: {' '.join(reply.text.split())[:80]!r}")
    words = f" {canonical(_full_text(passage))} "
    missing = [claim for claim in claims if not _stands_in(words, claim[0]) or not _stands_in(words, claim[2])]
    reasons += [f"{list(claim)!r} names what the passage does not; left out" for claim in missing]
    kept = build_extraction(
        passage,
        [entity for entity in entities if _stands_in(words, entity)],
        [claim for claim in claims if claim not in missing],
    )
    return Extraction(kept.doc_id, kept.passage_id, kept.mentions, _once(kept.triples), tuple(reasons))


def _stands_in(words: str, name: str) -> bool:
    return f" {canonical(name)} " in words


def _once(triples: Sequence[Any]) -> tuple[Any, ...]:
    by_claim: dict[Claim, Any] = {}
    for triple in triples:
        by_claim.setdefault(triple.claim, triple)
    return tuple(by_claim.values())


def _refused(passage: Passage, reason: str) -> Extraction:
    return Extraction(passage.doc_id, passage.passage_id, rejected=(reason,))


def _full_text(passage: Passage) -> str:
    return f"{passage.title}\n{passage.text}"
