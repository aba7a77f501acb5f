"""What turns texts into vectors, as every room sees it, and the text that stands for a passage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Texts to unit vectors, so that a dot product is the cosine."""

    @property
    def name(self) -> str:
        """The name under which libraries remember it."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """``[len(texts), D]`` vectors of length 1; 0 for a text without a word that the encoder knows."""
        ...


def passage_text(title: str, text: str) -> str:
    """The text that is embedded for a passage: the title gives a piece from the middle of a document its subject."""
    return f"{title}\n{text}" if title else text
