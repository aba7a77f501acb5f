"""How an encoder cuts texts into tokens, as the splitter needs to know it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rag.core.scripts import CASELESS, UNSPACED


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """The tokens of one text.

    Attributes:
        starts: offset of each token's first character, ascending.
        num_unknown: letters inside tokens that the encoder has no vector for.
    """

    starts: Sequence[int]
    num_unknown: int = 0


class TokenReader(Protocol):
    """An encoder's tokenizer."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of one text that the encoder reads, its own special tokens and prompt not counted."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages it was trained on; empty where the model does not say."""
        ...

    def read(self, texts: Sequence[str]) -> list[TokenSpans]:
        """The tokens of each text."""
        ...


@runtime_checkable
class HasTokens(Protocol):
    """An encoder that shows its tokenizer."""

    def token_reader(self) -> TokenReader:
        """The tokenizer; it may load the model."""
        ...


class EstimatedTokens:
    """Stands in for a tokenizer that cannot be asked: rather too many tokens than too few.

    Four letters of a Latin word, two of another alphabet, three digits, and every other character are one token.
    """

    max_tokens = 10**9
    languages: frozenset[str] = frozenset()
    _TOKEN = re.compile(rf"[A-Za-z]{{1,4}}|[{UNSPACED}]|\d{{1,3}}|[{CASELESS}]{{1,2}}|[^\W\d_A-Za-z]{{1,2}}|\S")

    def read(self, texts: Sequence[str]) -> list[TokenSpans]:
        """The estimated tokens of each text."""
        return [TokenSpans([match.start() for match in self._TOKEN.finditer(text)]) for text in texts]


def read_tokens(encoder: object) -> TokenReader:
    """The tokenizer of an encoder, or an estimate."""
    return encoder.token_reader() if isinstance(encoder, HasTokens) else EstimatedTokens()
