"""A passage's entry in the graph's index: its names and words as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from kg.extract import NameExtractor
from kg.stems import stems
from kg.types import Extraction
from rag.core.passages import Passage
from rag.library.graph_index import KEY_BITS, WORD_BITS, GraphEntry

# Raise the number when the same extraction gives another entry.
_FORMAT = 1


class RuleEntryWriter:
    """Reads names by rule (:class:`kg.extract.NameExtractor`) and makes entries of them and of the words."""

    def __init__(self) -> None:
        self._extractor = NameExtractor()
        self.version = f"{self._extractor.fingerprint}/{_FORMAT}"

    def write(self, passages: Sequence[Passage], others: Mapping[int, Extraction] | None = None) -> list[bytes]:
        """One entry for each passage.

        Args:
            passages: what to read.
            others: imported extractions, by index in ``passages``; their names are added.
        """
        read = self._extractor.extract(passages)
        return [
            build_entry(passage, [read[i], *([others[i]] if others and i in others else [])]).to_bytes()
            for i, passage in enumerate(passages)
        ]


def build_entry(passage: Passage, extractions: Sequence[Extraction]) -> GraphEntry:
    """The entry of a passage from all that was read from it."""
    mentions = [mention for extraction in extractions for mention in extraction.mentions]
    return GraphEntry.of(
        (name_key(mention.entity) for mention in mentions if not mention.is_title),
        (name_key(mention.entity) for mention in mentions if mention.is_title),
        map(word_key, set(stems(f"{passage.title} {passage.text}"))),
    )


def name_key(name: str) -> int:
    """The number of a name. Two of a billion names share one with a probability of about .1."""
    return _hash(name, KEY_BITS)


@lru_cache(maxsize=2**14)
def word_key(stem: str) -> int:
    """The number of a word stem; of a million stems, one in 4,000 shares its number with another."""
    return _hash(stem, WORD_BITS)


def _hash(text: str, bits: int) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - bits)
