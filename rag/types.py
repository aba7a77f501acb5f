"""The nouns of the pipeline: small frozen dataclasses that every stage speaks in.

At the edges a passage is a ``langchain_core`` ``Document``; inside it is a :class:`Passage`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from decoders.params import AdaCad, DecoderParams
from rag.found import GraphPath, Search, Trace, check

if TYPE_CHECKING:
    from langchain_core.documents import Document


@dataclass(frozen=True)
class Passage:
    """A piece of one document, the unit of retrieval and citation.

    Attributes:
        passage_id: stable name, ``<doc_id>:<ordinal>``.
        doc_id: name of the document it came from.
        source: where the document was read (a path, an address, or the caller's own name for it).
        title: the document's title, or its file name.
        text: the passage itself.
        start: offset of ``text`` in the document's text, characters.
    """

    passage_id: str
    doc_id: str
    source: str
    title: str
    text: str
    start: int = 0

    def to_document(self, score: float | None = None) -> Document:
        """The passage as LangChain knows it; ``score`` goes into the metadata."""
        from langchain_core.documents import Document

        metadata = {key: value for key, value in asdict(self).items() if key != "text"}
        if score is not None:
            metadata["score"] = score
        return Document(id=self.passage_id, page_content=self.text, metadata=metadata)

    @classmethod
    def from_document(cls, document: Document) -> Passage:
        """The reverse of :meth:`to_document`; documents from foreign retrievers get what they lack by default."""
        meta = document.metadata
        source = str(meta.get("source", meta.get("doc_id", document.id or "")))
        doc_id = str(meta.get("doc_id", source))
        passage_id = str(meta.get("passage_id", document.id or f"{doc_id}:{meta.get('start', 0)}"))
        title = str(meta.get("title", source))
        return cls(passage_id, doc_id, source, title, document.page_content, int(meta.get("start", 0)))


@dataclass(frozen=True)
class ScoredPassage:
    """A passage and the score a retriever gave it; higher is better, comparable within one ranking only."""

    passage: Passage
    score: float


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


PatchMode = Literal["off", "auto", "only"]


@dataclass(frozen=True)
class PatchUse:
    """A document's patch that an answer was generated with; ``weight`` 0 to 1."""

    doc_id: str
    key: str
    weight: float


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


@dataclass(frozen=True)
class Citation:
    """A passage that stood in the prompt of an answer."""

    doc_id: str
    source: str
    passage: str
    score: float
    title: str = ""
    passage_id: str = ""


@dataclass(frozen=True)
class Step:
    """What both streams said at one generated token. Entropies and JSD in nats, whole vocabulary.

    Attributes:
        token: text of the token.
        token_id: its id.
        weight: deprecated, read the coefficients: the decoder's alpha, which means contrast in one decoder and
            the share of memory in another.
        jsd: Jensen-Shannon divergence of the streams, 0 to ln 2.
        context_entropy, parametric_entropy: each stream's doubt.
        context_top, parametric_top: each stream's own best token.
        context_logprob, parametric_logprob: what each stream gave the emitted token.
        context_coefficient, parametric_coefficient: the decoder's factors on the streams' logits at this step
            (:mod:`decoders.rules`); plain decoding has 1 and 0.
    """

    token: str
    token_id: int
    weight: float
    jsd: float
    context_entropy: float
    parametric_entropy: float
    context_top: str
    parametric_top: str
    context_logprob: float
    parametric_logprob: float
    context_coefficient: float
    parametric_coefficient: float


@dataclass(frozen=True)
class Conflict:
    """Whether the model's memory and the documents disagreed, and where.

    Attributes:
        score: 0 (they agree) to 1.
        is_conflict: the verdict.
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
    """Token counts of one answer."""

    context_prompt: int
    parametric_prompt: int
    generated: int


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

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class TokenEvent:
    """A piece of the answer's text as it comes; ``step`` is the token that completed it."""

    text: str
    step: Step


@dataclass(frozen=True)
class FailedSource:
    """A source that could not be added, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class AddCost:
    """What an ``add`` took.

    Attributes:
        seconds: wall time.
        num_embedded: passages that it embedded.
        num_resumed: documents that an interrupted ``add`` had embedded already.
        bytes_per_passage: what the library takes on disk, over all its passages.
    """

    seconds: float = 0.0
    num_embedded: int = 0
    num_resumed: int = 0
    bytes_per_passage: float = 0.0


@dataclass(frozen=True)
class AddReport:
    """What :meth:`rag.engine.Engine.add` did, by source.

    Attributes:
        failed: sources that could not be read, with the reason.
        skipped: files of unknown types inside the given folders.
        num_passages: passages in the library afterwards.
        num_new_passages: by how many that grew (negative when replacements are shorter).
        cost: time and space.
    """

    added: Sequence[str] = ()
    replaced: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    failed: Sequence[FailedSource] = ()
    skipped: Sequence[str] = ()
    num_passages: int = 0
    num_new_passages: int = 0
    cost: AddCost = AddCost()


@dataclass(frozen=True)
class DocumentInfo:
    """One line of ``concord ls``."""

    doc_id: str
    source: str
    title: str
    num_passages: int
    size_chars: int
    added_at: str
