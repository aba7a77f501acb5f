"""Reading each passage alone by a reader skill: the model answers from it, or says that it does not say.

The prompt is that of an answer from this one passage. With a single passage it is the joint answer's own prompt, so the
generator reads it once. What the model replies is looked for in the passage: an answer that does not stand there, up to
its form, is no position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kg.stems import stems
from rag.conflicts.answers.same import normalize
from rag.conflicts.reading.spans import Sentence, coverage, find_spans, split_sentences
from rag.conflicts.verdict.question import read_question
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.core.replies import first_line, is_refusal
from rag.core.verdict import Reading
from rag.generation.base import Generation, Generator
from rag.generation.request import ActiveSkill, Request

MAX_TOKENS = 32
# Greedy by value. Drawing from one token, an engine reports the probabilities that it would leave out for a greedy
# request of a single stream.
_SAMPLING = Sampling(max_tokens=MAX_TOKENS, temperature=1.0, sample_top_k=1)
_QUALIFIER = re.compile(
    r"(?<!\w)(?:about|around|approximately|approx\.|roughly|circa|ca?\.|nearly|almost|over|under|at least|at most|"
    r"(?:more|fewer|less) than)\s*$",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SkillReader:
    """Reads passages by a generator with a skill.

    Attributes:
        generator: runs the skill.
        skill: on every row.
    """

    generator: Generator
    skill: ActiveSkill

    def requests(self, question: str, passages: Sequence[Passage], *, cache_salt: str = "") -> tuple[Request, ...]:
        """One request for each passage, in order."""
        sampling = replace(_SAMPLING, stop=self.generator.default_stop)
        prompts = (build_prompts(question, (one,), instruction=self.skill.instruction).context for one in passages)
        return tuple(
            Request.single(self.generator.encode(prompt), sampling, cache_salt=cache_salt, adapter=self.skill.adapter)
            for prompt in prompts
        )

    def weigh(self, request: Request, replies: Sequence[str]) -> tuple[Request, ...]:
        """The request, and one for the probability of each of ``replies`` to the same prompt, which is read once."""
        return request, *(request.saying(self.generator.encode_reply(reply)) for reply in replies)


def read_reply(question: str, passage: Passage, generation: Generation | None) -> Reading:
    """What a passage answers, from its generation of :meth:`SkillReader.requests`; an empty answer where it is silent.

    Args:
        generation: ``None`` where the skill was not asked; then the passage is silent.
    """
    silent = Reading(passage.passage_id, passage.doc_id, passage.source, passage.title, "")
    silent = replace(silent, confidence=0.0, date=passage.date, location=passage.location)
    answer = first_line(generation.text) if generation else ""
    if generation is None or not answer or is_refusal(answer):
        return silent
    quote = find_quote(question, passage, answer)
    return replace(silent, answer=answer, quote=quote, confidence=_confidence(generation)) if quote else silent


def find_quote(question: str, passage: Passage, answer: str) -> str:
    """The sentence of a passage in which an answer stands; empty where it does not stand there.

    Word for word first, else the sentence with every word by which the answer goes beyond the question. Yes and no
    stand in no sentence: they rest on the one that is nearest to the question.
    """
    sentences = [*split_sentences(passage.text), *_heads(passage)]
    near = sorted(sentences, key=lambda sentence: -coverage(question, sentence.text))
    if _YES_NO.match(answer) and read_question(question).is_polar:
        return near[0].text if near else ""
    pattern = r"\s+".join(map(re.escape, answer.split()))
    exact = re.compile(rf"(?<!\w){pattern}(?!\w)" if answer.isascii() else pattern, re.IGNORECASE)
    new = set(stems(answer)) - set(stems(question)) or set(stems(answer))
    verbatim = (sentence.text for sentence in near if exact.search(sentence.text))
    by_words = (sentence.text for sentence in near if new and new <= set(stems(sentence.text)))
    return next(verbatim, "") or next(by_words, "")


def complete(question: str, answer: str, quote: str) -> str:
    """The whole date or the number with its unit, as the sentence gives it, where the answer is a part of one.

    A reader that learnt short answers says "1963" of "on June 11, 1963", and leaves out that a number is a rough one.

    >>> complete("When was the town founded?", "1963", "The town was founded on June 11, 1963.")
    'June 11, 1963'
    >>> complete("How many people live there?", "50,000", "There live about 50,000.")
    'about 50,000'
    """
    words = normalize(answer)
    spans = (span for span in find_spans(question, Sentence(quote, 0, len(quote))) if span.kind in ("date", "number"))
    wider = [span.text for span in spans if words and f" {words} " in f" {normalize(span.text)} "]
    return _with_qualifier(max((answer, *wider), key=lambda text: len(normalize(text).split())), quote)


def _with_qualifier(answer: str, quote: str) -> str:
    """A number or a date with the word before it that says how exact it is."""
    start = quote.find(answer)
    if start < 0 or not any(char.isdigit() for char in answer):
        return answer
    qualifier = _QUALIFIER.search(quote[:start])
    return quote[qualifier.start() : start] + answer if qualifier else answer


def _heads(passage: Passage) -> list[Sentence]:
    """Title and headings stand in the prompt too."""
    return [Sentence(text, 0, len(text)) for text in (passage.title, passage.heading) if text]


def _confidence(generation: Generation) -> float:
    """The mean probability of the reply's tokens, as their geometric mean; 1 where the engine tells none."""
    values = [step.context_logprob for step in generation.steps if step.context_logprob is not None]
    return math.exp(sum(values) / len(values)) if values else 1.0
