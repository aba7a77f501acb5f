"""The nouns of the patches, and the contract of whatever turns documents into them.

A patch writer maps documents to adapter tensors. The gradient trainer makes questions from the text and learns the
answers; a network that predicts the tensors in one pass reads the text alone. Store, composition and serving are the
same for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rag.core.answer import PatchUse
from rag.core.errors import PatchError
from rag.core.passages import ScoredPassage
from rag.core.query import Query
from rag.generation.base import Adapter
from rag.patches.sentence_index import SentenceIndex

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "tuple[Tensor, Tensor]"]


@dataclass(frozen=True)
class PatchDocument:
    """A document that is to become a patch.

    Attributes:
        doc_id: its name in the library.
        title: its title, or its file name.
        text: all of it.
        content_hash: changes when the text changes.
        passages: the text in the library's pieces.
    """

    doc_id: str
    title: str
    text: str
    content_hash: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One thing to learn: the answer to a question, with or without a passage in the prompt.

    Attributes:
        question, answer: what is asked and what is to be said.
        passage, title: what stands in the prompt, if anything.
        is_whole: the answer ends there; else it was cut, and its end is not learnt.
    """

    question: str
    answer: str
    passage: str = ""
    title: str = ""
    is_whole: bool = True


@dataclass(frozen=True)
class PatchInfo:
    """What a patch is: one line of ``concord patch ls``.

    Attributes:
        key: its name in the store.
        doc_id, title: of the document.
        content_hash: of the document's text.
        base: fingerprint of the model it was made for; ``base_name``: the name the user gave that model.
        profile, writer: the profile's name, and the fingerprint of all its settings.
        num_samples: questions it learnt; 0 for a writer that asks none.
        rank, size_bytes: of the tensors.
        sha256: of the weights' file.
        num_answers: different answers that it was taught.
        learnt: those that it gave after the training, to at least one wording of their question. A patch that recites
            was taught sentences: ``num_answers`` is their number, ``learnt`` names those that it says word for word.
    """

    key: str
    doc_id: str
    title: str
    content_hash: str
    base: str
    base_name: str
    profile: str
    writer: str
    num_samples: int
    rank: int = 0
    size_bytes: int = 0
    sha256: str = ""
    num_answers: int = 0
    learnt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A manifest is JSON, where a tuple is a list."""
        object.__setattr__(self, "learnt", tuple(self.learnt))


@dataclass(frozen=True)
class FailedPatch:
    """A document without a patch, or one item of it that could not be written, and the reason."""

    doc_id: str
    reason: str


@dataclass(frozen=True)
class BuildReport:
    """What a build did, by doc_id.

    Attributes:
        built: documents whose patch is new and in the store now.
        skipped: documents whose patch was there already.
        failed: documents that have no patch now.
        incomplete: single questions and rewrites that the model did not manage; their document has a patch.
        evicted: documents whose patches were removed to make room for the new ones.
        left_out: documents that were not trained, because the store has no room for their patches.
        warning: says what to do when documents were left out; else empty.
    """

    built: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: tuple[FailedPatch, ...] = ()
    incomplete: tuple[FailedPatch, ...] = ()
    evicted: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True)
class WrittenPatch:
    """What a writer made of one document.

    Attributes:
        tensors: by layer, ``A [r, in]`` and ``B [out, r]``, all scales multiplied in.
        num_samples: questions it learnt.
        problems: items that could not be written, with the reason; the patch does without them.
        num_answers, learnt: different answers that it was taught, and those that it gave afterwards.
        sentences: what it recites, by number from 1. Only their vectors are stored.
    """

    tensors: Tensors
    num_samples: int = 0
    problems: tuple[str, ...] = ()
    num_answers: int = 0
    learnt: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


class PatchWriter(Protocol):
    """Turns documents into adapter tensors, many documents at a time."""

    @property
    def fingerprint(self) -> str:
        """Names the writer and its settings; part of a patch's identity."""
        ...

    @property
    def base(self) -> str:
        """Fingerprint of the base model that the patches are for."""
        ...

    @property
    def patch_bytes(self) -> int:
        """Bytes of one patch on disk, at most; a build stops before the store is full of them."""
        ...

    def write(
        self, documents: Sequence[PatchDocument], max_documents: int | None = None
    ) -> Iterator[tuple[int, WrittenPatch | PatchError]]:
        """The patch of each document by its index, as they are finished; or why it has none.

        Args:
            documents: titles, texts and passages.
            max_documents: most documents at one time; ``None`` leaves it to the writer.
        """
        ...


@dataclass(frozen=True)
class Recital:
    """A patch that says sentences of its document by their number; what it says is read like a passage.

    Attributes:
        use: which patch.
        title: of its document.
        adapter: the patch at full weight; each recites for itself.
        index: which sentence is about what.
    """

    use: PatchUse
    title: str
    adapter: Adapter
    index: SentenceIndex


@dataclass(frozen=True)
class Patching:
    """The patches of one query, and what they do for it.

    Attributes:
        adapter: the sum of those that answer, on the row that answers.
        uses: all of them.
        recitals: those that recite.
        notice: says which patches the answer does without, and why; else empty.
    """

    adapter: Adapter | None = None
    uses: tuple[PatchUse, ...] = ()
    notice: str = ""
    recitals: tuple[Recital, ...] = ()


class Patcher(Protocol):
    """Chooses and composes the patches of a query from its ranking (:class:`rag.patches.patchset.PatchSet`)."""

    def patch(self, query: Query, ranking: Sequence[ScoredPassage]) -> Patching:
        """The patching of one query whose mode is not ``off``."""
        ...
