"""Questions that are answered by a whole sentence: what a patch learns that recites its document.

Which sentence answers a question is far easier to learn than which of its words do, and the words are read from the
sentence afterwards. So a few questions for each sentence are enough, and their wording matters less.

Source: Sun et al. 2023, Recitation-Augmented Language Models, where a model recites what it remembers before it
answers; the questions and the patch are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.phrasing import phrase_questions
from rag.patches.questions.rules import gap_questions
from rag.patches.questions.sentences import find_subject, split_sentences
from rag.patches.questions.spans import find_spans, is_content, join_words

# Longer sentences are cut where the training and the recital would be cut too.
MAX_WORDS = 90


def write_recital(document: PatchDocument, num_questions: int, num_wordings: int) -> list[Sample]:
    """Up to ``num_questions`` questions for each sentence of a document, each answered by the sentence.

    Args:
        document: its title and text, in any language. A sentence of which the rules ask nothing is asked for by its
            words.
        num_questions: most questions for one sentence, spread over its phrases.
        num_wordings: most wordings of a question about one phrase.
    """
    subject = find_subject(document)
    sentences = dict.fromkeys(split_sentences(document.text, subject, MAX_WORDS)) or {_whole(document): None}
    by_sentence = [
        [
            Sample(question, f"{sentence}.")
            for question in _spread(_questions(sentence, subject, num_wordings), num_questions)
        ]
        for sentence in sentences
        if sentence
    ]
    # In turn, so that each step of the training meets many sentences.
    return [sample for turn in zip_longest(*by_sentence) for sample in turn if sample is not None]


def _questions(sentence: str, subject: str, num_wordings: int) -> list[str]:
    phrases = [question for span in find_spans(sentence) for question in phrase_questions(span, num_wordings)]
    by_words = join_words([word for word in sentence.split() if is_content(word)][:8])
    return list(dict.fromkeys([*gap_questions(sentence, subject), *phrases])) or [f"{by_words}?"]


def _spread(questions: Sequence[str], count: int) -> list[str]:
    """``count`` of the questions at even distances: those of all parts of the sentence."""
    if len(questions) <= count:
        return list(questions)
    return [questions[place * len(questions) // count] for place in range(count)]


def _whole(document: PatchDocument) -> str:
    """A text without a sentence mark, as one sentence."""
    words = " ".join(document.text.split()[:MAX_WORDS]).rstrip(".!")
    return words if any(map(str.isalnum, words)) else ""
