"""A question with everything the caller may choose about it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from decoders.params import DecoderParams, Dial
from rag.core.errors import check
from rag.core.verdict import OnSilence, Policy, ReadBy

RetrievalKind = Literal["hybrid", "dense", "sparse", "graph"]

RewriteKind = Literal["off", "rules", "model"]

FilterKind = Literal["off", "encoder", "model"]

PatchMode = Literal["off", "auto", "only"]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_json_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str

    def __post_init__(self) -> None:
        check(self, "role", self.role in ("user", "assistant"), "'user' or 'assistant'")
        check(self, "content", isinstance(self.content, str), "a text")


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen and when to stop.

    Attributes:
        max_tokens: most tokens to generate.
        temperature: 0 is greedy.
        top_p: draw among the likeliest tokens that hold this share of the probability; 1.0 is off.
        sample_top_k: draw among this many of the likeliest tokens; 0 is off. (``top_k`` is the number of passages.)
        min_p: draw among tokens of at least this share of the best one's probability; 0.0 is off.
        seed: each request draws from its own generator with this seed.
        stop: texts that end the answer; they are not part of it. A single text is a list of one.
        json_schema: the JSON Schema that the answer follows, as JSON text; empty is off. Needs an engine that can bound
            its tokens (vLLM). The verdict then changes nothing in the text.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    sample_top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    json_schema: str = ""

    def __post_init__(self) -> None:
        check(self, "max_tokens", _is_whole(self.max_tokens) and self.max_tokens >= 1, "a whole number of at least 1")
        is_temperature = _is_number(self.temperature) and 0 <= self.temperature < math.inf
        check(self, "temperature", is_temperature, "a number: 0 (greedy) or more")
        check(self, "top_p", _is_number(self.top_p) and 0 < self.top_p <= 1, "a number above 0, up to 1")
        check(self, "sample_top_k", _is_whole(self.sample_top_k) and self.sample_top_k >= 0, "0 (off) or more")
        check(self, "min_p", _is_number(self.min_p) and 0 <= self.min_p < 1, "a number from 0 to below 1")
        check(self, "seed", _is_whole(self.seed), "a whole number")
        stop = (self.stop,) if isinstance(self.stop, str) else self.stop
        is_list = isinstance(stop, Sequence) and all(isinstance(text, str) and text for text in stop)
        check(self, "stop", is_list, "a text that ends the answer, or a list of such texts")
        object.__setattr__(self, "stop", tuple(stop))
        check(
            self, "json_schema", self.json_schema == "" or _is_json_object(self.json_schema), "a JSON object, as text"
        )


@dataclass(frozen=True)
class Search:
    """How passages are found for one question.

    Attributes:
        retrieval: the retriever.
        rounds: of retrieval, 1 to 3.
        rewrite: who makes the questions that are searched for.
        filter: who judges the passages that were found.
        abstain: answer that the documents do not say, where none supports an answer.
        question_cache: try the passages that served similar questions first.
    """

    retrieval: RetrievalKind = "hybrid"
    rounds: int = 1
    rewrite: RewriteKind = "rules"
    filter: FilterKind = "off"
    abstain: bool = False
    question_cache: bool = False

    def __post_init__(self) -> None:
        for name, kinds in (("retrieval", RetrievalKind), ("rewrite", RewriteKind), ("filter", FilterKind)):
            check(self, name, getattr(self, name) in get_args(kinds), f"one of {', '.join(get_args(kinds))}")
        check(self, "rounds", _is_whole(self.rounds) and 1 <= self.rounds <= 3, "1, 2 or 3")
        for name in ("abstain", "question_cache"):
            check(self, name, isinstance(getattr(self, name), bool), "True or False")


@dataclass(frozen=True)
class Query:
    """One question with its options.

    Attributes:
        question: what is asked.
        history: the conversation before it.
        decoder: the rule that chooses the tokens, with its settings.
        top_k: number of passages; ``None`` leaves it to the length of the question.
        sampling: how tokens are chosen and when to stop.
        search: how passages are found.
        patches: ``off``, ``auto`` (passages and patches) or ``only`` (patches without passages).
        conflict_report: also find out what the model would say with the documents alone and without them.
        verdict: read each passage alone, and say what the sources and the model's memory say.
        policy: what the answer follows where sources disagree; needs the verdict.
        on_silence: what is said where the documents say nothing; needs the verdict.
        skill: what the passages are read with: ``auto`` (the reader that was measured to be better for this model, if
            there is one), ``none``, a skill's name, or its folder.
        read_by: what reads each passage alone for the verdict: ``encoder`` (and rules), ``skill`` where the answer has
            one, or ``both``.
        compress: share of the passages' text that a model reads, above 0: their sentences nearest to the question; 1 is
            all of it. Citations and the verdict keep the whole passages.
        cache_salt: whose prompts may share a cached prefix; empty means everyone's.
        remembers: passages that support the answer may be put into the question cache.
    """

    question: str
    history: tuple[Message, ...] = ()
    decoder: DecoderParams = field(default_factory=Dial)
    top_k: int | None = 4
    sampling: Sampling = Sampling()
    search: Search = field(default_factory=Search)
    patches: PatchMode = "off"
    conflict_report: bool = True
    verdict: bool = True
    policy: Policy = "documents"
    on_silence: OnSilence = "say"
    skill: str = "auto"
    read_by: ReadBy = "both"
    compress: float = 1.0
    cache_salt: str = ""
    remembers: bool = True

    def __post_init__(self) -> None:
        is_count = self.top_k is None or (_is_whole(self.top_k) and self.top_k >= 1)
        check(self, "top_k", is_count, "a whole number of at least 1, or 'auto'")
        check(self, "patches", self.patches in get_args(PatchMode), f"one of {', '.join(get_args(PatchMode))}")
        is_name = isinstance(self.skill, str) and bool(self.skill.strip())
        check(self, "skill", is_name, "auto, none, the name of a skill, or its folder")
        for name, kinds in (("policy", Policy), ("on_silence", OnSilence), ("read_by", ReadBy)):
            check(self, name, getattr(self, name) in get_args(kinds), f"one of {', '.join(get_args(kinds))}")
        is_share = _is_number(self.compress) and 0 < self.compress <= 1
        check(self, "compress", is_share, "a number above 0, up to 1 (whole passages)")
        for name in ("conflict_report", "verdict", "remembers"):
            check(self, name, isinstance(getattr(self, name), bool), "True or False")
