"""What turns texts into vectors, as every room sees it, and the text that stands for a passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
# Between the headings above a passage, outermost first.
HEADING_SEPARATOR = " > "


class Encoder(Protocol):
    """Texts to unit vectors, so that a dot product is the cosine."""

    @property
    def name(self) -> str:
        """The name under which libraries remember it."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """``[len(texts), D]`` vectors of length 1; 0 for a text without a word that the encoder knows."""
        ...


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The words of one text, each with a vector that depends on the words around it.

    Attributes:
        words: as the text writes them.
        vectors: ``[len(words), D]``, of length 1.
    """

    words: tuple[str, ...]
    vectors: Vectors


@runtime_checkable
class HasWords(Protocol):
    """An encoder that tells the vectors of a text's words too."""

    def word_vectors(self, texts: Sequence[str]) -> list[WordVectors] | None:
        """Of each text; ``None`` where its model cannot tell which token belongs to which word."""
        ...


def read_words(encoder: Encoder, texts: Sequence[str]) -> list[WordVectors] | None:
    """The vectors of the words of each text; ``None`` where the encoder tells none."""
    return encoder.word_vectors(texts) if isinstance(encoder, HasWords) else None


def passage_text(title: str, text: str, heading: str = "") -> str:
    """The text that is embedded for a passage: title and headings give a piece from a document's middle its subject."""
    body = searched_text(title, text, heading)
    return f"{title}\n{body}" if title else body


def searched_text(title: str, text: str, heading: str) -> str:
    """A passage under the headings above it, without those that are its title or stand in its own first lines."""
    if not heading:
        return text
    parts = [part for part in heading.split(HEADING_SEPARATOR) if part != title]
    lines = text.split("\n", 2 * len(parts))[: 2 * len(parts)]  # blank ones may stand between headings
    new = HEADING_SEPARATOR.join(part for part in parts if part not in lines)
    return f"{new}\n{text}" if new else text
