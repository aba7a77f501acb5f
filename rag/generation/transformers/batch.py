"""The running batch of a generator: which requests are in it, and their tokens.

It repeats these steps until no job is left: run one forward over all rows, mix the streams of each answer, choose one
token per sequence, tell the rows which token follows (:mod:`rag.generation.transformers.rows`), and admit further
jobs while there is room. Prompts of new jobs are read together, equal ones once.

A job that fails ends no other job. Every stage either does all of its work or leaves the batch as it was. Then the jobs
are tried one at a time, or the newest one is dropped, since it made the batch too large.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rag.generation.codec import Codec
from rag.generation.request import Request
from rag.generation.sequences import Choice, Collector
from rag.generation.transformers.bands import Row
from rag.generation.transformers.heads import Heads
from rag.generation.transformers.jobs import Failed, Job, JobEvent, Scored, ScoreJob, fail, job_prompts, num_rows
from rag.generation.transformers.labels import label_probabilities
from rag.generation.transformers.merged import MergedModels
from rag.generation.transformers.mixing import RowSequence, choose_tokens
from rag.generation.transformers.rows import RowBatch
from rag.generation.transformers.waiting import Waiting

T = TypeVar("T")
# Further jobs are admitted when this share of the rows is free: many short prefills cost more than a few long ones.
_FREE_SHARE = 0.25


class RunningBatch:
    """Contract: :class:`rag.generation.transformers.driver.Batch`. One thread calls it.

    Args:
        codec: decodes tokens and says which ones end an answer.
        max_rows: rows of one forward; a job that needs more runs alone.
        merged: copies of the model for rows that share a skill.
        heads: what prompts begin with.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        codec: Codec,
        max_rows: int,
        merged: MergedModels | None = None,
        heads: Heads | None = None,
    ) -> None:
        self.rows = RowBatch(model, merged, heads)
        self.sequences: list[RowSequence] = []
        self._codec = codec
        self._max_rows = max_rows
        self._collector = Collector()
        self._failed: list[JobEvent] = []

    def step(self, waiting: Waiting[Job]) -> Iterator[JobEvent]:
        """Advance every running sequence by one token, then take from ``waiting`` what there is room for."""
        if self.sequences:
            yield from self._advance()
        if waiting and self._num_reserved() <= self._max_rows * (1 - _FREE_SHARE):
            yield from self._admit(self._take(waiting))
        failed, self._failed = self._failed, []
        yield from failed

    def drop(self, tickets: Collection[int]) -> None:
        """Stop these jobs and free what they hold."""
        self.sequences = [sequence for sequence in self.sequences if sequence.index not in tickets]
        self._collector.drop(tickets)
        self._keep_rows()

    def _num_reserved(self) -> int:
        """Rows that the running sequences can come to hold. Rows are shared until answers differ."""
        return sum(len(sequence.streams) for sequence in self.sequences)

    def _take(self, waiting: Waiting[Job]) -> list[tuple[int, Job]]:
        """Jobs whose rows fit even if all their answers differ; at least one if nothing runs."""
        taken: list[tuple[int, Job]] = []
        num_reserved = self._num_reserved()
        while waiting:
            num_reserved += num_rows(waiting.next[1])
            if num_reserved > self._max_rows and (taken or self.sequences):
                break
            taken.append(waiting.pop())
        return taken

    def _admit(self, jobs: Sequence[tuple[int, Job]]) -> Iterator[JobEvent]:
        """Read the prompts of new jobs, score the labels, and choose the first tokens."""
        if not jobs:
            return
        try:
            rows, logits = self._prefill([job for _, job in jobs])
        except Exception as error:  # whatever the model raises over a prompt, mostly a lack of memory
            if len(jobs) == 1:
                yield fail(jobs[0][0], error)
                return
            logits = None
        if logits is None:  # outside the handler, which keeps the memory of the failed forward alive
            for one in jobs:
                yield from self._admit([one])
            return
        new: list[RowSequence] = []
        scored: list[JobEvent] = []
        for (ticket, job), job_rows in zip(jobs, rows, strict=True):
            if isinstance(job, ScoreJob):
                scored.append(_score(ticket, job, logits[job_rows[0].index]))
            else:
                new += self._start(ticket, job, job_rows)
        events = self._apply(new, logits)
        yield from (*scored, *events)

    def _start(self, ticket: int, request: Request, rows: Sequence[Row]) -> list[RowSequence]:
        """The sequences of a request whose prompts are in ``rows``."""
        by_stream = dict(zip(request.used, rows, strict=True))
        started = RowSequence.start(ticket, request, self._codec.tokenizer)
        for sequence in started:
            sequence.rows = {name: by_stream[name] for name in sequence.streams}
        return started

    def _prefill(self, jobs: Sequence[Job]) -> tuple[list[list[Row]], Tensor]:
        """The rows of each job's prompts, and the logits of all of them."""
        prompts = list(dict.fromkeys(prompt for job in jobs for prompt in job_prompts(job)))
        new_rows, logits = _inference(lambda: self.rows.prefill(prompts))
        by_prompt = dict(zip(prompts, new_rows, strict=True))
        return [[by_prompt[prompt] for prompt in job_prompts(job)] for job in jobs], logits

    def _advance(self) -> Iterator[JobEvent]:
        """One forward, one token for each running sequence."""
        logits = None
        while self.sequences and logits is None:
            try:
                logits = _inference(self.rows.step)
            except Exception as error:  # whatever the model raises; the rows are as they were
                self._evict_newest(error)
            if logits is None:
                self._keep_rows()
        if logits is not None:
            running, self.sequences = self.sequences, []
            yield from self._apply(running, logits)

    def _apply(self, moved: Sequence[RowSequence], logits: Tensor) -> list[JobEvent]:
        """Give each moved sequence its token, remove finished ones, and tell the rows what follows.

        The other sequences wait for the next step with the token that they already have; the survivors join them.
        """
        events: list[JobEvent] = []
        failed: dict[int, Failed] = {}
        choices = _inference(lambda: choose_tokens(moved, logits, self._codec))
        for sequence, choice in zip(moved, choices, strict=True):
            try:
                events += self._take_token(sequence, choice)
            except Exception as error:  # a foreign tokenizer may fail over any token
                failed.setdefault(sequence.index, fail(sequence.index, error))
        self.sequences += [sequence for sequence in moved if sequence.finish_reason is None]
        self.drop(failed)
        return [*(event for event in events if event.index not in failed), *failed.values()]

    def _take_token(self, sequence: RowSequence, choice: Choice | Exception) -> Sequence[JobEvent]:
        if isinstance(choice, Exception):
            raise choice
        return self._collector.take(sequence, choice, self._codec.eos)

    def _keep_rows(self) -> None:
        """Tell the rows which sequences continue, and with which tokens."""
        rows = None
        while rows is None:
            reads = [(row, seq.token_ids[-1]) for seq in self.sequences for row in seq.rows.values()]
            children = list(dict.fromkeys(reads))
            try:
                rows = _inference(partial(self.rows.advance, children))
            except Exception as error:  # no memory for a fork
                self._evict_newest(error)
        following = dict(zip(children, rows, strict=True))
        for sequence in self.sequences:
            token_id = sequence.token_ids[-1]
            sequence.rows = {name: following[row, token_id] for name, row in sequence.rows.items()}

    def _evict_newest(self, error: Exception) -> None:
        """Fail the job that was admitted last."""
        if not self.sequences:
            raise error
        newest = self.sequences[-1].index
        self._failed.append(fail(newest, error))
        self.sequences = [sequence for sequence in self.sequences if sequence.index != newest]
        self._collector.drop([newest])


def _score(ticket: int, job: ScoreJob, logits: Tensor) -> JobEvent:
    try:
        probabilities = _inference(lambda: label_probabilities(logits[None], job.labels)[0].tolist())
    except Exception as error:  # as in a prefill: the job fails, not the batch
        return fail(ticket, error)
    return Scored(ticket, tuple(probabilities))


def _inference(function: Callable[[], T]) -> T:
    # Not a decorator of a generator function: the mode must not leak into the caller between two events.
    with torch.inference_mode():
        return function()
