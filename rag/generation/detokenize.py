"""Token ids to text, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class TextBuilder:
    """Collects tokens and gives out text that later tokens cannot change.

    Bytes of an unfinished character, and text that may be the beginning of a stop string, are held back.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self._num_given = 0
        self.text = ""
        self.is_stopped = False

    def add(self, token_id: int) -> str:
        """Take one token; returns the text that became final (often empty)."""
        self._ids.append(token_id)
        self.text = self._decode()
        cut = min((at for at in map(self.text.find, self._stop) if at >= 0), default=-1)
        if cut >= 0:
            self.text, self.is_stopped = self.text[:cut], True
            return self._give(len(self.text))
        return self._give(len(self.text) - self._num_open())

    def finish(self) -> str:
        """No token follows; returns the text still held back."""
        return self._give(len(self.text))

    def _decode(self) -> str:
        # Tokenizers of the sentence-piece kind put a blank before the first word: leading blanks are no answer.
        text: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        return text.lstrip()

    def _num_open(self) -> int:
        """Characters at the end that may still change or belong to a stop string."""
        stripped = self.text.rstrip(_UNFINISHED)
        num_unfinished = len(self.text) - len(stripped)
        for size in range(max((len(text) for text in self._stop), default=1) - 1, 0, -1):
            if any(stripped.endswith(text[:size]) for text in self._stop if len(text) > size):
                return num_unfinished + size
        return num_unfinished

    def _give(self, end: int) -> str:
        piece, self._num_given = self.text[self._num_given : end], max(self._num_given, end)
        return piece
