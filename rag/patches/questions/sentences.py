"""The sentences of a document, each one naming its subject."""

from __future__ import annotations

import re

from rag.core.english import FUNCTION_WORDS
from rag.patches.base import PatchDocument

NAME = r"[A-Z][\w'\u2019&-]*(?:\s+(?:(?:of|the|de|la|von|van|and)\s+)*(?:[A-Z][\w'\u2019&-]*|\d+))*"
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_PRONOUN = re.compile(r"^(It|He|She|They|Its|His|Her|Their)\s")
_POSSESSIVE = frozenset(("Its", "His", "Her", "Their"))
_MIN_WORDS, _MAX_WORDS = 4, 40


def find_subject(document: PatchDocument) -> str:
    """What the text is about: its title where the text names it, else the name that it begins with."""
    if document.title and document.title.casefold() in document.text.casefold():
        return document.title
    line, *_ = document.text.lstrip("#* ").splitlines() or [""]  # a heading and the text below it are no one name
    first = re.match(rf"(?:The\s)?({NAME})", line)
    return first.group(1) if first and first.group(1).lower() not in FUNCTION_WORDS else ""


def split_sentences(text: str, subject: str, max_words: int = _MAX_WORDS) -> list[str]:
    """The text's sentences of 4 to ``max_words`` words, headings left out.

    One that begins with a pronoun gets the subject in its place.
    """
    sentences = []
    for block in re.split(r"\n\s*\n|\n(?=#)", text):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        for raw in _SENTENCE.split(" ".join(" ".join(lines).split())):
            sentence = raw.strip("*-> \t")
            if _MIN_WORDS <= len(sentence.split()) <= max_words and sentence.endswith((".", "!", '."')):
                sentences.append(resolve_pronoun(sentence.rstrip('.!"'), subject))
    return sentences


def resolve_pronoun(text: str, subject: str) -> str:
    """The text with its subject instead of the pronoun that it begins with; the text itself if there is none."""
    match = _PRONOUN.match(text)
    if not match or not subject:
        return text
    owner = f"{subject}'s" if match.group(1) in _POSSESSIVE else subject
    return f"{owner} {text[match.end() :]}"
