"""A question with everything the caller may choose about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from decoders.params import AdaCad, DecoderParams
from rag.core.errors import check

RetrievalKind = Literal["hybrid", "dense", "sparse", "graph"]

RewriteKind = Literal["off", "rules", "model"]

FilterKind = Literal["off", "encoder", "model"]

PatchMode = Literal["off", "auto", "only"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen and when to stop.

    Attributes:
        max_tokens: most tokens to generate.
        temperature: 0 is greedy.
        top_p, sample_top_k, min_p: the usual truncations; 1.0, 0 and 0.0 switch them off. (``top_k`` is the
            number of passages.)
        seed: each request draws from its own generator with this seed.
        stop: texts that end the answer; they are not part of it.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    sample_top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self, "max_tokens", isinstance(self.max_tokens, int) and self.max_tokens >= 1, "1 or more")
        check(self, "temperature", 0 <= self.temperature < math.inf, "0 (greedy) or more")
        check(self, "top_p", 0 < self.top_p <= 1, "above 0, up to 1")
        check(self, "sample_top_k", isinstance(self.sample_top_k, int) and self.sample_top_k >= 0, "0 (off) or more")
        check(self, "min_p", 0 <= self.min_p < 1, "from 0 to below 1")
        check(self, "seed", isinstance(self.seed, int), "a whole number")


@dataclass(frozen=True)
class Search:
    """How passages are found for one question.

    Attributes:
        retrieval: the retriever.
        rewrite: who makes the questions that are searched for.
        filter: who judges the passages that were found.
        abstain: answer that the documents do not say, where none supports an answer.
        memory: try the passages remembered from alike questions first.
    """

    retrieval: RetrievalKind = "hybrid"
    rewrite: RewriteKind = "rules"
    filter: FilterKind = "off"
    abstain: bool = False
    memory: bool = False

    def __post_init__(self) -> None:
        for name, kinds in (("retrieval", RetrievalKind), ("rewrite", RewriteKind), ("filter", FilterKind)):
            check(self, name, getattr(self, name) in get_args(kinds), f"one of {', '.join(get_args(kinds))}")
        for name in ("abstain", "memory"):
            check(self, name, isinstance(getattr(self, name), bool), "True or False")


@dataclass(frozen=True)
class Query:
    """One question on its way through the pipeline; ``top_k`` of ``None`` leaves it to the question's complexity."""

    question: str
    history: tuple[Message, ...] = ()
    decoder: DecoderParams = field(default_factory=AdaCad)
    top_k: int | None = 4
    sampling: Sampling = Sampling()
    search: Search = field(default_factory=Search)
    patches: PatchMode = "off"
    cache_salt: str = ""  # whose prompts may share a cached prefix; empty: everyone's
