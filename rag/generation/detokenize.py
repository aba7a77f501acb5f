"""Token ids to text, piece by piece, at a cost that does not grow with the length of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

# What a decoder writes for bytes that are no whole character (yet).
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Tokens that may wait for the rest of a character: four bytes at most, but each token may end one and begin another.
_MAX_WAITING = 32


class TextBuilder:
    """Collects tokens and releases text that later tokens cannot change.

    It holds back the bytes of an unfinished character, and text that may be the beginning of a stop string. Blanks at
    the start are left out: some tokenizers put one before the first word.

    Args:
        tokenizer: of the ``transformers`` kind.
        stop: texts that end the answer.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self._decoder = incremental_decoder(tokenizer)
        self._stop = [text for text in stop if text]
        self._released: list[str] = []
        self._held = ""
        self.is_stopped = False

    @property
    def text(self) -> str:
        """The answer so far, the held text included; a stop string and what follows it are not part of it."""
        return "".join(self._released) + self._held

    def add(self, token_id: int) -> str:
        """Take one token; returns the text that became final (often empty)."""
        return self._release(self._decoder.add(token_id), is_last=False)

    def finish(self) -> str:
        """Finish: no token follows. Returns the held text; the bytes of an unfinished character are dropped."""
        return self._release(self._decoder.finish(), is_last=True)

    def _release(self, piece: str, *, is_last: bool) -> str:
        if self.is_stopped:
            return ""
        held = self._held + piece
        held = held if self._released else held.lstrip()
        # A stop string begins in the held text, because whatever may be its beginning is still held.
        cut = min((start for start in map(held.find, self._stop) if start >= 0), default=-1)
        if cut >= 0:
            self.is_stopped = True
            final, self._held = held[:cut], ""
        else:
            end = len(held) - (0 if is_last else self._num_open(held))
            final, self._held = held[:end], held[end:]
        if final:
            self._released.append(final)
        return final

    def _num_open(self, held: str) -> int:
        """Characters at the end of ``held`` that may be the beginning of a stop string."""
        for size in range(max((len(text) for text in self._stop), default=1) - 1, 0, -1):
            if any(held.endswith(text[:size]) for text in self._stop if len(text) > size):
                return size
        return 0


class IncrementalDecoder(Protocol):
    """Decodes one sequence of tokens; special tokens are left out."""

    def add(self, token_id: int) -> str:
        """The text that this token completes."""
        ...

    def finish(self) -> str:
        """The whole characters that were still waiting."""
        ...


def incremental_decoder(tokenizer: Any) -> IncrementalDecoder:
    """The library's own stream where ``tokenizer`` is a fast one; a window over its ``decode`` otherwise."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return StreamDecoder(backend) if isinstance(backend, Tokenizer) else WindowDecoder(tokenizer)


class StreamDecoder:
    """:class:`tokenizers.decoders.DecodeStream` of one fast tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._waiting: list[int] = []

    def add(self, token_id: int) -> str:
        """See :class:`IncrementalDecoder`."""
        self._waiting.append(token_id)
        try:
            piece: str | None = self._stream.step(self._tokenizer, token_id)
        except Exception:  # the library raises no narrower error: bytes that are no text changed what came before them
            return self._restart()
        if piece is not None:
            self._waiting.clear()
            return piece
        return self._restart() if len(self._waiting) > _MAX_WAITING else ""

    def finish(self) -> str:
        """See :class:`IncrementalDecoder`."""
        return self._waiting_text().rstrip(_REPLACEMENT)

    def _restart(self) -> str:
        """The waiting tokens as they are, and a new stream after them."""
        text = self._waiting_text()
        self._stream = DecodeStream(ids=list(self._waiting), skip_special_tokens=True)
        self._waiting.clear()
        return text

    def _waiting_text(self) -> str:
        text: str = self._tokenizer.decode(self._waiting, skip_special_tokens=True) if self._waiting else ""
        return text


class WindowDecoder:
    """Any tokenizer: decodes the last few tokens again at each step.

    The tokens before the window are decoded with it, since the start of a word depends on what stands before it.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._window: list[int] = []

    def add(self, token_id: int) -> str:
        """See :class:`IncrementalDecoder`."""
        self._window.append(token_id)
        text = self._text()
        if text.endswith(_REPLACEMENT) and len(self._window) <= _MAX_WAITING:
            return ""
        self._before, self._window = self._window, []
        return text

    def finish(self) -> str:
        """See :class:`IncrementalDecoder`."""
        return self._text().rstrip(_REPLACEMENT) if self._window else ""

    def _text(self) -> str:
        """The text of the window."""
        known = self._decode(self._before)
        return self._decode([*self._before, *self._window])[len(known) :]

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
