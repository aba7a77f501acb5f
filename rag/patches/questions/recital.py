"""What a patch learns that recites its document: each sentence under its number.

A number is learnt in few steps: it is the last word before the sentence, and no two sentences share it. Which sentence
answers a question is not learnt at all: the encoder finds it, by the vectors that are stored with the patch.

Source: Sun et al. 2023, Recitation-Augmented Language Models, where a model recites what it remembers before it
answers; the numbers and the patch are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.core.prompts import RECITAL
from rag.core.query import Message
from rag.core.sentences import sentence_spans
from rag.generation.base import Generator
from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.sentences import find_subject, resolve_pronoun

# Most tokens of a sentence, by a guess that is too high for most texts; longer ones are cut.
_MAX_TOKENS = 120
_ASCII_PER_TOKEN = 4
# Where a sentence ends whatever its last mark: before an empty line, a heading, a list item, and a row of a table.
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*\u2022#|>]|\d{1,3}[.)]\s))")
_HEADING = re.compile(r"^#.*$", re.MULTILINE)
# Words, and pieces of what is too long for one: counting the tokens of a whole book without blanks would take minutes.
_WORDS = re.compile(rf"\S{{1,{_MAX_TOKENS * _ASCII_PER_TOKEN}}}\s*")


def write_recital(document: PatchDocument) -> list[Sample]:
    """The sentences of a document in order, each asked for by its number; in any language, none left out.

    One that begins with a pronoun gets the subject in its place. Headings are not learnt.
    """
    subject = find_subject(document)
    sentences = dict.fromkeys(resolve_pronoun(piece, subject) for piece in _pieces(document.text))
    return [Sample(str(number), sentence) for number, sentence in enumerate(sentences, start=1)]


def encode_address(generator: Generator, number: int) -> tuple[int, ...]:
    """The prompt for a sentence, whose answer begins with the number.

    Args:
        generator: whose prompts are wanted.
        number: of the sentence, from 1.
    """
    # A base model's prompt goes on with a blank; a chat template ends in a line end.
    blank = " " if generator.default_stop else ""
    return (*generator.encode([Message("user", RECITAL)]), *generator.encode_text(f"{blank}{number}"))


def _pieces(text: str) -> Iterator[str]:
    for block in _BLOCK.split(text):
        line = " ".join(_HEADING.sub("", block).split()).lstrip("-*\u2022>| ")
        for start, end in sentence_spans(line):
            yield from (piece for piece in _cut(line[start:end]) if any(map(str.isalnum, piece)))


def _cut(sentence: str) -> Iterator[str]:
    """The sentence in parts that a patch can say, cut between words where there are any."""
    part = ""
    for word in _WORDS.findall(sentence):
        if part and _count(part + word) > _MAX_TOKENS:
            yield part.strip()
            part = ""
        part += word
        while _count(part) > _MAX_TOKENS:  # one word: a script without blanks
            head = next(end for end in range(len(part), 0, -1) if _count(part[:end]) <= _MAX_TOKENS)
            yield part[:head]
            part = part[head:]
    if part:
        yield part.strip()


def _count(text: str) -> int:
    num_ascii = sum(map(str.isascii, text))
    return num_ascii // _ASCII_PER_TOKEN + len(text.encode()) - num_ascii
