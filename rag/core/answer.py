"""The reply to a question, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rag.core.retrieval import GraphPath, Trace
from rag.core.verdict import Verdict


@dataclass(frozen=True)
class Citation:
    """A passage that stood in the prompt of an answer.

    Attributes:
        location: where it stands in its source, as a person says it (``page 3``); empty where unknown.
        heading: the headings above it, outermost first, joined by `` > ``.
        date: of the document, ISO 8601; empty where it states none.
    """

    doc_id: str
    source: str
    passage: str
    score: float
    title: str = ""
    passage_id: str = ""
    location: str = ""
    heading: str = ""
    date: str = ""


@dataclass(frozen=True)
class Step:
    """What the streams said at one generated token. Entropies and divergence in nats, whole vocabulary.

    What a stream says is ``None`` where that stream was not run (plain decoding without a conflict report).

    Attributes:
        token: text of the token.
        token_id: its id.
        weight: deprecated, read the coefficients: the decoder's alpha, which means contrast in one decoder and
            the share of memory in another.
        jsd: Jensen-Shannon divergence of the context and the parametric stream, 0 to ln 2.
        context_entropy, parametric_entropy: each stream's doubt.
        context_top, parametric_top: each stream's own best token.
        context_logprob, parametric_logprob: what each stream gave the emitted token.
        context_coefficient, parametric_coefficient: the decoder's factors on the streams' logits at this step
            (:mod:`decoders.rules`); plain decoding has 1 and 0.
    """

    token: str
    token_id: int
    weight: float
    jsd: float | None
    context_entropy: float | None
    parametric_entropy: float | None
    context_top: str | None
    parametric_top: str | None
    context_logprob: float | None
    parametric_logprob: float | None
    context_coefficient: float
    parametric_coefficient: float


@dataclass(frozen=True)
class Conflict:
    """Where the streams of an answer differed. Deprecated but for ``score`` and ``steps``: read ``answer.verdict``.

    Attributes:
        score: 0 (the streams agree on every token) to 1. It compares distributions, not facts.
        is_conflict: memory contradicts the documents, as the verdict says; without a verdict, a score at the threshold.
        context_answer: what the documents alone make the model say.
        memory_answer: what the model says without them.
        steps: one per generated token.
    """

    score: float
    is_conflict: bool
    context_answer: str
    memory_answer: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """Token counts of one answer.

    Attributes:
        context_prompt, parametric_prompt: read by each stream.
        generated: of the answer.
        voices: read and generated for the verdict.
    """

    context_prompt: int
    parametric_prompt: int
    generated: int
    voices: int = 0


@dataclass(frozen=True)
class PatchUse:
    """A document's patch that an answer was generated with; ``weight`` 0 to 1."""

    doc_id: str
    key: str
    weight: float


@dataclass(frozen=True)
class Answer:
    """The engine's reply to one question.

    Attributes:
        dropped: passages that were found but left out, because the prompt would not fit the window.
        timings_ms: wall time by stage; in a batch, of the whole batch.
        is_abstained: the documents support no answer, and ``text`` says so; nothing was generated, and the
            passages looked at are in ``dropped``.
        trace: how the passages were found.
        paths: how the knowledge graph leads to them, where the retriever follows one.
        notice: what the reader should know about the answer; empty if there is nothing.
        draft: what the model wrote with all passages at hand, where the verdict changed that; else empty.
        skill: the skill that read the passages; empty where none did.
        verdict: what each source says, and what the model knows; ``None`` where no passage was read, or it was not
            asked for.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    decoder: str
    conflict: Conflict
    timings_ms: Mapping[str, float]
    tokens: Tokens
    finish_reason: Literal["stop", "length"] = "stop"
    dropped: tuple[Citation, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    is_abstained: bool = False
    trace: Trace = field(default_factory=Trace)
    paths: tuple[GraphPath, ...] = ()
    patches: tuple[PatchUse, ...] = ()
    notice: str = ""
    draft: str = ""
    skill: str = ""
    verdict: Verdict | None = None

    @property
    def unstreamed(self) -> str:
        """What a stream of tokens still owes: the whole text if nothing was generated, or the changed one."""
        if self.is_abstained:
            return self.text
        return f"\n\n{self.text}" if self.draft else ""

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class TokenEvent:
    """A piece of the answer's text as it comes; ``step`` is the token that completed it."""

    text: str
    step: Step
