"""Questions about everything that a document says, so that no sentence is left out.

The gaps of :mod:`rag.patches.questions.rules` are the surest questions, and come first. The phrases of
:mod:`rag.patches.questions.spans` cover the rest: noun phrases, lists, clauses without a name or a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.language import may_be_english
from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.phrasing import phrase_questions
from rag.patches.questions.rules import write_rules
from rag.patches.questions.sentences import find_subject, split_sentences
from rag.patches.questions.spans import Span, find_spans

# Longer sentences than the rules take: a phrase needs only its neighbours.
_MAX_WORDS = 90


def write_coverage(document: PatchDocument, max_questions: int, num_wordings: int) -> list[Sample]:
    """Questions and answers of a document, without duplicates; every answer is met once before any is met twice.

    None for a document in another language than English.

    Args:
        document: its title and text.
        max_questions: most questions of the rules about one answer.
        num_wordings: most wordings of a question about a phrase.

    Source: ours.
    """
    if not may_be_english(document.text):
        return []
    subject = find_subject(document)
    sentences = split_sentences(document.text, subject, _MAX_WORDS)
    spans = [span for sentence in sentences for span in _pruned(find_spans(sentence))]
    questions = [phrase_questions(span, num_wordings) for span in spans]
    in_turn = [
        Sample(asked[turn], span.answer)
        for turn in range(num_wordings)
        for span, asked in zip(spans, questions, strict=True)
        if turn < len(asked)
    ]
    return list(dict.fromkeys([*write_rules(document, max_questions), *in_turn]))


def _pruned(spans: Sequence[Span]) -> list[Span]:
    """Without the plain words that a longer phrase holds; names and numbers in it stay."""
    return [span for span in spans if not span.answer.islower() or not _is_inside(span, spans)]


def _is_inside(span: Span, spans: Sequence[Span]) -> bool:
    return any(other is not span and other.first <= span.first and span.end <= other.end for other in spans)
