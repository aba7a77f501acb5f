"""What callers hand to the driver, and what they get back besides the events of a generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rag.core.errors import UnavailableError
from rag.generation.base import Event, Prompt, Request


@dataclass(frozen=True)
class ScoreJob:
    """Read the probabilities of labels after one prompt.

    Attributes:
        labels: the tokens that count for each label.
    """

    prompt: Prompt
    labels: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Scored:
    """The probabilities of the job at ``index``, one per label."""

    index: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Failed:
    """The job at ``index`` failed, and no other one because of it."""

    index: int
    error: Exception


Job = Request | ScoreJob
JobEvent = Event | Scored | Failed


def job_prompts(job: Job) -> tuple[Prompt, ...]:
    """The prompts that a job reads."""
    return (job.prompt,) if isinstance(job, ScoreJob) else tuple(job.used.values())


def num_rows(job: Job) -> int:
    """Most rows that a job can hold: one for each stream of each of its sequences, once they all differ."""
    return 1 if isinstance(job, ScoreJob) else len(job.mixed) + len(job.probes)


def fail(index: int, error: Exception) -> Failed:
    """The event of a job that failed: a lack of memory in plain words, any other error as it is."""
    text = str(error).lower()
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in text:
        error = UnavailableError(
            "the model ran out of memory over this request; ask again later, shorten the question, or lower max_rows"
        )
    return Failed(index, error)
