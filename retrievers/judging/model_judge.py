"""Judge passages by the generator: it reads the probabilities of its labels, in one batched call for all passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from rag.core.errors import ModelError
from rag.core.passages import Passage
from rag.core.prompts import passage_block
from rag.core.query import Message
from rag.generation.base import Adapter, Generator, Scorer
from retrievers.judging.base import NUM_SUPPORTING, Verdict

LABELS = ("yes", "no", "unknown")
JudgePrompt = Callable[[str, Passage], Sequence[Message]]


class ModelJudge:
    """Asks the generator whether a passage answers the question and reads the probabilities of the labels.

    Args:
        generator: must also be a :class:`rag.generation.base.Scorer`, which scores the labels.
        adapter: what it judges with, on top of the model: a judge skill.
        prompt: what is asked about a question and a passage; by default what a model without a skill understands.
        labels: the replies that count: supports, contradicts, says nothing of it.

    Raises:
        ModelError: the generator is not a ``Scorer``.
    """

    def __init__(
        self,
        generator: Generator,
        adapter: Adapter | None = None,
        prompt: JudgePrompt | None = None,
        labels: tuple[str, str, str] = LABELS,
    ) -> None:
        if not isinstance(generator, Scorer):
            raise ModelError(
                f"{type(generator).__name__} cannot score labels; use filter='encoder', or another generator"
            )
        self._generator = generator
        self._scorer: Scorer = generator
        self._adapter = adapter
        self._prompt = prompt or build_judge_prompt
        self._labels = labels

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        """See :class:`retrievers.judging.base.Judge`; one call for all passages.

        A passage that is too long for the window is cut at its end.
        """
        prompts = [
            self._encode(question, passage)
            for question, candidates in zip(questions, passages, strict=True)
            for passage in candidates
        ]
        scores = self._scorer.score(prompts, self._labels, self._adapter) if prompts else ()
        verdicts = (Verdict(entail=yes, contradict=no, neutral=unknown) for yes, no, unknown in scores)
        return [list(islice(verdicts, len(candidates))) for candidates in passages]

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        """The highest probability of ``entail`` among the first three passages."""
        judged = self.judge(questions, [candidates[:NUM_SUPPORTING] for candidates in passages])
        return [max((verdict.entail for verdict in verdicts), default=0.0) for verdicts in judged]

    def _encode(self, question: str, passage: Passage) -> tuple[int, ...]:
        while True:
            ids = self._generator.encode(self._prompt(question, passage))
            if len(ids) < self._generator.window or len(passage.text) < 2:
                return ids
            passage = replace(passage, text=passage.text[: len(passage.text) // 2])


def build_judge_prompt(question: str, passage: Passage) -> tuple[Message, ...]:
    """The conversation that asks a model without a skill, for :data:`LABELS`."""
    return (Message("user", judge_prompt(question, passage_block(passage))),)


def judge_prompt(question: str, text: str) -> str:
    """The prompt of the model judge."""
    return (
        f"{text}\n\nQuestion: {question}\nDoes the text above help to answer the question? Say yes if it does, "
        "no if it contradicts the question, unknown if it is about something else.\nReply with one word."
    )
