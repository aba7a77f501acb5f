"""Vectors of the words of a text by a sentence encoder: the mean of a word's tokens, before the text's are averaged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.core.encoding import WordVectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WORD = re.compile(r"\w+")
_BATCH = 32


def encode_words(model: SentenceTransformer, texts: Sequence[str]) -> list[WordVectors] | None:
    """The words of each text with their vectors; words behind the end of the encoder's window have none.

    Returns:
        ``None`` where the tokenizer does not say which characters a token stands for.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None or not getattr(tokenizer, "is_fast", False):
        return None
    stripped = [text.strip() for text in texts]
    tokens = model.encode(
        stripped, output_value="token_embeddings", convert_to_numpy=False, batch_size=_BATCH, show_progress_bar=False
    )
    read = tokenizer(stripped, truncation=True, max_length=model.max_seq_length, return_offsets_mapping=True)
    rows = [np.asarray(row.float().cpu().numpy(), dtype=np.float32) for row in tokens]
    spans: list[list[tuple[int, int]]] = read["offset_mapping"] if stripped else []
    if any(len(row) != len(offsets) for row, offsets in zip(rows, spans, strict=True)):
        return None
    return [_by_word(*item) for item in zip(stripped, rows, spans, strict=True)]


def _by_word(text: str, rows: NDArray[np.float32], spans: Sequence[tuple[int, int]]) -> WordVectors:
    """The words of one text; ``rows`` ``[T, D]`` belong to tokens at ``spans``, empty ones for special tokens."""
    words, vectors = [], []
    for word in _WORD.finditer(text):
        inside = [row for row, (start, end) in enumerate(spans) if word.start() <= start < end <= word.end()]
        if inside:
            words.append(word.group())
            vectors.append(rows[inside].mean(axis=0))
    stacked = np.stack(vectors) if vectors else np.zeros((0, rows.shape[1]), dtype=np.float32)
    return WordVectors(tuple(words), stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12))
