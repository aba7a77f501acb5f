"""The deterministic writer: a document's sentences as questions and answers, without any model.

An answer is a name, a number or a year that stands in a sentence. Its questions are the sentence itself with the answer
asked for in place, the same turned into a direct question where its verb allows, and the sentence's beginning
to be completed. The only person, year, place or number of a document is also asked for as such ("About X: when?"), so
that a question in other words finds it by its question word. Closed-class words of English carry all of it; no list of
topics, verbs or names.
"""

from __future__ import annotations

from collections import Counter

from rag.core.language import may_be_english
from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.gaps import Gap, find_gaps
from rag.patches.questions.sentences import find_subject, split_sentences
from rag.patches.questions.wording import ask


def write_rules(document: PatchDocument, max_questions: int) -> list[Sample]:
    """Questions and answers of a document, without duplicates, up to ``max_questions`` about one answer.

    None for a document in another language: the questions would be English ones about its words.

    Source: ours.
    """
    if not may_be_english(document.text):
        return []
    subject = find_subject(document)
    gaps = [
        gap
        for sentence in split_sentences(document.text, subject)
        for gap in find_gaps(sentence)
        if gap.answer.casefold() not in document.title.casefold()
    ]
    kinds = Counter(gap.kind for gap in gaps)
    by_answer = [_samples(gap, subject, kinds[gap.kind] == 1)[:max_questions] for gap in gaps]
    # In turn, so that each step of the training meets every answer once.
    in_turn = [samples[turn] for turn in range(max_questions) for samples in by_answer if turn < len(samples)]
    return list(dict.fromkeys(in_turn))


def gap_questions(sentence: str, subject: str) -> list[str]:
    """The most direct question about each name and number of a sentence."""
    samples = (_samples(gap, subject, is_only_one=False)[:1] for gap in find_gaps(sentence))
    return [sample.question for found in samples for sample in found]


def _samples(gap: Gap, subject: str, is_only_one: bool) -> list[Sample]:
    """The samples of an answer, most direct first; the only one of its kind is asked for by its kind, too."""
    is_free = gap.answer.casefold() not in subject.casefold()
    questions = list(dict.fromkeys(_named(text, subject if is_free else "") for text in ask(gap)))
    if questions and is_only_one and gap.kind and subject and is_free:
        # Second, so that it is among the few: on dev rows it taught more than another wording of the first.
        questions.insert(1, f"About {subject}: {gap.kind}?")
    return [Sample(question, gap.answer) for question in questions]


def _named(question: str, title: str) -> str:
    """A question that does not say what it is about, said so."""
    is_named = not title or title.casefold() in question.casefold()
    return question if is_named else f"About {title}: {question[0].lower()}{question[1:]}"
