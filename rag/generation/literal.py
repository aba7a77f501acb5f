"""Text stays text: what looks like a control token in a document or a question is encoded as its characters.

Tokenizers find the strings of their control tokens anywhere in a text, and a chat template puts the contents of all
messages into one text. A passage with ``<|im_end|>`` would end its turn there. So each such string in a content is
marked with a break behind its first character before the template sees it, and the pieces between the breaks are
encoded one by one. A text without such a string has no break, and the usual ids.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Any

# A code point that Unicode reserves for the inside of programs; no text may hold it.
BREAK = "\ufdd0"
# Encoded before a piece and taken away again, where a tokenizer puts a blank before every text.
_ANCHOR = "\n"
_ROLE = re.compile(r"<[|\uff5c].+[|\uff5c]>")


class LiteralText:
    """Keeps one tokenizer from reading control tokens in texts."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        names = sorted(_control_strings(tokenizer), key=len, reverse=True)
        # Looks ahead, so that strings that overlap are all met.
        self._pattern = re.compile(f"(?={'|'.join(map(re.escape, names))})") if names else None

    def mark(self, text: str) -> str:
        """``text`` with a break inside every string that the tokenizer would read as a control token."""
        text = text.replace(BREAK, "\N{REPLACEMENT CHARACTER}")
        if self._pattern is None:
            return text
        cuts = [match.start() + 1 for match in self._pattern.finditer(_fold(text))]
        return BREAK.join(text[start:end] for start, end in pairwise([0, *cuts, len(text)]))

    def encode(self, marked: str) -> list[int]:
        """Token ids of a text with breaks, without the special tokens of a beginning or an end."""
        first, *others = marked.split(BREAK, 1)
        return self._encode(first) + [token for rest in others for token in self.encode_inside(rest)]

    def encode_inside(self, marked: str) -> list[int]:
        """Token ids of the rest of a text, behind a break."""
        return [token for piece in marked.split(BREAK) for token in self._encode_piece(piece)]

    def _encode_piece(self, piece: str) -> list[int]:
        """A piece from the middle of a text, without the blank that some tokenizers put before every text."""
        anchor, whole = self._encode(_ANCHOR), self._encode(_ANCHOR + piece)
        return whole[len(anchor) :] if whole[: len(anchor)] == anchor else self._encode(piece)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _control_strings(tokenizer: Any) -> set[str]:
    """The special tokens, and those added tokens that serve as such without being called so.

    These are what the chat template writes (``<think>``, and then ``</think>`` too), and all of the form ``<|...|>``.
    Other added tokens are ordinary text: runs of blanks, HTML tags. A tokenizer that keeps no list of added tokens
    (Mistral's own) never reads control tokens in a text.
    """
    try:
        added = tokenizer.added_tokens_decoder.values()
    except (AttributeError, NotImplementedError):
        return set()
    template = str(tokenizer.chat_template or "")
    names = {token.content for token in added if token.special or _is_role(token.content, template)}
    # One character cannot be broken; tokenizers have none that is a role.
    return {name for name in names if len(name) > 1}


def _is_role(name: str, template: str) -> bool:
    opening = name.replace("</", "<", 1)
    is_written = bool(name.strip()) and (opening in template or opening.replace("<", "</", 1) in template)
    return is_written or _ROLE.fullmatch(name) is not None


def _fold(text: str) -> str:
    """``text`` with compatible characters (full width) as plain ones, character by character.

    Some tokenizers do so before they look for control tokens.
    """
    if text.isascii():
        return text
    folded = (unicodedata.normalize("NFKC", character) for character in text)
    return "".join(new if len(new) == 1 else old for new, old in zip(folded, text, strict=True))
